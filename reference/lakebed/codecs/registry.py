"""Floor 1. The table of codecs: one row each, found by name or alias [codec.registry]."""

from __future__ import annotations

from ..errors import error
from . import (
    avif,
    bitshuffle,
    blosc2,
    bmp,
    dcm,
    deflate,
    delta,
    dib,
    exr,
    flac,
    gif,
    hdr,
    ico,
    im,
    jpeg,
    jpeg2000,
    jxl,
    jxl_jpeg,
    las,
    lz4,
    mp3,
    msp,
    narrow,
    nii,
    pcodec,
    pcx,
    ply,
    png,
    ppm,
    qoi,
    quantize,
    sgi,
    shuffle,
    stl,
    tga,
    tiff,
    video,
    wav,
    webp,
    xbm,
    zstd,
)
from .row import Codec

_BYTES = (lz4, zstd, deflate, shuffle, bitshuffle, delta, narrow, quantize, pcodec, blosc2)
_PICTURES = (jpeg, png, webp, tiff, bmp, gif, jpeg2000, avif, jxl, jxl_jpeg, qoi, hdr, exr, ppm, sgi, ico, im, xbm)
_VIDEO = (video.MP4, video.MKV, video.WEBM, video.AVI)
_OTHERS = (wav.ROW, flac.ROW, mp3.VORBIS, mp3.OPUS, nii.ROW, nii.GZ, las.ROW, las.LAZ, ply.ROW, stl.ROW)
_WEAK = (msp.ROW, pcx.ROW, dib.ROW, mp3.ROW, tga.ROW)
"""Formats whose mark is weak: files are told apart in the order of the table, so they stand last."""
# A DICOM file may carry a TIFF header in its preamble, so it is asked first.
_ROWS = (*(module.ROW for module in _BYTES), dcm.ROW, *(module.ROW for module in _PICTURES), *_VIDEO, *_OTHERS, *_WEAK)
CODECS: dict[str, Codec] = {row.name: row for row in _ROWS}
ALIASES: dict[str, str] = {alias: row.name for row in _ROWS for alias in row.aliases}
REFUSED = {
    "eps": "a program in PostScript: reading it runs an interpreter, and what it draws depends on that",
    "fli": "an animation that nothing here writes and one decoder reads, so that no second one can check it",
    "wmf": "drawing commands that only one operating system turns into pixels",
}
"""Formats that are never stored, and why [codec.refused]."""


def codec(name: str) -> Codec:
    """The row of a name or an alias, in any case of letters; E_ARGUMENT that names the known ones."""
    key = name.lower()
    row = CODECS.get(ALIASES.get(key, key))
    if key in REFUSED:
        raise error("E_ARGUMENT", "codec.refused", f"{key} is not stored: {REFUSED[key]}")
    if row is None:
        raise error("E_ARGUMENT", "codec.registry", f"{name!r} is no codec; there are {', '.join(sorted(CODECS))}")
    return row
