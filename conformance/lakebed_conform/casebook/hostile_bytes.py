"""Hostile datasets: small files that ask for much. Budgets are growth of the port during one request."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from lakebed_conform.builders import Chunk, Dataset, one, wide
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import small
from lakebed_conform.casebook.invalid_documents import history
from lakebed_conform.casebook.invalid_index import empty_items, empty_rows, ragged, scalar
from lakebed_conform.casebook.invalid_media import FILES, replaced
from lakebed_conform.casebook.invalid_pack import packed, sequence, tiled
from lakebed_conform.pen import Raw

MIB = 1 << 20
MOST, HALF = (1 << 53) - 1, 1 << 26
LIMIT, COLUMN, UNIT, STORED, DATA = "E_INDEX_LIMIT", "E_INDEX_COLUMN", "E_INDEX_UNIT", "E_INDEX_STORED", "E_CODEC_DATA"
EFFECT = "A file of a few hundred bytes must not take gigabytes or minutes from whoever opens it."


def budget(b: Book, what: str) -> None:
    b.explain(what, EFFECT)
    b.limits(seconds=5, memory=64 * MIB)


#: dataset, key of the index, value, code, other codes, clauses
INDEXES: dict[str, tuple[Any, str, Any, str, tuple[str, ...], tuple[str, ...]]] = {
    "samples_2_31": (empty_rows, "samples", 1 << 31, LIMIT, (), ("chunk.index.samples",)),
    "samples_2_53": (empty_rows, "samples", MOST, LIMIT, (), ("chunk.index.samples",)),
    "items_2_31": (empty_items, "items", 1 << 31, LIMIT, (), ("chunk.index.limit",)),
    "items_most": (empty_items, "items", MOST, LIMIT, (), ("chunk.index.limit",)),
    "items_wrap_64": (sequence, "items", wide([1 << 63, 1 << 63, 1], 8), LIMIT, (STORED, COLUMN), ("column.values",)),
    "items_wrap_32": (sequence, "items", wide([1 << 31, 1 << 31, 1], 8), LIMIT, (STORED, COLUMN, "E_INDEX_MISSING"),
                      ("column.sum",)),
    "shape_2_40": (scalar, "shape", [1 << 40], STORED, ("E_CHUNK_TENSOR", COLUMN), ("chunk.index.stored_sum",)),
    "shape_wraps_64": (tiled, "shape", [1 << 33, (1 << 31) + 0], LIMIT, (STORED, COLUMN), ("model.integers",)),
    "shape_wraps_to_p": (tiled, "shape", [(1 << 32) + 1, 6 * ((1 << 32) - 1) % (1 << 64)], LIMIT, (STORED, COLUMN),
                         ("model.integers",)),
    "shape_32_axes": (empty_items, "shape", [2] * 32, LIMIT, (STORED, "E_CHUNK_TENSOR", COLUMN),
                      ("chunk.index.limit",)),
    "shape_floats": (scalar, "shape", [MOST, MOST], LIMIT, (STORED, "E_CHUNK_TENSOR", COLUMN), ("model.integers",)),
    "unit_2_53": (ragged, "unit", wide([MOST, 1, 1], 8), LIMIT, (UNIT,), ("column.values",)),
    "tile_1_of_2_40": (tiled, "shape", [1 << 20, 1 << 20], LIMIT, (STORED, COLUMN), ("chunk.index.tile_count",)),
    "tile_2_53": (tiled, "tile", [MOST, MOST], LIMIT, (STORED, COLUMN, "E_INDEX_TILE", "E_UNIT_CRC"),
                  ("model.integers",)),
    "stored_wrap_64": (packed, "stored", wide([(1 << 64) - 5, 14], 8), LIMIT, (STORED,), ("column.values",)),
    "stored_const_2_53": (packed, "stored", MOST, LIMIT, (STORED,), ("column.values",)),
    "stored_2_40": (packed, "stored", wide([1 << 40, 4], 8), STORED, (COLUMN,), ("chunk.index.stored_sum",)),
    "crc_gigabyte": (small, "crc", Raw(b"\xc9\x40\x00\x00\x00\x04"), "E_INDEX_SYNTAX", (), ("index.counts",)),
    "map_of_maps": (small, "+zz", Raw(b"\xdf\x00\x00\x10\x00" * 100), "E_INDEX_SYNTAX", (), ("index.counts",
                                        "index.depth")),
    "arrays_nested": (small, "+zz", Raw(b"\xdc\xff\xff" * 7), "E_INDEX_SYNTAX", (), ("index.entries",)),
    "depth_million": (small, "+zz", Raw(b"\x91" * 200_000), "E_INDEX_SYNTAX", (), ("index.depth",)),
    "maps_deep": (small, "+zz", Raw(b"\x81\xa1a" * 50_000 + b"\x01"), "E_INDEX_SYNTAX", (), ("index.depth",)),
    "pipelines_4096": (packed, "codecs", [[{"name": "lz4"}], [], *[[]] * 4095], "E_INDEX_SYNTAX", (),
                       ("index.entries",)),
}  # fmt: skip
for name, (base, key, value, code, also, clauses) in INDEXES.items():
    features = ("codec.lz4",) if base is packed else ()

    @case(f"hostile/{name}", "safety.bounded", "chunk.index.early", *clauses, features=features)
    def _(b: Book, base=base, key=key, value=value, code=code, also=also, name=name) -> None:
        budget(b, f"An index whose {key} is a bomb: {name.replace('_', ' ')}")
        b.refuses(base().fault("a", f"index.{key}", value), code, also=also, list=["0"])


@case("hostile/codec_name_long", "safety.bounded", "codec.unknown", features=("codec.lz4",))
def _(b: Book) -> None:
    """A codec whose name has 100,000 letters

    An error that repeats it, or a search for what it might mean, costs more than the data.
    """
    dataset = packed().change("a", "index.codecs", [[{"name": "z" * 100_000}], []])
    b.reads(dataset, {}, metadata=False, checker=False)
    b.ask("read", None, error="E_CODEC_UNSUPPORTED", tensor="x", list=["0"])
    b.part("x", [np.array([3, 3], np.uint8)], dtype="uint8", list=["3"])
    b.limits(seconds=5, memory=64 * MIB)


# constant columns over 2^26 entries: legal, and read at their end


def constant(**columns: Any) -> Dataset:
    dataset = empty_rows(HALF)
    for key, value in columns.items():
        dataset.change("a", f"index.{key}", value)
    return dataset


for name, columns, want in (
    ("void_of_2_26", {}, [np.zeros(0, np.uint8)]), ("units_of_one", {"unit": 1}, [np.zeros(0, np.uint8)]),
    ("missing_of_2_26", {"missing": 1, "unit": 1}, [None]),
):  # fmt: skip

    @case(f"hostile/{name}", "safety.bounded", "column.constant", "column.at", "chunk.index.limit")
    def _(b: Book, name=name, columns=columns, want=want) -> None:
        budget(b, f"2^26 entries in forty bytes: {name.replace('_', ' ')}")
        dataset = constant(**columns)
        if name == "units_of_one":
            dataset = empty_rows(HALF)
            dataset.changes = [c for c in dataset.changes if c.field != "index.unit"]
        elif name == "missing_of_2_26":
            dataset.changes = [c for c in dataset.changes if c.field != "index.unit"]
            dataset.change("a", "index.shape", [0])
        b.reads(dataset, {}, metadata=False, checker=False)
        b.part("x", want, dtype="uint8", list=[str(HALF - 1)])
        b.part("x", want * 2, dtype="uint8", list=["0", str(HALF // 2)])


@case("hostile/missing_rows_2_53", "safety.bounded", "slice.null", "model.integers")
def _(b: Book) -> None:
    """A tensor of 2^53-1 missing samples in one row of a table

    A reader that makes a list of rows never returns.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="uint8", shape=[], slices=[(None, 0, MOST)])
    dataset.commit()
    b.reads(dataset, {})
    b.part("x", [None, None], dtype="uint8", list=[str(MOST - 1), "0"])
    b.limits(seconds=5, memory=64 * MIB)


@case("hostile/slice_repeated_2_26", "safety.bounded", "slice.any")
def _(b: Book) -> None:
    """Ten thousand slices that name one chunk of 2^26 empty samples

    Legal, and its rows are found by sums alone.
    """
    dataset = empty_rows(HALF)
    dataset.tensor("y", dtype="uint8", shape=[0], slices=[("a", 0, HALF)] * 5000)
    dataset.remove("x")
    dataset._commits.clear()
    dataset.commit()
    b.reads(dataset, {}, metadata=False, checker=False)
    b.part("y", [np.zeros(0, np.uint8)], dtype="uint8", list=[str(HALF * 5000 - 1)])
    b.limits(seconds=10, memory=96 * MIB)


# decompression


def bomb(codec: str, length: int, stored: bytes) -> Dataset:
    """One unit of ``codec`` that is to decode to ``length`` bytes; the twin holds eight."""
    dataset = one([np.zeros(8, np.uint8)], shape=[None], codecs=[[{"name": codec}]])
    from lakebed_conform.pen import crc32

    dataset.fault("a", "index.shape", [length]).fault("a", "payload", stored)
    return dataset.fault("a", "index.stored", len(stored)).fault("a", "index.crc", crc32(stored))


def zstd_says(n: int, body: bytes, window: bytes = b"\x68") -> bytes:
    return b"\x28\xb5\x2f\xfd\xc0" + window + struct.pack("<Q", n) + body


LAST = (3).to_bytes(3, "little") + b"\0"
BOMBS: dict[str, tuple[str, int, bytes, tuple[str, ...]]] = {
    "lz4_implausible": ("lz4", 1 << 31, bytes(100), ("codec.plausible",)),
    "lz4_half_gib": ("lz4", 1 << 29, bytes(100), ("codec.plausible",)),
    "lz4_over_limit": ("lz4", 0x7E000001, bytes(9_000_000 // 100), ("codec.lz4.limit", "codec.plausible")),
    "lz4_2_40": ("lz4", 1 << 40, bytes(20), ("codec.lz4.limit", "codec.plausible")),
    "lz4_longer": ("lz4", 100, b"\x1f\x00\x01\x00" + b"\xff" * 4000 + b"\x00\x50" + bytes(5), ("codec.limit",
                                        "codec.whole")),
    "deflate_implausible": ("deflate", 1 << 31, b"\x78\x9c" + bytes(98), ("codec.plausible",)),
    "deflate_longer": ("deflate", 100, __import__("zlib").compress(bytes(60 * MIB), 9), ("codec.limit", "codec.whole")),
    "deflate_2_53": ("deflate", MOST, b"\x78\x9c\x03\x00\x00\x00\x00\x01", ("codec.plausible",)),
    "zstd_implausible": ("zstd", 1 << 40, zstd_says(1 << 40, LAST), ("codec.plausible",)),
    "zstd_2_31": ("zstd", 1 << 31, zstd_says(1 << 31, LAST), ("codec.plausible",)),
    "zstd_longer": ("zstd", 100, zstd_says(100, b"".join(((1 << 17) << 3 | 2).to_bytes(3,
                                        "little") + b"\0" for _ in range(500))
                                           + LAST), ("codec.limit", "codec.zstd.size")),
    "zstd_window_2_41": ("zstd", 100, zstd_says(100, LAST, b"\xff"), ("codec.zstd.window",)),
    "zstd_size_2_63": ("zstd", 100, zstd_says(1 << 63, LAST), ("codec.zstd.size",)),
}  # fmt: skip
for name, (codec, length, stored, clauses) in BOMBS.items():

    @case(f"hostile/{name}", "safety.bounded", "codec.limit", *clauses, features=(f"codec.{codec}",),
          origin="library" if name == "deflate_longer" else "hand")  # fmt: skip
    def _(b: Book, name=name, codec=codec, length=length, stored=stored) -> None:
        budget(b, f"A decompression bomb: {name.replace('_', ' ')}")
        b.refuses(bomb(codec, length, stored), DATA, why="the stream, and what the index says of it")


# documents


def wide_text(text: bytes) -> Any:
    return lambda d: d[:-1] + b',"zz":' + text + b"}"


TEXTS: dict[str, tuple[bytes, str, str]] = {
    "json_depth_100000": (b"[" * 100_000 + b"]" * 100_000, "E_JSON_LIMIT", "json.depth"),
    "json_objects_deep": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "E_JSON_LIMIT", "json.depth"),
    "json_digits_100000": (b"9" * 100_000, "E_JSON_LIMIT", "json.integers"),
    "json_exponent": (b"1e999999999", "E_JSON_LIMIT", "json.floats"),
    "json_unclosed": (b"[" * 30_000, "E_JSON_SYNTAX", "json.syntax"),
    "json_2_53": (b"[9007199254740993]", "E_JSON_LIMIT", "json.integers"),
}  # fmt: skip
for name, (text, code, clause) in TEXTS.items():

    @case(f"hostile/{name}", "safety.bounded", clause)
    def _(b: Book, name=name, text=text, code=code) -> None:
        budget(b, f"A commit: {name.replace('_', ' ')}")
        also = ("E_JSON_LIMIT",) if name == "json_unclosed" else ()
        b.refuses(history().fault("main/2", "text", wide_text(text)), code, op="inspect", also=also)


@case("hostile/json_same_hash_names", "safety.bounded", "json.unknown")
def _(b: Book) -> None:
    """Twenty thousand unknown members

    Ignoring must not take the square of their number.
    """
    text = b"{" + b",".join(b'"k%d":0' % i for i in range(20_000)) + b"}"
    from lakebed_conform.casebook.invalid_documents import values

    b.reads(history().change("main/2", "text", wide_text(text)), {"x": [*values(), values()[0]]})
    b.limits(seconds=5, memory=64 * MIB)


@case("hostile/time_digits", "commit.time", "safety.bounded")
def _(b: Book) -> None:
    """A time of 200,000 digits

    A pattern that goes back over its input takes minutes for it.
    """
    budget(b, "A time of 200,000 digits")
    dataset = history().fault("main/2", "/time", "2026-01-01T00:00:02." + "1" * 200_000 + "Z")
    b.refuses(dataset, "E_COMMIT_FIELD", op="inspect", also=("E_COMMIT_PARENT",))


@case("hostile/name_segments", "tensor.name", "safety.bounded")
def _(b: Book) -> None:
    """A tensor name of 100,000 segments

    Names are judged before they are split and stored.
    """
    from lakebed_conform.casebook.invalid_tensor import EMPTY, nameless

    budget(b, "A tensor name of 100,000 segments")
    b.refuses(nameless().fault("main/1", "/tensors/" + "~1".join("a" * 100_000), EMPTY), "E_TENSOR_FIELD", op="inspect")


@case("hostile/parent_cycle", "commit.parent.hash", "safety.named")
def _(b: Book) -> None:
    """Two branches whose first commits name each other as parents

    A log that follows parents never ends.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="uint8", shape=[], slices=[])
    dataset.commit("a")
    dataset.commit("b", parent=("a", 1))
    dataset.fault("a/1", "/parent", {"branch": "b", "number": 1, "sha256": "ab" * 32})
    budget(b, "Two branches whose first commits name each other as parents")
    b.refuses(dataset, "E_COMMIT_PARENT", roles=("checker",))


@case("hostile/hint_number_most", "algo.newest.gallop", "hint.ignore")
def _(b: Book) -> None:
    """A hint with a right checksum that says number 9999999999

    A reader that counts down from it asks ten billion times.
    """
    from lakebed_conform.casebook.valid_trees import numbered, resealed

    dataset, kept = numbered(3, 3)
    dataset.change("hint:main", "bytes", resealed(lambda d: d.replace(b'"number":3,', b'"number":9999999999,', 1)))
    b.reads(dataset, {"x": kept})
    b.limits(seconds=5, memory=64 * MIB)


# pictures


def png_says(height: int, width: int, depth: int = 8, colour: int = 2) -> bytes:
    return p.png_file([p.ihdr(height, width, depth, colour), p.idat([b"\0" * 9] * 2), p.END])


def patched(codec: str, at: int, data: bytes) -> bytes:
    file = FILES[codec][0]
    return file[:at] + data + file[at + len(data) :]


LIES: dict[str, tuple[str, bytes]] = {
    "png_60000": ("png", png_says(60_000, 60_000)), "png_2_31": ("png", png_says((1 << 31) - 1, (1 << 31) - 1)),
    "gif_screen_65535": ("gif", patched("gif", 6, b"\xff\xff\xff\xff")),
    "bmp_2_30": ("bmp", patched("bmp", 18, struct.pack("<ii", 1 << 30, 1 << 30))),
    "jpeg_65500": ("jpeg", p.jpeg([np.array([[200]])] * 3, 65500, 65500)),
    "webp_16383": ("webp", patched("webp", 21, struct.pack("<I", 16382 | 16382 << 14))),
    "tiff_2_31": ("tiff", p.tiff(bytes(18), (1 << 31) - 1, (1 << 31) - 1, bits=8, channels=3, colour=2)),
}  # fmt: skip
for name, (codec, file) in LIES.items():

    @case(f"hostile/{name}", "media.budget", "media.header", "safety.bounded", features=(f"codec.{codec}",))
    def _(b: Book, name=name, codec=codec, file=file) -> None:
        budget(b, f"A small picture whose header claims a huge one: {name.replace('_', ' ')}")
        why = "length and CRC agree with the file"
        b.refuses(replaced(codec, file), "E_MEDIA_SHAPE", why=why, also=(DATA,))


@case("hostile/item_sparse", "algo.region.bound", "safety.bounded", "write.item")
def _(b: Book) -> None:
    """An item of 2^40 bytes recorded for a payload of none

    What the index says is held against P before anything is allocated.
    """
    budget(b, "An item of 2^40 bytes recorded for a payload of none")
    dataset = Dataset()
    dataset.chunk("a", Chunk("uint8", 1, [[0], [5]], [b""]))
    dataset.tensor("x", dtype="uint8", shape=[None, None], slices=[("a", 0, 1)])
    dataset.commit()
    b.refuses(dataset.fault("a", "index.shape", [1 << 20, 1 << 20]), STORED, also=(COLUMN,))
