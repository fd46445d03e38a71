"""Floor 1. ``jpeg``: lossy pictures of 8 bits [codec.jpeg]. Decoded with libjpeg's accurate DCT and smooth chroma.

[picture.jpeg_rgb] and [picture.jpeg_cmyk] are what libjpeg-turbo and Pillow do; other ports: [media.tolerance].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from ..extras import installed, optional
from .bounds import LOOSE, at_least, loose
from .pictures import orientation, pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_CHANNELS = {1: (), 3: (3,), 4: (4,)}
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_LS = 0xF7
_HUFFMAN = (0xC0, 0xC1, 0xC2)
_HARMLESS = ("extraneous bytes", "ICC marker", "subsampling", "colorspace")
"""Complaints of simplejpeg that no pixel is missing for, or that are of its own making."""
_DECODED = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)


def _segments(data: bytes):
    """(marker, start, end) of every segment up to the first scan."""
    place, size = 2, len(data)
    while place + 4 <= size:
        if data[place] != 0xFF:
            raise corrupt("media.corrupt", f"no JPEG marker at byte {place}")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in (0x01, *range(0xD0, 0xD8)):
            place += 2
        else:
            length = (data[place + 2] << 8) | data[place + 3]
            if length < 2 or marker in (0xD8, 0xD9):
                raise corrupt("media.corrupt", f"marker {marker:02x} at byte {place} of a JPEG header")
            yield marker, place + 4, place + 2 + length
            if marker == 0xDA:
                return
            place += 2 + length
    raise corrupt("media.corrupt", "a JPEG file ends before its first scan")


def header(data: bytes) -> Header:
    if data[:2] != b"\xff\xd8":
        raise corrupt("media.corrupt", "no JPEG file: it does not begin with ff d8")
    for marker, start, end in _segments(data):
        if marker in _SOF or marker == _JPEG_LS:
            if end - start < 6 or end > len(data):
                raise corrupt("media.corrupt", "a JPEG frame header is cut short")
            return _frame(marker, data[start : start + 6])
        if marker == 0xDA:
            break
    raise corrupt("media.corrupt", "a JPEG file without a frame header")


def _frame(marker: int, head: bytes) -> Header:
    bits, components = head[0], head[5]
    height, width = (head[1] << 8) | head[2], (head[3] << 8) | head[4]
    if components not in _CHANNELS or not height or not width:
        raise corrupt("media.corrupt", f"a JPEG frame of {height} x {width} with {components} components")
    shape = (height, width, *_CHANNELS[components])
    if bits != 8 or marker not in _DECODED:
        coding = "lossless, hierarchical or JPEG-LS" if marker not in _DECODED else f"{bits}-bit"
        return Header(
            "uint8" if bits <= 8 else "uint16",
            shape,
            refuse=f"{coding} JPEG is not decoded here",
            clause="picture.jpeg_other",
        )
    return Header("uint8", shape)


def decoded(data: bytes, head: Header) -> np.ndarray:
    """simplejpeg where it is installed: the same library and bits as Pillow, in half the time, and it tells what
    libjpeg merely warns of [media.corrupt]. CMYK, odd sub-sampling and harmless faults go to Pillow."""
    fast = _turbo()
    if fast is not None and head.shape[2:] != (4,):
        try:
            found = fast(data, "Gray" if len(head.shape) == 2 else "RGB")
        except ValueError as problem:
            if not any(words in str(problem) for words in _HARMLESS):
                raise corrupt("media.corrupt", f"a damaged JPEG picture: {problem}") from problem
            return pixels(JpegImageFile, data, head)
        if found.size == math.prod(head.shape) and found.shape[:2] == head.shape[:2]:
            return found.reshape(head.shape)
    return pixels(JpegImageFile, data, head)


@lru_cache(maxsize=1)
def _turbo() -> Callable[..., np.ndarray] | None:
    return optional("simplejpeg", "image").decode_jpeg if installed("simplejpeg") else None


def describe(data: bytes) -> dict[str, Any]:
    """EXIF orientation (never applied), ICC profile, progressive or not, as far as the header says."""
    found: dict[str, Any] = {"lossless": False}
    for marker, start, end in _segments(data):
        if marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            turn = orientation(data[start:end])
            if turn is not None:
                found["orientation"] = turn
        elif marker == 0xE2 and data[start : start + 12] == b"ICC_PROFILE\0":
            found["icc"] = True
        elif marker in _SOF:
            found["progressive"] = marker in (0xC2, 0xCA)
    return found


def plausible(data: bytes, head: Header) -> str | None:
    """Huffman codes have a bit at the least: one for each 8 x 8 block of a component when progressive, else two."""
    for marker, start, end in _segments(data):
        if marker in _SOF:
            if marker not in _HUFFMAN:
                return loose(data, head)
            factors = [(part >> 4, part & 15) for part in data[start + 7 : end : 3]]
            wide, high = (max((each[axis] for each in factors), default=0) for axis in (0, 1))
            if not wide or not high:
                raise corrupt("media.corrupt", "a JPEG frame with a sampling factor of 0")
            groups = -(-head.shape[0] // (8 * high)) * -(-head.shape[1] // (8 * wide))
            blocks = groups * sum(across * down for across, down in factors)
            return at_least(blocks if marker == 0xC2 else 2 * blocks, data, head)
    return None


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: no end marker."""
    scan = 0
    for _, _, end in _segments(data):
        scan = end
    if scan > len(data):
        return "the file ends in its first scan's header"
    return None if data.rfind(b"\xff\xd9") >= scan else "the end marker ff d9 is missing"


def write(array: np.ndarray, params: Params) -> bytes:
    return saved(array, "JPEG", quality=params["quality"], subsampling=params["subsampling"])


ROW = Codec(
    "jpeg",
    "media",
    "never",
    "JPEG: small, lossy pictures",
    aliases=("jpg", "mpo"),
    params=(
        Param("quality", (int,), 90, 1, 100, about="1 smallest to 100 best"),
        Param("subsampling", (str,), "4:2:0", choices=("4:4:4", "4:2:2", "4:2:0"), about="chroma resolution"),
    ),
    takes=takes({"uint8": (1, 3)}, 65500),
    library="PIL",
    tolerance="A",
    proves=("shape", "dtype"),
    limits={"side": 65535, **LOOSE},
    media_type="image/jpeg",
    suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
    sniff=lambda data: data[:3] == b"\xff\xd8\xff",
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=plausible,
    whole=whole,
    holds="uint8: rank 2, or 1 or 3 channels",
)
