"""Floor 1. ``tiff``: exact pictures of many dtypes; the first page of a file [codec.tiff]."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from .pictures import pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_DTYPES = {
    **{(1, bits): "uint8" for bits in (1, 2, 4, 8)},
    (1, 16): "uint16",
    (1, 32): "uint32",
    (1, 12): "uint16",
    (2, 8): "int8",
    (2, 16): "int16",
    (2, 32): "int32",
    (3, 16): "float16",
    (3, 32): "float32",
    (3, 64): "float64",
}
_PILLOW = {"uint8": (1, 2, 3, 4), "uint16": (1,), "int16": (1,), "int32": (1,), "uint32": (1,), "float32": (1,)}
Tags = dict[int, tuple[int, ...]]


def _directory(data: bytes, place: int, order: str, big: bool) -> tuple[Tags, int]:
    """The integer tags of the directory at ``place``, and where the next one is (0: none)."""
    try:
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
        place += 8 if big else 2
        each, form, room = (20, "HHQ", 8) if big else (12, "HHI", 4)
        if count > 4096 or place + count * each > len(data):
            raise corrupt("media.corrupt", f"a TIFF directory of {count} entries does not fit the file")
        tags: Tags = {}
        for entry in range(place, place + count * each, each):
            tag, kind, many = struct.unpack_from(order + form, data, entry)
            size = _SIZES.get(kind, 0) * many
            at = entry + each - room
            if size > room:
                (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
            if kind in _FORMS and many <= 64:
                tags[tag] = struct.unpack_from(f"{order}{many}{_FORMS[kind]}", data, at)
            else:
                tags[tag] = (many, at, size)
        after = place + count * each
        follows = after + room <= len(data)
        following = struct.unpack_from(order + ("Q" if big else "I"), data, after)[0] if follows else 0
    except struct.error as problem:
        raise corrupt("media.corrupt", f"a TIFF directory runs past the end: {problem}") from problem
    return tags, following


def _first(data: bytes) -> tuple[str, bool, int]:
    if data[:4] not in _MAGICS or len(data) < 16:
        raise corrupt("media.corrupt", "no TIFF file: the magic is missing")
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    return order, big, place


def header(data: bytes) -> Header:
    order, big, place = _first(data)
    tags, _ = _directory(data, place, order, big)
    try:
        width, height = tags[256][0], tags[257][0]
        bits = tags.get(258, (1,))
        samples = tags.get(277, (1,))[0]
        form = tags.get(339, (1,))[0]
        colour = tags.get(262, (0 if tags.get(259, (1,))[0] in (2, 3, 4) else 1,))[0]
    except (KeyError, IndexError) as problem:
        raise corrupt("media.corrupt", "a TIFF file without width or height") from problem
    if width < 1 or height < 1 or not 1 <= samples <= 64 or len(set(bits[:samples])) != 1:
        raise corrupt("media.corrupt", f"a TIFF page of {height} x {width} with {samples} samples of {bits} bits")
    return _page((height, width), bits[0], samples, 1 if form == 4 else form, colour, tags)


def _page(sides: tuple[int, int], bits: int, samples: int, form: int, colour: int, tags: Tags) -> Header:
    shape = sides if samples == 1 else (*sides, samples)
    name = _DTYPES.get((form, bits))
    if colour == 3 and samples == 1:
        shape, name = (*sides, 3), "uint8"
    if name is None:
        return Header("uint8", shape, refuse=f"{bits}-bit samples of format {form} are no dtype of the format")
    refuse = None
    if samples not in _PILLOW.get(name, ()) or (colour == 3 and bits == 16):
        refuse = f"TIFF of {samples} x {name} is not decoded here"
    elif bits not in (8, 16, 32) and samples > 1:
        refuse = f"TIFF of {samples} samples of {bits} bits is not decoded here"
    elif bits == 12:
        refuse = "12-bit TIFF is not decoded here"
    return Header(name, shape, also=("bool",) if bits == 1 and samples == 1 and colour != 3 else (), refuse=refuse)


def describe(data: bytes) -> dict[str, Any]:
    order, big, place = _first(data)
    tags, following = _directory(data, place, order, big)
    found: dict[str, Any] = {}
    if 34675 in tags:
        found["icc"] = True
    if tags.get(274, (0,))[0] in range(1, 9):
        found["orientation"] = tags[274][0]
    seen = {place}
    while following and following not in seen and len(seen) < 10000:
        seen.add(following)
        _, following = _directory(data, following, order, big)
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
    library="PIL",
    tolerance="A",
    conditions="uint8 of 1, 3 or 4 channels; uint16, int32, float32 and bool of one",
    proves=("shape", "dtype"),
    media_type="image/tiff",
    suffixes=(".tif", ".tiff"),
    sniff=lambda data: data[:4] in _MAGICS,
    header=header,
    write=write,
    pixels=lambda data, head: pixels(TiffImageFile, data, head),
    describe=describe,
)
