"""Floor 1. ``bitshuffle``: bit b of byte i of every element side by side [codec.bitshuffle].

The first ``n = count // 8 * 8`` elements of ``size`` bytes become ``size * 8`` rows of n/8 bytes: row ``8 * i + b``
holds bit b (0 is the lowest) of byte i of successive elements, lowest bit first. What remains is copied.
Done as three masked swaps in 64-bit words: unpacking bits is a hundred times slower.
"""

from __future__ import annotations

import numpy as np

from .row import Buffer, Codec, Params
from .shuffle import SIZE

_SWAPS = ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0))
_BLOCK = 1 << 15  # elements at a time


def _transpose(words: np.ndarray) -> np.ndarray:
    """Each little-endian 64-bit word as an 8 x 8 bit matrix, transposed: bit 8r+c moves to 8c+r. In place."""
    for shift, mask in _SWAPS:
        swap = (words ^ (words >> np.uint64(shift))) & np.uint64(mask)
        words ^= swap
        words ^= swap << np.uint64(shift)
    return words


def encode(raw: Buffer, params: Params) -> Buffer:
    size = params["size"]
    count = len(raw) // size // 8 * 8
    if count == 0:
        return raw
    source = np.frombuffer(raw, np.uint8)
    out = np.empty(len(source), np.uint8)
    elements = source[: count * size].reshape(count, size)
    rows = out[: count * size].reshape(size, 8, count // 8)
    for first in range(0, count, _BLOCK):
        block = elements[first : first + _BLOCK]
        for byte in range(size):
            words = _transpose(np.ascontiguousarray(block[:, byte]).view("<u8").copy())
            bits = words.view(np.uint8).reshape(-1, 8)
            rows[byte, :, first // 8 : first // 8 + len(bits)] = bits.T
    out[count * size :] = source[count * size :]
    return out.data


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    size = params["size"]
    count = len(stored) // size // 8 * 8
    if count == 0:
        return stored
    source = np.frombuffer(stored, np.uint8)
    out = np.empty(len(source), np.uint8)
    rows = source[: count * size].reshape(size, 8, count // 8)
    elements = out[: count * size].reshape(count, size)
    for first in range(0, count, _BLOCK):
        block = elements[first : first + _BLOCK]
        bits = np.empty((len(block) // 8, 8), np.uint8)
        for byte in range(size):
            for bit in range(8):
                bits[:, bit] = rows[byte, bit, first // 8 : first // 8 + len(bits)]
            block[:, byte] = _transpose(bits.reshape(-1).view("<u8").copy()).view(np.uint8)
    out[count * size :] = source[count * size :]
    return out.data


ROW = Codec(
    "bitshuffle",
    "filter",
    "always",
    "bit transpose: equal bits of all elements side by side",
    params=(SIZE,),
    encode=encode,
    decode=decode,
    encoded=lambda length, params: length,
)
