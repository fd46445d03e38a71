"""Floor 1. ``ppm``: the portable family, plain exact pictures of many dtypes, in numpy [codec.ppm] [picture.ppm]."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from .bounds import sparse
from .legacy import bits, words
from .pictures import takes
from .row import Codec, Header, Param, Params, corrupt

_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")
_KINDS = {"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4), "bool": (1,), "float32": (1, 3)}
_SCALES = {1: "bool", 255: "uint8", 65535: "uint16"}


class _Head(NamedTuple):
    kind: bytes
    width: int
    height: int
    channels: int
    top: float
    start: int


def _parsed(data: bytes) -> _Head:
    kind = data[:2]
    if kind == b"P7":
        return _arbitrary(data)
    place, numbers = 2, []
    for _ in range(2 if kind in (b"P1", b"P4") else 3):
        found = _TOKEN.match(data, place, place + 4096)
        try:
            if found is None:
                raise ValueError("it ends")
            numbers.append(float(found[1]))
            place = found.end()
        except ValueError as problem:
            raise corrupt("media.corrupt", f"a {kind.decode('latin1')} header is damaged: {problem}") from problem
    width, height, *top = numbers
    channels = 3 if kind in (b"P3", b"P6", b"PF") else 1
    return _Head(kind, _side(width), _side(height), channels, top[0] if top else 1.0, place + 1)


def _side(number: float) -> int:
    if not 1 <= number < 1 << 31 or number != int(number):
        raise corrupt("media.corrupt", f"a side of {number:g} pixels")
    return int(number)


def _arbitrary(data: bytes) -> _Head:
    """The header of a P7: lines of a name and a value up to ENDHDR."""
    end = data.find(b"ENDHDR\n", 0, 8192)
    if end < 0:
        raise corrupt("media.corrupt", "a P7 header does not end")
    said = dict(line.split(None, 1) for line in data[2:end].splitlines() if len(line.split(None, 1)) == 2)
    try:
        width, height, depth, top = (float(said[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError) as problem:
        raise corrupt("media.corrupt", f"a P7 header is damaged: {problem}") from problem
    return _Head(b"P7", _side(width), _side(height), _side(depth), top, end + 7)


def header(data: bytes) -> Header:
    if not _sniff(data):
        raise corrupt("media.corrupt", "no portable picture: it does not begin with P1 to P7, Pf or PF")
    head = _parsed(data)
    shape = (head.height, head.width, *((head.channels,) if head.channels > 1 else ()))
    if head.kind in (b"Pf", b"PF"):
        return Header("float32", shape)
    dtype = _SCALES.get(int(head.top), "uint8")
    refuse = None
    if head.channels > 4 or head.top not in _SCALES or (dtype == "bool" and head.kind not in (b"P1", b"P4", b"P7")):
        refuse = f"a portable picture of {head.channels} channels up to {head.top:g} is not decoded here"
    if dtype == "bool":
        return Header("uint8", shape, also=("bool",), refuse=refuse)
    return Header(dtype, shape, refuse=refuse)


def decoded(data: bytes, head: Header) -> np.ndarray:
    said = _parsed(data)
    count = math.prod(head.shape)
    if said.kind in (b"P1", b"P2", b"P3"):
        values = _text(data, said, count)
    elif said.kind == b"P4":
        row = (said.width + 7) // 8
        packed = _bytes(data, said.start, row * said.height).reshape(said.height, row)
        values = np.unpackbits(packed, axis=1)[:, : said.width] ^ 1
    elif said.kind in (b"Pf", b"PF"):
        stored = "<f4" if said.top < 0 else ">f4"
        values = _bytes(data, said.start, 4 * count).view(stored).reshape(head.shape)[::-1]
    else:
        stored = ">u2" if head.dtype == "uint16" else "u1"
        values = _bytes(data, said.start, count * np.dtype(stored).itemsize).view(stored)
    if head.also and said.kind != b"P4":
        if values.size and int(values.max()) > 1:
            raise corrupt("media.corrupt", "a one-bit picture holds a value above 1")
        values = values ^ 1 if said.kind == b"P1" else values
    values = values.astype(head.dtype).reshape(head.shape)
    return values * np.uint8(255) if head.also else values


def _bytes(data: bytes, start: int, length: int) -> np.ndarray:
    if start + length > len(data):
        raise corrupt("media.corrupt", f"the pixels need {length} bytes, there are {max(0, len(data) - start)}")
    return np.frombuffer(data, np.uint8, length, start)


def _text(data: bytes, said: _Head, count: int) -> np.ndarray:
    body = re.sub(rb"#[^\n\r]*", b" ", data[said.start - 1 :])
    tokens = re.findall(rb"[01]", body) if said.kind == b"P1" else body.split()
    try:
        values = np.array(tokens[:count], np.int64)
    except (ValueError, OverflowError) as problem:
        raise corrupt("media.corrupt", f"a number of the picture: {problem}") from problem
    if len(values) != count or (count and not 0 <= int(values.min()) <= int(values.max()) <= said.top):
        raise corrupt("media.corrupt", f"{len(values)} numbers up to {said.top:g} where {count} are due")
    return values


def write(array: np.ndarray, params: Params) -> bytes:
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype.kind == "f":
        kind = "PF" if channels == 3 else "Pf"
        return f"{kind}\n{width} {height}\n-1.0\n".encode() + array[::-1].astype("<f4").tobytes()
    if array.dtype == bool:
        packed = np.packbits(~array.reshape(height, width), axis=1)
        return f"P4\n{width} {height}\n".encode() + packed.tobytes()
    top = 255 if array.itemsize == 1 else 65535
    body = array.astype(f">u{array.itemsize}").tobytes()
    if channels in (1, 3):
        return f"P{5 if channels == 1 else 6}\n{width} {height}\n{top}\n".encode() + body
    kind = "GRAYSCALE_ALPHA" if channels == 2 else "RGB_ALPHA"
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n"
    return head.encode() + body


def _sniff(data: bytes) -> bool:
    return data[:1] == b"P" and data[1:2] in b"1234567fF" and data[2:3] in (b"\n", b"\r", b" ", b"\t", b"#")


ROW = Codec(
    "ppm",
    "media",
    "always",
    "PPM, PGM, PBM, PAM, PFM: plain exact pictures",
    aliases=("pnm", "pgm", "pbm", "pam", "pfm"),
    params=(Param("bits", (int,), choices=(1, 8, 16, 32), about="of a channel; follows from the array"),),
    takes=takes(_KINDS, (1 << 31) - 1),
    conditions=words(_KINDS),
    proves=("shape", "dtype"),
    media_type="image/x-portable-anymap",
    suffixes=(".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm"),
    sniff=_sniff,
    header=header,
    write=write,
    complete=bits,
    pixels=decoded,
    plausible=sparse(8),
)
