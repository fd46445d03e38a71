"""Floor 1. ``ply``: the vertices of a mesh or a cloud, in numpy [codec.ply] [mesh.ply]; the rest stays in the file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .row import Codec, Header, Param, Params, Shape, corrupt

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4",
    "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}


class _Mesh(NamedTuple):
    order: str
    elements: tuple[tuple[str, int], ...]
    fields: tuple[tuple[str, str], ...]
    start: int


def _parsed(data: bytes) -> _Mesh:
    """The header; vertices come first, as nearly everywhere, and have no lists."""
    end = data.find(b"end_header", 0, 65536)
    after = data.find(b"\n", end, end + 16)
    if data[:3] != b"ply" or end < 0 or after < 0:
        raise corrupt("media.corrupt", "no PLY file: ply and end_header do not frame a header")
    order, elements, fields = None, [], []
    for line in data[:end].decode("latin1").splitlines():
        words = line.split()
        try:
            if words[:1] == ["format"]:
                order = _ORDERS[words[1]]
            elif words[:1] == ["element"]:
                elements.append((words[1], int(words[2])))
            elif words[:1] == ["property"] and len(elements) == 1:
                fields.append((words[2], _TYPES[words[1]]))
        except (KeyError, IndexError, ValueError) as problem:
            raise corrupt("media.corrupt", f"a PLY header line {line[:60]!r}") from problem
    if order is None or not elements or elements[0][0] != "vertex" or not 0 <= elements[0][1] < 1 << 40:
        raise corrupt("media.corrupt", "a PLY file whose first element is not vertex")
    names = [name for name, _ in fields]
    if len(set(names)) != len(names) or not {"x", "y", "z"} <= set(names):
        raise corrupt("media.corrupt", "PLY vertices without x, y and z")
    return _Mesh(order, tuple(elements), tuple(fields), after + 1)


def header(data: bytes) -> Header:
    mesh = _parsed(data)
    forms = {form for name, form in mesh.fields if name in "xyz"}
    dtype = {"f4": "float32", "f8": "float64"}.get(forms.pop()) if len(forms) == 1 else None
    refuse = None if dtype else "PLY coordinates that are not all float or all double are not decoded here"
    return Header(dtype or "float32", (mesh.elements[0][1], 3), refuse=refuse)


def decoded(data: bytes, head: Header) -> np.ndarray:
    mesh = _parsed(data)
    count, names = head.shape[0], [name for name, _ in mesh.fields]
    if mesh.order:
        record = np.dtype([(name, mesh.order + form) for name, form in mesh.fields])
        if mesh.start + count * record.itemsize > len(data):
            raise corrupt("media.corrupt", f"{count} vertices need more than the {len(data)} bytes there are")
        rows = np.frombuffer(data, record, count, mesh.start)
        return np.stack([rows[axis] for axis in "xyz"], axis=1).astype(head.dtype)
    words = data[mesh.start :].split(maxsplit=count * len(names))[: count * len(names)]
    try:
        table = np.array(words, object).reshape(count, len(names))
        return np.array([[float(v) for v in row] for row in table[:, [names.index(a) for a in "xyz"]]], head.dtype)
    except ValueError as problem:
        raise corrupt("media.corrupt", f"PLY numbers: {problem}") from problem


def plausible(data: bytes, head: Header) -> str | None:
    mesh = _parsed(data)
    each = sum(int(form[1]) for _, form in mesh.fields) if mesh.order else 2 * len(mesh.fields)
    due = mesh.start + head.shape[0] * each - (0 if mesh.order else 1)
    return f"{head.shape[0]} vertices need {due} bytes, there are {len(data)}" if due > len(data) else None


def describe(data: bytes) -> dict[str, Any]:
    mesh = _parsed(data)
    return {"lossless": True, "elements": dict(mesh.elements), "vertex": [name for name, _ in mesh.fields]}


def takes(dtype: str, shape: Shape | None) -> str | None:
    good = dtype in ("float32", "float64") and (shape is None or (len(shape) == 2 and shape[1] in (3, None)))
    return None if good else "PLY vertices are float32 or float64 of shape (vertices, 3)"


def write(array: np.ndarray, params: Params) -> bytes:
    kind = "float" if array.itemsize == 4 else "double"
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(array)}"]
    lines += [f"property {kind} {axis}" for axis in "xyz"] + ["end_header", ""]
    return "\n".join(lines).encode() + array.astype(array.dtype.newbyteorder("<")).tobytes()


ROW = Codec(
    "ply",
    "media",
    "always",
    "PLY: meshes and point clouds; the array is their vertices",
    params=(Param("bits", (int,), choices=(32, 64), about="of a coordinate; follows from the array"),),
    takes=takes,
    conditions="float32 and float64 of shape (n, 3)",
    medium="mesh",
    proves=("shape", "dtype"),
    media_type="application/ply",
    suffixes=(".ply",),
    sniff=lambda data: data[:4] in (b"ply\n", b"ply\r"),
    header=header,
    write=write,
    complete=lambda array, params: {"bits": 8 * array.itemsize},
    pixels=decoded,
    describe=describe,
    plausible=plausible,
)
