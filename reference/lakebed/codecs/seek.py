"""Floor 1. One seek entry of a chunk's index: where decoding of a long file can begin, when each frame is shown
[chunk.index.seek]. Advice: what uses it holds what it decodes against it [seek.advice].
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from ..columns import MAX_INT, Column, at, column, prefix, total
from ..errors import LakebedError, error

MAX_ENTRIES = 4096
MAX_POINTS = 1 << 16
MAX_PARTS = 16
LARGEST = 1 << 20  # bytes of an entry that a writer makes [seek.write]
MAX_BASE = (1 << 31) - 1
_NAME = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True)
class Seek:
    """Times of n frames (or samples) in units of ``base`` seconds: ``start``, then n-1 ``step``s. ``head``: offset and
    length of each part that opening the file reads. ``points``: how many places ``at`` which decoding can begin there
    are, with the ``offset`` and ``bytes`` of what is needed up to the next; ``before``: entries to be thrown away.
    """

    codec: str
    base: tuple[int, int]
    start: int = 0
    step: Column = 1
    trim: tuple[int, int] = (0, 0)
    colour: tuple[int, int, int, int] = (2, 0, 2, 2)
    rotation: int = 0
    head: tuple[int, ...] = ()
    points: int = 0
    at: Column = 0
    offset: Column = 0
    bytes: Column = 0
    before: int = 0

    @cached_property
    def _sums(self) -> np.ndarray | None:
        return None if isinstance(self.step, int) else prefix(self.step)

    @cached_property
    def _places(self) -> np.ndarray:
        return np.zeros(1, np.int64) if isinstance(self.at, int) else self.at.astype(np.int64)

    @property
    def size(self) -> int:
        """Bytes of its columns."""
        return sum(c.nbytes for c in (self.step, self.at, self.offset, self.bytes) if isinstance(c, np.ndarray))

    def times(self, start: int, stop: int) -> np.ndarray:
        """Times of entries [start, stop), int64."""
        if self._sums is None:
            return self.start + self.step * np.arange(start, stop, dtype=np.int64)
        return self.start + self._sums[start:stop]

    def last(self, entry: int) -> int:
        """The last point at or before ``entry``; there is one."""
        return max(0, int(np.searchsorted(self._places, entry, "right")) - 1)

    def place(self, point: int) -> tuple[int, int, int]:
        """(entry, offset, bytes) of one point."""
        return at(self.at, point), at(self.offset, point), at(self.bytes, point)

    def extent(self, start: int, stop: int) -> tuple[int, int]:
        """About (offset, bytes) of what entries [start, stop) need, in the unit: of the last point by proportion."""
        first, last = self.last(start), self.last(max(start, stop - 1))
        low, size, end = at(self.offset, first), 0, 0
        for point in (first, last):
            size = at(self.bytes, point)
            if point == last and point + 1 < self.points:
                begin, after = at(self.at, point), at(self.at, point + 1)
                size = min(size, size * (stop - begin) // (after - begin) + (1 << 16))
            end = max(end, at(self.offset, point) + size)
        return low, max(end, low + 1) - low


ORDER = ("unit", *(f.name for f in fields(Seek)))
_DEFAULTS = {f.name: f.default for f in fields(Seek)[2:]}


def index_entry(seek: Seek, unit: int) -> dict[str, Any]:
    """The map that stands in an index [seek.canonical]."""
    out: dict[str, Any] = {"unit": unit}
    for key in ORDER[1:]:
        value = getattr(seek, key)
        if isinstance(value, np.ndarray):
            value = column(value)
        if isinstance(value, np.ndarray) or key not in _DEFAULTS or value != _DEFAULTS[key]:
            out[key] = list(value) if isinstance(value, tuple) else value
    return out


def seek_entries(raw: Any) -> dict[int, Mapping[str, Any]]:
    """The maps of an index's ``seek`` by their units, whatever stands there."""
    rows = raw if isinstance(raw, (list, tuple)) else ()
    return {row["unit"]: row for row in rows if isinstance(row, dict) and type(row.get("unit")) is int}


def judged(entry: Mapping[str, Any], length: int, stored: int) -> Seek:
    """A map of an index as a value, for an item of ``length`` entries in a unit of ``stored`` bytes.

    Errors: E_INDEX_SEEK [seek.codec] [seek.base] [seek.start] [seek.step] [seek.trim] [seek.colour] [seek.rotation]
    [seek.head] [seek.points] [seek.at] [seek.offset] [seek.bytes] [seek.before]; of the unit, who asks [seek.unit].
    Nothing is allocated that the index does not hold already.
    """
    found = Seek(
        codec=_text(entry.get("codec")),
        base=_numbers(entry, "base", 2, 1, MAX_BASE),  # type: ignore[arg-type]
        start=_number(entry, "start", -MAX_INT, MAX_INT),
        step=_column(entry, "step", length - 1, 1, MAX_INT),
        trim=_numbers(entry, "trim", 2, 0, MAX_INT),  # type: ignore[arg-type]
        colour=_numbers(entry, "colour", 4, 0, 255),  # type: ignore[arg-type]
        rotation=_number(entry, "rotation", 0, 270),
        head=_numbers(entry, "head", None, 0, stored),
        points=(points := _number(entry, "points", 0, min(MAX_POINTS, length))),
        at=_column(entry, "at", points, 0, length - 1),
        offset=_column(entry, "offset", points, 0, stored - 1),
        bytes=_column(entry, "bytes", points, 1, stored),
        before=_number(entry, "before", 0, length),
    )
    if abs(found.start + total(found.step, length - 1)) > MAX_INT:
        raise wrong("step", "the times pass 2^53-1")
    if found.colour[1] > 2:
        raise wrong("colour", f"a range of {found.colour[1]}")
    if found.rotation % 90:
        raise wrong("rotation", f"a rotation of {found.rotation} degrees")
    _judge_head(found.head, stored)
    _judge_points(found, stored)
    return found


def wrong(key: str, detail: str) -> LakebedError:
    return error("E_INDEX_SEEK", f"seek.{key}", detail)


def _judge_head(head: tuple[int, ...], stored: int) -> None:
    end = 0
    if len(head) % 2 or len(head) > 2 * MAX_PARTS:
        raise wrong("head", f"{len(head)} numbers are no pairs, or too many")
    for offset, size in zip(head[::2], head[1::2], strict=True):
        if offset < end or not size or offset + size > stored:
            raise wrong("head", f"a part of {size} bytes at {offset}, after {end}, in a unit of {stored}")
        end = offset + size


def _judge_points(seek: Seek, stored: int) -> None:
    if not seek.points:
        return
    places = np.full(seek.points, seek.at) if isinstance(seek.at, int) else seek.at.astype(np.int64)
    if places[0] or (np.diff(places) < 1).any():
        raise wrong("at", "the points do not ascend from 0")
    if isinstance(seek.offset, int) and isinstance(seek.bytes, int):
        end = seek.offset + seek.bytes
    else:  # both are within the unit, so nothing wraps
        end = int((np.asarray(seek.offset, np.int64) + np.asarray(seek.bytes, np.int64)).max())
    if end > stored:
        raise wrong("bytes", f"a point reaches to {end} in a unit of {stored}")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise wrong("codec", f"no name of a coding: {value!r}"[:80])
    return value


def _number(entry: Mapping[str, Any], key: str, low: int, high: int) -> int:
    value = entry.get(key, _DEFAULTS[key])
    if type(value) is not int or not low <= value <= high:
        raise wrong(key, f"{key} is {value!r}"[:80] + f", not {low} to {high}")
    return value


def _numbers(entry: Mapping[str, Any], key: str, count: int | None, low: int, high: int) -> tuple[int, ...]:
    value = entry.get(key, _DEFAULTS.get(key))
    good = isinstance(value, (list, tuple)) and (count is None or len(value) == count)
    if not good or not all(type(n) is int and low <= n <= high for n in value):
        raise wrong(key, f"{key} is {value!r}"[:80])
    return tuple(value)


def _column(entry: Mapping[str, Any], key: str, count: int, low: int, high: int) -> Column:
    absent: Any = _DEFAULTS[key]
    value = entry.get(key, absent)
    if type(value) is int:
        if not count and value >= 0:
            return absent
        if not low <= value <= high:
            raise wrong(key, f"{key} is {value}, not {low} to {high}")
        return value
    if not isinstance(value, np.ndarray) or len(value) != count:
        said = len(value) if isinstance(value, np.ndarray) else type(value).__name__
        raise wrong(key, f"{key} has {said} where {count} entries are due")
    if count and not (low <= int(value.min()) and int(value.max()) <= high):
        raise wrong(key, f"{key} has entries that are not {low} to {high}")
    return value if count else absent
