"""Floor 1. ``png``: exact pictures of 1, 8 and (grey) 16 bits [codec.png].

2 and 4 bits are scaled [picture.gray_small]; a transparent colour of grey or RGB is not applied [picture.colour_key].
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from ..extras import installed, optional
from .bounds import at_least, loose
from .frames import all_of, animated_png, film
from .pictures import _FAULTS, _settled, colour16, orientation, pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_MAGIC = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: (), 2: (3,), 3: (3,), 4: (2,), 6: (4,)}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 1 << 18  # bytes inflated at a time, to be counted


def _chunks(data: bytes):
    """(type, start, end) of every chunk that lies whole in the file."""
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if place + 12 + length > len(data):
            return
        yield kind, place + 8, place + 8 + length
        place += 12 + length


def header(data: bytes) -> Header:
    if data[:8] != _MAGIC or data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise corrupt("media.corrupt", "no PNG file: signature and IHDR do not come first")
    width, height, depth, colour, method, filtering, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in _DEPTHS.get(colour, ()) or method or filtering or interlace > 1:
        raise corrupt("media.corrupt", f"a PNG header with colour type {colour} and {depth} bits")
    if not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise corrupt("media.corrupt", f"a PNG header of {height} x {width} pixels")
    shape = (height, width, *_CHANNELS[colour])
    if colour == 3:
        return Header("uint8", (height, width, 4) if _transparent(data) else shape)
    if depth == 16 and colour != 0 and not installed("imagecodecs"):
        detail = "16-bit colour PNG needs imagecodecs; pip install 'lakebed[image]'"
        return Header("uint16", shape, refuse=detail, clause="picture.rgb16")
    return Header("uint16" if depth == 16 else "uint8", shape, also=("bool",) if depth == 1 else ())


def _transparent(data: bytes) -> bool:
    for kind, _, _ in _chunks(data):
        if kind == b"tRNS":
            return True
        if kind in (b"IDAT", b"IEND"):
            return False
    return False


def describe(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"bits": data[24], "colour_type": data[25]}
    for kind, start, end in _chunks(data):
        if kind == b"iCCP":
            found["icc"] = True
        elif kind == b"acTL" and end - start == 8:
            found["frames"] = struct.unpack_from(">I", data, start)[0]
        elif kind == b"eXIf":
            turn = orientation(data[start:end])
            if turn is not None:
                found["orientation"] = turn
    return found


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: a broken chunk, or no end."""
    for kind, start, end in _chunks(data):
        if zlib.crc32(data[start - 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return f"the checksum of chunk {kind!r} is wrong"
        if kind == b"IEND":
            return None
    return "the IEND chunk is missing"


def plausible(data: bytes, head: Header) -> str | None:
    """Deflate gives at most 1,032 bytes of rows for each of its own."""
    if len(head.shape) == 4:
        return loose(data, head)
    bits = data[24] * _SAMPLES[data[25]] * head.shape[0] * head.shape[1]
    return at_least(bits // 1032, data, head)


def _all_there(data: bytes) -> bool:
    """Whether the deflated data hold every row: Pillow leaves those that are absent black and says nothing."""
    width, height, depth, colour, *_, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * _SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sides = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes]
    left = sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sides if columns > 0 and rows > 0)
    stream = zlib.decompressobj()
    try:
        for kind, start, end in _chunks(data):
            part = data[start:end] if kind == b"IDAT" else b""
            while part and left > 0:
                left -= len(stream.decompress(part, _PIECE))
                part = stream.unconsumed_tail
    except zlib.error:
        return False
    return left <= 0


def decoded(data: bytes, head: Header) -> np.ndarray:
    """Pillow cuts 16-bit colours to 8, so they go another way [picture.rgb16]."""
    if len(head.shape) == 4:
        return film(PngImageFile, data, head)
    if head.dtype == "uint8" or len(head.shape) == 2:
        array = pixels(PngImageFile, data, head)
        plain = data[25] != 3 and not data[28]  # neither palette nor interlaced: what is absent is black
        if not (plain and array[-1].any()) and not _all_there(data):
            raise corrupt("media.corrupt", "a PNG whose data end before its last row")
        return array
    try:
        array = optional("imagecodecs", "image").png_decode(data)
        return _settled(array[..., : head.shape[2]], head)  # a transparent colour is not applied [picture.colour_key]
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged PNG picture: {problem}") from problem


def write(array: np.ndarray, params: Params) -> bytes:
    if array.ndim == 4:
        return animated_png(array, params["level"])
    if array.dtype == np.uint16 and array.shape[2:] > (1,):
        return optional("imagecodecs", "image").png_encode(array, level=params["level"])
    return saved(array, "PNG", compress_level=params["level"])


ROW = Codec(
    "png",
    "media",
    "always",
    "PNG: exact pictures that every tool opens",
    aliases=("apng",),
    params=(Param("level", (int,), 6, 0, 9, about="deflate effort", effort=True),),
    needs=colour16,
    takes=takes({"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4), "bool": (1,)}, (1 << 31) - 1, frames=True),
    frames=all_of(lambda data: describe(data).get("frames", 1)),
    animates=True,
    library="PIL",
    conditions="uint8 and uint16 of 1 to 4 channels, bool of one; frames of uint8",
    proves=("shape", "dtype"),
    media_type="image/png",
    suffixes=(".png", ".apng"),
    sniff=lambda data: data[:8] == _MAGIC,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    limits={"ratio": 1032},
    plausible=plausible,
    whole=whole,
)
