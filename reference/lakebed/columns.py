"""Floor 1. Columns: one unsigned integer for every entry, or an array of 1, 2, 4 or 8 byte entries [column.form].

A constant column is never expanded [column.constant]: 2^26 equal entries cost one Python integer. Entries, sums and
products stay at or below 2^53-1 [model.integers].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .errors import error

MAX_INT = 2**53 - 1
Column = int | np.ndarray
WIDTHS = (1, 2, 4, 8)
_BLOCK = 1 << 18


def at(column: Column, i: int) -> int:
    """Entry ``i`` [column.at]."""
    return column if isinstance(column, int) else int(column[i])


def entries(column: Column, start: int, stop: int) -> np.ndarray:
    """Entries [start, stop) as int64; the caller bounds the count."""
    if isinstance(column, int):
        return np.full(stop - start, column, np.int64)
    return column[start:stop].astype(np.int64)


def total(column: Column, count: int) -> int:
    """Exact sum of ``count`` entries, whatever its size: nothing wraps [column.sum]."""
    if isinstance(column, int):
        return column * count
    if column.dtype.itemsize < 8:
        return int(column.sum(dtype=np.uint64))
    low = int((column & np.uint64(0xFFFFFFFF)).sum(dtype=np.uint64))
    return (int((column >> np.uint64(32)).sum(dtype=np.uint64)) << 32) + low


def prefix(column: np.ndarray) -> np.ndarray:
    """Starts of the entries and the end: int64 of length n+1. The total was checked before [column.sum]."""
    out = np.zeros(len(column) + 1, np.int64)
    for start in range(0, len(column), _BLOCK):  # in pieces, or numpy first makes a wide copy of all of it
        part = out[start + 1 : start + _BLOCK + 1]
        np.cumsum(column[start : start + _BLOCK], out=part, dtype=np.int64)
        part += out[start]
    return out


def column(values: Sequence[int] | np.ndarray) -> Column:
    """The one canonical column of these entries: an integer when all are equal or none [column.canonical]."""
    array = np.asarray(values, dtype=np.uint64)
    if not len(array):
        return 0
    first = int(array[0])
    if (array == array[0]).all():
        return first
    largest = int(array.max())
    width = next(w for w in WIDTHS if largest < 1 << (8 * w))
    return array.astype(f"<u{width}")


class Odd(NamedTuple):
    """An extension whose width does not divide its length: no column, but what an unknown key may have [column.ext]."""

    width: int
    data: bytes


def from_ext(width: int, data: bytes) -> np.ndarray | Odd:
    """What a MessagePack extension of type ``width`` (1, 2, 4 or 8) holds. Errors: E_INDEX_LIMIT."""
    if len(data) % width:
        return Odd(width, data)
    array = np.frombuffer(data, f"<u{width}")
    if width == 8 and len(array) and int(array.max()) > MAX_INT:
        raise error("E_INDEX_LIMIT", "model.integers", "an entry of a column passes 2^53-1")
    return array


def checked(column: object, count: int, clause: str) -> Column:
    """``column`` when it is one and has ``count`` entries [column.length]. Errors: E_INDEX_FIELD, E_INDEX_COLUMN."""
    if type(column) is int:
        if not 0 <= column <= MAX_INT:
            raise error("E_INDEX_LIMIT", "model.integers", f"{clause} is {column}")
        return column
    if not isinstance(column, np.ndarray):
        raise error("E_INDEX_FIELD", clause, f"{clause.rsplit('.', 1)[-1]} is no column but {type(column).__name__}")
    if len(column) != count:
        raise error("E_INDEX_COLUMN", clause, f"a column of {len(column)} entries where {count} are due")
    return column
