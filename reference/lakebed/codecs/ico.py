"""Floor 1. ``ico``: the largest picture of an icon [codec.ico]; PNG pictures keep every bit."""

from __future__ import annotations

import struct

import numpy as np
from PIL.IcoImagePlugin import IcoImageFile

from . import png
from .pictures import pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt


def _largest(data: bytes) -> bytes:
    """The bytes of the entry that counts: most pixels, then most bits, then first [picture.ico]."""
    if data[:4] != b"\0\0\1\0" or len(data) < 22:
        raise corrupt("media.corrupt", "no ICO file: it does not begin with 00 00 01 00")
    found = []
    for place in range(struct.unpack_from("<H", data, 4)[0]):
        if 22 + 16 * place > len(data):
            raise corrupt("media.corrupt", "an ICO directory is cut short")
        width, height, _, _, _, depth, size, start = struct.unpack_from("<BBBBHHII", data, 6 + 16 * place)
        found.append(((width or 256) * (height or 256), depth, -place, start, size))
    if not found:
        raise corrupt("media.corrupt", "an ICO file without pictures")
    start, size = max(found)[3:]
    if start + size > len(data) or size < 40:
        raise corrupt("media.corrupt", "an ICO picture lies outside the file")
    return data[start : start + size]


def header(data: bytes) -> Header:
    entry = _largest(data)
    if entry[:8] == png._MAGIC:
        return png.header(entry)
    size, width, height, _, depth, packing = struct.unpack_from("<IiiHHI", entry)
    if size != 40 or packing or depth not in (1, 4, 8, 24, 32) or not 0 < width <= 256 or not 0 < height // 2 <= 256:
        raise corrupt("media.corrupt", f"an ICO bitmap of {height // 2} x {width} pixels with {depth} bits")
    return Header("uint8", (height // 2, width, 4))


def decoded(data: bytes, head: Header) -> np.ndarray:
    entry = _largest(data)
    if entry[:8] == png._MAGIC:
        return png.ROW.pixels(entry, head)
    height, width = head.shape[:2]
    depth = int.from_bytes(entry[14:16], "little")
    alone = struct.pack("<HHHBBBBHHII", 0, 1, 1, width & 255, height & 255, 0, 0, 1, depth, len(entry), 22)
    return pixels(IcoImageFile, alone + entry, head)


def plausible(data: bytes, head: Header) -> str | None:
    entry = _largest(data)
    return png.plausible(entry, head) if entry[:8] == png._MAGIC else None


def whole(data: bytes, head: Header) -> str | None:
    entry = _largest(data)
    if entry[:8] == png._MAGIC:
        return png.whole(entry, head)
    depth = int.from_bytes(entry[14:16], "little")
    rows = ((head.shape[1] * depth + 31) // 32 + (head.shape[1] + 31) // 32) * 4 * head.shape[0]
    return "its rows are cut short" if len(entry) < 40 + rows and depth != 32 else None


def write(array: np.ndarray, params: Params) -> bytes:
    return saved(array, "ICO", sizes=[(array.shape[1], array.shape[0])])


ROW = Codec(
    "ico",
    "media",
    "always",
    "ICO: an icon of at most 256 x 256, a PNG inside",
    params=(Param("bits", (int,), choices=(1, 8, 16), about="of a channel; follows from the array"),),
    takes=takes({"uint8": (1, 2, 3, 4), "uint16": (1,), "bool": (1,)}, 256),
    library="PIL",
    conditions="uint8 of 1 to 4 channels, uint16 and bool of one; sides of 1 to 256",
    proves=("shape", "dtype"),
    limits={"side": 256},
    media_type="image/vnd.microsoft.icon",
    suffixes=(".ico",),
    sniff=lambda data: data[:4] == b"\0\0\1\0" and data[4:6] != b"\0\0",
    header=header,
    write=write,
    complete=lambda array, params: {"bits": 1 if array.dtype == bool else 8 * array.itemsize},
    pixels=decoded,
    plausible=plausible,
    whole=whole,
)
