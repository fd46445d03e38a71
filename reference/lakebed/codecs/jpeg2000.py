"""Floor 1. ``jpeg2000``: JP2 files and bare codestreams, reversible or lossy [codec.jpeg2000] [picture.jpeg2000].

Pillow holds 8 bits, and 16 bits of one channel; more channels of 16 bits need imagecodecs [picture.rgb16].
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from ..extras import installed, optional
from .bounds import LOOSE, loose
from .pictures import _FAULTS, _settled, colour16, pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_BOX = b"\0\0\0\x0cjP  \r\n\x87\n"
_STREAM = b"\xff\x4f\xff\x51"


def _boxes(data: bytes, place: int, end: int):
    """(type, start, end) of the boxes in data[place:end]."""
    while place + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1 and place + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        stop = end if size == 0 else place + size
        if size and size < head:
            return
        yield kind, place + head, min(stop, end)
        place = stop


def _stream(data: bytes) -> tuple[int, int | None, bool]:
    """(start of the codestream, enumerated colour space, whether there is a palette)."""
    if data[:4] == _STREAM:
        return 0, None, False
    if data[:12] != _BOX:
        raise corrupt("media.corrupt", "no JPEG 2000 file: neither signature box nor codestream comes first")
    space, palette = None, False
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"jp2h":
            for inner, at, stop in _boxes(data, start, end):
                palette |= inner == b"pclr"
                if inner == b"colr" and stop - at >= 7 and data[at] == 1 and space is None:
                    (space,) = struct.unpack_from(">I", data, at + 3)
        elif kind == b"jp2c" and data[start : start + 4] == _STREAM:
            return start, space, palette
    raise corrupt("media.corrupt", "a JP2 file without a codestream")


def header(data: bytes) -> Header:
    start, space, palette = _stream(data)
    try:
        x1, y1, x0, y0 = struct.unpack_from(">IIII", data, start + 8)
        (count,) = struct.unpack_from(">H", data, start + 40)
        parts = struct.unpack_from(f">{3 * count}B", data, start + 42)
    except struct.error as problem:
        raise corrupt("media.corrupt", "a JPEG 2000 size marker is cut short") from problem
    height, width, depths = y1 - y0, x1 - x0, set(parts[::3])
    if not count or min(height, width) < 1:
        raise corrupt("media.corrupt", f"a JPEG 2000 header of {height} x {width} with {count} components")
    shape = (height, width, *((count,) if count > 1 else ()))
    dtype = "uint8" if max(depths) & 0x7F <= 7 else "uint16"
    if depths not in ({7}, {15}) or count > 4 or {*parts[1::3], *parts[2::3]} != {1} or palette or space in (12, 18):
        said = "components of other than 8 or 16 bits, sub-sampled ones, palettes, CMYK and YCC"
        return Header(dtype, shape, refuse=f"JPEG 2000 with {said} are not decoded here")
    if dtype == "uint16" and count > 1 and not installed("imagecodecs"):
        detail = "16-bit colour JPEG 2000 needs imagecodecs; pip install 'lakebed[image]'"
        return Header(dtype, shape, refuse=detail, clause="picture.rgb16")
    return Header(dtype, shape)


def decoded(data: bytes, head: Header) -> np.ndarray:
    """imagecodecs where it is installed: the same library and bits as Pillow, without holding the interpreter."""
    if not installed("imagecodecs"):
        return pixels(Jpeg2KImageFile, data, head)
    try:
        return _settled(optional("imagecodecs", "image").jpeg2k_decode(data, numthreads=1), head)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged JPEG 2000 picture: {problem}") from problem


def _markers(data: bytes, place: int):
    """(marker, start) of the main header's segments, and of every tile-part's start; ends at the end marker."""
    place += 2
    while place + 12 <= len(data):
        marker, length = struct.unpack_from(">HH", data, place)
        yield marker, place
        if marker == 0xFF90:
            (length,) = struct.unpack_from(">I", data, place + 6)
            if not length:
                return
            place += length
        elif marker == 0xFFD9:
            return
        else:
            place += 2 + length


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: no tile, a tile-part that runs past the end, or no end marker."""
    tiles = 0
    for marker, place in _markers(data, _stream(data)[0]):
        if marker == 0xFF90:
            tiles += 1
            if place + struct.unpack_from(">I", data, place + 6)[0] > len(data):
                return "a tile-part runs past the end of the file"
    if not tiles:
        return "there is no tile"
    return None if data.rfind(b"\xff\xd9") > 0 else "the end marker ff d9 is missing"


def describe(data: bytes) -> dict[str, Any]:
    lossless = False
    for marker, place in _markers(data, _stream(data)[0]):
        if marker == 0xFF52 and place + 14 <= len(data):
            lossless = data[place + 13] == 1
    return {"lossless": lossless}


def write(array: np.ndarray, params: Params) -> bytes:
    if array.dtype == np.uint16 and array.ndim == 3 and array.shape[2] > 1:
        lossless = params["lossless"]
        level = 0 if lossless else params["psnr"]
        return optional("imagecodecs", "image").jpeg2k_encode(array, reversible=lossless, level=level)
    if params["lossless"]:
        return saved(array, "JPEG2000", irreversible=False)
    return saved(array, "JPEG2000", irreversible=True, quality_mode="dB", quality_layers=[params["psnr"]])


ROW = Codec(
    "jpeg2000",
    "media",
    "conditions",
    "JPEG 2000: exact by its reversible transform, or lossy; slow",
    aliases=("jp2", "j2k"),
    params=(
        Param("lossless", (bool,), True, about="the reversible transform, nothing cut"),
        Param("psnr", (int, float), 40, 10, 100, about="of the lossy mode, in dB"),
    ),
    takes=takes({"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4)}, (1 << 31) - 1),
    library="PIL",
    tolerance="A",
    needs=colour16,
    conditions="lossless is true",
    holds="uint8 and uint16 of 1 to 4 channels",
    proves=("shape", "dtype"),
    limits=dict(LOOSE),
    media_type="image/jp2",
    suffixes=(".jp2", ".j2k", ".jpc", ".jpx", ".j2c"),
    is_exact=lambda params, dtype, shape: bool(params.get("lossless")),
    sniff=lambda data: data[:12] == _BOX or data[:4] == _STREAM,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=loose,
    whole=whole,
)
