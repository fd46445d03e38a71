"""Floor 1. ``webp``: pictures of 8 bits with 3 or 4 channels, lossy or exact [codec.webp].

Lossless files keep the colour of transparent pixels [codec.webp.alpha].
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL.WebPImagePlugin import WebPImageFile

from .bounds import LOOSE, loose
from .frames import all_of, film
from .pictures import orientation, pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt


def _chunks(data: bytes):
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, place + 8, place + 8 + length
        place += 8 + length + (length & 1)


def header(data: bytes) -> Header:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        raise corrupt("media.corrupt", "no WebP file: RIFF and WEBP do not come first")
    kind = data[12:16]
    if kind == b"VP8X":
        alpha = bool(data[20] & 0x10)
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
        alpha = False
    else:
        raise corrupt("media.corrupt", f"a WebP file whose first chunk is {kind!r}")
    if not width or not height or width * height >= 1 << 32:
        raise corrupt("media.corrupt", f"a WebP header of {height} x {width} pixels")
    return Header("uint8", (height, width, 4 if alpha else 3))


def describe(data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"lossless": True}
    frames = 0
    for kind, start, end in _chunks(data):
        frames += kind == b"ANMF"
        lossy = kind == b"VP8 " or (kind == b"ANMF" and b"VP8 " in data[start : start + 4096])
        if lossy:
            found["lossless"] = False  # exact only when its data is VP8L [codec.webp.given]
        if kind == b"ICCP":
            found["icc"] = True
        elif kind == b"EXIF":
            turn = orientation(data[start:end])
            if turn is not None:
                found["orientation"] = turn
    return {**found, "frames": frames} if frames else found


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: it is shorter than RIFF says, or a chunk runs past its end."""
    said = struct.unpack_from("<I", data, 4)[0] + 8
    if said > len(data):
        return f"RIFF announces {said} bytes, there are {len(data)}"
    return "a chunk runs past the end" if any(end > len(data) for _, _, end in _chunks(data[:said])) else None


def write(array: np.ndarray, params: Params) -> bytes:
    if params["lossless"]:
        return saved(array, "WEBP", lossless=True, exact=True, quality=75, method=4)
    return saved(array, "WEBP", quality=params["quality"], exact=True)


ROW = Codec(
    "webp",
    "media",
    "conditions",
    "WebP: smaller than JPEG and PNG; exact with lossless",
    params=(
        Param("lossless", (bool,), False, about="true: every bit comes back, colour under transparent pixels too"),
        Param("quality", (int,), 80, 0, 100, about="of the lossy mode: 0 smallest to 100 best"),
    ),
    takes=takes({"uint8": (3, 4)}, 16383, frames=True),
    frames=all_of(lambda data: describe(data).get("frames", 1)),
    library="PIL",
    tolerance="A",
    conditions="lossless is true",
    proves=("shape", "dtype"),
    limits={"side": 16383, **LOOSE},
    media_type="image/webp",
    suffixes=(".webp",),
    is_exact=lambda params, dtype, shape: bool(params.get("lossless")),
    sniff=lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
    header=header,
    write=write,
    pixels=lambda data, head: (film if len(head.shape) == 4 else pixels)(WebPImageFile, data, head),
    describe=describe,
    plausible=loose,
    whole=whole,
    holds="uint8: 3 or 4 channels",
)
