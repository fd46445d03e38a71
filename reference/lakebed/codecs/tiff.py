"""Floor 1. ``tiff``: exact pictures of many dtypes; the first page of a file [codec.tiff].

Grey: [picture.gray8], [picture.gray16], [picture.gray32]; with alpha: [picture.gray_alpha]; [picture.tiff_cmyk].
"""

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
    (2, 32): "int32",
    (3, 32): "float32",
}
_PACKINGS = {
    1: "none", 2: "CCITT", 3: "fax 3", 4: "fax 4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate", 32773: "PackBits",
    32946: "deflate", 34925: "LZMA", 50000: "zstd",
}  # fmt: skip
_COLOURS = {0: (1,), 1: (1, 2), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,)}
Tags = dict[int, tuple[int, ...]]


def _directory(data: bytes, place: int, order: str, big: bool, *, wide: bool = False) -> tuple[Tags, int]:
    """The integer tags of the directory at ``place``, and where the next one is (0: none).

    Tags of more than 64 values (strip tables) only when ``wide``.
    """
    if not 0 < place < len(data):
        raise corrupt("media.corrupt", f"a TIFF directory at byte {place} is outside the file")
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
            if kind in _FORMS and (many <= 64 or (wide and at + size <= len(data))):
                tags[tag] = struct.unpack_from(f"{order}{many}{_FORMS[kind]}", data, at)
            elif tag == 34675:
                tags[tag] = (many,)
        after = place + count * each
        follows = after + room <= len(data)
        following = struct.unpack_from(order + ("Q" if big else "I"), data, after)[0] if follows else 0
    except (struct.error, OverflowError) as problem:
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
        sides = (tags[257][0], tags[256][0])
    except KeyError as problem:
        raise corrupt("media.corrupt", "a TIFF file without width or height") from problem
    packing = tags.get(259, (1,))[0]
    bits = tags.get(258, (1,))
    samples = tags.get(277, (1,))[0]
    form = tags.get(339, (1,))[0]
    colour = tags.get(262, (0 if packing in (2, 3, 4) else 1,))[0]
    if min(sides) < 1 or not 1 <= samples <= 64 or len(set(bits[:samples])) != 1:
        raise corrupt("media.corrupt", f"a TIFF page of {sides} pixels with {samples} samples of {bits} bits")
    name = _DTYPES.get((1 if form == 4 else form, bits[0]))
    shape = sides if samples == 1 else (*sides, samples)
    if colour == 3 and samples == 1:
        shape = (*sides, 3)
    refuse = _variant(name, bits[0], form, samples, colour, packing, tags.get(338, ()))
    if refuse is None and order == ">" and big:
        refuse = "big-endian BigTIFF is not decoded here"
    also = ("bool",) if bits[0] == 1 and samples == 1 and colour in (0, 1) else ()
    return Header(name or "uint8", shape, also=also, refuse=refuse)


def _variant(
    name: str | None, bits: int, form: int, samples: int, colour: int, packing: int, extra: tuple[int, ...]
) -> str | None:
    """Why a page of this kind is not one whose array the format defines; None when it is [picture.other]."""
    if name is None:
        return f"TIFF with {bits}-bit samples of format {form} is not decoded here"
    if packing not in _PACKINGS:
        return f"TIFF compression {packing} is not decoded here"
    if samples not in _COLOURS.get(colour, ()) or (colour == 6 and packing not in (6, 7)):
        return f"TIFF of photometric {colour} with {samples} samples is not decoded here"
    if (samples > 1 or colour == 3) and (name != "uint8" or (samples > 1 and bits != 8)):
        return f"TIFF of photometric {colour} with {samples} samples of {bits} bits is not decoded here"
    if (samples == 2 and extra != (2,)) or (samples == 4 and colour == 2 and extra not in ((), (2,))):
        return "TIFF with associated alpha or unspecified extra samples is not decoded here"
    return None


def decoded(data: bytes, head: Header) -> np.ndarray:
    """Pillow turns the picture by its orientation; told that there is none, it does not [picture.orientation]."""
    order, big, place = _first(data)
    if _directory(data, place, order, big)[0].get(274, (1,))[0] != 1:
        each, start = (20, 8) if big else (12, 2)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
        turned = bytearray(data)
        for entry in range(place + start, place + start + count * each, each):
            if struct.unpack_from(order + "H", data, entry)[0] == 274:
                struct.pack_into(order + "H", turned, entry + (12 if big else 8), 1)
        data = bytes(turned)
    return pixels(TiffImageFile, data, head)


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: a strip or tile lies outside it, or there are too few uncompressed bytes."""
    order, big, place = _first(data)
    tags, _ = _directory(data, place, order, big, wide=True)
    starts, sizes = (tags.get(273) or tags.get(324), tags.get(279) or tags.get(325))
    if not starts:
        return "it has neither strips nor tiles"
    if not sizes:
        return None if max(starts) < len(data) else "a strip begins after the end of the file"
    if len(starts) != len(sizes) or any(a + b > len(data) for a, b in zip(starts, sizes, strict=True)):
        return "a strip or tile lies outside the file"
    rows = (head.shape[1] * tags.get(258, (1,))[0] + 7) // 8 * head.shape[0] * tags.get(277, (1,))[0]
    due = rows if tags.get(259, (1,))[0] == 1 else rows // 4096
    return f"{sum(sizes)} bytes cannot hold {head.shape} pixels" if sum(sizes) < due else None


def describe(data: bytes) -> dict[str, Any]:
    order, big, place = _first(data)
    tags, following = _directory(data, place, order, big)
    found: dict[str, Any] = {"lossless": tags.get(259, (1,))[0] not in (6, 7)}
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
    pixels=decoded,
    describe=describe,
    whole=whole,
)
