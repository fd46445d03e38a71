"""Floor 1. ``shuffle``: byte i of every element, then byte i+1 of every element [codec.shuffle].

Trailing ``len % size`` bytes are copied. Written as strided plane copies in blocks that fit a cache: four times faster
than a transpose.
"""

from __future__ import annotations

import numpy as np

from .row import Buffer, Codec, Param, Params

_BLOCK = 1 << 18  # smaller blocks make two threads wait for each other


def encode(raw: Buffer, params: Params) -> Buffer:
    size = params["size"]
    count = len(raw) // size
    if size == 1 or count < 2:
        return raw
    source = np.frombuffer(raw, np.uint8)
    out = np.empty(len(source), np.uint8)
    rows = source[: count * size].reshape(count, size)
    planes = out[: count * size].reshape(size, count)
    step = max(1, _BLOCK // size)
    for first in range(0, count, step):
        block = rows[first : first + step]
        for byte in range(size):
            planes[byte, first : first + step] = block[:, byte]
    out[count * size :] = source[count * size :]
    return out.data


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    if params["size"] == 1 or len(stored) < 2 * params["size"]:
        return stored
    out = memoryview(bytearray(length))
    decode_into(stored, params, out)
    return out


def decode_into(stored: Buffer, params: Params, out: memoryview) -> None:
    size = params["size"]
    count = len(stored) // size
    source, target = np.frombuffer(stored, np.uint8), np.frombuffer(out, np.uint8)
    planes = source[: count * size].reshape(size, count)
    rows = target[: count * size].reshape(count, size)
    step = max(1, _BLOCK // size)
    for first in range(0, count, step):
        block = rows[first : first + step]
        for byte in range(size):
            block[:, byte] = planes[byte, first : first + step]
    target[count * size :] = source[count * size :]


SIZE = Param("size", (int,), None, 1, 255, required=True, about="element size in bytes; filled from the dtype")

ROW = Codec(
    "shuffle",
    "filter",
    "always",
    "byte transpose: equal bytes of all elements side by side",
    params=(SIZE,),
    encode=encode,
    decode=decode,
    decode_into=decode_into,
    encoded=lambda length, params: length,
)
