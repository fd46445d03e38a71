"""Section 6.2: columns. A constant is never expanded."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.checker.document import MOST
from lakebed_conform.checker.finding import need
from lakebed_conform.pen import Ext

MIB = 1 << 20


class Column:
    """``n`` non-negative integers: ``const`` for all, or ``array`` (uint64)."""

    def __init__(self, name: str, value: Any, n: int | None) -> None:
        """``n`` None: taken from the ext's length (the column ``unit``)."""
        self.name = name
        good = isinstance(value, Ext) or (type(value) is int and value >= 0)
        need(good, "E_INDEX_FIELD", "column.form", f"{name} is not a column")
        self.const: int | None = value if type(value) is int else None
        self.array = np.zeros(0, np.uint64)
        self.width = 0
        if isinstance(value, Ext):
            self.width = value.type
            whole_entries = len(value.data) % value.type == 0
            n = len(value.data) // value.type if n is None else n
            fits = whole_entries and len(value.data) == n * value.type
            need(fits, "E_INDEX_COLUMN", "column.length", f"{name}: {len(value.data)} bytes for {n} entries")
            self.array = np.frombuffer(value.data, f"<u{value.type}").astype(np.uint64)
            good = not n or int(self.array.max()) <= MOST
            need(good, "E_INDEX_LIMIT", "column.values", f"{name}: an entry passes 2^53-1")
        self.n = n or 0
        self._prefix: np.ndarray | None = None

    def at(self, i: int) -> int:
        return self.const if self.const is not None else int(self.array[i])

    def total(self) -> int:
        """The exact sum, however large."""
        if self.const is not None:
            return self.const * self.n
        high, low = self.array >> np.uint64(26), self.array & np.uint64((1 << 26) - 1)
        return (int(high.sum()) << 26) + int(low.sum())

    def sum_to(self, i: int) -> int:
        if self.const is not None:
            return self.const * i
        if self._prefix is None:
            self._prefix = np.concatenate([[0], np.cumsum(self.array.astype(np.int64))])
        return int(self._prefix[i])

    def most(self) -> int:
        if not self.n:
            return 0
        return self.const if self.const is not None else int(self.array.max())

    def canonical(self) -> int | Ext:
        """The one right encoding [column.canonical]."""
        if not self.n:
            return 0
        if self.const is not None or not (self.array != self.array[0]).any():
            return self.at(0)
        most = int(self.array.max())
        width = next(w for w in (1, 2, 4, 8) if most < 1 << (8 * w))
        return Ext(width, self.array.astype(f"<u{width}").tobytes())


class Lengths:
    """``n`` byte lengths: ``array``, or all ``each`` but the last, so that 2^26 of them cost nothing."""

    def __init__(self, n: int, each: int, last: int, array: np.ndarray | None) -> None:
        self.n, self.each, self.last, self.array = n, each, last, array
        self._starts = None if array is None else np.concatenate([[0], np.cumsum(array)])

    @classmethod
    def even(cls, n: int, each: int, last: int) -> Lengths:
        return cls(n, each, last if n else 0, None)

    @classmethod
    def of(cls, array: np.ndarray) -> Lengths:
        return cls(len(array), 0, 0, array.astype(np.int64))

    def at(self, i: int) -> int:
        if self.array is not None:
            return int(self.array[i])
        return self.last if i == self.n - 1 else self.each

    def sum_to(self, i: int) -> int:
        if self._starts is not None:
            return int(self._starts[i])
        return self.each * i if i < self.n else self.total()

    def total(self) -> int:
        if self._starts is not None:
            return int(self._starts[-1])
        return self.each * (self.n - 1) + self.last if self.n else 0

    def crc_entries(self) -> int:
        """Entries that the units of these stored lengths have in ``crc`` [unit.crc_entries]."""
        if self.array is not None:
            return int(np.maximum(1, -(-self.array // MIB)).sum())
        return max(1, -(-self.each // MIB)) * (self.n - 1) + max(1, -(-self.last // MIB)) if self.n else 0

    def crc_start(self, i: int) -> int:
        """The first ``crc`` entry of unit i."""
        if self.array is not None:
            return int(np.maximum(1, -(-self.array[:i] // MIB)).sum())
        return max(1, -(-self.each // MIB)) * i

    def canonical(self) -> int | Ext:
        if self.array is None and (self.n < 2 or self.each == self.last):
            return self.last
        entries = [self.at(i) for i in range(self.n)]
        return Column("", Ext(8, np.array(entries, "<u8").tobytes()), self.n).canonical()
