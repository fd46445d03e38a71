"""Floor 7. From rows to columns of values, one bad row at a time.

A column is an array ``(rows, *shape)`` when all samples have one shape, else a list; a row that could not be read
stands in it as its error until somebody decides what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import FormatError, LakebedError, UnsupportedError
from ..ragged import Ragged
from ..tensor import Tensor

Column = np.ndarray | list[Any]
BAD_ROW = (FormatError, UnsupportedError)  # of the row itself; what a store does wrong concerns every row


def values(tensor: Tensor, rows: np.ndarray, threads: int = 1, *, strict: bool = True) -> Column:
    """These rows in this order. Errors: StoreError; ``strict``: that of the first bad row, which it names."""
    try:
        if None in tensor.shape and not tensor.sequence:
            return tensor.samples(rows, threads=threads)  # without the copy into one block that a Ragged would be
        found = tensor.read(rows, threads=threads)
    except BAD_ROW:
        return [_one(tensor, row, strict) for row in rows.tolist()]
    return found.list() if isinstance(found, Ragged) else found


def _one(tensor: Tensor, row: int, strict: bool) -> Any:
    try:
        return tensor[row]
    except BAD_ROW as problem:
        detail = f"row {row} of tensor {tensor.name!r}: {problem.detail}"
        named = type(problem)(problem.code, problem.clause, detail, object=problem.object, offset=problem.offset)
        if strict:
            raise named from problem
        return named


def in_strips(tensor: Tensor, strips: Iterable[np.ndarray], count: int, threads: int, *, strict: bool) -> Column:
    """The ``count`` rows of all strips, one strip after another: an array is made once, not joined from parts."""
    out: Column = []
    at = 0
    for strip in strips:
        part = values(tensor, strip, threads, strict=strict)
        if not at:
            plain = isinstance(part, np.ndarray)
            out = np.empty((count, *part.shape[1:]), part.dtype) if plain else [None] * count  # type: ignore[union-attr]
        if isinstance(out, np.ndarray) and not (isinstance(part, np.ndarray) and part.shape[1:] == out.shape[1:]):
            out = [*out[:at], *[None] * (count - at)]
        out[at : at + len(part)] = part
        at += len(part)
    return out


def pick(column: Column, places: np.ndarray) -> Column:
    """The entries at ``places``, in that order."""
    return column[places] if isinstance(column, np.ndarray) else [column[i] for i in places.tolist()]


def join(parts: Sequence[Column]) -> Column:
    """One column of several."""
    if len(parts) == 1:
        return settled(parts[0])
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    return settled([value for part in parts for value in part])


def settled(column: Column) -> Column:
    """An array of a list whose entries are arrays of one shape."""
    if isinstance(column, np.ndarray) or not column:
        return column
    first = column[0]
    if not isinstance(first, np.ndarray):
        return column
    same = all(isinstance(value, np.ndarray) and value.shape == first.shape for value in column)
    return np.stack(column) if same else column


def bad(columns: Mapping[str, Column]) -> dict[int, tuple[str, LakebedError]]:
    """(tensor, error) by place in the batch."""
    return {
        place: (name, value)
        for name, column in columns.items()
        if isinstance(column, list)
        for place, value in enumerate(column)
        if isinstance(value, LakebedError)
    }


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A batch of rows: arrays of one shape and plain numbers become one array, anything else a list."""
    out: dict[str, Any] = {}
    for name in rows[0] if rows else ():
        column = [row[name] for row in rows]
        numbers = all(isinstance(value, (bool, int, float, np.generic)) for value in column)
        out[name] = np.array(column) if numbers else settled(column)
    return out
