"""Floor 1. The table of codecs: one row each, found by name or alias [codec.registry]."""

from __future__ import annotations

from ..errors import error
from . import (
    avif,
    bitshuffle,
    bmp,
    deflate,
    delta,
    dib,
    gif,
    hdr,
    ico,
    im,
    jpeg,
    jpeg2000,
    jxl,
    jxl_jpeg,
    lz4,
    msp,
    narrow,
    pcodec,
    pcx,
    png,
    ppm,
    qoi,
    quantize,
    sgi,
    shuffle,
    tga,
    tiff,
    webp,
    xbm,
    zstd,
)
from .row import Codec

_BYTES = (lz4, zstd, deflate, shuffle, bitshuffle, delta, narrow, quantize, pcodec)
_PICTURES = (
    jpeg, png, webp, tiff, bmp, gif, jpeg2000, avif, jxl, jxl_jpeg, qoi, hdr, ppm, sgi, ico, im, xbm, msp, pcx, dib,
    tga,
)  # fmt: skip
_MODULES = (*_BYTES, *_PICTURES)  # files are told apart in this order, formats with a weak mark last
CODECS: dict[str, Codec] = {module.ROW.name: module.ROW for module in _MODULES}
ALIASES: dict[str, str] = {alias: row.name for row in CODECS.values() for alias in row.aliases}
REFUSED = {
    "eps": "a program in PostScript: reading it runs an interpreter, and what it draws depends on that",
    "fli": "an animation that nothing here writes and one decoder reads, so that no second one can check it",
    "wmf": "drawing commands that only one operating system turns into pixels",
}
"""Formats that are never stored, and why [codec.refused]."""
RESERVED = [
    "avi",
    "blosc2",
    "dcm",
    "exr",
    "flac",
    "las",
    "laz",
    "mkv",
    "mov",
    "mp3",
    "mp4",
    "nii",
    "nii.gz",
    "ogg",
    "opus",
    "ply",
    "stl",
    "wav",
    "webm",
]
"""Names that a later version may define."""


def codec(name: str) -> Codec:
    """The row of a name or an alias, in any case of letters; E_ARGUMENT that names the known ones."""
    key = name.lower()
    row = CODECS.get(ALIASES.get(key, key))
    if key in REFUSED:
        raise error("E_ARGUMENT", "codec.refused", f"{key} is not stored: {REFUSED[key]}")
    if row is None:
        raise error("E_ARGUMENT", "codec.registry", f"{name!r} is no codec; there are {', '.join(sorted(CODECS))}")
    return row
