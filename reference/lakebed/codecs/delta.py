"""Floor 1. ``delta``: differences of unsigned little-endian elements, wrapping [codec.delta].

``y[i] = x[i] - x[i - stride]``; the first ``stride`` elements and trailing ``len % size`` bytes are copied.
"""

from __future__ import annotations

import numpy as np

from .row import Buffer, Codec, Param, Params


def _split(data: Buffer, params: Params) -> tuple[np.ndarray, bytes]:
    size = params["size"]
    whole = len(data) // size * size
    view = memoryview(data).cast("B")
    return np.frombuffer(view[:whole], f"<u{size}"), bytes(view[whole:])


def encode(raw: Buffer, params: Params) -> Buffer:
    stride = params.get("stride", 1)
    values, rest = _split(raw, params)
    if len(values) <= stride:
        return raw
    out = bytearray(len(raw))
    differences = np.frombuffer(out, values.dtype, len(values))
    differences[:stride] = values[:stride]
    np.subtract(values[stride:], values[:-stride], out=differences[stride:])
    out[len(raw) - len(rest) :] = rest
    return out


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    stride = params.get("stride", 1)
    differences, rest = _split(stored, params)
    count = len(differences)
    if count <= stride:
        return stored
    out = bytearray(len(stored))
    values = np.frombuffer(out, differences.dtype, count)
    if stride == 1:
        np.cumsum(differences, dtype=differences.dtype, out=values)
    else:
        rows = count // stride
        whole = rows * stride
        grid = values[:whole].reshape(rows, stride)
        np.cumsum(differences[:whole].reshape(rows, stride), axis=0, dtype=differences.dtype, out=grid)
        values[whole:] = differences[whole:] + grid[-1, : count - whole]
    out[len(stored) - len(rest) :] = rest
    return out


ROW = Codec(
    "delta",
    "filter",
    "always",
    "wrapping differences of neighbours: for sorted or smooth integers",
    params=(
        Param("size", (int,), None, choices=(1, 2, 4, 8), required=True, about="element size; filled from the dtype"),
        Param("stride", (int,), 1, 1, 1 << 32, about="distance of the neighbours, in elements"),
    ),
    encode=encode,
    decode=decode,
    encoded=lambda length, params: length,
)
