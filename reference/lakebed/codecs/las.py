"""Floor 1. ``las`` and ``laz``: point clouds kept as given; the array is x, y, z of every point [codec.las]
[codec.laz]."""

from __future__ import annotations

import io
import math
import struct
from typing import Any, NamedTuple

import numpy as np

from ..extras import optional
from .row import Codec, Header, Shape, corrupt

_LEAST = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)


class _Cloud(NamedTuple):
    version: tuple[int, int]
    start: int
    form: int
    record: int
    points: int
    scale: tuple[float, ...]
    offset: tuple[float, ...]


def _parsed(data: bytes) -> _Cloud:
    if data[:4] != b"LASF" or len(data) < 227:
        raise corrupt("media.corrupt", "no LAS file: it does not begin with LASF")
    major, minor = data[24], data[25]
    size, start = struct.unpack_from("<HI", data, 94)
    form, record, points = struct.unpack_from("<BHI", data, 104)
    scale, offset = struct.unpack_from("<3d", data, 131), struct.unpack_from("<3d", data, 155)
    if (major, minor) >= (1, 4) and size >= 375 and len(data) >= 375:
        (many,) = struct.unpack_from("<Q", data, 247)
        points = many or points
    known = (major, 0) <= (1, 0) and minor <= 4 and form & 0x3F < len(_LEAST)
    if not known or record < _LEAST[form & 0x3F] or not all(map(math.isfinite, (*scale, *offset))):
        raise corrupt(
            "media.corrupt", f"a LAS {major}.{minor} header of point format {form & 0x3F}, {record} bytes each"
        )
    return _Cloud((major, minor), start, form, record, points, scale, offset)


def _header(packed: bool):
    def header(data: bytes) -> Header:
        cloud = _parsed(data)
        if bool(cloud.form & 0x80) != packed:
            raise corrupt("media.corrupt", f"LAS points are {'not ' if packed else ''}compressed in this file")
        refuse = None if cloud.points < 1 << 40 else f"{cloud.points} points"
        return Header("float64", (cloud.points, 3), refuse=refuse)

    return header


def _placed(cloud: _Cloud, grid: np.ndarray) -> np.ndarray:
    """Grid numbers times scale, plus offset, each rounded once to binary64 [points.las]."""
    return grid.astype(np.float64) * np.array(cloud.scale) + np.array(cloud.offset)


def _plain(data: bytes, head: Header, start: int, stop: int) -> np.ndarray:
    cloud = _parsed(data)
    begin = cloud.start + start * cloud.record
    if cloud.start + stop * cloud.record > len(data):
        raise corrupt("media.corrupt", f"{cloud.points} points need more than the {len(data)} bytes there are")
    rows = np.frombuffer(data, np.uint8, (stop - start) * cloud.record, begin).reshape(stop - start, cloud.record)
    return _placed(cloud, np.ascontiguousarray(rows[:, :12]).view("<i4"))


def _packed(data: bytes, head: Header) -> np.ndarray:
    optional("lazrs", "pointcloud")
    cloud = _parsed(data)
    try:
        found = optional("laspy", "pointcloud").read(io.BytesIO(data))
        grid = np.stack([np.asarray(found.X), np.asarray(found.Y), np.asarray(found.Z)], axis=1)
    except BaseException as problem:  # the library panics, which is no Exception, beside raising whatever it meets
        if not isinstance(problem, Exception) and type(problem).__name__ != "PanicException":
            raise
        raise corrupt("media.corrupt", f"damaged LAZ points: {problem}") from problem
    if grid.shape != head.shape:
        raise corrupt("media.corrupt", f"{len(grid)} points where {head.shape[0]} are due")
    return _placed(cloud, grid)


def plausible(data: bytes, head: Header) -> str | None:
    cloud = _parsed(data)
    if cloud.form & 0x80:
        return "too few bytes for its points" if cloud.points > 2000 * len(data) else None
    due = cloud.start + cloud.points * cloud.record
    return f"{cloud.points} points need {due} bytes, there are {len(data)}" if due > len(data) else None


def describe(data: bytes) -> dict[str, Any]:
    cloud = _parsed(data)
    return {
        "lossless": True,
        "version": f"{cloud.version[0]}.{cloud.version[1]}",
        "point_format": cloud.form & 0x3F,
        "scale": list(cloud.scale),
        "offset": list(cloud.offset),
    }


def takes(dtype: str, shape: Shape | None) -> str | None:
    good = dtype == "float64" and (shape is None or (len(shape) == 2 and shape[1] in (3, None)))
    return None if good else "LAS points are float64 of shape (points, 3)"


ROW = Codec(
    "las",
    "media",
    "never",
    "LAS: point clouds, kept as given with all their dimensions",
    takes=takes,
    medium="points",
    proves=("shape", "dtype"),
    media_type="application/vnd.las",
    suffixes=(".las",),
    sniff=lambda data: data[:4] == b"LASF" and len(data) > 104 and not data[104] & 0x80,
    header=_header(False),
    pixels=lambda data, head: _plain(data, head, 0, head.shape[0]),
    part=_plain,
    describe=describe,
    plausible=plausible,
)
LAZ = Codec(
    "laz",
    "media",
    "never",
    "LAZ: compressed LAS, kept as given",
    takes=takes,
    library="lazrs",
    extra="pointcloud",
    medium="points",
    proves=("shape", "dtype"),
    media_type="application/vnd.laszip",
    suffixes=(".laz",),
    sniff=lambda data: data[:4] == b"LASF" and len(data) > 104 and bool(data[104] & 0x80),
    header=_header(True),
    pixels=_packed,
    describe=describe,
    plausible=plausible,
)
