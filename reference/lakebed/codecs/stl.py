"""Floor 1. ``stl``: triangles, in numpy [codec.stl] [mesh.stl]; normals and attributes stay in the file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .row import Codec, Header, Param, Params, Shape, corrupt

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)")


def _count(data: bytes) -> int | None:
    """Triangles of a binary file, whose length must fit; None for a text."""
    if len(data) >= 84 and len(data) == 84 + 50 * int.from_bytes(data[80:84], "little"):
        return int.from_bytes(data[80:84], "little")
    return None


def _text(data: bytes) -> bool:
    return data[:6] in (b"solid ", b"solid\n", b"solid\r") and b"facet" in data[:2048] and b"endsolid" in data


def _sniff(data: bytes) -> bool:
    return bool(_count(data)) or _text(data)


def header(data: bytes) -> Header:
    count = _count(data)
    if count is None and _text(data):
        corners = len(_VERTEX.findall(data))
        if corners % 3 or corners != 3 * len(re.findall(rb"\bendfacet\b", data)):
            raise corrupt("media.corrupt", f"an STL text of {corners} corners")
        count = corners // 3
    if count is None:
        raise corrupt("media.corrupt", "no STL file: neither a text nor of the length that its count needs")
    return Header("float32", (count, 3, 3))


def decoded(data: bytes, head: Header) -> np.ndarray:
    if _count(data) is not None:
        return np.frombuffer(data, _RECORD, head.shape[0], 84)["corners"].astype(np.float32)
    try:
        numbers = [[float(value) for value in corner] for corner in _VERTEX.findall(data)]
    except ValueError as problem:
        raise corrupt("media.corrupt", f"STL numbers: {problem}") from problem
    return np.array(numbers, np.float32).reshape(head.shape)


def takes(dtype: str, shape: Shape | None) -> str | None:
    if dtype != "float32":
        return f"STL triangles are float32, not {dtype}"
    if shape is None or (len(shape) == 3 and all(n in (3, None) for n in shape[1:])):
        return None
    return f"STL triangles have the shape (n, 3, 3), not {shape}; a tensor of them has shape=[None, 3, 3]"


def write(array: np.ndarray, params: Params) -> bytes:
    """Normals are left zero, which readers take as: compute them."""
    records = np.zeros(len(array), _RECORD)
    records["corners"] = array
    return bytes(80) + len(array).to_bytes(4, "little") + records.tobytes()


def describe(data: bytes) -> dict[str, Any]:
    return {"lossless": True, "text": _count(data) is None}


ROW = Codec(
    "stl",
    "media",
    "always",
    "STL: triangles",
    params=(Param("bits", (int,), choices=(32,), about="of a coordinate"),),
    takes=takes,
    conditions="float32 of shape (n, 3, 3)",
    medium="mesh",
    proves=("shape", "dtype"),
    limits={"triangles": (1 << 32) - 1},
    media_type="model/stl",
    suffixes=(".stl",),
    sniff=_sniff,
    header=header,
    write=write,
    complete=lambda array, params: {"bits": 32},
    pixels=decoded,
    describe=describe,
)
