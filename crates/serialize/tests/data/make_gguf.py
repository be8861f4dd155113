"""Makes `quants.gguf` and, dequantized by the `gguf` package 0.19, `quants.safetensors`: `python make_gguf.py`."""

import json
import os
import struct

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(0)
writer = gguf.GGUFWriter(os.path.join(here, "quants.gguf"), "test")
writer.add_uint32("test.layers", 7)
writer.add_float32("test.eps", 0.25)
writer.add_bool("test.flag", True)
writer.add_string("test.name", "größe")
writer.add_array("test.tokens", ["a", 'b"', "c"])
writer.add_array("test.ints", [1, -2])
right = {}

# Bytes at which the scales of a block stand, as half-precision numbers; the rest of a block may be anything.
scales = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}
for kind, places in scales.items():
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (4, size), dtype=np.uint8)
    for at in places:
        blocks[:, at:at + 2] = rng.normal(size=(4, 1)).astype(np.float16).view(np.uint8)
    packed = blocks.reshape(2, 2 * size)
    writer.add_tensor(kind.name, packed, raw_dtype=kind)
    right[kind.name] = gguf.quants.dequantize(packed, kind).astype(np.float32)
for name, array in {"plain": np.float32([[1.5, 2.5, 3.5]]), "half": np.float16([1.5]), "ints": np.int32([7, 8])}.items():
    writer.add_tensor(name, array)
    right[name] = array.astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

header, data = {}, b""
for name, array in right.items():
    raw = array.tobytes()
    header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
with open(os.path.join(here, "quants.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
