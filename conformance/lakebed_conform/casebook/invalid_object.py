"""Invalid chunks: head, trailer, length, name, and the chunk against its table and its tensor."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import DROP, Dataset, one, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import rows, small
from lakebed_conform.pen import crc32

MAGIC, END = bytes.fromhex("894c424b0d0a1a0a"), bytes.fromhex("8a4c424b454e440a")


def without(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


HEADS = {
    "head_magic_first": ("head.magic", without(MAGIC, 0, 0x88), "chunk.head.magic", "first byte of the magic"),
    "head_magic_newline": ("head.magic", without(MAGIC, 4, 0x0A), "chunk.head.magic", "line end turned by a transfer"),
    "head_magic_zero": ("head.magic", bytes(8), "chunk.head.magic", "no magic at all"),
    "head_first_zero": ("head.zero", b"\x01" + bytes(55), "chunk.head.zero", "byte 8 of the head is not zero"),
}
for name, (field, value, clause, title) in HEADS.items():

    @case(f"chunk/{name}", clause, "safety.check")
    def _(b: Book, field=field, value=value, title=title) -> None:
        b.explain(f"Head: {title}", "A checker that skips the head lets files pass that tools cannot recognise.")
        b.refuses(small().fault("a", field, value), "E_CHUNK_HEAD", roles=("checker",))


TRAILERS = {
    "payload_plus_one": ("payload", 16, "E_CHUNK_SIZE", ("chunk.trailer.payload", "chunk.open.size")),
    "payload_zero": ("payload", 0, "E_CHUNK_SIZE", ("chunk.trailer.payload", "chunk.open.size")),
    "payload_high_bytes": ("payload", 15 | 1 << 40, "E_CHUNK_SIZE", ("chunk.trailer.payload", "chunk.endian")),
    "index_minus_one": ("index", 20, "E_CHUNK_SIZE", ("chunk.trailer.index", "chunk.open.size")),
    "index_most": ("index", 0xFFFFFFFF, "E_CHUNK_SIZE", ("chunk.trailer.index", "chunk.open.size")),
    "major_0": ("major", 0, "E_CHUNK_VERSION", ("chunk.trailer.major", "version.chunk")),
    "major_257": ("major", 257, "E_CHUNK_VERSION", ("chunk.trailer.major", "chunk.open.major")),
    "major_most": ("major", 65535, "E_CHUNK_VERSION", ("chunk.trailer.major", "chunk.trailer.frozen")),
    "feature_bit_0": ("features", 1, "E_CHUNK_FEATURE", ("chunk.trailer.features", "version.chunk")),
    "feature_bit_17": ("features", 1 << 17, "E_CHUNK_FEATURE", ("chunk.trailer.features", "chunk.open.features")),
    "feature_all": ("features", 0xFFFFFFFF, "E_CHUNK_FEATURE", ("chunk.trailer.features",)),
    "reserved_first": ("reserved", b"\x01" + bytes(7), "E_CHUNK_RESERVED", ("chunk.trailer.reserved",)),
    "reserved_last": ("reserved", bytes(7) + b"\x80", "E_CHUNK_RESERVED", ("chunk.open.zero",)),
    "crc_zero": ("crc", 0, "E_CHUNK_CRC", ("chunk.trailer.crc", "chunk.open.crc")),
    "magic_first": ("magic", without(END, 0, 0x89), "E_CHUNK_MAGIC", ("chunk.trailer.magic", "chunk.open.magic")),
    "magic_middle": ("magic", without(END, 4, 0x65), "E_CHUNK_MAGIC", ("chunk.trailer.magic",)),
    "magic_of_head": ("magic", MAGIC, "E_CHUNK_MAGIC", ("chunk.open.magic",)),
}
for name, (field, value, code, clauses) in TRAILERS.items():

    @case(f"trailer/{name}", "algo.open_chunk", *clauses)
    def _(b: Book, field=field, value=value, code=code) -> None:
        b.explain(
            f"Trailer: {field} is {value.hex() if isinstance(value, bytes) else value}",
            "The trailer tells where everything lies and whether it can be read; what is not looked at is not guarded.",
        )
        if field == "index":
            value = value if value > 100 else small_index() - 1
        b.refuses(small().fault("a", f"trailer.{field}", value), code)


def small_index() -> int:
    """N of the chunk of :func:`small`."""
    dataset = small()
    key = next(k for k in dataset.tree(False) if k.startswith("chunks/"))
    return int.from_bytes(dataset.tree(False)[key][-32:-28], "little")


@case("trailer/crc_of_index_only", "chunk.trailer.crc", "chunk.open.crc")
def _(b: Book) -> None:
    """The CRC covers the index and not the trailer's first 28 bytes

    A port that computes it over too little cannot tell a damaged feature bit from a new one.
    """
    dataset = small()
    key = next(k for k in dataset.tree(False) if k.startswith("chunks/"))
    data = dataset.tree(False)[key]
    b.refuses(small().fault("a", "trailer.crc", crc32(data[64 + 15 : -40])), "E_CHUNK_CRC")


@case("trailer/crc_of_future", "chunk.trailer.frozen", "chunk.open.crc", "safety.order")
def _(b: Book) -> None:
    """Layout 2 with a wrong CRC is damage, not news

    The CRC comes before the major: telling a user to upgrade for a damaged chunk sends them the wrong way.
    """
    dataset = small().change("a", "trailer.minor", 0).fault("a", "trailer.major", 2).fault("a", "trailer.crc", 1)
    b.refuses(dataset, "E_CHUNK_CRC", also=("E_CHUNK_VERSION",), why="a major that only the CRC can tell from damage")


@case("chunk/byte_behind", "chunk.size")
def _(b: Book) -> None:
    """One byte follows the trailer

    The name covers the whole object; what hides behind the trailer is not described by anything.
    """
    b.refuses(small().fault("a", "tail", b"\x00"), "E_CHUNK_SIZE", roles=("checker",))


for name, keep, title in (
    ("cut_one", -1, "the last byte"), ("cut_trailer", -40, "the trailer"), ("cut_index", 79, "index and trailer"),
    ("cut_head", 64, "all but the head"), ("cut_all", 0, "every byte"),
):  # fmt: skip

    @case(f"chunk/{name}", "chunk.open.range", "store.ranges.short", "notation.breach")
    def _(b: Book, keep=keep, title=title) -> None:
        b.explain(f"A chunk without {title}", "An upload that broke off, or a full disk, leaves such an object.")
        dataset = small().fault("a", "truncate", keep)
        b.refuses(dataset, "E_TRUNCATED", also=("E_CHUNK_SIZE",), roles=("reader",))
        b.ask("check", None, error="E_TRUNCATED", also=("E_CHUNK_SIZE", "E_CHUNK_HEAD"))


@case("chunk/absent", "tree.needed", "store.ranges.missing", "tree.chunk")
def _(b: Book) -> None:
    """The chunk that a commit names is not there

    A half-copied dataset; the samples must not come back as missing or zero.
    """
    dataset = two_chunks().fault("new", "absent", True)
    b.refuses(dataset, "E_OBJECT_MISSING")


def two_chunks() -> Dataset:
    """Rows 0 to 4 in ``a``, rows 5 and 6 in ``new``."""
    dataset = Dataset()
    dataset.chunk("a", pack(rows(), k=2))
    dataset.chunk("new", pack([r + 100 for r in rows(2)], k=2))
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5), ("new", 0, 2)])
    dataset.commit()
    return dataset


@case("chunk/absent_others_read", "tree.needed", "notation.breach", "safety.named")
def _(b: Book) -> None:
    """One chunk of two is absent: the rows of the other are read

    A reader that opens everything first loses what is still whole.
    """
    dataset = two_chunks().fault("new", "absent", True)
    b.refuses(dataset, "E_OBJECT_MISSING", first="5", count="1")
    b.part("x", rows(), dtype="uint8", first="0", count="5")


for name, offset, title in (("flip_first", 64, "first"), ("flip_last", 78, "last")):

    @case(f"unit/{name}", "unit.crc", "algo.read.7", "safety.crc")
    def _(b: Book, offset=offset, title=title) -> None:
        b.explain(f"One bit of the {title} byte of the payload is flipped", "Storage rots, and one bit is one label.")
        b.refuses(small().fault("a", "flip", (offset, 0)), "E_UNIT_CRC")


@case("unit/flip_others_read", "unit.crc", "notation.breach")
def _(b: Book) -> None:
    """A damaged unit fails, the others are read

    One bad sector must not take a whole chunk with it.
    """
    b.refuses(small().fault("a", "flip", (64 + 6, 0)), "E_UNIT_CRC", list=["2"])
    b.part("x", [rows()[0], rows()[1], rows()[4]], dtype="uint8", list=["0", "1", "4"])


@case("unit/flip_second_mib", "unit.crc", "unit.crc_entries")
def _(b: Book) -> None:
    """A bit in the second MiB of one unit

    Each started MiB has its own CRC; a reader that checks the first only returns the rest unguarded.
    """
    value = np.zeros((1 << 20) + 5, np.uint8)
    b.refuses(one([value], shape=[None]).fault("a", "flip", (64 + (1 << 20) + 4, 7)), "E_UNIT_CRC")


# the chunk against the table that names it, its slices and its tensor

#: what a checker that goes on with a trailer in the wrong place may list besides
MISPLACED = ("E_CHUNK_CRC", "E_CHUNK_VERSION", "E_CHUNK_FEATURE", "E_CHUNK_RESERVED", "E_CHUNK_MAGIC")

for name, payload, index, also in (
    ("payload_larger", 1, 0, ("E_CHUNK_MAGIC", "E_TRUNCATED")), ("payload_smaller", -1, 0, ("E_CHUNK_MAGIC",)),
    ("index_larger", 0, 1, ("E_CHUNK_MAGIC", "E_TRUNCATED")), ("index_smaller", 0, -1, ("E_CHUNK_MAGIC",)),
):  # fmt: skip

    @case(f"table/{name}", "table.chunk.once", "chunk.open.size")
    def _(b: Book, payload=payload, index=index, also=also) -> None:
        b.explain("The table says another length than the chunk", "Trusting it reads one sample's bytes as another's.")
        field, value = ("payload", 15 + payload) if payload else ("index", small_index() + index)
        dataset = small().fault("main/1", f"/tensors/x/chunks/{field}", value)
        b.refuses(dataset, "E_CHUNK_SIZE", also=also, roles=("reader",))
        b.ask("check", None, error="E_CHUNK_SIZE", also=(*also, *MISPLACED))


@case("table/lengths_shifted", "table.chunk.once", "chunk.open.size")
def _(b: Book) -> None:
    """The table takes one byte from the index and gives it to the payload

    The end of the chunk is found all the same; only the comparison shows it.
    """
    dataset = small().fault("main/1", "/tensors/x/chunks/payload", 16)
    dataset.fault("main/1", "/tensors/x/chunks/index", small_index() - 1)
    why = "both lengths, so that the end of the chunk is still found"
    b.refuses(dataset, "E_CHUNK_SIZE", why=why, roles=("reader",))
    b.ask("check", None, error="E_CHUNK_SIZE", also=MISPLACED)


@case("slice/range_first", "table.slice.range")
def _(b: Book) -> None:
    """A slice that begins one sample later ends one sample behind the chunk

    What lies behind the last sample is the index; read as data it looks like labels.
    """
    b.refuses(small().fault("main/1", "/tensors/x/slices/first", 1), "E_SLICE_RANGE")


@case("slice/range_most", "table.slice.range", "model.integers")
def _(b: Book) -> None:
    """A slice that begins at 2^53-2

    first + count passes every 32-bit and float computation unseen.
    """
    dataset = small().fault("main/1", "/tensors/x/slices/first", (1 << 53) - 2)
    b.refuses(dataset, "E_SLICE_RANGE", also=("E_JSON_LIMIT",))


for name, field, value, clause in (
    ("dtype", "dtype", "int8", "dtype"), ("dtype_width", "dtype", "uint16", "dtype"),
    ("rank_more", "shape", [3, None], "rank"), ("rank_scalar", "shape", [], "rank"), ("dims", "shape", [4], "dims"),
    ("sequence", "sequence", True, "sequence"),
):  # fmt: skip

    @case(f"agree/{name}", f"chunk.tensor.{clause}")
    def _(b: Book, field=field, value=value) -> None:
        b.explain(
            f"The tensor says {field} {value}, the chunk something else",
            "Two documents disagree about the form of data; whichever a port believes, it guesses.",
        )
        b.refuses(small().fault("main/1", f"/tensors/x/{field}", value), "E_CHUNK_TENSOR")


@case("agree/dims_one_item", "chunk.tensor.dims")
def _(b: Book) -> None:
    """One item of five breaks a fixed axis

    A reader that looks at the first item only stacks arrays of unequal size.
    """
    values = [np.array([1, 2], np.uint8)] * 4 + [np.array([1, 2, 3], np.uint8)]
    b.refuses(one(values, shape=[None]).fault("main/1", "/tensors/x/shape", [2]), "E_CHUNK_TENSOR")


@case("agree/dims_unused_item", "chunk.tensor.dims")
def _(b: Book) -> None:
    """An item that no slice uses may break a fixed axis

    Chunks outlive edits; judging rows that are no longer there refuses good data.
    """
    values = [np.array([1, 2], np.uint8)] * 4 + [np.array([1, 2, 3], np.uint8)]
    dataset = Dataset()
    dataset.chunk("a", pack(values))
    dataset.tensor("x", dtype="uint8", shape=[2], slices=[("a", 0, 4)])
    dataset.commit()
    b.reads(dataset, {"x": values[:4]})


@case("agree/sequence_absent", "chunk.tensor.sequence")
def _(b: Book) -> None:
    """The chunk has items per sample, the tensor is no sequence

    A port that goes by one of the two numbers rows by items.
    """
    dataset = one([[np.array([1], np.uint8)], [np.array([2], np.uint8)]], shape=[1], sequence=True)
    b.refuses(dataset.fault("main/1", "/tensors/x/sequence", DROP), "E_CHUNK_TENSOR")
