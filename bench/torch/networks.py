"""The networks of `src/networks.rs`."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class SequenceClassifier(nn.Module):
    """Tokens through an embedding and an LSTM, classified by its last state."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 128)
        self.lstm = nn.LSTM(128, 256, batch_first=True)
        self.head = nn.Linear(256, 10)

    def forward(self, tokens):
        _, (h, _) = self.lstm(self.embedding(tokens))
        return self.head(h[-1])


WIDTH, HEADS, PLACES, WORDS = 256, 8, 128, 1000


class Block(nn.Module):
    """A layer of a decoder: attention to what came before, and a feed-forward network, each behind a norm."""

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, cache):
        batch, places, _ = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, places, 3, HEADS, WIDTH // HEADS)
        q, k, v = (qkv.select(2, i).transpose(1, 2) for i in range(3))
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=places > 1)
        x = x + self.out(y.transpose(1, 2).reshape(batch, places, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm2(x)))), (k, v)


class Gpt(nn.Module):
    """A small GPT."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.places = nn.Embedding(PLACES, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(4))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def run(self, tokens, first, caches):
        x = self.words(tokens) + self.places(torch.arange(first, first + tokens.shape[1]))
        for i, block in enumerate(self.blocks):
            x, caches[i] = block(x, caches[i])
        return self.head(self.norm(x))

    def forward(self, tokens):
        return self.run(tokens, 0, [None] * 4)

    def generate(self, prompt, count):
        caches, first, tokens, out = [None] * 4, 0, prompt, []
        for _ in range(count):
            scores = self.run(tokens, first, caches)
            first += tokens.shape[1]
            tokens = scores[:, -1].argmax(-1, keepdim=True)
            out.append(tokens)
        return torch.cat(out, 1)
