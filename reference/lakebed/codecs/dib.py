"""Floor 1. ``dib``: a BMP without its file header [codec.dib]."""

from __future__ import annotations

import io

import numpy as np

from . import bmp
from .bounds import LOOSE
from .pictures import image_of
from .row import Codec, Header, Params, corrupt


def _sniff(data: bytes) -> bool:
    size = int.from_bytes(data[:4], "little")
    planes, depth = (8, 10) if size == 12 else (12, 14)
    plausible = size in bmp._HEADS and len(data) > size and data[planes : planes + 2] == b"\1\0"
    return plausible and int.from_bytes(data[depth : depth + 2], "little") in (1, 2, 4, 8, 16, 24, 32)


def _as_bmp(data: bytes) -> bytes:
    """With the file header that it lacks: the pixels follow the header, its bit fields and its colours."""
    size = int.from_bytes(data[:4], "little")
    if size == 12:
        depth = int.from_bytes(data[10:12], "little")
        table = 3 << depth if depth <= 8 else 0
    else:
        depth, packing = int.from_bytes(data[14:16], "little"), int.from_bytes(data[16:20], "little")
        colours = int.from_bytes(data[32:36], "little") or (1 << depth if depth <= 8 else 0)
        if colours > 65536:
            raise corrupt("media.corrupt", f"a DIB palette of {colours} colours")
        table = 4 * colours + (12 if packing == 3 and size == 40 else 0)
    return b"BM" + bytes(8) + (14 + size + table).to_bytes(4, "little") + data


def header(data: bytes) -> Header:
    if not _sniff(data):
        raise corrupt("media.corrupt", "no DIB file: it does not begin with a bitmap header")
    return bmp.header(_as_bmp(data))


def write(array: np.ndarray, params: Params) -> bytes:
    out = io.BytesIO()
    image_of(array).save(out, "DIB")
    return out.getvalue()


ROW = Codec(
    "dib",
    "media",
    "always",
    "DIB: a BMP without its file header",
    params=bmp.ROW.params,
    takes=bmp.ROW.takes,
    library="PIL",
    conditions=bmp.ROW.conditions,
    proves=("shape", "dtype"),
    media_type="image/bmp",
    suffixes=(".dib",),
    sniff=_sniff,
    header=header,
    write=write,
    complete=bmp.complete,
    pixels=lambda data, head: bmp.decoded(_as_bmp(data), head),
    limits=dict(LOOSE),
    plausible=lambda data, head: bmp.short(_as_bmp(data), head),
)
