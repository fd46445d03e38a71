"""Floor 1. ``gif``: read only, kept verbatim; the first frame as RGB, or RGBA when it has transparency [codec.gif],
[picture.gif].
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL.GifImagePlugin import GifImageFile

from .bounds import LOOSE, loose
from .frames import all_of, film
from .pictures import _FAULTS, takes
from .row import Codec, Header, corrupt


def _blocks(data: bytes):
    """(kind, start) of every block: 0x21 extensions, 0x2c frames, 0x3b the end; stops where the file does."""
    place = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while place < len(data):
        kind = data[place]
        yield kind, place
        if kind == 0x21:
            place += 2
        elif kind == 0x2C:
            if place + 10 > len(data):
                return
            flags = data[place + 9]
            place += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            return
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1


def header(data: bytes) -> Header:
    if data[:6] not in (b"GIF87a", b"GIF89a") or len(data) < 13:
        raise corrupt("media.corrupt", "no GIF file: it begins with neither GIF87a nor GIF89a")
    width, height = struct.unpack_from("<HH", data, 6)
    clear = False
    for kind, place in _blocks(data):
        if kind == 0x21 and data[place + 1 : place + 3] == b"\xf9\x04" and place + 4 < len(data):
            clear = bool(data[place + 3] & 1)
        elif kind == 0x2C and place + 10 <= len(data):
            left, top, wide, high = struct.unpack_from("<HHHH", data, place + 1)
            width, height = max(width, left + wide), max(height, top + high)
            if not width or not height:
                break
            return Header("uint8", (height, width, 4 if clear else 3))
        elif kind not in (0x21, 0x2C):
            break
    raise corrupt("media.corrupt", f"a GIF file of {height} x {width} pixels without a frame")


def decoded(data: bytes, head: Header) -> np.ndarray:
    if len(head.shape) == 4:
        return film(GifImageFile, data, head)
    try:
        image = GifImageFile(io.BytesIO(data))
        if image.size != (head.shape[1], head.shape[0]):
            raise corrupt("media.corrupt", f"the decoder sees {image.size[::-1]}, the header {head.shape[:2]}")
        return np.asarray(image.convert("RGBA" if head.shape[2] == 4 else "RGB"))
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged GIF picture: {problem}") from problem


def describe(data: bytes) -> dict[str, Any]:
    return {"frames": sum(kind == 0x2C for kind, _ in _blocks(data))}


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: no trailer, or too few bytes (an LZW code of 12 bits ends at 4096 pixels)."""
    last = [(kind, place) for kind, place in _blocks(data)][-1]
    if last[0] != 0x3B:
        return "the trailer 3b is missing"
    return None


ROW = Codec(
    "gif",
    "media",
    "never",
    "GIF: kept as given; arrays are refused, for a palette of 256 colours would change them",
    takes=takes({"uint8": (3, 4)}, 65535, frames=True),
    frames=all_of(lambda data: describe(data)["frames"], 4),
    library="PIL",
    tolerance="E",
    proves=("shape", "dtype"),
    limits={"side": 65535, **LOOSE},
    media_type="image/gif",
    suffixes=(".gif",),
    sniff=lambda data: data[:6] in (b"GIF87a", b"GIF89a"),
    header=header,
    pixels=decoded,
    describe=describe,
    plausible=loose,
    whole=whole,
)
