"""Floor 1. ``qoi``: exact RGB and RGBA pictures, very fast [codec.qoi]."""

from __future__ import annotations

import struct

import numpy as np

from ..extras import optional
from .bounds import sparse
from .pictures import _FAULTS, _settled, takes
from .row import Codec, Header, Param, Params, corrupt


def header(data: bytes) -> Header:
    if data[:4] != b"qoif" or len(data) < 22:
        raise corrupt("media.corrupt", "no QOI file: it does not begin with qoif")
    width, height, channels, space = struct.unpack_from(">IIBB", data, 4)
    if not width or not height or channels not in (3, 4) or space > 1:
        raise corrupt("media.corrupt", f"a QOI header of {height} x {width} with {channels} channels")
    return Header("uint8", (height, width, channels))


def decoded(data: bytes, head: Header) -> np.ndarray:
    codec = optional("qoi", "image")
    try:
        return _settled(codec.decode(data), head)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged QOI picture: {problem}") from problem


def whole(data: bytes, head: Header) -> str | None:
    return None if data[-8:] == b"\0\0\0\0\0\0\0\1" else "the end mark is missing"


def write(array: np.ndarray, params: Params) -> bytes:
    return bytes(optional("qoi", "image").encode(array))


ROW = Codec(
    "qoi",
    "media",
    "always",
    "QOI: exact RGB and RGBA pictures, very fast",
    params=(Param("channels", (int,), choices=(3, 4), about="follows from the array"),),
    takes=takes({"uint8": (3, 4)}, (1 << 31) - 1),
    library="qoi",
    extra="image",
    conditions="uint8 of 3 or 4 channels",
    proves=("shape", "dtype"),
    media_type="image/x-qoi",
    suffixes=(".qoi",),
    sniff=lambda data: data[:4] == b"qoif",
    header=header,
    write=write,
    complete=lambda array, params: {"channels": array.shape[2]},
    pixels=decoded,
    plausible=lambda data, head: sparse(62 * head.shape[2])(data, head),
    whole=whole,
)
