"""Floor 7. The seek entries of one index: form, rules, and the one encoding [seek.entries] [seek.canonical]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .codecs import CODECS, Seek
from .codecs.seek import MAX_ENTRIES, ORDER, index_entry, judged, wrong
from .columns import MAX_INT, at
from .errors import LakebedError
from .geometry import Geometry

Fault = tuple[str, str, str]  # code, clause, detail


def seek_faults(geometry: Geometry) -> Iterator[Fault]:
    """Every entry that breaks a rule; of the sound ones, what is not in its one encoding."""
    rows = geometry.index.seek
    if isinstance(rows, tuple) and not rows:
        return
    good = isinstance(rows, list) and 1 <= len(rows) <= MAX_ENTRIES and all(isinstance(row, dict) for row in rows)
    if not good or geometry.index.tile is not None:
        yield "E_INDEX_SEEK", "seek.entries", "seek is no array of 1 to 4,096 maps, or stands beside tile"
        return
    last = -1
    for row in rows:
        unit = row.get("unit")
        if type(unit) is not int or not last < unit <= MAX_INT:
            yield "E_INDEX_SEEK", "seek.entries", f"an entry of unit {unit!r} after {last}"[:120]
            return
        last = unit
        try:
            found = seek_of(geometry, row)
        except LakebedError as cause:
            yield cause.code, cause.clause, f"unit {unit}: {cause.detail}"
            continue
        known = [key for key in row if key in ORDER]
        due = index_entry(found, unit)
        if known != list(due) or len(known) != len(row) or not all(_same(row[key], due[key]) for key in due):
            yield "E_INDEX_CANONICAL", "seek.canonical", f"unit {unit}: the entry has a shorter form"


def seek_of(geometry: Geometry, row: dict[str, Any]) -> Seek:
    """Errors: E_INDEX_SEEK."""
    unit = row["unit"]
    if unit >= geometry.n_units:
        raise wrong("unit", f"there are {geometry.n_units} units")
    pipeline = geometry.index.codecs[at(geometry.index.codec, unit)]
    codec = CODECS.get(pipeline[0].name) if pipeline else None
    if codec is None or codec.medium not in ("audio", "video"):
        raise wrong("unit", "its codec is not one of sound or video")
    shape = geometry.shape_of(geometry.unit_items(unit)[0])
    return judged(row, shape[0] if shape else 1, geometry.unit(unit).stored)


def untrue(geometry: Geometry, unit: int, name: str, data: bytes) -> tuple[str, str] | None:
    """(clause, detail) when the unit's entry does not say what its file does [seek.true]; a broken one is no matter."""
    rows = geometry.index.seek if isinstance(geometry.index.seek, list) else ()
    row = next((row for row in rows if isinstance(row, dict) and row.get("unit") == unit), None)
    codec = CODECS[name]
    if row is None or codec.untrue is None:
        return None
    try:
        said = codec.untrue(data, seek_of(geometry, row))
    except LakebedError:
        return None
    return None if said is None else ("seek.true", said)


def _same(mine: Any, due: Any) -> bool:
    if isinstance(mine, np.ndarray) or isinstance(due, np.ndarray):
        return isinstance(mine, np.ndarray) and isinstance(due, np.ndarray) and mine.dtype == due.dtype
    return bool(mine == due)
