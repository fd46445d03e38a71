"""Floor 1. ``jxl_jpeg``: a JPEG file packed as JPEG XL, given back byte for byte [codec.jxl_jpeg] [media.packed]."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..extras import optional
from . import jpeg, jxl
from .pictures import _FAULTS
from .row import Codec, Header, corrupt


def header(data: bytes) -> Header:
    if b"jbrd" not in data[:65536]:
        raise corrupt("media.corrupt", "no JPEG packed as JPEG XL: it has no jbrd box")
    return jxl.header(data)


def unpack(data: bytes) -> bytes:
    """The JPEG file."""
    try:
        return optional("imagecodecs", "image").jpegxl_decode_jpeg(data)
    except _FAULTS as problem:
        raise corrupt("media.packed", f"a damaged packed JPEG: {problem}") from problem


def pack(data: bytes) -> bytes | None:
    """Smaller, and proved to come back; None when this file cannot be packed so."""
    codec = optional("imagecodecs", "image")
    try:
        done = codec.jpegxl_encode_jpeg(data, usecontainer=True)
        return done if len(done) < len(data) and codec.jpegxl_decode_jpeg(done) == data else None
    except _FAULTS:
        return None


def decoded(data: bytes, head: Header) -> np.ndarray:
    plain = unpack(data)
    return jpeg.decoded(plain, jpeg.header(plain))


def describe(data: bytes) -> dict[str, Any]:
    return {"lossless": False}


ROW = Codec(
    "jxl_jpeg",
    "media",
    "never",
    "JPEG files packed as JPEG XL, some 15 % smaller; the JPEG comes back byte for byte",
    library="imagecodecs",
    extra="image",
    takes=jpeg.ROW.takes,
    tolerance="A",
    proves=("shape", "dtype"),
    media_type="image/jxl",
    suffixes=(".jxl",),
    header=header,
    pixels=decoded,
    describe=describe,
    packs="jpeg",
    pack=pack,
    unpack=unpack,
)
