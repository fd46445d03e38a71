"""Floor 1. ``jxl``: JPEG XL, exact or lossy, 8 to 32 bits [codec.jxl] [picture.jxl].

The header is read here bit by bit, so that the shape is known before the library sees the file.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from ..extras import optional
from .bounds import LOOSE, loose
from .pictures import _FAULTS, _settled, takes
from .row import Codec, Header, Param, Params, corrupt

_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))


class _Bits:
    """The codestream's bits, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:512], "little"), 8 * min(512, len(data))

    def u(self, count: int) -> int:
        if count > self._left:
            raise corrupt("media.corrupt", "a JPEG XL header is cut short")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def pick(self, *ways: tuple[int, int]) -> int:
        """Two bits choose one of four (bits, offset)."""
        bits, offset = ways[self.u(2)]
        return offset + self.u(bits)


class _Info(NamedTuple):
    width: int
    height: int
    bits: int
    floats: bool
    gray: bool
    alpha: int
    others: int
    animated: bool
    xyb: bool


def _codestream(data: bytes) -> bytes:
    if data[:2] == b"\xff\x0a":
        return data[2:]
    if data[:12] != _CONTAINER:
        raise corrupt("media.corrupt", "no JPEG XL file: neither container nor codestream comes first")
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + (16 if size == 1 else 8)
        if kind in (b"jxlc", b"jxlp"):
            start += 4 if kind == b"jxlp" else 0
            if data[start : start + 2] == b"\xff\x0a":
                return data[start + 2 : start + 600]
            break
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size < 8:
            break
        place += size
    raise corrupt("media.corrupt", "a JPEG XL container without a codestream")


def _size(bits: _Bits) -> tuple[int, int]:
    sides = ((9, 1), (13, 1), (18, 1), (30, 1))
    small = bits.u(1)
    height = 8 * (1 + bits.u(5)) if small else bits.pick(*sides)
    ratio = bits.u(3)
    if ratio:
        over, under = _RATIOS[ratio]
        return height, height * over // under
    return height, 8 * (1 + bits.u(5)) if small else bits.pick(*sides)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if not bits.u(1):
        return bits.pick((0, 8), (0, 10), (0, 12), (6, 1)), False
    depth = bits.pick((0, 32), (0, 16), (0, 24), (6, 1))
    bits.u(4)
    return depth, True


def _channel(bits: _Bits) -> bool:
    """One extra channel; is it a plain alpha?"""
    if bits.u(1):
        return True
    kind = bits.pick(*_ENUM)
    _depth(bits)
    shift = bits.pick((0, 0), (0, 3), (0, 4), (3, 1))
    bits.u(8 * bits.pick((0, 0), (4, 0), (5, 16), (10, 48)))
    if kind == 0:
        return not bits.u(1) and not shift
    raise corrupt("media.corrupt", "an extra channel that is no alpha")


def _info(data: bytes) -> _Info:
    bits = _Bits(_codestream(data))
    height, width = _size(bits)
    if bits.u(1):  # all defaults: RGB of 8 bits
        return _Info(width, height, 8, False, False, 0, 0, False, True)
    animated = False
    if bits.u(1):
        bits.u(3)
        if bits.u(1):
            _size(bits)
        if bits.u(1):
            raise corrupt("media.corrupt", "a JPEG XL file with a preview is not decoded here")
        animated = bool(bits.u(1))
        if animated:
            bits.pick((0, 100), (0, 1000), (10, 1), (30, 1))
            bits.pick((0, 1), (0, 1001), (8, 1), (10, 1))
            bits.pick((0, 0), (3, 0), (16, 0), (32, 0))
            bits.u(1)
    depth, floats = _depth(bits)
    bits.u(1)
    count = bits.pick((0, 0), (0, 1), (4, 2), (12, 1))
    plain = [_channel(bits) for _ in range(min(count, 8))]
    xyb = bool(bits.u(1))
    gray = not bits.u(1) and bits.u(1) + 1 > 0 and bits.pick(*_ENUM) == 1
    alpha = int(count == 1 and plain[0])
    return _Info(width, height, depth, floats, gray, alpha, count - alpha, animated, xyb)


def header(data: bytes) -> Header:
    said = _info(data)
    count = (1 if said.gray else 3) + said.alpha
    shape = (said.height, said.width, *((count,) if count > 1 else ()))
    dtype = {(8, False): "uint8", (16, False): "uint16", (32, True): "float32"}.get((said.bits, said.floats))
    refuse = None
    if dtype is None or said.others:
        refuse = f"JPEG XL of {said.bits} bits with {said.others} channels beside colour and alpha is not decoded here"
    return Header(dtype or "uint8", shape, refuse=refuse)


def decoded(data: bytes, head: Header) -> np.ndarray:
    codec = optional("imagecodecs", "image")
    try:
        return _settled(codec.jpegxl_decode(data, index=0, keeporientation=True, numthreads=1), head)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged JPEG XL picture: {problem}") from problem


def describe(data: bytes) -> dict[str, Any]:
    """A file whose colours were not turned into XYB may still have been cut: it counts as lossy [codec.given.lossy]."""
    return {"lossless": False, "jpeg": b"jbrd" in data[:65536]}


def write(array: np.ndarray, params: Params) -> bytes:
    codec = optional("imagecodecs", "image")
    effort = params["effort"]
    plain = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if params["lossless"]:
        return codec.jpegxl_encode(plain, lossless=True, effort=effort, numthreads=1)
    return codec.jpegxl_encode(plain, distance=params["distance"], effort=effort, numthreads=1)


ROW = Codec(
    "jxl",
    "media",
    "conditions",
    "JPEG XL: exact or lossy, 8 and 16 bits and floats",
    params=(
        Param("lossless", (bool,), False, about="every bit comes back"),
        Param("distance", (int, float), 1.0, 0.05, 25.0, about="of the lossy mode: 1 is visually lossless"),
        Param("effort", (int,), 3, 1, 9, about="9 smallest and slowest", effort=True),
    ),
    takes=takes({"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4), "float32": (1, 3)}, 1 << 18),
    library="imagecodecs",
    extra="image",
    tolerance="A",
    conditions="lossless is true",
    holds="uint8 and uint16 of 1 to 4 channels, float32 of 1 or 3",
    proves=("shape", "dtype"),
    limits=dict(LOOSE),
    media_type="image/jxl",
    suffixes=(".jxl",),
    is_exact=lambda params, dtype, shape: bool(params.get("lossless")),
    sniff=lambda data: data[:2] == b"\xff\x0a" or data[:12] == _CONTAINER,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=loose,
)
