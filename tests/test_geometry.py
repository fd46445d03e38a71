"""Where everything lies in a chunk, against lists made the slow way; what does not add up is in test_hostile.py."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from lakebed import columns, geometry
from lakebed.codecs import parse_pipelines
from lakebed.errors import LakebedError
from lakebed.geometry import CRC_SPAN, Geometry
from lakebed.model import ChunkIndex

LZ4 = parse_pipelines("lz4")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small examples cross the borders of the pieces that large ones are worked in."""
    monkeypatch.setattr(geometry, "_BLOCK", 5)


def random_unit(rng: np.random.Generator, items: int) -> tuple[Any, list[int]]:
    """A `unit` column in any form, and the edges of its units."""
    if rng.random() < 0.5:
        k = int(rng.integers(1, items + 3))
        return k, [*range(0, items, k), items]
    cuts = sorted({int(c) for c in rng.integers(1, max(2, items), 4)} - {items}) if items > 1 else []
    edges = [0, *cuts, items]
    counts = np.diff(edges)
    return (counts.astype(np.uint8), edges) if items else (1, [0])


def test_whole_items() -> None:
    """[unit.items] [unit.order] [unit.place] [unit.decoded] [unit.raw] [model.item] [model.sequence]"""
    rng = np.random.default_rng(0)
    for _ in range(600):
        count, sequence = int(rng.integers(1, 20)), rng.random() < 0.4
        gone = rng.random(count) < rng.choice([0, 0.3, 1])
        per = np.where(gone, 0, rng.integers(0, 4, count) if sequence else 1)
        total = int(per.sum())
        ragged = rng.random() < 0.6
        sides = rng.integers(0, 4, (total, 2)) if ragged else np.tile(rng.integers(0, 4, 2), (total, 1))
        unit, edges = random_unit(rng, total)
        shape = tuple(columns.column(sides[:, a]) for a in range(2)) if total else (0, 0)
        index = ChunkIndex(
            "int16",
            count,
            shape,
            0,
            items=columns.column(per) if sequence else None,
            missing=columns.column(gone),
            unit=unit,
        )
        sizes = (sides.prod(axis=1) * 2).tolist()
        found = Geometry(index, sum(sizes))
        starts = [0, *np.cumsum(per).tolist()]
        for sample in range(count):
            assert found.items_of(sample) == (None if gone[sample] else (starts[sample], int(per[sample])))
            assert found.items_between(sample, 1) == (starts[sample], starts[sample + 1])
        place = 64
        for number, (a, b) in enumerate(itertools.pairwise(edges)):
            got = found.unit(number)
            assert (got.offset, got.stored, got.decoded) == (place, sum(sizes[a:b]), sum(sizes[a:b]))
            assert found.unit_items(number) == (a, b)
            assert [found.unit_of(i) for i in range(a, b)] == [number] * (b - a)
            place += got.stored
        for item in range(total):
            assert found.shape_of(item) == tuple(sides[item])
        assert found.span(0, total) == sum(sizes)


def test_stored_lengths() -> None:
    """[chunk.index.stored_sum]: with `stored`, a unit begins where the sum before it says."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        lengths = rng.integers(0, 50, rng.integers(1, 12))
        index = ChunkIndex("uint8", len(lengths), (100,), 0, codecs=LZ4, stored=columns.column(lengths.tolist()))
        found = Geometry(index, int(lengths.sum()))
        starts = [64, *(64 + np.cumsum(lengths)).tolist()]
        assert [found.unit(i).offset for i in range(len(lengths))] == starts[:-1]
        with pytest.raises(LakebedError) as caught:
            Geometry(index, int(lengths.sum()) + 1)
        assert (caught.value.code, caught.value.clause) == ("E_INDEX_STORED", "chunk.index.stored_sum")


def test_tiles() -> None:
    """[tile.edge] [unit.order]: tiles of item 0, then of item 1, in C order; smaller at the edge; none without
    elements; raw tiles lie where the elements before them end."""
    rng = np.random.default_rng(2)
    for _ in range(300):
        rank, items = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        tile = tuple(rng.integers(1, 4, rank).tolist())
        sides = (
            rng.integers(0, 6, (items, rank)) if rng.random() < 0.7 else np.tile(rng.integers(0, 6, rank), (items, 1))
        )
        index = ChunkIndex("int32", items, tuple(columns.column(sides[:, a]) for a in range(rank)), 0, tile=tile)
        found = Geometry(index, int(sides.prod(axis=1).sum()) * 4)
        number, place = 0, 64
        for item, shape in enumerate(sides.tolist()):
            grid = [-(-n // t) for n, t in zip(shape, tile, strict=True)]
            for at in np.ndindex(*grid) if math.prod(shape) else ():
                got = found.tile_unit(item, at)
                extent = [min(t, n - p * t) for p, t, n in zip(at, tile, shape, strict=True)]
                assert (got.number, got.offset, got.decoded) == (number, place, math.prod(extent) * 4)
                number, place = number + 1, place + got.decoded
        assert found.n_units == number


@pytest.mark.parametrize(
    "stored", [[1, 5], [CRC_SPAN, CRC_SPAN], [CRC_SPAN + 1, 3 * CRC_SPAN, 0, 1], [5 * CRC_SPAN] * 7]
)
def test_checksums_of_each_mib(stored: list[int]) -> None:
    """[unit.crc_entries] [chunk.index.columns]: one for each started MiB of each unit, one for an empty unit."""
    due = [max(1, -(-n // CRC_SPAN)) for n in stored]
    crc = np.arange(1, sum(due) + 1, dtype=np.uint32)
    raw = ChunkIndex("uint8", len(stored), (columns.column(stored),), crc)
    packed = ChunkIndex("uint8", len(stored), (2**30,), crc, codecs=LZ4, stored=columns.column(stored))
    tiled = ChunkIndex("uint8", len(stored), (columns.column(stored),), crc, tile=(5 * CRC_SPAN,))
    for index in (raw, packed, tiled)[: 3 if all(stored) else 2]:  # an empty item has no tile
        found = Geometry(index, sum(stored))
        at = 1
        for number, count in enumerate(due):
            unit = found.tile_unit(number, (0,)) if index is tiled else found.unit(number)
            assert found.crcs(unit) == list(range(at, at + count))
            at += count
    short = ChunkIndex("uint8", len(stored), (columns.column(stored),), crc[:-1])
    with pytest.raises(LakebedError) as caught:
        Geometry(short, sum(stored))
    assert caught.value.code == "E_INDEX_COLUMN"


def test_constants_stay_constants() -> None:
    """[column.constant] [safety.bounded]: 2^26 units of 2 MiB are arithmetic."""
    index = ChunkIndex("uint8", 2**26, (2**21,), 0)
    found = Geometry(index, 2**47)
    assert found.unit(2**26 - 1).offset == 64 + 2**47 - 2**21
    assert len(found.crcs(found.unit(12345))) == 2
    assert not [name for name, value in vars(found).items() if isinstance(value, np.ndarray)]
