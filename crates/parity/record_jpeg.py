#!/usr/bin/env python3
"""Record what libjpeg-turbo (inside Pillow) makes of JPEG files of every kind, as cases of the kind `image`.

usage: record_jpeg.py OUT [--seed N]

The files are made here, since no common encoder writes all of them: any sampling, baseline and progressive, scans of
single components, restart markers, component names, Adobe's segment. Those that Pillow writes are recorded, too.
`OUT/jpeg/NAME.json` has the cases `{"file": bytes, "output": [C, H, W]}`, the tensors lie in `NAME.safetensors`. Gray
files have one channel, all others three; CMYK as Pillow and torchvision convert it. The cases of `encode` go the other
way: `{"input": [C, H, W], "quality": q, "output": bytes}`.
"""
import argparse, heapq, io, itertools, json, os
from collections import Counter

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
COSINES = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (0.5 if u else 0.5 / np.sqrt(2)) for x in range(8)]
                    for u in range(8)])


class Bits:
    """A scan as a list of (kind of table, table, symbol) and plain bits, written once its codes are known."""

    def __init__(self):
        self.out, self.uses = [], Counter()

    def symbol(self, table, symbol):
        self.out.append((table, symbol))
        self.uses[table, symbol] += 1

    def bits(self, value, n):
        if n:
            self.out.append((int(value), n, None))

    def number(self, value):
        n = int(abs(value)).bit_length()
        self.bits(value if value >= 0 else value + (1 << n) - 1, n)

    def restart(self, n):
        self.out.append(n)

    def written(self, codes):
        data, acc, n = bytearray(), 0, 0

        def flush():
            nonlocal acc, n
            while n >= 8:
                byte = acc >> (n - 8) & 255
                data.append(byte)
                if byte == 255:
                    data.append(0)
                n -= 8
                acc &= (1 << n) - 1

        for item in self.out + [None]:
            if item is None or isinstance(item, int):
                pad = -n % 8
                acc, n = acc << pad | (1 << pad) - 1, n + pad
                flush()
                if item is not None:
                    data.extend((255, 0xd0 + item % 8))
                continue
            value, size = codes[item] if len(item) == 2 else item[:2]
            acc, n = acc << size | value, n + size
            flush()
        return bytes(data)


def huffman(uses):
    """Lengths and symbols of an optimal code of at most 16 bits in which no code is all ones."""
    while True:
        heap = [(count, i, [s]) for i, (s, count) in enumerate(sorted(uses.items()))] + [(0, 999, [None])]
        heapq.heapify(heap)
        depth = Counter({s: 0 for s in [*uses, None]})
        while len(heap) > 1:
            (a, i, x), (b, j, y) = heapq.heappop(heap), heapq.heappop(heap)
            for s in x + y:
                depth[s] += 1
            heapq.heappush(heap, (a + b, 1000 + i + j, x + y))
        if max(depth.values()) <= 16:
            break
        uses = {s: count // 2 + 1 for s, count in uses.items()}
    # The symbol that does not exist is one of the deepest: it gets the last code.
    order = sorted(depth, key=lambda s: (depth[s], s is None, s or 0))
    lengths = [sum(1 for s in order if depth[s] == n and s is not None) for n in range(1, 17)]
    return lengths, [s for s in order if s is not None]


def codes_of(lengths, symbols):
    codes, code, rest = {}, 0, iter(symbols)
    for n, count in enumerate(lengths, 1):
        for _ in range(count):
            codes[next(rest)] = (code, n)
            code += 1
        code <<= 1
    return codes


def segment(marker, content):
    return bytes((255, marker)) + (len(content) + 2).to_bytes(2, "big") + bytes(content)


class File:
    """A JPEG of planes that are sampled already: `planes[c]` fills whole blocks of component c."""

    def __init__(self, rng, width, height, factors, ids=(1, 2, 3, 4), before=b"", quality=2, shared=True):
        self.width, self.height, self.factors, self.ids, self.before = width, height, factors, ids, before
        self.most = max(f[0] for f in factors), max(f[1] for f in factors)
        self.units = -(-width // (8 * self.most[0])), -(-height // (8 * self.most[1]))
        self.tables = [np.clip((1 + np.add.outer(np.arange(8), np.arange(8)) * quality // (1 + c % 2)), 1, 255)
                       for c in range(len(factors))]
        self.coefficients = [self.transformed(rng, c) for c in range(len(factors))]

    def blocks(self, c):
        h, v = self.factors[c]
        return -(-self.width * h // (8 * self.most[0])), -(-self.height * v // (8 * self.most[1]))

    def transformed(self, rng, c):
        """A plane of waves, an edge and some noise, as quantised blocks [rows, columns, 64]."""
        h, v = self.factors[c]
        w, t = self.units[0] * h * 8, self.units[1] * v * 8
        y, x = np.mgrid[:t, :w].astype(float)
        a, b, p, q = rng.uniform(-0.6, 0.6, 4)
        plane = 128 + 70 * np.sin(a * x + b * y + p) + 40 * np.sign(x - w * (0.3 + 0.4 * abs(q)) + y * p)
        plane = np.clip(plane + rng.integers(-12, 13, plane.shape), 0, 255) - 128
        blocks = plane.reshape(t // 8, 8, w // 8, 8).transpose(0, 2, 1, 3)
        blocks = COSINES @ blocks @ COSINES.T
        return np.rint(blocks / self.tables[c]).astype(int).reshape(t // 8, w // 8, 64)[..., ZIGZAG]

    def units_of(self, parts):
        """For each unit of a scan its blocks, as (component, row, column)."""
        if len(parts) == 1:
            w, h = self.blocks(parts[0])
            yield from ([(parts[0], y, x)] for y in range(h) for x in range(w))
            return
        for y, x in itertools.product(range(self.units[1]), range(self.units[0])):
            yield [(c, y * self.factors[c][1] + v, x * self.factors[c][0] + h)
                   for c in parts for v in range(self.factors[c][1]) for h in range(self.factors[c][0])]

    def scan(self, parts, first, last, after, bit, restart, progressive):
        out, level, run, waiting = Bits(), Counter(), 0, []

        def empty_blocks():
            nonlocal run, waiting
            if run:
                n = run.bit_length() - 1
                out.symbol((1, 0), n << 4)
                out.bits(run - (1 << n), n)
                for b in waiting:
                    out.bits(b, 1)
            run, waiting = 0, []

        def zigzag(block, band):
            zeros, fresh, pending = 0, [k for k in band if abs(block[k]) >> bit == 1], []
            for k in band:
                value = int(block[k])
                size = abs(value) >> bit
                if size == 0:
                    zeros += 1
                    continue
                while zeros > 15 and (not after or (fresh and k <= fresh[-1])):
                    empty_blocks()
                    out.symbol((1, 0), 0xf0)
                    for b in pending:
                        out.bits(b, 1)
                    zeros, pending = zeros - 16, []
                if after and size > 1:
                    pending.append(size & 1)
                    continue
                empty_blocks()
                signed = size if value > 0 else -size
                out.symbol((1, 0), zeros << 4 | size.bit_length())
                if after:
                    out.bits(value > 0, 1)
                else:
                    out.number(signed)
                for b in pending:
                    out.bits(b, 1)
                zeros, pending = 0, []
            return zeros, pending

        for number, unit in enumerate(self.units_of(parts)):
            if restart and number and number % restart == 0:
                empty_blocks()
                out.restart(number // restart - 1)
                level.clear()
            for c, y, x in unit:
                block = self.coefficients[c][y, x]
                if first == 0 and after:
                    out.bits(int(block[0]) >> bit & 1, 1)
                elif first == 0:
                    now = int(block[0]) >> bit
                    out.symbol((0, min(c, 1)), (abs(now - level[c])).bit_length())
                    out.number(now - level[c])
                    level[c] = now
                if not progressive:
                    zeros = 0
                    for k in range(1, 64):
                        value = int(block[k])
                        if value == 0:
                            zeros += 1
                            continue
                        for _ in range(zeros // 16):
                            out.symbol((1, min(c, 1)), 0xf0)
                        out.symbol((1, min(c, 1)), zeros % 16 << 4 | abs(value).bit_length())
                        out.number(value)
                        zeros = 0
                    if zeros:
                        out.symbol((1, min(c, 1)), 0)
                elif first > 0:
                    zeros, pending = zigzag(block, range(first, last + 1))
                    if zeros or pending:
                        run, waiting = run + 1, waiting + pending
                        if run == 0x7fff or len(waiting) > 900:
                            empty_blocks()
        empty_blocks()
        head, codes = b"", {}
        for table in sorted({t for t, _ in out.uses}):
            lengths, symbols = huffman({s: n for (t, s), n in out.uses.items() if t == table})
            codes |= {(table, s): code for s, code in codes_of(lengths, symbols).items()}
            head += segment(0xc4, bytes([table[0] << 4 | table[1], *lengths, *symbols]))
        which = [0 if progressive and first else min(c, 1) for c in parts]
        named = b"".join(bytes([self.ids[c], (0 if first else min(c, 1)) << 4 | w]) for c, w in zip(parts, which))
        if progressive:
            named = b"".join(bytes([self.ids[c], 0 if first else min(c, 1) << 4]) for c in parts)
        head += segment(0xda, bytes([len(parts)]) + named + bytes([first, last, after << 4 | bit]))
        return head + out.written(codes)

    def bytes(self, scans, progressive, restart=0):
        out = b"\xff\xd8" + self.before
        for c, table in enumerate(self.tables):
            out += segment(0xdb, bytes([c, *table.reshape(64)[ZIGZAG]]))
        frame = bytes([8]) + self.height.to_bytes(2, "big") + self.width.to_bytes(2, "big") + bytes([len(self.factors)])
        for c, (h, v) in enumerate(self.factors):
            frame += bytes([self.ids[c], h << 4 | v, c])
        out += segment(0xc2 if progressive else 0xc0, frame)
        if restart:
            out += segment(0xdd, restart.to_bytes(2, "big"))
        for scan in scans:
            out += self.scan(*scan, restart, progressive)
        return out + b"\xff\xd9"


def sequential(*groups):
    return [(parts, 0, 63, 0, 0) for parts in groups]


def progressive(n, plain=False):
    """Levels and coefficients bit by bit, or (plain) all bits of them at once."""
    everything = tuple(range(n))
    if plain:
        return [(everything, 0, 0, 0, 0)] + [((c,), 1, 63, 0, 0) for c in everything]
    scans = [(everything, 0, 0, 0, 1)]
    scans += [((c,), 1, 5, 0, 2) for c in everything] + [((c,), 6, 63, 0, 2) for c in everything]
    scans += [((c,), 1, 63, 2, 1) for c in everything] + [(everything, 0, 0, 1, 0)]
    return scans + [((c,), 1, 63, 1, 0) for c in everything]


SAMPLINGS = {
    "444": [(1, 1), (1, 1), (1, 1)], "422": [(2, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)],
    "420": [(2, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "441": [(1, 4), (1, 1), (1, 1)],
    "410": [(4, 2), (1, 1), (1, 1)], "24": [(2, 4), (1, 1), (1, 1)], "31": [(3, 1), (1, 1), (1, 1)],
    "mixed": [(2, 2), (2, 1), (1, 2)], "coarse_luma": [(1, 1), (2, 2), (2, 1)], "444_double": [(2, 1), (2, 1), (2, 1)],
    "32": [(3, 2), (1, 1), (3, 1)],
}
ADOBE = lambda transform: segment(0xee, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))
JFIF = segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0")


def files(rng):
    """Names and bytes of all cases."""
    small = [(1, 1), (2, 3), (3, 2), (5, 5), (7, 9), (8, 8), (9, 7), (13, 17), (15, 16), (16, 15), (17, 18), (24, 31),
             (33, 9), (40, 40)]
    common = [(w, h) for w, h in zip((16, 32, 64, 112, 128, 224, 256), (16, 8, 9, 16, 5, 17, 8))]
    for name, factors in SAMPLINGS.items():
        for i, (w, h) in enumerate(small + common):
            makes = {
                "baseline": (sequential((0, 1, 2)), False),
                "single": (sequential(*(((0,), (1,), (2,)), ((1,), (2,), (0,)), ((0,), (1, 2)))[i % 3]), False),
                "progressive": (progressive(3, plain=i % 3 == 2), True),
            }
            for kind, (scans, prog) in makes.items():
                file = File(rng, w, h, factors, before=JFIF if i % 2 else b"", quality=1 + i % 5)
                yield f"{name}_{kind}", f"{w}x{h}", file.bytes(scans, prog, restart=(0, 0, 3, 1)[i % 4])
    for i, (w, h) in enumerate(small + common):
        prog = i % 2 == 1
        three, four = ((progressive(n), True) if prog else (sequential(tuple(range(n))), False) for n in (3, 4))
        for name in ("444", "422", "420"):
            yield "rgb_names", f"{w}x{h}_{name}", File(rng, w, h, SAMPLINGS[name], ids=b"RGB").bytes(*three)
        yield "odd_names", f"{w}x{h}", File(rng, w, h, SAMPLINGS["420"], ids=b"\0\1\2").bytes(*three)
        yield "adobe_rgb", f"{w}x{h}", File(rng, w, h, SAMPLINGS["444"], before=ADOBE(0)).bytes(*three)
        yield "adobe_ycc", f"{w}x{h}", File(rng, w, h, SAMPLINGS["420"], ids=b"RGB", before=ADOBE(1)).bytes(*three)
        for name, factors in {"444": [(1, 1)] * 4, "420": [(2, 2), (1, 1), (1, 1), (2, 2)]}.items():
            for transform, kind in ((0, "cmyk"), (2, "ycck")):
                file = File(rng, w, h, factors, before=ADOBE(transform))
                yield kind, f"{w}x{h}_{name}", file.bytes(*four)
        yield "gray", f"{w}x{h}", File(rng, w, h, [(1, 1)]).bytes(*((progressive(1), True) if prog else (sequential((0,)), False)))
        yield "gray", f"{w}x{h}_22", File(rng, w, h, [(2, 2)]).bytes(sequential((0,)), False, restart=2)
        y, x = np.mgrid[:h, :w]
        for mode, n in (("L", 1), ("RGB", 3), ("CMYK", 4)):
            pixels = np.stack([127 + 100 * np.sin(x * a / 7 + y / (a + 3)) for a in range(1, n + 1)], -1)
            image = Image.fromarray(np.uint8(pixels + rng.integers(0, 20, pixels.shape)).squeeze(-1) if n == 1
                                    else np.uint8(pixels + rng.integers(0, 20, pixels.shape)), mode)
            for subsampling in ("4:4:4", "4:2:2", "4:2:0") if n == 3 else ("4:4:4",):
                out = io.BytesIO()
                image.save(out, "JPEG", quality=(30, 75, 95)[i % 3], subsampling=subsampling, progressive=prog,
                           optimize=i % 4 > 1)
                yield f"pillow_{mode}", f"{w}x{h}_{subsampling.replace(':', '')}", out.getvalue()


def encoded(rng):
    """Pixels, a quality, and the file that libjpeg makes of them by its defaults."""
    sizes = [(1, 1), (2, 2), (7, 9), (8, 8), (16, 16), (17, 15), (24, 33), (40, 40), (64, 9), (31, 56)]
    for i, (w, h) in enumerate(sizes * 2):
        y, x = np.mgrid[:h, :w]
        pixels = np.stack([127 + 100 * np.sin(x * a / 7 + y / (a + 3)) for a in (1, 2, 3)])
        pixels = np.uint8(np.clip(pixels + rng.integers(-40, 40, pixels.shape), 0, 255))[: 1 if i % 4 == 3 else 3]
        quality = (75, 95, 1, 100, 50, 30, 90)[i % 7]
        out = io.BytesIO()
        Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(out, "JPEG", quality=quality)
        yield f"{w}x{h}_q{quality}", pixels, quality, np.frombuffer(out.getvalue(), np.uint8)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    rng = np.random.default_rng(said.seed)
    subjects = {}

    def add(subject, name, arrays, **more):
        cases, tensors = subjects.setdefault(subject, ([], {}))
        case = {"name": name, **more}
        for key, value in arrays.items():
            tensors[f"t{len(tensors)}"] = np.ascontiguousarray(value)
            case[key] = {"t": f"t{len(tensors) - 1}", "dtype": "uint8", "shape": list(value.shape)}
        cases.append(case)

    for subject, name, data in files(rng):
        image = Image.open(io.BytesIO(data))
        try:
            image.load()
        except OSError as error:
            raise SystemExit(f"{subject} {name}: {error}")
        pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        pixels = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
        add(subject, name, {"file": np.frombuffer(data, np.uint8), "output": pixels})
    for name, pixels, quality, data in encoded(rng):
        add("encode", name, {"input": pixels, "output": data}, quality=quality)
    folder = os.path.join(said.out, "jpeg")
    os.makedirs(folder, exist_ok=True)
    for subject, (cases, tensors) in subjects.items():
        save_file(tensors, os.path.join(folder, f"{subject}.safetensors"))
        with open(os.path.join(folder, f"{subject}.json"), "w") as out:
            json.dump({"kind": "image", "image": subject, "cases": cases}, out)
    print(sum(len(cases) for cases, _ in subjects.values()), "cases of", len(subjects), "subjects")


if __name__ == "__main__":
    main()
