"""Floor 1. ``narrow``: integers minus their minimum, in fewer bytes [codec.narrow].

Stream: u8 size, u8 width, u8 signed, 5 zero bytes, the minimum as 8 bytes little-endian (two's complement), then the
n values minus the minimum in ``width`` bytes each, then the ``length % size`` bytes that are no whole element.
"""

from __future__ import annotations

import struct

import numpy as np

from .row import Buffer, Codec, Param, Params, corrupt

# [codec.narrow.size] [codec.narrow.width] [codec.narrow.signed] [codec.narrow.zero] [codec.narrow.minimum], then
# [codec.narrow.values] and [codec.narrow.rest]
_HEAD = struct.Struct("<BBB5s8s")


def encode(raw: Buffer, params: Params) -> Buffer | None:
    """None when the values span more than ``width`` bytes hold [codec.narrow.fits]."""
    size, width, signed = params["size"], params["width"], params.get("signed", False)
    view = memoryview(raw).cast("B")
    count = len(view) // size
    values = np.frombuffer(view[: count * size], f"<{'i' if signed else 'u'}{size}")
    least, most = (int(values.min()), int(values.max())) if count else (0, 0)
    if most - least >= 1 << (8 * width):
        return None
    head = _HEAD.pack(size, width, signed, bytes(5), least.to_bytes(8, "little", signed=signed))
    wrapped = values.view(f"<u{size}") - np.array(least & ((1 << (8 * size)) - 1), f"<u{size}")
    return head + wrapped.astype(f"<u{width}").tobytes() + bytes(view[count * size :])


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    size, width, signed = params["size"], params["width"], params.get("signed", False)
    view = memoryview(stored).cast("B")
    if len(view) != encoded(length, params):
        raise corrupt(
            "codec.narrow.length", f"a narrow stream of {len(view)} bytes where {encoded(length, params)} are due"
        )
    found = _HEAD.unpack_from(view)
    if found[:4] != (size, width, int(signed), bytes(5)):
        raise corrupt("codec.narrow.head", f"a narrow stream's head {found[:3]} is not {(size, width, int(signed))}")
    count = length // size
    least = int.from_bytes(found[4], "little", signed=signed)
    low, high = (-(1 << (8 * size - 1)), 1 << (8 * size - 1)) if signed else (0, 1 << (8 * size))
    if not low <= least < high:
        raise corrupt("codec.narrow.minimum", f"a narrow stream's minimum {least} does not fit {size} bytes")
    codes = np.frombuffer(view[16 : 16 + count * width], f"<u{width}")
    if count and least + int(codes.max()) >= high:
        raise corrupt("codec.narrow.range", f"a narrow stream's values leave the range of {size} bytes")
    out = bytearray(length)
    values = np.frombuffer(out, f"<u{size}", count)
    np.add(codes, np.array(least & ((1 << (8 * size)) - 1), f"<u{size}"), out=values, dtype=values.dtype)
    out[count * size :] = view[16 + count * width :]
    return out


def encoded(length: int, params: Params) -> int:
    return 16 + length // params["size"] * params["width"] + length % params["size"]


_WIDTHS = (1, 2, 4, 8)

ROW = Codec(
    "narrow",
    "filter",
    "always",
    "integers minus their minimum, in fewer bytes",
    params=(
        Param("size", (int,), None, choices=_WIDTHS, required=True, about="element size; filled from the dtype"),
        Param("width", (int,), None, choices=_WIDTHS, required=True, about="bytes per value; chosen for each unit"),
        Param("signed", (bool,), False, about="are the elements signed; filled from the dtype"),
    ),
    takes=lambda dtype, shape: None if dtype.startswith(("int", "uint")) else "narrow is for integers",
    encode=encode,
    decode=decode,
    encoded=encoded,
    holds="integers",
)
