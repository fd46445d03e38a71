"""First cases over the chunk: trailer, index, units."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import Chunk, Dataset, one, wide
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.pen import Long


def rows(n: int = 5) -> list[np.ndarray]:
    """n rows of three uint8, every byte different from its neighbours."""
    return [np.array([10 * i, 10 * i + 1, 10 * i + 2], np.uint8) for i in range(n)]


def small() -> Dataset:
    """Five rows of three uint8, two to a unit: three units, the last of one item."""
    return one(rows(), shape=[3], k=2)


@case("chunk/raw_units", "unit.order", "unit.place", "unit.raw", "store.local")
def _(b: Book) -> None:
    """Raw units of two items, the last of one

    A port that takes every unit for full reads past the payload or returns rows of the next unit.
    """
    b.reads(small(), {"x": rows()})
    b.part("x", rows()[1:4], dtype="uint8", first="1", count="3")
    b.part("x", [rows()[4], rows()[0], rows()[4]], dtype="uint8", list=["4", "0", "4"])


@case("chunk/end_magic", "chunk.trailer.magic", "chunk.open.magic")
def _(b: Book) -> None:
    """The last byte of the end magic is wrong

    A chunk cut short by an upload, or an object of another format, is read as data.
    """
    b.refuses(small().fault("a", "trailer.magic", b"\x8aLBKEND\x00"), "E_CHUNK_MAGIC")


@case("chunk/trailer_crc", "chunk.trailer.crc", "chunk.open.crc")
def _(b: Book) -> None:
    """The CRC of index and trailer is off by one bit

    A damaged index moves every sample after it, silently.
    """
    b.refuses(small().fault("a", "trailer.crc", 0x12345678), "E_CHUNK_CRC")


@case("chunk/major_2", "chunk.trailer.major", "chunk.open.major")
def _(b: Book) -> None:
    """Chunk layout 2

    A reader that ignores the layout number misreads every chunk that a later version writes.
    """
    b.refuses(small().fault("a", "trailer.major", 2), "E_CHUNK_VERSION")


@case("chunk/feature_bit_31", "chunk.trailer.features", "chunk.open.features")
def _(b: Book) -> None:
    """The highest feature bit is set

    A reader that looks at some bits only, or reads them as signed, goes on without what it needs.
    """
    b.refuses(small().fault("a", "trailer.features", 1 << 31), "E_CHUNK_FEATURE")


@case("chunk/minor_7", "chunk.trailer.minor")
def _(b: Book) -> None:
    """Chunk minor 7 is accepted

    A reader that refuses larger minors stops at data that it could read.
    """
    b.reads(small().change("a", "trailer.minor", 7), {"x": rows()})


@case("chunk/unit_bit_flip", "unit.crc")
def _(b: Book) -> None:
    """One bit of a unit is flipped, the name of the chunk agreeing with the damage

    Storage rots; without this check a wrong pixel or label is returned.
    """
    b.refuses(small().fault("a", "flip", (64 + 7, 3)), "E_UNIT_CRC")


@case("chunk/hash", "chunk.hash")
def _(b: Book) -> None:
    """The chunk's bytes do not hash to its name

    A forged or misplaced chunk passes every CRC; only the name proves the whole object.
    """
    b.refuses(small().fault("a", "name", "ab" * 32), "E_CHUNK_HASH", roles=("checker",))


@case("chunk/head_zero", "chunk.head.zero")
def _(b: Book) -> None:
    """Byte 63 of the head is not zero

    What later versions may put there must not be used for something else by writers of today.
    """
    b.refuses(small().fault("a", "head.zero", bytes(55) + b"\x01"), "E_CHUNK_HEAD", roles=("checker",))


@case("chunk/index_key_twice", "index.duplicate")
def _(b: Book) -> None:
    """The key samples stands twice in the index

    Two parsers take two values: one port returns rows that the other does not have.
    """

    def twice(pairs: list) -> list:
        at = next(i for i, (k, _) in enumerate(pairs) if k == "samples")
        return [*pairs[: at + 1], ("samples", 4), *pairs[at + 1 :]]

    b.refuses(small().fault("a", "index.pairs", twice), "E_INDEX_SYNTAX")


@case("chunk/column_too_wide", "column.canonical")
def _(b: Book) -> None:
    """A column of equal entries is an ext where one integer is due

    One content, one encoding: equal datasets must have equal names.
    """
    dataset = small().fault("a", "index.shape", [wide([3] * 5, 1)])
    b.refuses(dataset, "E_INDEX_CANONICAL", roles=("checker",))


@case("chunk/uint_too_long", "index.shortest")
def _(b: Book) -> None:
    """samples is written in two bytes where one is enough

    Readers must take it, checkers must not: a writer that pads breaks equal names.
    """
    b.refuses(small().fault("a", "index.samples", Long(5, 1)), "E_INDEX_CANONICAL", roles=("checker",))


@case("chunk/nil_in_index", "index.types")
def _(b: Book) -> None:
    """An unknown key with the value nil

    MessagePack libraries hand out None; a closed subset keeps sixty-line readers possible.
    """
    b.refuses(small().fault("a", "index.+zz", None), "E_INDEX_SYNTAX")


@case("chunk/samples_many", "safety.bounded", "column.constant")
def _(b: Book) -> None:
    """2^26 samples of no bytes in an index of forty bytes

    A reader that expands constant columns takes gigabytes for a file of 200 bytes.
    """
    n = 1 << 26
    dataset = Dataset()
    dataset.chunk("a", Chunk("uint8", 1, [[0]], [b""]))
    dataset.change("a", "index.samples", n)
    dataset.change("a", "index.unit", n)
    dataset.tensor("x", dtype="uint8", shape=[0], slices=[("a", 0, n)])
    dataset.commit()
    b.reads(dataset, {}, metadata=False)
    b.part("x", [np.zeros(0, np.uint8)], dtype="uint8", list=[str(n - 1)])
    b.limits(seconds=5, memory=64 << 20)


@case("chunk/map_count_bomb", "index.counts", "index.entries")
def _(b: Book) -> None:
    """The index says that its map has 2^32-1 pairs

    A reader that sizes a table before it looks at the bytes left is killed by a file of 200 bytes.
    """

    def bomb(data: bytes) -> bytes:
        return b"\xdf\xff\xff\xff\xff" + data[1:]

    b.refuses(small().fault("a", "index.bytes", bomb), "E_INDEX_SYNTAX")
    b.limits(seconds=5, memory=64 << 20)
