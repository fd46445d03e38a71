"""Section 7.8: what the header of a picture file proves, walked by hand; no pixel is decoded here."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lakebed_conform.checker.finding import Broken, need
from lakebed_conform.pen import crc32

DATA = "E_CODEC_DATA"
BILEVEL, U8, U16 = ("bool", "uint8"), ("uint8",), ("uint16",)


@dataclass(frozen=True)
class Picture:
    """Height, width, channels, and the dtypes that the array may have [picture.shape]; whether Pillow has such."""

    height: int
    width: int
    channels: int
    dtypes: tuple[str, ...]
    held: bool = True
    frames: int = 0  #: of an animation, where that is known


def header(codec: str, data: bytes) -> Picture:
    """What the file's header says. Raises E_CODEC_DATA for another format, a cut file or a refused form."""
    if codec not in _WALKERS:
        raise Broken("E_CODEC_UNSUPPORTED", "codec.unknown", f"codec {codec}")
    try:
        return _WALKERS[codec](data)
    except (struct.error, IndexError, KeyError) as e:
        raise Broken(DATA, "media.corrupt", f"a {codec} file that ends in its header ({e})") from None


def agrees(picture: Picture, shape: tuple[int, ...], dtype: str) -> None:
    """The recorded shape and dtype against the header's [media.header]. Raises E_MEDIA_SHAPE."""
    full: tuple[int, ...] = (picture.height, picture.width, picture.channels)
    if len(shape) == 4:
        need(picture.frames > 0, "E_CODEC_UNSUPPORTED", "picture.frames", "all frames of a picture")
        full = (picture.frames, *full)
    good = shape == full or (shape == full[:2] and picture.channels == 1)
    need(good, "E_MEDIA_SHAPE", "media.header", f"the file holds {full}, recorded is {shape}")
    good = dtype in picture.dtypes
    need(good, "E_MEDIA_SHAPE", "media.header", f"the file holds {picture.dtypes[0]}, recorded is {dtype}")


def _refuse(clause: str, detail: str) -> Any:
    raise Broken(DATA, clause, detail)


def _is(holds: bool, detail: str) -> None:
    need(holds, DATA, "media.corrupt", detail)


# PNG

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def _png(data: bytes) -> Picture:
    _is(data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG signature")
    at, seen = 8, {}
    while "IEND" not in seen:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        said = data[at + 8 + size : at + 12 + size]
        _is(len(body) == size and len(said) == 4, f"the file ends in chunk {kind!r}")
        _is(crc32(kind + body).to_bytes(4, "big") == said, f"CRC of chunk {kind!r}")
        seen.setdefault(kind.decode("latin1"), body)
        at += 12 + size
    _is("IHDR" in seen and "IDAT" in seen and len(seen["IHDR"]) == 13, "IHDR or IDAT is absent")
    width, height, depth, colour = struct.unpack(">IIBB", seen["IHDR"][:10])
    _is(depth in _DEPTHS.get(colour, ()) and width > 0 and height > 0, f"{depth} bits of colour type {colour}")
    _is(colour != 3 or "PLTE" in seen, "no palette")
    channels = 4 if colour == 3 and "tRNS" in seen else _CHANNELS[colour]
    dtypes = U16 if depth == 16 else BILEVEL if depth == 1 and colour == 0 else U8
    frames = int.from_bytes(seen["acTL"][:4], "big") if "acTL" in seen else 1
    return Picture(height, width, channels, dtypes, frames=frames)


# JPEG


def _jpeg(data: bytes) -> Picture:
    _is(data[:2] == b"\xff\xd8", "no SOI")
    at, picture = 2, None
    while True:
        _is(data[at] == 0xFF, f"no marker at byte {at}")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0xDA:
            break
        size = struct.unpack(">H", data[at : at + 2])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            picture = _sof(marker, data[at + 2 : at + size])
        at += size
    _is(picture is not None, "no SOF before the scan")
    _is(b"\xff\xd9" in data[at:], "no EOI")
    return picture


def _sof(marker: int, body: bytes) -> Picture:
    bits, height, width, components = struct.unpack(">BHHB", body[:6])
    good = marker in (0xC0, 0xC1, 0xC2) and bits == 8 and components in (1, 3, 4)
    if not good:
        _refuse("picture.jpeg_other", f"SOF{marker - 0xC0}, {bits} bits, {components} components")
    _is(height > 0 and width > 0, "a side of 0")
    return Picture(height, width, components, U8)


# GIF


def _gif(data: bytes) -> Picture:
    _is(data[:6] in (b"GIF87a", b"GIF89a"), "no GIF signature")
    width, height, flags = struct.unpack("<HHB", data[6:11])
    at, transparent = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0), False
    while data[at] == 0x21:
        if data[at + 1] == 0xF9:
            transparent = bool(data[at + 3] & 1)
        at = _blocks(data, at + 2)
    _is(data[at] == 0x2C, "no frame")
    left, top, w, h, flags = struct.unpack("<HHHHB", data[at + 1 : at + 10])
    at += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    at = _blocks(data, at + 1)
    while data[at] != 0x3B:  # further frames and what stands between them, up to the trailer
        _is(data[at] in (0x21, 0x2C), f"no block of a GIF at byte {at}")
        if data[at] == 0x2C:
            local = data[at + 9]
            at += 9 + (3 << ((local & 7) + 1) if local & 0x80 else 0)
        at = _blocks(data, at + 2)
    return Picture(max(height, top + h), max(width, left + w), 4 if transparent else 3, U8)


def _blocks(data: bytes, at: int) -> int:
    """The offset after a chain of sub-blocks."""
    while data[at]:
        at += data[at] + 1
    return at + 1


# BMP


def _bmp(data: bytes) -> Picture:
    _is(data[:2] == b"BM", "no BMP signature")
    size = struct.unpack("<I", data[14:18])[0]
    if size == 12:
        width, height, _, bits = struct.unpack("<HHHH", data[18:26])
        compression, used, entry = 0, 0, 3
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", data[18:34])
        used, entry = struct.unpack("<I", data[46:50])[0], 4
    _is(width > 0 and height != 0, "a side of 0")
    channels, dtypes = 3, U8
    if bits <= 8:
        n = min(used or 1 << bits, 256)
        palette = [tuple(data[14 + size + entry * i :][:3]) for i in range(n)]
        _is(all(len(p) == 3 for p in palette), "the palette is cut short")
        if set(palette) <= {(0, 0, 0), (255, 255, 255)}:
            channels, dtypes = 1, BILEVEL
        elif palette == [(i, i, i) for i in range(n)]:
            channels = 1
    elif compression in (3, 6):
        masks = struct.unpack("<4I", data[54:70].ljust(16, b"\0"))
        declared = size >= 56 or compression == 6
        channels = 4 if (declared and masks[3]) or (bits == 32 and not any(masks[:3])) else 3
    elif bits not in (16, 24, 32):
        _refuse("picture.other", f"{bits} bits")
    return Picture(abs(height), width, channels, dtypes)


# WebP


def _webp(data: bytes) -> Picture:
    _is(data[:4] == b"RIFF" and data[8:12] == b"WEBP", "no RIFF WEBP")
    _is(struct.unpack("<I", data[4:8])[0] + 8 <= len(data), "the file is cut short")
    kind, body = data[12:16], data[20:]
    if kind == b"VP8X":
        alpha = bool(body[0] & 0x10)
        width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
    elif kind == b"VP8L":
        _is(body[0] == 0x2F, "no VP8L signature")
        bits = int.from_bytes(body[1:5], "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    else:
        _is(kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a", "no key frame")
        width, height = (n & 0x3FFF for n in struct.unpack("<HH", body[6:10]))
        alpha = False
    return Picture(height, width, 4 if alpha else 3, U8)


# TIFF

_TYPES = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4)}


def _tiff(data: bytes) -> Picture:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    _is(order is not None, "no TIFF signature")
    at = struct.unpack(f"{order}I", data[4:8])[0]
    (n,) = struct.unpack(f"{order}H", data[at : at + 2])
    tags: dict[int, tuple[int, ...]] = {}
    for i in range(n):
        entry = data[at + 2 + 12 * i : at + 14 + 12 * i]
        tag, kind, count = struct.unpack(f"{order}HHI", entry[:8])
        if kind in _TYPES and count <= 16:
            letter, size = _TYPES[kind]
            where = entry[8:] if count * size <= 4 else data[struct.unpack(f"{order}I", entry[8:])[0] :]
            tags[tag] = struct.unpack(f"{order}{count}{letter}", where[: count * size])
    _is(256 in tags and 257 in tags, "no width or height")
    return _tiff_form(tags)


def _tiff_form(tags: dict[int, tuple[int, ...]]) -> Picture:
    width, height, colour = tags[256][0], tags[257][0], tags.get(262, (1,))[0]
    bits, channels = tags.get(258, (1,))[0], tags.get(277, (1,))[0]
    form = {4: 1}.get(tags.get(339, (1,))[0], tags.get(339, (1,))[0])
    _is(width > 0 and height > 0, "a side of 0")
    if colour in (0, 1) and channels == 1 and (bits, form) == (1, 1):
        return Picture(height, width, 1, BILEVEL)
    packed = tags.get(259, (1,))[0] in (6, 7)
    wide = {0: (1,), 1: (1, 2, 3, 4), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,) if packed else ()}.get(colour, ())
    holds = _tiff_dtype(bits, form)
    if channels not in wide or not holds or (colour == 3 and bits > 8) or (colour == 0 and form != 1):
        _refuse("picture.other", f"photometric {colour}, {channels} samples of {bits} bits, sample format {form}")
    one = (bits, form) in ((2, 1), (4, 1), (8, 1), (16, 1), (32, 2), (32, 3)) and channels == 1
    held = one or ((bits, form) == (8, 1) and tags.get(338, (2,))[0] == 2 and (colour, channels) != (1, 3))
    return Picture(height, width, 3 if colour == 3 else channels, holds, held)


def _tiff_dtype(bits: int, form: int) -> tuple[str, ...]:
    """[picture.tiff]: of that width; odd widths in the next unsigned one. None: no such dtype."""
    if form == 1 and 1 <= bits <= 32:
        return U8 if bits <= 8 else U16 if bits <= 16 else ("uint32",)
    kind, widths = {1: ("uint", (64,)), 2: ("int", (8, 16, 32, 64)), 3: ("float", (16, 32, 64)),
                    6: ("complex", (64, 128))}.get(form, ("", ()))  # fmt: skip
    return (f"{kind}{bits}",) if bits in widths else ()


_WALKERS: dict[str, Callable[[bytes], Picture]] = {
    "png": _png, "jpeg": _jpeg, "gif": _gif, "bmp": _bmp, "webp": _webp, "tiff": _tiff,
}  # fmt: skip
