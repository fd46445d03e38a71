"""First cases over values: special floats, sequences, missing samples, tiles, slices, codecs."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case

#: quiet and signalling NaNs with payloads, both zeros, subnormals, extremes, infinities: as 32-bit words
WORDS32 = (
    0x7FC00000, 0x7FC12345, 0xFFC00001, 0x7F800001, 0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000,
    0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x3F800001,
)  # fmt: skip


@case("values/float32_special", "unit.decoded", "dtype.bits")
def _(b: Book) -> None:
    """NaN payloads, signed zeros, subnormals and infinities of float32, to the bit

    A reader that converts through another type loses payloads or flushes subnormals; masks coded in NaNs break.
    """
    values = list(np.array(WORDS32, "<u4").view("<f4"))
    b.reads(one(values, shape=[], dtype="float32", k=4), {"x": values})


@case("values/sequence_missing", "unit.items", "chunk.index.items", "chunk.index.missing")
def _(b: Book) -> None:
    """A sequence with an empty list, a missing sample and an item without elements

    Missing, empty and zero-length are three things; a port that mixes them shifts every later sample.
    """
    values = [[np.array([1, 2, 3], "<i2")], [], None, [np.zeros(0, "<i2"), np.array([-1], "<i2")]]
    b.reads(one(values, shape=[None], sequence=True, dtype="int16", k=2), {"x": values})


@case("values/tiles_lz4", "tile.edge", "codec.lz4", features=("codec.lz4",))
def _(b: Book) -> None:
    """Tiles of 2 x 3 over pictures of 3 x 7 and 0 x 4, in LZ4 blocks

    Edge tiles are smaller and never padded; an item with a zero-length axis has none.
    """
    values = [np.arange(21, dtype="<u2").reshape(3, 7) * 1000, np.zeros((0, 4), "<u2"), np.ones((1, 1), "<u2")]
    dataset = one(values, shape=[None, None], dtype="uint16", tile=[2, 3], codecs=[[{"name": "lz4"}]])
    b.reads(dataset, {"x": values})


@case("values/slices", "slice.any", "slice.null", "tensor.order")
def _(b: Book) -> None:
    """Slices in any order, one chunk twice, a run of missing samples between

    The update story is the slice list; a reader that goes by chunks returns the rows as they once were.
    """
    old = [np.array(i, "<i8") for i in range(10)]
    new = [np.array(-1, "<i8")]
    dataset = Dataset()
    dataset.chunk("old", pack(old, k=4))
    dataset.chunk("new", pack(new))
    slices = [("old", 0, 5), ("new", 0, 1), (None, 0, 2), ("old", 6, 4), ("old", 0, 1)]
    dataset.tensor("x", dtype="int64", shape=[], slices=slices)
    dataset.commit()
    b.reads(dataset, {"x": [*old[:5], *new, None, None, *old[6:], old[0]]})


@case("values/bool_2", "value.bool")
def _(b: Book) -> None:
    """A bool that is 2

    A port that hands the byte out makes arrays that are neither true nor false.
    """
    dataset = one([np.array([True, False, True])], shape=[3], dtype="bool")
    dataset.chunk("a", pack([np.array([1, 0, 1], np.uint8)], dtype="bool"))
    twin = pack([np.array([1, 0, 2], np.uint8)], dtype="bool")
    dataset.fault("a", "payload", twin.units[0])
    from lakebed_conform.builders.chunk import unit_crcs
    from lakebed_conform.builders.columns import column

    dataset.fault("a", "index.crc", column(unit_crcs(twin.units)))
    b.refuses(dataset, "E_VALUE_BOOL", why="the unit's CRC agrees with the wrong byte")
