"""Floor 1. ``tiff``: exact pictures of many dtypes; the first page of a file [codec.tiff].

Grey: [picture.gray8], [picture.gray16], [picture.gray32]; with alpha: [picture.gray_alpha]; [picture.tiff_cmyk]; what
else there is: [picture.tiff]. Pages that Pillow holds go to libtiff, other ones are read in ``tiff_plain``.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from . import tiff_plain
from .bounds import LOOSE, loose
from .pictures import pixels, saved, takes
from .row import Codec, Header, Param, Params
from .tiff_page import ICC, MAGICS, Page, directory, first, one, page

_NAMES = {(2, bits): f"int{bits}" for bits in (8, 16, 32, 64)} | {(3, bits): f"float{bits}" for bits in (16, 32, 64)}
_NAMES |= {(1, 64): "uint64", (6, 64): "complex64", (6, 128): "complex128"}
_KEPT = ("bool", "uint8", "uint16", "uint32", *_NAMES.values())
"""Every dtype that a page may have."""
_HELD = {(1, bits) for bits in (1, 2, 4, 8, 16)} | {(2, 32), (3, 32)}
"""(form, bits) of one channel that Pillow holds."""
_BY_LIBTIFF = {2: "CCITT", 3: "fax 3", 4: "fax 4", 6: "old JPEG", 7: "JPEG"}
_CHANNELS = {0: (1,), 1: (1, 2, 3, 4), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,)}
_COLOURS = {4: "a mask", 6: "YCbCr", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "a colour filter array",
            32844: "LogL", 32845: "LogLuv"}  # fmt: skip
_LEAST = {1: 1, 5: 4096, 8: 1032, 32773: 64, 32946: 1032}
"""The most bytes of rows that one stored byte can give, by compression."""


def _page(data: bytes, *, wide: bool = False) -> tuple[Page, str, bool]:
    order, big, place = first(data)
    return page(directory(data, place, order, big, wide=wide)[0]), order, big


def header(data: bytes) -> Header:
    said, _, _ = _page(data)
    shape = said.sides if said.samples == 1 else (*said.sides, said.samples)
    if said.colour == 3 and said.samples == 1:
        shape = (*said.sides, 3)
    also = ("bool",) if said.bits == 1 and said.samples == 1 and said.colour in (0, 1) else ()
    return Header(_dtype(said) or "uint8", shape, also=also, refuse=_refused(said))


def _dtype(said: Page) -> str | None:
    """The dtype that holds the page's numbers: of their width, or for odd widths the next unsigned one."""
    if said.form == 1 and 1 <= said.bits <= 32:
        return "uint8" if said.bits <= 8 else "uint16" if said.bits <= 16 else "uint32"
    return _NAMES.get((said.form, said.bits))


def _refused(said: Page) -> str | None:
    """Why a page of this kind is not one whose array the format defines; None when it is [picture.other]."""
    if _dtype(said) is None:
        return f"TIFF with {said.bits}-bit samples of format {said.form} is not decoded here"
    if said.packing not in tiff_plain.PACKINGS and said.packing not in _BY_LIBTIFF:
        return f"TIFF compression {said.packing} is not decoded here"
    jpeg = said.packing in (6, 7)
    if said.samples not in _CHANNELS.get(said.colour, ()) or (said.colour == 6 and not jpeg):
        what = _COLOURS.get(said.colour, f"photometric {said.colour}")
        return f"TIFF of {what} with {said.samples} samples is not decoded here"
    if said.colour == 3 and (said.bits > 8 or said.form != 1):
        return f"TIFF palettes of {said.bits} bits are not decoded here"
    if said.packing in _BY_LIBTIFF and not _held(said):
        how = f"{_BY_LIBTIFF[said.packing]} with {said.samples} samples of {said.bits} bits"
        return f"TIFF of {how} is not decoded here"
    predicted = said.predictor != 1 and said.packing not in (1, 32773, *_BY_LIBTIFF)
    odd = (said.bits not in (8, 16, 32, 64) or said.form == 6) and not (said.predictor == 2 and _held(said))
    if predicted and (odd or said.predictor not in (2, 3) or (said.predictor == 3 and said.form != 3)):
        return f"TIFF with predictor {said.predictor} of {said.bits}-bit samples is not decoded here"
    if said.colour == 0 and said.form != 1:
        return "TIFF whose white is 0 in signed or float samples is not decoded here"
    return None


def _held(said: Page) -> bool:
    """Is it a page that Pillow holds, every number as it is?"""
    if said.samples == 1:
        return (said.form, said.bits) in _HELD and (said.colour != 3 or said.bits <= 8)
    if (said.form, said.bits) != (1, 8):
        return False
    known = {(1, 2): ((2,),), (2, 3): ((),), (2, 4): ((), (2,))}
    return said.colour in (5, 6) or said.extra in known.get((said.colour, said.samples), ())


def decoded(data: bytes, head: Header) -> np.ndarray:
    said, order, big = _page(data, wide=True)
    if not _held(said) or (order == ">" and big):
        return tiff_plain.decoded(data, said, order, head)
    return pixels(TiffImageFile, _unturned(data), head)


def _unturned(data: bytes) -> bytes:
    """Pillow turns the picture by its orientation; told that there is none, it does not [picture.orientation]."""
    order, big, place = first(data)
    if one(directory(data, place, order, big)[0], 274, 1) == 1:
        return data
    each, start = (20, 8) if big else (12, 2)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    turned = bytearray(data)
    for entry in range(place + start, place + start + count * each, each):
        if struct.unpack_from(order + "H", data, entry)[0] == 274:
            struct.pack_into(order + "H", turned, entry + (12 if big else 8), 1)
    return bytes(turned)


def plausible(data: bytes, head: Header) -> str | None:
    """Rows against the bytes of the file, by what their compression can give."""
    said, _, _ = _page(data)
    ratio = _LEAST.get(said.packing)
    if ratio is None:
        return loose(data, head)
    due = math.prod(said.sides) * said.bits * said.samples // 8
    return f"{len(data)} bytes cannot hold {head.shape} pixels" if due > ratio * len(data) else None


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: a strip or tile lies outside it, or there are too few uncompressed bytes."""
    said, _, _ = _page(data, wide=True)
    if not said.starts:
        return "it has neither strips nor tiles"
    if not said.sizes:
        return None if max(said.starts) < len(data) else "a strip begins after the end of the file"
    pairs = zip(said.starts, said.sizes, strict=False)
    if len(said.starts) != len(said.sizes) or any(a + b > len(data) for a, b in pairs):
        return "a strip or tile lies outside the file"
    due = math.prod(said.sides) * said.bits * said.samples // 8 if said.packing == 1 else 0
    return f"{sum(said.sizes)} bytes cannot hold {head.shape} pixels" if sum(said.sizes) < due else None


def describe(data: bytes) -> dict[str, Any]:
    order, big, place = first(data)
    tags, following = directory(data, place, order, big)
    found: dict[str, Any] = {"lossless": one(tags, 259, 1) not in (6, 7)}
    if ICC in tags:
        found["icc"] = True
    if one(tags, 274, 0) in range(1, 9):
        found["orientation"] = tags[274][0]
    if one(tags, 338, 0) == 1:
        found["alpha"] = "associated"
    seen = {place}
    while following and following not in seen and len(seen) < 10000:
        seen.add(following)
        _, following = directory(data, following, order, big)
    return {**found, "frames": len(seen)} if len(seen) > 1 else found


def write(array: np.ndarray, params: Params) -> bytes:
    packing = {"none": None, "deflate": "tiff_adobe_deflate", "lzw": "tiff_lzw"}[params["compression"]]
    return saved(array, "TIFF", compression=packing)


ROW = Codec(
    "tiff",
    "media",
    "always",
    "TIFF: exact pictures of 8, 16 and 32 bits",
    aliases=("tif",),
    params=(Param("compression", (str,), "deflate", choices=("none", "deflate", "lzw"), about="inside the file"),),
    takes=takes({"uint8": (1, 3, 4), "uint16": (1,), "int32": (1,), "float32": (1,), "bool": (1,)}, (1 << 31) - 1),
    keeps=takes(dict.fromkeys(_KEPT, (1, 2, 3, 4)), (1 << 31) - 1),
    library="PIL",
    tolerance="A",
    conditions="uint8 of 1, 3 or 4 channels; uint16, int32, float32 and bool of one",
    proves=("shape", "dtype"),
    media_type="image/tiff",
    suffixes=(".tif", ".tiff"),
    sniff=lambda data: data[:4] in MAGICS,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    limits=dict(LOOSE),
    plausible=plausible,
    whole=whole,
)
