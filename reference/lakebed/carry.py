"""Floor 7. Samples from one chunk into another as they are stored [algo.compact.units] [fidelity.travel].

Encoded units of which every item is wanted, and media units always, travel byte for byte. Raw units are joined; of
an encoded array unit that is wanted in part, the part is decoded and encoded again without loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .chunkfile import ChunkFile
from .columns import entries
from .geometry import Geometry, Unit
from .model import ChunkIndex
from .writer import ChunkWriter

BATCH = 8 << 20  # stored bytes that are asked for at once

Shapes = tuple[int, tuple[int, ...]] | np.ndarray


def carry_samples(writer: ChunkWriter, file: ChunkFile, first: int, stop: int) -> None:
    """Samples [first, stop) of ``file`` to the end of ``writer``, whose pipeline must be exact.

    Errors: those of reading; E_CODEC_UNSUPPORTED and E_EXTRA_MISSING only for a unit that must be cut.
    """
    geometry = file.geometry
    start, end = item_at(geometry, first), item_at(geometry, stop)
    if file.index.tile is not None:
        for item in range(start, end):
            carry_tiles(writer, file, item)
    elif start < end:
        numbers = range(geometry.unit_of(start), geometry.unit_of(end - 1) + 1)
        for units in batches(geometry.unit(number) for number in numbers):
            for unit, data in zip(units, file.stored(units), strict=True):
                _carry_unit(writer, file, unit, data, start, end)
    count_samples(writer, file.index, geometry, first, stop)


def carry_tiles(writer: ChunkWriter, file: ChunkFile, item: int) -> None:
    """One tiled item, all its tiles as they are."""
    geometry = file.geometry
    shape = geometry.shape_of(item)
    places = np.ndindex(*geometry.grid(item)) if all(shape) else iter(())
    units = (geometry.tile_unit(item, place) for place in places)
    writer.add_stored(shape, ((file.stored([unit])[0], file.index.codecs[unit.codec]) for unit in units))


def _carry_unit(
    writer: ChunkWriter, file: ChunkFile, unit: Unit, data: memoryview | bytes, start: int, end: int
) -> None:
    """Items [start, end), as far as they lie in ``unit``."""
    geometry, index = file.geometry, file.index
    low, high = geometry.unit_items(unit.number)
    a, b = max(low, start), min(high, end)
    pipeline = index.codecs[unit.codec]
    if pipeline and (file.media[unit.codec] or (a, b) == (low, high)):
        writer.add_stored_unit(data, pipeline, shapes_of(index, geometry, a, b), file.seek(unit))
        return
    raw = file.decoded(unit, data)
    shapes = shapes_of(index, geometry, a, b)
    if isinstance(shapes, tuple):
        size = geometry.item_bytes or 0
        writer.add_block(raw[(a - low) * size : (b - low) * size], *shapes)
    else:
        skip = int(geometry.bytes_of(low, a).sum())
        writer.add_ragged(raw[skip : skip + int(geometry.bytes_of(a, b).sum())], shapes)


def shapes_of(index: ChunkIndex, geometry: Geometry, start: int, stop: int) -> Shapes:
    """Of items [start, stop): (their number, their one shape), or int64 (n, rank)."""
    if geometry.item_shape is not None:
        return stop - start, geometry.item_shape
    return np.stack([entries(axis, start, stop) for axis in index.shape], axis=1)


def count_samples(writer: ChunkWriter, index: ChunkIndex, geometry: Geometry, first: int, stop: int) -> None:
    """Tell ``writer`` of samples [first, stop): how many items each has, and which are missing."""
    if isinstance(index.missing, int) and (index.items is None or isinstance(index.items, int)):
        each = -1 if index.missing else 1 if index.items is None else index.items
        writer.add_samples(stop - first, each)
        return
    items = np.ones(stop - first, np.int64) if index.items is None else entries(index.items, first, stop)
    counts = np.where(entries(index.missing, first, stop) == 1, -1, items)
    for count, each in lengths(counts):
        writer.add_samples(count, each)


def lengths(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of equal values: (how many, which)."""
    if not len(values):
        return
    heads = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])).tolist()
    for head, end in zip(heads, [*heads[1:], len(values)], strict=True):
        yield end - head, int(values[head])


def item_at(geometry: Geometry, sample: int) -> int:
    """The number of items before a sample; ``sample`` may be the end."""
    return int(geometry.item_starts(sample, 0)[0])


def sample_of(geometry: Geometry, item: int) -> int:
    """The sample that an item is of."""
    index = geometry.index
    if index.items is None and isinstance(index.missing, int):
        return item
    return int(np.searchsorted(geometry.item_starts(0, index.samples), item, "right")) - 1


def batches(units: Iterator[Unit]) -> Iterator[list[Unit]]:
    """Groups of about :data:`BATCH` stored bytes."""
    group: list[Unit] = []
    size = 0
    for unit in units:
        if group and size + unit.stored > BATCH:
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.stored
    if group:
        yield group
