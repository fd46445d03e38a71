"""The steps of a writing script (``schemas/script.json``) in short; bytes become files beside the script."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders.values import raw

Step = dict[str, Any]


def value(v: Any) -> Any:
    """A sample: an array, None, a list of samples (sequence), or bytes (an encoded file)."""
    if v is None:
        return None
    if isinstance(v, bytes):
        return {"file": v}
    if isinstance(v, list):
        return {"items": [value(i) for i in v]}
    array = np.asarray(v)
    return {"raw": raw(array), "dtype": array.dtype.name, "shape": list(array.shape)}


def create() -> Step:
    return {"do": "create"}


def open_() -> Step:
    """Open the dataset that is there for writing."""
    return {"do": "open"}


def tensor(name: str, *, dtype: str, shape: list[int | None], htype: str = "generic", **members: Any) -> Step:
    """members: sequence, fidelity, attributes, codecs, unit, tile, chunk."""
    return {"do": "create_tensor", "name": name, "htype": htype, "dtype": dtype, "shape": shape, **members}


def append(**values: Any) -> Step:
    return {"do": "append", "values": {k: value(v) for k, v in values.items()}}


def rows(*given: dict[str, Any]) -> list[Step]:
    """One append per row, given as {tensor: value}: for names that are no Python words."""
    return [{"do": "append", "values": {k: value(v) for k, v in row.items()}} for row in given]


def extend(**columns: list[Any]) -> Step:
    return {"do": "extend", "values": {k: [value(v) for v in vs] for k, vs in columns.items()}}


def update(row: int, **values: Any) -> Step:
    return {"do": "update", "row": str(row), "values": {k: value(v) for k, v in values.items()}}


def insert(row: int, **values: Any) -> Step:
    return {"do": "insert", "row": str(row), "values": {k: value(v) for k, v in values.items()}}


def delete(*rows: int) -> Step:
    return {"do": "delete", "rows": [str(r) for r in rows]}


def commit(message: str = "", **members: str) -> Step:
    """members: author, time (sets the writer's clock)."""
    return {"do": "commit", "message": message, **members}


def simple(do: str, **members: Any) -> Step:
    """Any other step: delete_tensor, attributes, branch, checkout, close_branch, tag, compact, copy."""
    return {"do": do, **members}


def refused(code: str, step: Step) -> Step:
    """A step in the middle of a script that must be refused and leave everything as it was."""
    return step | {"refused": code}
