"""Floor 1. ``nii`` and ``nii.gz``: volumes, their scale kept apart, in numpy.

[codec.nii] [codec.nii_gz] [nifti.array].
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from .row import Codec, Header, Param, Params, Shape, corrupt

_TYPES = {
    2: "uint8", 4: "int16", 8: "int32", 16: "float32", 32: "complex64", 64: "float64", 256: "int8", 512: "uint16",
    768: "uint32", 1024: "int64", 1280: "uint64", 1792: "complex128",
}  # fmt: skip
_CODES = {name: code for code, name in _TYPES.items()}


class _Volume(NamedTuple):
    order: str
    shape: tuple[int, ...]
    code: int
    start: int
    slope: float
    inter: float
    sizes: tuple[float, ...]
    text: str


def _parsed(data: bytes) -> _Volume:
    """NIfTI-1 (348 bytes) or NIfTI-2 (540), either byte order."""
    for order in "<>":
        for size in (348, 540):
            if data[:4] == struct.pack(order + "I", size) and len(data) >= size:
                return _one(data, order) if size == 348 else _two(data, order)
    raise corrupt("media.corrupt", "no NIfTI file: it begins with neither 348 nor 540")


def _one(data: bytes, order: str) -> _Volume:
    if data[344:348] != b"n+1\0":
        raise corrupt("media.corrupt", f"a NIfTI-1 header with the magic {data[344:348]!r}; n+1 is due")
    dims = struct.unpack_from(order + "8h", data, 40)
    (code,) = struct.unpack_from(order + "h", data, 70)
    sizes = struct.unpack_from(order + "8f", data, 76)
    start, slope, inter = struct.unpack_from(order + "fff", data, 108)
    return _made(order, dims, code, start, slope, inter, sizes, data[148:228])


def _two(data: bytes, order: str) -> _Volume:
    if data[4:12] != b"n+2\0\r\n\x1a\n":
        raise corrupt("media.corrupt", "a NIfTI-2 header without its magic")
    (code,) = struct.unpack_from(order + "h", data, 12)
    dims = struct.unpack_from(order + "8q", data, 16)
    sizes = struct.unpack_from(order + "8d", data, 104)
    (start,) = struct.unpack_from(order + "q", data, 168)
    slope, inter = struct.unpack_from(order + "dd", data, 176)
    return _made(order, dims, code, start, slope, inter, sizes, data[240:320])


def _made(order: str, dims: tuple, code: int, start: float, slope: float, inter: float, sizes: tuple, text: bytes):
    count = dims[0]
    if not 1 <= count <= 7 or any(side < 1 for side in dims[1 : count + 1]) or not 348 <= start < 1 << 40:
        raise corrupt("media.corrupt", f"a NIfTI header of {count} axes {dims[1:]} that starts at {start}")
    said = text.split(b"\0")[0].decode("latin1")
    return _Volume(order, tuple(dims[1 : count + 1]), code, int(start), slope, inter, sizes[1 : count + 1], said)


def header(data: bytes) -> Header:
    volume = _parsed(data)
    dtype = _TYPES.get(volume.code)
    refuse = None if dtype else f"NIfTI data type {volume.code} is not decoded here"
    return Header(dtype or "uint8", volume.shape, refuse=refuse)


def decoded(data: bytes, head: Header) -> np.ndarray:
    """The stored numbers, first axis fastest in the file; slope and intercept are not applied [nifti.scale]."""
    volume = _parsed(data)
    stored = np.dtype(volume.order + np.dtype(head.dtype).str[1:])
    due = math.prod(volume.shape) * stored.itemsize
    if volume.start + due > len(data):
        raise corrupt("media.corrupt", f"the volume needs {volume.start + due} bytes, there are {len(data)}")
    flat = np.frombuffer(data, stored, math.prod(volume.shape), volume.start)
    return flat.astype(head.dtype, copy=False).reshape(volume.shape, order="F")


def plausible(data: bytes, head: Header) -> str | None:
    due = _parsed(data).start + math.prod(head.shape) * np.dtype(head.dtype).itemsize
    return f"the volume needs {due} bytes, there are {len(data)}" if due > len(data) else None


def describe(data: bytes) -> dict[str, Any]:
    volume = _parsed(data)
    numbers = (volume.slope, volume.inter, *volume.sizes)
    if not all(map(math.isfinite, numbers)):
        return {"lossless": True, "text": volume.text}
    said = {"slope": volume.slope, "intercept": volume.inter, "voxel": list(volume.sizes), "text": volume.text}
    return {"lossless": True, **said}


def takes(dtype: str, shape: Shape | None) -> str | None:
    if dtype not in _CODES:
        return f"the format holds {', '.join(_CODES)}"
    if shape is not None and not 1 <= len(shape) <= 7:
        return f"volumes have 1 to 7 axes, not {len(shape)}"
    if shape is not None and any(side is not None and not 1 <= side <= 32767 for side in shape):
        return f"sides of {shape}; 1 to 32767 are possible"
    return None


def write(array: np.ndarray, params: Params) -> bytes:
    """A NIfTI-1 file; ``voxel`` sizes are 1."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, array.ndim, *array.shape, *[1] * (7 - array.ndim))
    struct.pack_into("<hh", head, 70, _CODES[array.dtype.name], 8 * array.itemsize)
    struct.pack_into("<8f", head, 76, 1.0, *[1.0] * 7)
    struct.pack_into("<fff", head, 108, 352.0, params["slope"], params["intercept"])
    head[344:348] = b"n+1\0"
    return bytes(head) + array.astype(array.dtype.newbyteorder("<")).tobytes(order="F")


_PARAMS = (
    Param("slope", (int, float), 1.0, -1e30, 1e30, about="what a stored number counts"),
    Param("intercept", (int, float), 0.0, -1e30, 1e30, about="what 0 stands for"),
)
_WORDS = "numbers of 1 to 7 axes, sides of 1 to 32,767"

ROW = Codec(
    "nii",
    "media",
    "always",
    "NIfTI: volumes of medical imaging",
    params=_PARAMS,
    takes=takes,
    conditions=_WORDS,
    medium="nifti",
    proves=("shape", "dtype"),
    media_type="application/x-nifti",
    suffixes=(".nii",),
    sniff=lambda data: data[344:348] == b"n+1\0" or data[4:12] == b"n+2\0\r\n\x1a\n",
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=plausible,
)


# --- the same, gzipped ------------------------------------------------------------------------------------------------


def _start(data: bytes, length: int) -> bytes:
    """The first bytes of what the gzip members hold."""
    if data[:3] != b"\x1f\x8b\x08":
        raise corrupt("media.corrupt", "no gzip file")
    try:
        return zlib.decompressobj(31).decompress(data, length)
    except zlib.error as problem:
        raise corrupt("media.corrupt", f"damaged gzip data: {problem}") from problem


def _all(data: bytes, head: Header) -> bytes:
    """No more than the volume that the header states, and whole: its checksum is verified."""
    limit = _parsed(_start(data, 544)).start + math.prod(head.shape) * np.dtype(head.dtype).itemsize
    out, left = b"", data
    try:
        while left[:2] == b"\x1f\x8b" and len(out) <= limit:
            member = zlib.decompressobj(31)
            out += member.decompress(left, limit + (1 << 16) - len(out))
            if not member.eof:
                raise corrupt("media.corrupt", "gzip data that is cut short, or holds more than its volume")
            left = member.unused_data
    except zlib.error as problem:
        raise corrupt("media.corrupt", f"damaged gzip data: {problem}") from problem
    return out


def _short(data: bytes, head: Header) -> str | None:
    due = math.prod(head.shape) * np.dtype(head.dtype).itemsize
    return f"{len(data)} bytes cannot give {due}" if due > 1032 * len(data) else None


GZ = Codec(
    "nii.gz",
    "media",
    "always",
    "NIfTI in gzip",
    aliases=("niigz",),
    params=(*_PARAMS, Param("level", (int,), 6, 0, 9, about="deflate effort", effort=True)),
    takes=takes,
    conditions=_WORDS,
    medium="nifti",
    proves=("shape", "dtype"),
    media_type="application/gzip",
    suffixes=(".nii.gz",),
    sniff=lambda data: data[:3] == b"\x1f\x8b\x08" and _holds(data),
    header=lambda data: header(_start(data, 544)),
    write=lambda array, params: gzip.compress(write(array, params), params["level"], mtime=0),
    pixels=lambda data, head: decoded(_all(data, head), head),
    describe=lambda data: describe(_start(data, 544)),
    plausible=_short,
)


def _holds(data: bytes) -> bool:
    try:
        start = zlib.decompressobj(31).decompress(data, 544)
    except zlib.error:
        return False
    return bool(ROW.sniff and ROW.sniff(start))
