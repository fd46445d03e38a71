"""Columns of an index and of a JSON table [columns]."""

from __future__ import annotations

from lakebed_conform.pen import Ext


def column(entries: list[int]) -> int | Ext:
    """The canonical column of ``entries``: one integer when all are equal, else the narrowest ext."""
    if len(set(entries)) <= 1:
        return entries[0] if entries else 0
    most = max(entries)
    return wide(entries, next(w for w in (1, 2, 4, 8) if most < 1 << (8 * w)))


def wide(entries: list[int], width: int) -> Ext:
    """``entries`` as an ext column of ``width`` bytes each, little-endian, needed or not."""
    return Ext(width, b"".join(e.to_bytes(width, "little") for e in entries))


def json_column(entries: list[int | None]) -> int | list[int | None] | None:
    """A JSON column: one value when every entry equals it, else the array."""
    return entries[0] if entries and all(e == entries[0] for e in entries) else entries
