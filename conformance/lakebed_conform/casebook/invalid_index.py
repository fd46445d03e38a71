"""Invalid indexes: limits, columns, missing, tiles, units, codecs, stored lengths, checksums."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import DROP, Chunk, Dataset, one, wide
from lakebed_conform.builders.chunk import unit_crcs
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import small
from lakebed_conform.casebook.invalid_pack import packed, sequence, tiled

LIMIT, COLUMN, MISSING, TILE = "E_INDEX_LIMIT", "E_INDEX_COLUMN", "E_INDEX_MISSING", "E_INDEX_TILE"
UNIT, CODEC, STORED, FIELD = "E_INDEX_UNIT", "E_INDEX_CODEC", "E_INDEX_STORED", "E_INDEX_FIELD"
MOST = (1 << 53) - 1
EFFECT = "Numbers from a file decide where bytes lie; one that does not fit moves every sample behind it."


def empty_rows(n: int = 1) -> Dataset:
    """n samples of no bytes, all in one unit."""
    dataset = Dataset()
    dataset.chunk("a", Chunk("uint8", 1, [[0]], [b""]))
    dataset.change("a", "index.samples", n)
    if n > 1:
        dataset.change("a", "index.unit", n)
    dataset.tensor("x", dtype="uint8", shape=[0], slices=[("a", 0, n)])
    dataset.commit()
    return dataset


def empty_items() -> Dataset:
    """One sample of one item of no bytes."""
    return one([[np.zeros(0, np.uint8)]], shape=[0], sequence=True)


def one_missing() -> Dataset:
    return one([np.array([1, 2], np.uint8), None, np.array([3, 4], np.uint8)], shape=[2])


def scalar() -> Dataset:
    return one([np.array(7, np.uint8)], shape=[])


def ragged() -> Dataset:
    """Units of 1, 2 and 1 items."""
    return one([np.array([i] * (i + 1), np.uint8) for i in range(4)], shape=[None], per_unit=[1, 2, 1])


#: name: (dataset, index key, value, code, clauses, other codes the text leaves)
CASES: dict[str, tuple[Any, str, Any, str, tuple[str, ...], tuple[str, ...]]] = {
    # limits
    "samples_0": (empty_rows, "samples", 0, LIMIT, ("chunk.index.samples",), ("E_SLICE_RANGE",)),
    "samples_over": (lambda: empty_rows(1 << 26), "samples", (1 << 26) + 1, LIMIT, ("chunk.index.samples",), ()),
    "items_over": (empty_items, "items", (1 << 26) + 1, LIMIT, ("chunk.index.limit",), ()),
    "items_wrap": (sequence, "items", wide([1 << 63, 1 << 63, 0], 8), LIMIT, ("column.values", "column.sum"),
                   (STORED, COLUMN)),
    "items_sum": (sequence, "items", wide([MOST, 2, 0], 8), LIMIT, ("column.values", "column.sum"), (STORED, COLUMN)),
    "rank_33": (scalar, "shape", [1] * 33, LIMIT, ("chunk.index.limit", "model.rank"), ("E_CHUNK_TENSOR", FIELD)),
    "shape_2_53": (small, "shape", [1 << 53], LIMIT, ("chunk.index.limit", "model.integers"), ()),
    "shape_product": (tiled, "shape", [1 << 32, 1 << 32], LIMIT, ("chunk.index.limit", "model.integers"), (STORED,)),
    "shape_product_zero": (empty_items, "shape", [1 << 60], LIMIT, ("index.integers",), ()),
    "shape_sum": (small, "shape", [MOST], LIMIT, ("chunk.index.limit",), (STORED,)),
    "shape_ext_2_53": (ragged, "shape", [wide([1, 2, 3, 1 << 53], 8)], LIMIT, ("column.values",), (STORED,)),
    "stored_wrap": (packed, "stored", wide([(1 << 64) - 1, 10], 8), LIMIT, ("column.values", "column.sum"), (STORED,)),
    "stored_sum": (packed, "stored", wide([MOST, 10], 8), LIMIT, ("column.values",), (STORED,)),
    "unit_wrap": (ragged, "unit", wide([(1 << 64) - 1, 5], 8), LIMIT, ("column.values",), (UNIT, COLUMN, STORED)),
    "crc_over": (small, "crc", wide([1 << 32, 0, 0], 8), LIMIT, ("unit.crc_entries",), ("E_UNIT_CRC",)),
    # columns
    "shape_short": (small, "shape", [wide([3] * 4, 1)], COLUMN, ("column.length", "chunk.index.columns"), ()),
    "shape_long": (small, "shape", [wide([3] * 6, 1)], COLUMN, ("column.length", "chunk.index.columns"), ()),
    "shape_torn": (small, "shape", [wide([3] * 5, 2).__class__(2, b"\3\0" * 4 + b"\3")], COLUMN, ("column.length",),
                   ()),
    "items_short": (sequence, "items", wide([1, 0], 1), COLUMN, ("chunk.index.columns",), ()),
    "missing_short": (one_missing, "missing", wide([0, 1], 1), COLUMN, ("chunk.index.columns",), ()),
    "missing_long": (one_missing, "missing", wide([0, 1, 0, 0], 1), COLUMN, ("chunk.index.columns",), ()),
    "unit_torn": (ragged, "unit", wide([1], 1).__class__(2, b"\1\0\2"), COLUMN,
                  ("column.ext", "chunk.index.unit_sum"), ()),
    "codec_short": (packed, "codec", wide([0], 1), COLUMN, ("chunk.index.columns",), ()),
    "stored_short": (packed, "stored", wide([9], 1), COLUMN, ("chunk.index.columns",), (STORED,)),
    "stored_long": (packed, "stored", wide([5, 4, 0], 1), COLUMN, ("chunk.index.columns",), (STORED,)),
    "crc_short": (small, "crc", wide([1, 2], 4), COLUMN, ("unit.crc_entries", "chunk.index.crc"), ()),
    "crc_long": (small, "crc", wide([1, 2, 3, 4], 4), COLUMN, ("unit.crc_entries",), ()),
    # missing
    "missing_2": (one_missing, "missing", wide([0, 2, 0], 1), MISSING, ("chunk.index.missing_value",), ()),
    "missing_all_2": (small, "missing", 2, MISSING, ("chunk.index.missing", "chunk.index.missing_value"),
                      (COLUMN, STORED)),
    "missing_items": (sequence, "missing", wide([1, 0, 1], 1), MISSING, ("chunk.index.missing_value",), ()),
    "missing_items_all": (sequence, "missing", 1, MISSING, ("chunk.index.missing_value",), ()),
    # tiles
    "tile_0": (tiled, "tile", [0, 2], TILE, ("chunk.index.tile_fit", "chunk.index.tile"), ()),
    "tile_short": (tiled, "tile", [2], TILE, ("chunk.index.tile_fit",), ()),
    "tile_long": (tiled, "tile", [2, 2, 1], TILE, ("chunk.index.tile_fit",), ()),
    "tile_scalar": (scalar, "tile", [], TILE, ("chunk.index.tile_fit",), ()),
    "tile_beside_unit": (tiled, "unit", 2, TILE, ("chunk.index.tile_fit",), (UNIT,)),
    # units
    "unit_0": (small, "unit", 0, UNIT, ("chunk.index.unit", "chunk.index.unit_sum"), ()),
    "unit_entry_0": (ragged, "unit", wide([1, 0, 3], 1), UNIT, ("chunk.index.unit_sum",), ()),
    "unit_less": (ragged, "unit", wide([1, 1, 1], 1), UNIT, ("chunk.index.unit_sum",), (STORED,)),
    "unit_more": (ragged, "unit", wide([1, 2, 2], 1), UNIT, ("chunk.index.unit_sum",), (STORED,)),
    # codec and stored
    "codec_2": (packed, "codec", wide([0, 2], 1), CODEC, ("chunk.index.codec_range", "chunk.index.codec"), ()),
    "codec_255": (packed, "codec", wide([255, 1], 1), CODEC, ("chunk.index.codec_range",), ()),
    "codec_1_of_1": (small, "codec", 1, CODEC, ("chunk.index.codec_range",), ()),
    "stored_absent": (packed, "stored", DROP, FIELD, ("chunk.index.stored_needed",), (STORED,)),
    "stored_raw": (packed, "stored", wide([4, 5], 1), STORED, ("chunk.index.stored_raw", "chunk.index.stored"), ()),
    "stored_less": (packed, "stored", 4, STORED, ("chunk.index.stored_sum",), ()),
    "stored_more": (packed, "stored", wide([6, 4], 1), STORED, ("chunk.index.stored_sum",), ()),
    "shape_less": (small, "shape", [2], STORED, ("chunk.index.stored_sum", "unit.decoded"), ("E_CHUNK_TENSOR",)),
    "dtype_wider": (small, "dtype", "uint16", STORED, ("chunk.index.stored_sum",), ("E_CHUNK_TENSOR",)),
    "dtype_unknown": (small, "dtype", "uint128", "E_DTYPE_UNSUPPORTED", ("dtype.table", "chunk.index.dtype"),
                      ("E_CHUNK_TENSOR",)),
    "dtype_big_endian": (small, "dtype", ">u1", "E_DTYPE_UNSUPPORTED", ("dtype.table",), ("E_CHUNK_TENSOR",)),
    "crc_order": (small, "crc", None, "E_UNIT_CRC", ("unit.crc_entries", "unit.number"), ()),
}  # fmt: skip
for name, (base, key, value, code, clauses, also) in CASES.items():
    features = ("codec.lz4",) if base is packed else ()

    @case(f"index/{name}", *clauses, features=features)
    def _(b: Book, base=base, key=key, value=value, code=code, also=also) -> None:
        b.explain(f"Index: {key} is {value!r}"[:100], EFFECT)
        dataset = base()
        if key == "crc" and value is None:
            units = [bytes(range(6)), bytes(range(6, 12)), bytes(range(12, 15))]
            value = wide(list(reversed(unit_crcs(units))), 4)
        b.refuses(dataset.fault("a", f"index.{key}", value), code, also=also, list=["0"])


@case("index/tile_large", "chunk.index.tile_large")
def _(b: Book) -> None:
    """65,537 tiles whose full size passes one MiB

    The place of a tile's checksums must follow from a table that stays small.
    """
    n = 65537
    dataset = Dataset()
    dataset.chunk("a", Chunk("uint8", n, [[1] * n], [b"\0"] * n, tile=[1 << 20]))
    dataset.tensor("x", dtype="uint8", shape=[1], slices=[("a", 0, n)])
    dataset.commit()
    b.refuses(dataset.fault("a", "index.tile", [(1 << 20) + 1]), LIMIT, list=["0"])


@case("index/tile_count", "chunk.index.tile_count", "chunk.index.limit")
def _(b: Book) -> None:
    """2^26 + 1 tiles of no more than one byte in forty bytes of index

    The number of tiles is a product; a reader that lists them first is killed.
    """
    dataset = one([np.array([1], np.uint8)], shape=[None], tile=[1])
    b.refuses(dataset.fault("a", "index.shape", [(1 << 26) + 1]), LIMIT, also=(STORED, COLUMN))
    b.limits(seconds=5, memory=64 << 20)


@case("index/media_two_items", "unit.media", features=("codec.png",))
def _(b: Book) -> None:
    """Two items in one unit of a media codec

    A file stands for one item; which of two it would be nobody says.
    """
    from lakebed_conform.casebook.pictures import png

    picture = np.arange(4, dtype=np.uint8).reshape(2, 2)
    dataset = one([picture, picture], shape=[2, 2], codecs=[[{"name": "png"}]], encode=[lambda d: png(picture)])
    b.refuses(dataset.fault("a", "index.unit", 2), UNIT, also=(STORED, COLUMN))


@case("unit/empty_crc", "unit.empty")
def _(b: Book) -> None:
    """A unit of no bytes with another checksum than 0

    Its bytes are never fetched, so only a checker sees that the writer's checksum is wrong.
    """
    b.refuses(empty_rows().fault("a", "index.crc", 1), "E_UNIT_CRC", roles=("checker",))
