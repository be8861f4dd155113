"""Makes the files beside it, with PyTorch 2.15 and NumPy 2: `python make.py`. The tests need only the files.

`resnet.safetensors` has what the checkpoints must give, tensor by tensor, written by hand here."""

import json
import os
import struct
import zipfile

import numpy as np
import torch
from torch import nn

here = os.path.dirname(os.path.abspath(__file__))
path = lambda name: os.path.join(here, name)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, planes, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(planes, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(planes, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=False)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.layer1(self.conv1(x)).mean((2, 3)))


class Scripted(nn.Module):
    sizes: list[int]

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.register_buffer("steps", torch.tensor([4, 5]))
        self.sizes = [7, 8]

    def forward(self, x):
        return self.linear(x) + self.sizes[0]


def safetensors(name, tensors):
    types = {torch.float32: "F32", torch.int64: "I64", torch.uint8: "U8"}
    header, data = {}, b""
    for key, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[key] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path(name), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def flat(value, at=""):
    if isinstance(value, torch.Tensor):
        return {at: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return {k: v for key, item in items for k, v in flat(item, f"{at}.{key}" if at else str(key)).items()}


def checkpoint():
    model = ResNet()
    slow = [p for n, p in model.named_parameters() if n.startswith("fc")]
    rest = [p for n, p in model.named_parameters() if not n.startswith("fc")]
    optimizer = torch.optim.Adam([{"params": rest}, {"params": slow, "lr": 0.5, "betas": (0.5, 0.75), "amsgrad": True}], lr=0.25, weight_decay=0.125)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    drops = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5, 5])
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, drops], [2])
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 3,
        "seed": 2**64 - 3,
        "loss": float("inf"),
        "note": "größer \N{SNOWMAN}",
        "best": None,
        "done": False,
        "rng": torch.get_rng_state()[:16].clone(),
    }


def everything():
    base = torch.arange(24, dtype=torch.float32)
    numbers = torch.tensor([0, 1, 2, 100])
    types = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128".split()
    value = {name: numbers.to(getattr(torch, name)) for name in types}
    value["views"] = {
        "base": base,
        "turned": base.view(4, 6).t(),
        "inner": base.view(4, 6)[1:3, 2:5],
        "steps": base[3::4],
        "again": base,
        "spread": base[5:6].expand(2, 3),
        "scalar": base[7],
        "none": base[8:8],
    }
    value["parameter"] = nn.Parameter(torch.tensor([1.5, -2.5]))
    value["size"] = torch.Size([2, 3])
    value["dtype"] = torch.bfloat16
    value["device"] = torch.device("cuda", 1)
    value["set"] = {7}
    value["bytes"] = b"\x00\x7f\x80\xff"
    value["bytearray"] = bytearray(b"\xfe\x01")
    value["complex"] = 1.5 - 2j
    value["nested"] = [(), [], {}, (1, (2, [3, {4: "four", (5, 6): -7}]))]
    value["ints"] = [0, 255, 256, -1, 65536, 2**31, -(2**31) - 1, 2**63, -(2**70)]
    return value


def main():
    saved = checkpoint()
    torch.save(saved, path("resnet.pt"))
    torch.save(saved, path("resnet_legacy.pt"), _use_new_zipfile_serialization=False)
    safetensors("resnet.safetensors", flat(saved))
    value = everything()
    torch.save(value, path("everything.pt"))
    torch.save(value, path("everything_4.pt"), pickle_protocol=4)
    torch.save(value, path("everything_legacy.pt"), _use_new_zipfile_serialization=False)
    foreign = {name: torch.tensor([0, 1, 2, 64]).to(getattr(torch, name)) for name in "uint16 uint32 uint64 float8_e4m3fn float8_e5m2".split()}
    foreign["part"] = foreign["uint16"][1::2]
    torch.save(foreign, path("foreign.pt"))
    torch.save(nn.Linear(2, 2), path("module.pt"))
    plain = torch.sparse_coo_tensor(torch.tensor([[0, 2, 2, 2], [1, 0, 3, 3]]), torch.tensor([1.5, -2.0, 3.0, 0.5]), (3, 4))
    rows = torch.sparse_coo_tensor(torch.tensor([[1, 1]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64), (3, 2))
    sparse = {"plain": plain, "rows": rows, "once": plain.coalesce(), "empty": torch.sparse_coo_tensor(size=(2, 3)), "dense": rows.to_dense()}
    torch.save(sparse, path("sparse.pt"))
    torch.save(sparse, path("sparse_legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(torch.eye(2).to_sparse_csr(), path("csr.pt"))
    torch.save(torch.ones(3), path("single.pt"))
    scripted = Scripted()
    nn.init.constant_(scripted.linear.weight, 1.5)
    torch.jit.script(scripted).save(path("script.pt"))
    with zipfile.ZipFile(path("everything.pt")) as old, zipfile.ZipFile(path("packed.pt"), "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))

    grid = np.arange(6, dtype=np.float64).reshape(2, 3)
    np.save(path("fortran.npy"), np.asfortranarray(grid))
    np.save(path("big.npy"), grid.astype(">i4"))
    np.save(path("scalar.npy"), np.float32(2.5))
    with open(path("version2.npy"), "wb") as f:
        np.lib.format.write_array(f, grid[:, 1], version=(2, 0))
    np.save(path("text.npy"), np.array(["a", "bc"]))
    np.save(path("objects.npy"), np.array([None, 1], dtype=object), allow_pickle=True)
    arrays = {"flags": np.array([True, False]), "half": np.float16([1.5]), "u2": np.uint16([65535]), "c": np.complex64([1 - 2j]), "empty": np.zeros((0, 4))}
    np.savez(path("arrays.npz"), **arrays)
    np.savez_compressed(path("packed.npz"), zeros=np.zeros(1000, dtype=np.int64), **arrays)


main()


# What is a view of the same numbers in PyTorch, which the file says beside them. A storage has one type in a file.
z = torch.tensor([[1 + 2j, 3 - 4j, 5j], [-1j, 2, 7 + 1j]])
neg = z.clone().conj().imag
lazy = {"plain": z, "conj": z.conj(), "turned": z.conj().t()[1:], "neg": neg, "row": neg[1]}
torch.save(lazy, path("lazy.pt"))
torch.save(lazy, path("lazy_legacy.pt"), _use_new_zipfile_serialization=False)
