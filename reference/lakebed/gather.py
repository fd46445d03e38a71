"""Floor 5. Samples of one or several chunks as one result, in one pass where they lie mapped as they are.

A part is what one chunk gives of the rows asked for. Two kinds of chunks are read so: all items of one shape
(:attr:`ChunkFile.uniform`), and items that differ in the length of their first axis alone (:meth:`ChunkFile.rows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .chunkfile import ChunkFile, Spread
from .columns import prefix
from .errors import error
from .ragged import Ragged


class Part(NamedTuple):
    """Rows ``rows[where]`` (None: all of them) are the samples ``rows[where] + shift`` of a chunk."""

    file: ChunkFile
    shift: int
    where: np.ndarray | None

    def inside(self, rows: np.ndarray) -> np.ndarray:
        """Sample numbers in the chunk."""
        return (rows if self.where is None else rows[self.where]) + self.shift


def share_shape(files: Sequence[ChunkFile | None]) -> bool:
    """Whether all samples of these chunks have one shape."""
    first = files[0]
    if len(files) == 1:
        return first is not None and first.uniform
    shape = first.geometry.item_shape if first is not None else None
    return all(file is not None and file.uniform and file.geometry.item_shape == shape for file in files)


def share_rows(files: Sequence[ChunkFile | None]) -> bool:
    """Whether the samples of these chunks are rows of one shape, some each, mapped as they are."""
    held = [file.rows() if file is not None and file.flowing else None for file in files]
    return all(found is not None and found[0].shape[1:] == held[0][0].shape[1:] for found in held)  # type: ignore[index]


def _room(count: int, file: ChunkFile, dtype: np.dtype) -> np.ndarray:
    """For ``count`` items of the one shape of this chunk. Errors: E_INDEX_LIMIT."""
    shape = (count, *(file.geometry.item_shape or ()))
    try:
        return np.empty(shape, dtype)
    except ValueError as cause:  # no bytes, but axes whose product numpy cannot count
        raise error("E_INDEX_LIMIT", "chunk.index.limit", f"numpy holds no {shape}", object=file.key) from cause


def of_one_shape(rows: np.ndarray, parts: Sequence[Part], dtype: np.dtype, use: Spread) -> np.ndarray:
    """Any rows in any order: (len(rows), *shape). The largest part comes first."""
    for part in parts:
        if not part.file.geometry.raw:
            inside = part.inside(rows)
            part.file.plausible(int(inside.min()), int(np.ptp(inside)) + 1)
    out = _room(len(rows), parts[0].file, dtype)
    largest = parts[0]
    if not largest.file.lay(rows + largest.shift, largest.where, out):
        largest.file.take(largest.inside(rows), out, largest.where, use)
    for part in parts[1:]:
        part.file.take(part.inside(rows), out, part.where, use)
    return out


def span_of_one_shape(pieces: Sequence[tuple[ChunkFile, int, int]], dtype: np.dtype, use: Spread) -> np.ndarray:
    """Stretches (chunk, first sample, count), one after another, as one array."""
    for file, first, count in pieces:
        file.plausible(first, count)
    out = _room(sum(count for _, _, count in pieces), pieces[0][0], dtype)
    at = 0
    for file, first, count in pieces:
        file.block(first, count, out[at : at + count], use)
        at += count
    return out


def of_rows(rows: np.ndarray, parts: Sequence[Part]) -> Ragged | np.ndarray:
    """Any samples in any order, each some rows of their chunk."""
    lengths = np.empty(len(rows), np.int64)
    found = []
    for part in parts:
        inside = part.inside(rows)
        values, ends = part.file.rows_of(inside)
        starts = ends.take(inside)
        mine = ends.take(inside + 1) - starts
        lengths[... if part.where is None else part.where] = mine
        found.append((part.where, values, starts, mine))
    offsets = prefix(lengths)
    if len(found) == 1:
        _, values, starts, mine = found[0]
        return _batch(values.take(_spread(starts, mine), 0), offsets)
    out = np.empty((int(offsets[-1]), *found[0][1].shape[1:]), found[0][1].dtype)
    for where, values, starts, mine in found:
        out[_spread(offsets[where], mine)] = values.take(_spread(starts, mine), 0)
    return _batch(out, offsets)


def span_of_rows(pieces: Sequence[tuple[ChunkFile, int, int]]) -> Ragged | np.ndarray:
    """Stretches (chunk, first sample, count), one after another: their rows are copied in one go each."""
    found = []
    for file, first, count in pieces:
        values, ends = file.rows_between(first, count)
        found.append((values[int(ends[first]) : int(ends[first + count])], ends[first : first + count + 1]))
    if len(found) == 1:
        values, ends = found[0]
        return _batch(values.copy(), ends - ends[0])
    lengths = np.concatenate([ends[1:] - ends[:-1] for _, ends in found])
    return _batch(np.concatenate([values for values, _ in found]), prefix(lengths))


def _spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """starts[0], starts[0]+1, ... (lengths[0] numbers), starts[1], starts[1]+1, ..."""
    ends = lengths.cumsum()
    return np.repeat(starts - ends + lengths, lengths) + np.arange(int(ends[-1]))


def _batch(values: np.ndarray, offsets: np.ndarray) -> Ragged | np.ndarray:
    """One array where all lengths are equal."""
    count, first = len(offsets) - 1, int(offsets[1])
    if int(offsets[-1]) == count * first and bool((offsets[1:] - offsets[:-1] == first).all()):
        return values.reshape(count, first, *values.shape[1:])
    return Ragged.rows(values, offsets)
