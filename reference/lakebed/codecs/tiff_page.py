"""Floor 1. What a TIFF file says of its pages: directories and tags, no pixels [codec.tiff]."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .row import corrupt

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
Tags = dict[int, tuple[int, ...]]
ICC = 34675


class Page(NamedTuple):
    """One page. ``form``: 1 unsigned, 2 signed, 3 float, 6 complex; ``tile``: (height, width) or None."""

    sides: tuple[int, int]
    bits: int
    samples: int
    form: int
    colour: int
    packing: int
    extra: tuple[int, ...]
    planar: bool
    predictor: int
    backward: bool
    rows: int
    tile: tuple[int, int] | None
    starts: tuple[int, ...]
    sizes: tuple[int, ...]


def directory(data: bytes, place: int, order: str, big: bool, *, wide: bool = False) -> tuple[Tags, int]:
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
            elif tag == ICC:
                tags[tag] = (many,)
        after = place + count * each
        follows = after + room <= len(data)
        following = struct.unpack_from(order + ("Q" if big else "I"), data, after)[0] if follows else 0
    except (struct.error, OverflowError) as problem:
        raise corrupt("media.corrupt", f"a TIFF directory runs past the end: {problem}") from problem
    return tags, following


def first(data: bytes) -> tuple[str, bool, int]:
    """(byte order, 64-bit offsets or not, place of the first directory)."""
    if data[:4] not in MAGICS or len(data) < 16:
        raise corrupt("media.corrupt", "no TIFF file: the magic is missing")
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    return order, big, place


def page(tags: Tags) -> Page:
    """A directory's tags with what absence means; E_CODEC_DATA where they make no picture."""
    try:
        sides = (tags[257][0], tags[256][0])
    except (KeyError, IndexError) as problem:
        raise corrupt("media.corrupt", "a TIFF file without width or height") from problem
    packing = one(tags, 259, 1)
    bits = tags.get(258) or (1,)
    samples = one(tags, 277, 1)
    if min(sides) < 1 or not 1 <= samples <= 64 or len(set(bits[:samples])) != 1:
        raise corrupt("media.corrupt", f"a TIFF page of {sides} pixels with {samples} samples of {bits} bits")
    form = one(tags, 339, 1)
    tile = (one(tags, 323, 0), one(tags, 322, 0)) if 322 in tags else None
    return Page(
        sides,
        bits[0],
        samples,
        1 if form == 4 else form,
        one(tags, 262, 0 if packing in (2, 3, 4) else 1),
        packing,
        tags.get(338, ()),
        one(tags, 284, 1) == 2 and samples > 1,
        one(tags, 317, 1),
        one(tags, 266, 1) == 2,
        min(one(tags, 278, sides[0]), sides[0]),
        tile,
        tags.get(273) or tags.get(324) or (),
        tags.get(279) or tags.get(325) or (),
    )


def one(tags: Tags, tag: int, default: int) -> int:
    """The first value of a tag."""
    return (tags.get(tag) or (default,))[0]
