"""Floor 1. ``hdr``: Radiance pictures with a shared exponent, kept as given [codec.hdr] [picture.hdr]."""

from __future__ import annotations

import re

import numpy as np

from ..extras import optional
from .bounds import sparse
from .pictures import _FAULTS, _settled, takes
from .row import Codec, Header, corrupt

_SIZE = re.compile(rb"\n\n-Y ([0-9]{1,6}) \+X ([0-9]{1,6})\n")
_MAGICS = (b"#?RADIANCE\n", b"#?RGBE\n")


def header(data: bytes) -> Header:
    if not data.startswith(_MAGICS):
        raise corrupt("media.corrupt", "no HDR file: it begins with neither #?RADIANCE nor #?RGBE")
    found = _SIZE.search(data[:8192])
    if found is None:
        raise corrupt("media.corrupt", "an HDR header without its size, or turned")
    height, width = int(found[1]), int(found[2])
    if not height or not width:
        raise corrupt("media.corrupt", f"an HDR header of {height} x {width} pixels")
    plain = b"FORMAT=32-bit_rle_rgbe" in data[: found.start()]
    return Header("float32", (height, width, 3), refuse=None if plain else "HDR of XYZ colours is not decoded here")


def decoded(data: bytes, head: Header) -> np.ndarray:
    codec = optional("imagecodecs", "image")
    try:
        return _settled(codec.rgbe_decode(data), head)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged HDR picture: {problem}") from problem


ROW = Codec(
    "hdr",
    "media",
    "never",
    "HDR: Radiance pictures as float32, kept as given",
    aliases=("rgbe",),
    takes=takes({"float32": (3,)}, 999_999),
    library="imagecodecs",
    extra="image",
    proves=("shape", "dtype"),
    media_type="image/vnd.radiance",
    suffixes=(".hdr", ".rgbe"),
    sniff=lambda data: data.startswith(_MAGICS),
    header=header,
    pixels=decoded,
    plausible=sparse(4 * 3 * 127),
)
