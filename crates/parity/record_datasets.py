"""Makes tiny folders in the layouts of torchvision's data sets, lets torchvision read them, and writes down what the files
are and what was read: crates/vision/tests/datasets.json, which the test beside it makes and reads again.

    pip install torch torchvision numpy scipy
    python record_datasets.py ../vision/tests/datasets.json

Images are PNG files whatever their names say: Pillow goes by the content. The check sums that torchvision asks for are not
asked for here, and folders are listed in the order of their names.
"""

import io, json, os, pathlib, struct, sys, tempfile, zlib

import numpy as np
import PIL.Image
import torch
from torchvision import datasets as D, tv_tensors
from torchvision.transforms.functional import pil_to_tensor

torch.set_num_threads(1)

_listdir, _rglob, _scandir = os.listdir, pathlib.Path.rglob, os.scandir
os.listdir = lambda *a: sorted(_listdir(*a))
pathlib.Path.rglob = lambda self, pattern: iter(sorted(_rglob(self, pattern)))
for name, module in list(sys.modules.items()):
    if name.startswith("torchvision.datasets") and hasattr(module, "check_integrity"):
        module.check_integrity = lambda path, md5=None: os.path.isfile(path)


def noise(seed, n, top=256):
    return [(seed * 37 + i * 11 + i * i * 3) % top for i in range(n)]


def noise16(seed, n):
    return [(seed * 37 + i * 1011 + i * i * 13) % 65536 for i in range(n)]


def floats(seed, n):
    return [((seed * 37 + i * 11) % 101 - 50) * 0.25 for i in range(n)]


# mode: (channels, bits, PNG's colour type)
MODES = {"RGB": (3, 8, 2), "L": (1, 8, 0), "P": (1, 8, 3), "I;16": (1, 16, 0), "RGB16": (3, 16, 2), "Z": (1, 8, 0)}


def png_bytes(mode, h, w, seed):
    channels, bits, color = MODES[mode]
    n = h * w * channels
    if bits == 16:
        raw = struct.pack(f">{n}H", *noise16(seed, n))
    else:
        # Z is black but for every third pixel.
        raw = bytes(255 * (i % 3 == seed) for i in range(n)) if mode == "Z" else bytes(noise(seed, n, 21 if mode == "P" else 256))
    stride = w * channels * bits // 8
    rows = b"".join(b"\0" + raw[y * stride : (y + 1) * stride] for y in range(h))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, color, 0, 0, 0))
    if mode == "P":
        out += chunk(b"PLTE", b"".join(bytes([k * 5 % 256, k * 7 % 256, k * 11 % 256]) for k in range(21)))
    return out + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def content(spec):
    kind, _, *rest = spec
    if kind == "png":
        return png_bytes(*rest)
    if kind == "text":
        return rest[0].encode()
    if kind == "hex":
        return bytes.fromhex(rest[0])
    if kind == "zlib":
        return zlib.decompress(bytes.fromhex(rest[0]))
    head, n, seed = bytes.fromhex(rest[0]), rest[1], rest[2]
    if kind == "fill":
        return head + bytes(noise(seed, n))
    return head + struct.pack(f"{'>' if kind == 'f32be' else '<'}{n}f", *floats(seed, n))


def digest(dtype, shape, values):
    h = 0
    for v in values:
        h = (h * 6364136223846793005 + v) % 2**64
    return f"{dtype}{list(shape)}:{h:016x}"


def describe(x):
    if x is None or isinstance(x, (bool, str)):
        return x
    if isinstance(x, tv_tensors.BoundingBoxes):
        return [describe(x.as_subclass(torch.Tensor)), x.format.value, list(x.canvas_size)]
    if isinstance(x, PIL.Image.Image):
        x = pil_to_tensor(x)
    if isinstance(x, torch.Tensor):
        x = x.numpy()
    if isinstance(x, np.generic) or isinstance(x, np.ndarray) and x.ndim == 0:
        x = x.item()
    if isinstance(x, np.ndarray):
        if x.dtype == np.int16:  # how Pillow's images of 16 bits come out
            x = x.view(np.uint16)
        flat = np.ascontiguousarray(x).reshape(-1)
        if x.dtype.kind == "f":
            flat = flat.view({4: np.uint32, 8: np.uint64}[x.dtype.itemsize])
        return digest(str(x.dtype), x.shape, [int(v) for v in flat])
    if isinstance(x, (int, float)):
        return x
    if isinstance(x, dict):
        return {k: describe(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [describe(v) for v in x]
    raise TypeError(type(x))


def mat(**variables):
    import scipy.io

    out = io.BytesIO()
    scipy.io.savemat(out, variables, do_compression=True)
    return out.getvalue().hex()


def images(folder, names, mode="RGB", h=2, w=3):
    global COUNT
    specs = []
    for name in names:
        COUNT += 1
        specs.append(["png", f"{folder}/{name}" if folder else name, mode, h, w, COUNT])
    return specs


COUNT = 0
CASES = []


def case(key, files, make, classes=True, wrap=None, to=lambda x: x, direct=None):
    """`make` opens the set in a folder; `wrap` makes what is compared of a wrapped item."""
    with tempfile.TemporaryDirectory() as root:
        for spec in files:
            path = os.path.join(root, spec[1])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content(spec))
        here = os.getcwd()
        os.chdir(root)
        try:
            ds = make(root)
            told = {"key": key, "files": files}
            if classes:
                told["classes"] = [", ".join(c) if isinstance(c, tuple) else c for c in (classes(ds) if callable(classes) else ds.classes)]
            # `direct` stands in where torchvision's own access fails.
            told["items"] = [describe(to(x)) for x in (direct(ds) if direct else [ds[i] for i in range(len(ds))])]
            if wrap:
                wrapped = D.wrap_dataset_for_transforms_v2(ds)
                told["wrapped"] = [describe(wrap(wrapped[i])) for i in range(len(ds))]
        finally:
            os.chdir(here)
    assert told["items"], key
    CASES.append(told)


from record_datasets_cases import record  # noqa: E402

record(sys.modules[__name__])
with open(sys.argv[1], "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
