"""Floor 1. ``bmp``: plain exact pictures of 8 bits [codec.bmp]; bit fields: [picture.bmp_fields]."""

from __future__ import annotations

import struct

import numpy as np
from PIL.BmpImagePlugin import BmpImageFile

from .bounds import LOOSE, loose
from .pictures import pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_HEADS = (12, 40, 52, 56, 64, 108, 124)


def header(data: bytes) -> Header:
    """A grey ramp is a grey picture [picture.bmp_gray]; black and white may be bool [picture.bmp_bilevel]."""
    if data[:2] != b"BM" or len(data) < 26:
        raise corrupt("media.corrupt", "no BMP file: it does not begin with BM")
    (size,) = struct.unpack_from("<I", data, 14)
    if size not in _HEADS or len(data) < 14 + size:
        raise corrupt("media.corrupt", f"a BMP header of {size} bytes")
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packing, colours = 0, 0
    else:
        width, height, _, bits, packing = struct.unpack_from("<iiHHI", data, 18)
        (colours,) = struct.unpack_from("<I", data, 46)
        height = abs(height)
    if bits not in (1, 2, 4, 8, 16, 24, 32) or width <= 0 or height <= 0:
        raise corrupt("media.corrupt", f"a BMP header of {height} x {width} pixels with {bits} bits")
    if bits <= 8:
        return _indexed(data, (height, width), bits, 14 + size, 3 if size == 12 else 4, colours or 1 << bits)
    if packing != 3 or bits not in (16, 32):
        return Header("uint8", (height, width, 3))
    masks = _masks(data)
    alpha = masks[3] != 0 or (bits == 32 and not any(masks))
    holes = not all(_whole_field(mask) for mask in masks if mask)
    refuse = "BMP with bit fields that have holes is not decoded here" if holes else None
    return Header("uint8", (height, width, 4 if alpha else 3), refuse=refuse)


def _masks(data: bytes) -> tuple[int, ...]:
    """Where red, green, blue and alpha lie in a pixel."""
    size = int.from_bytes(data[14:18], "little")
    if len(data) < 70:
        raise corrupt("media.corrupt", "a BMP file ends in its bit fields")
    return (*struct.unpack_from("<III", data, 54), struct.unpack_from("<I", data, 66)[0] if size >= 56 else 0)


def _whole_field(mask: int) -> bool:
    low = mask & -mask
    return (mask // low + 1) & (mask // low) == 0


def decoded(data: bytes, head: Header) -> np.ndarray:
    """Bit fields are taken apart here [picture.bmp_fields], all else is Pillow's."""
    size, bits = int.from_bytes(data[14:18], "little"), int.from_bytes(data[28:30], "little")
    if size == 12 or bits not in (16, 32) or int.from_bytes(data[30:34], "little") != 3 or not any(_masks(data)):
        return pixels(BmpImageFile, data, head)
    height, width, channels = head.shape
    start, (signed,) = int.from_bytes(data[10:14], "little"), struct.unpack_from("<i", data, 22)
    each = (width * bits + 31) // 32 * 4
    if start + each * height > len(data):
        raise corrupt("media.corrupt", f"the pixels need {start + each * height} bytes, there are {len(data)}")
    rows = np.frombuffer(data, np.uint8, each * height, start).reshape(height, each)[:, : width * bits // 8]
    values = np.ascontiguousarray(rows).view(f"<u{bits // 8}")[:: 1 if signed < 0 else -1].astype(np.uint64)
    out = np.zeros(head.shape, np.uint8)
    for channel, mask in enumerate(_masks(data)[:channels]):
        if mask:
            low = mask & -mask
            out[:, :, channel] = (values & np.uint64(mask)) // np.uint64(low) * np.uint64(255) // np.uint64(mask // low)
    return out


def _indexed(data: bytes, sides: tuple[int, int], bits: int, start: int, each: int, colours: int) -> Header:
    if not 0 < colours <= 65536:
        raise corrupt("media.corrupt", f"a BMP palette of {colours} colours")
    table = data[start : start + each * colours]
    ramp = (0, 255) if colours == 2 else range(colours)
    grey = all(table[each * i : each * i + 3] == bytes((v & 255,)) * 3 for i, v in enumerate(ramp))
    if not grey:
        return Header("uint8", (*sides, 3))
    return Header("uint8", sides, also=("bool",) if colours == 2 else ())


def complete(array: np.ndarray, params: Params) -> Params:
    return {"bits": 1 if array.dtype == bool else 24 if array.shape[2:] == (3,) else 8}


def write(array: np.ndarray, params: Params) -> bytes:
    return saved(array, "BMP")


ROW = Codec(
    "bmp",
    "media",
    "always",
    "BMP: exact, not compressed",
    params=(Param("bits", (int,), choices=(1, 8, 24), about="of a pixel; follows from the array"),),
    takes=takes({"uint8": (1, 3), "bool": (1,)}, (1 << 31) - 1),
    library="PIL",
    conditions="uint8 of 1 or 3 channels, bool of one",
    proves=("shape", "dtype"),
    media_type="image/bmp",
    suffixes=(".bmp",),
    sniff=lambda data: data[:2] == b"BM" and data[14:18] in [size.to_bytes(4, "little") for size in _HEADS],
    header=header,
    write=write,
    complete=complete,
    pixels=decoded,
    limits=dict(LOOSE),
    plausible=lambda data, head: short(data, head),
)


def short(data: bytes, head: Header) -> str | None:
    """Why so few bytes cannot be the picture: uncompressed it needs its rows."""
    size = int.from_bytes(data[14:18], "little")
    bits = int.from_bytes(data[24:26] if size == 12 else data[28:30], "little")
    packing = 0 if size == 12 else int.from_bytes(data[30:34], "little")
    due = int.from_bytes(data[10:14], "little") + (head.shape[1] * bits + 31) // 32 * 4 * head.shape[0]
    if packing in (0, 3) and due > len(data):
        return f"the pixels need {due} bytes, there are {len(data)}"
    return loose(data, head) if packing in (1, 2) else None  # its escapes leave out as many rows as they like
