"""Floor 7. What rows cost while they wait, and where they may be parted: from slice tables and chunk indexes alone.

A tensor whose every unit belongs to one item (files, sample compression, tiles, large items) waits as stored bytes and
is decoded with its batch. Any other waits decoded, so that a unit is decoded once for all its rows. Small ones of those
are *resident*: read whole, once, and kept for the loader's life.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..chunkfile import ChunkFile
from ..columns import entries, prefix
from ..errors import FormatError, UnsupportedError
from ..slices import NULL, ChunkRef, Runs, SliceTable
from ..tensor import KEPT_CHUNKS, Chunks
from .order import Layout, layout

ROW = 64  # bytes that any row costs: its number, and the object that holds it
RESIDENT = 4  # the share of the memory bound that resident tensors may take, as its divisor
BLOCKS = 128  # blocks in a window: enough that a batch sees most regions of the dataset
BLOCK = (64 << 10, 4 << 20)  # bytes of a block: worth a request, and not too much at once


@dataclass(frozen=True, slots=True)
class Sizes:
    """One tensor. ``rows`` int64 (rows): bytes while waiting. ``late``: waits as stored bytes. ``direct``: needs no
    waiting, for its bytes are raw in a mapped object. ``borders``: rows at which a unit begins; None when each does.
    """

    rows: np.ndarray
    late: bool
    direct: bool
    borders: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Division:
    """``late`` (read with the batch), ``resident`` and ``held`` (decoded by the window): every tensor is in one."""

    layout: Layout
    window_bytes: int
    late: tuple[str, ...]
    resident: tuple[str, ...]
    held: tuple[str, ...]


def measure(table: SliceTable, chunks: Chunks) -> Sizes:
    """Opens every chunk once. A chunk that cannot be opened counts by its length; reading it gives its error."""
    refs, runs = table.chunks, table.runs
    files = _files(refs, chunks)
    rows = np.zeros(len(runs), np.int64)
    opened = [file for file in files if file is not None]
    late = all(_one_item_units(file) for file in opened)
    mapped = bool(refs) and all(file is not None and chunks.mapped(ref) for file, ref in zip(files, refs, strict=True))
    borders = []
    for start, (chunk, first, count) in zip(runs.starts.tolist(), runs.rows(), strict=False):
        if chunk == NULL:
            continue
        file = files[chunk]
        if file is None or first + count > file.index.samples:
            rows[start : start + count] = -(-refs[chunk].payload // count)
            continue
        rows[start : start + count] = _waiting(file, first, count, late)
        if not late:
            borders.append(start + _borders(file, first, count))
    raw = all(file.geometry.raw for file in opened)
    return Sizes(rows, late, mapped and raw, None if late else _all_borders(runs, borders))


def open_all(tables: Iterable[SliceTable], chunks: Chunks) -> None:
    """Open the chunks of all tensors side by side; what is wrong with one is told when it is asked for again."""
    refs = [ref for table in tables for ref in table.chunks][:KEPT_CHUNKS]
    if refs:
        with contextlib.suppress(FormatError, UnsupportedError):
            chunks.get_many(refs)


def _files(refs: tuple[ChunkRef, ...], chunks: Chunks) -> list[ChunkFile | None]:
    try:
        return list(chunks.get_many(refs)) if refs else []
    except (FormatError, UnsupportedError):
        return [_file(chunks, ref) for ref in refs]


def _file(chunks: Chunks, ref: ChunkRef) -> ChunkFile | None:
    try:
        return chunks.get(ref)
    except (FormatError, UnsupportedError):
        return None


def _one_item_units(file: ChunkFile) -> bool:
    return file.index.tile is not None or (isinstance(file.index.unit, int) and file.index.unit == 1)


def _waiting(file: ChunkFile, first: int, count: int, late: bool) -> np.ndarray:
    """Bytes of samples [first, first+count), int64: stored when ``late`` (decoded is the bound for tiles)."""
    geometry, index = file.geometry, file.index
    starts = geometry.item_starts(first, count)
    low, high = int(starts[0]), int(starts[-1])
    if late and index.tile is None and index.stored is not None:
        sizes = entries(index.stored, low, high)
    else:
        sizes = geometry.bytes_of(low, high)
    return np.diff(prefix(sizes)[starts - low])


def _borders(file: ChunkFile, first: int, count: int) -> np.ndarray:
    """Of samples [first, first+count), those that begin with a unit, counted from ``first``; int64, sorted."""
    index, geometry = file.index, file.geometry
    if index.tile is not None:
        return np.arange(count)
    step = index.unit
    begins = np.arange(0, geometry.n_items, step) if isinstance(step, int) else prefix(step)[:-1]
    starts = geometry.item_starts(first, count)
    found = np.searchsorted(starts[:-1], begins, "left")
    inside = found < count
    found, begins = found[inside], begins[inside]
    return np.unique(found[starts[found] == begins])


def _all_borders(runs: Runs, borders: list[np.ndarray]) -> np.ndarray:
    """With every slice's start, and the end."""
    return np.unique(np.concatenate([runs.starts, *borders]))


def divide(sizes: dict[str, Sizes], rows: int, buffer_bytes: int) -> Division:
    """Who waits how, and the blocks. Resident tensors and two windows share ``buffer_bytes``."""
    early = sorted((name for name, size in sizes.items() if not size.late), key=lambda name: _total(sizes[name]))
    resident: list[str] = []
    spent = 0
    for name in early:
        if spent + _total(sizes[name]) > buffer_bytes // RESIDENT:
            break
        resident.append(name)
        spent += _total(sizes[name])
    held = early[len(resident) :]
    cost = np.full(rows, ROW, np.int64)
    for name, size in sizes.items():
        if name not in resident:
            cost += size.rows
    window = (buffer_bytes - spent) // 2
    goal = min(max(window // BLOCKS, BLOCK[0]), BLOCK[1])
    made = layout(cost, _common(sizes, held, cost, max(goal, window // 8)), goal)
    needed = [name for name in resident + held if not sizes[name].direct]
    return Division(
        layout=made,
        window_bytes=window,
        late=tuple(name for name in sizes if name not in needed),
        resident=tuple(name for name in resident if name in needed),
        held=tuple(name for name in held if name in needed),
    )


def _total(size: Sizes) -> int:
    return int(size.rows.sum())


def _common(sizes: dict[str, Sizes], held: list[str], cost: np.ndarray, most: int) -> np.ndarray | None:
    """Rows at which units of all ``held`` tensors begin; of the largest alone where that would make huge blocks."""
    if not held:
        return None
    largest = sizes[held[-1]].borders
    both = largest
    for name in held[:-1]:
        both = np.intersect1d(both, sizes[name].borders, assume_unique=True)  # type: ignore[arg-type]
    if both is None or not len(both):
        return largest
    widest = int(np.diff(prefix(cost)[both]).max(initial=0))
    return both if widest <= most else largest
