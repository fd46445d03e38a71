"""Floor 1. The table of codecs: one row each, found by name or alias [codec.registry]."""

from __future__ import annotations

from ..errors import error
from . import bitshuffle, bmp, deflate, delta, gif, jpeg, lz4, narrow, png, quantize, shuffle, tiff, webp, zstd
from .row import Codec

_MODULES = (lz4, zstd, deflate, shuffle, bitshuffle, delta, narrow, quantize, jpeg, png, webp, tiff, bmp, gif)
CODECS: dict[str, Codec] = {module.ROW.name: module.ROW for module in _MODULES}
ALIASES: dict[str, str] = {alias: row.name for row in CODECS.values() for alias in row.aliases}
REFUSED = {
    "eps": "a program in PostScript: reading it runs an interpreter, and what it draws depends on that",
    "fli": "an animation that nothing here writes and one decoder reads, so that no second one can check it",
    "wmf": "drawing commands that only one operating system turns into pixels",
}
"""Formats that are never stored, and why [codec.refused]."""
RESERVED = (
    "apng avif avi blosc2 dcm dib exr flac hdr ico im jpeg2000 jxl las laz mkv mov mp3 mp4 mpo msp nii nii.gz ogg opus "
    "pcodec pcx ply ppm qoi sgi stl tga wav webm xbm"
).split()
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
