"""Trains the network of `from_pytorch` in PyTorch for two epochs, and writes `checkpoint.pt` beside this file: model,
optimizer, schedule and random state as PyTorch programs save them, and the losses of the epoch that came after.

    pip install torch numpy
    python train.py
"""
import gzip
import os

import numpy
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
RAW = os.path.join(HERE, "..", "..", "data", "digits", "MNIST", "raw")
BATCH, EPOCHS = 32, 2


def read(name, header):
    with gzip.open(os.path.join(RAW, name)) as f:
        return torch.from_numpy(numpy.frombuffer(f.read()[header:], numpy.uint8).copy())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(32 * 4, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


def main():
    torch.manual_seed(0)
    images = read("train-images-idx3-ubyte.gz", 16).view(-1, 1, 8, 8).float() / 255
    labels = read("train-labels-idx1-ubyte.gz", 8).long()
    model = Net()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0.0}], lr=4e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3 * (len(labels) // BATCH))

    def epoch():
        losses = []
        order = torch.randperm(len(labels))
        for batch in order[: len(labels) // BATCH * BATCH].split(BATCH):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        return losses

    for _ in range(EPOCHS):
        epoch()
    # Copies: the state dicts share memory with what goes on training below.
    saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "rng_state": torch.get_rng_state()}
    torch.save(saved, os.path.join(HERE, "checkpoint.pt"))
    saved = torch.load(os.path.join(HERE, "checkpoint.pt"), weights_only=True)
    saved["losses"] = epoch()
    torch.save(saved, os.path.join(HERE, "checkpoint.pt"))


if __name__ == "__main__":
    main()
