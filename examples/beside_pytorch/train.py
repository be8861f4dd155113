"""Trains the networks of `beside_pytorch` in PyTorch for 200 steps from seed 0, and writes what they lost, `losses.pt`,
beside this file.

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
BATCH, STEPS = 32, 200


def read(name, header):
    with gzip.open(os.path.join(RAW, name)) as f:
        return torch.from_numpy(numpy.frombuffer(f.read()[header:], numpy.uint8).copy())


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(1, 32), block(32, 32), nn.MaxPool2d(2), block(32, 64), block(64, 64))
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.25), nn.Linear(64 * 4, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


class Rows(nn.Module):
    """Reads a digit row by row."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 64, num_layers=2, batch_first=True, dropout=0.25)
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        out, _ = self.lstm(x.flatten(0, 1))
        return self.last(out[:, -1])


def train(make, dtype, images, labels):
    torch.manual_seed(0)
    model, images = make().to(dtype), images.to(dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    losses = []
    while len(losses) < STEPS:
        for batch in torch.randperm(len(labels))[: len(labels) // BATCH * BATCH].split(BATCH)[: STEPS - len(losses)]:
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
    return losses


def main():
    torch.set_num_threads(1)
    images = read("train-images-idx3-ubyte.gz", 16).view(-1, 1, 8, 8).float() / 255
    labels = read("train-labels-idx1-ubyte.gz", 8).long()
    runs = (("cnn", Cnn, torch.float64), ("cnn_f32", Cnn, torch.float32), ("lstm", Rows, torch.float32))
    losses = {name: train(make, dtype, images, labels) for name, make, dtype in runs}
    torch.save(losses, os.path.join(HERE, "losses.pt"))
    for name, all in losses.items():
        print(name, all[0], all[-1])


if __name__ == "__main__":
    main()
