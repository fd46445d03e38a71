"""Valid datasets: every dtype to the bit, ranks, zero-length axes, units, sequences, missing samples, tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case

#: words of each dtype: zeros, ones, signs, subnormals, extremes, infinities, NaNs with payloads
WORDS: dict[str, list[int]] = {
    "bool": [0, 1, 1, 0],
    "uint8": [0, 1, 127, 128, 255], "int8": [0, 1, 127, 128, 255],
    "uint16": [0, 1, 255, 256, 32767, 32768, 65535], "int16": [0, 1, 255, 256, 32767, 32768, 65535],
    "uint32": [0, 1, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1],
    "int32": [0, 1, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1],
    "uint64": [0, 1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1],
    "int64": [0, 1, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1],
    "float16": [0, 0x8000, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x7C01, 0xFFFF],
    "bfloat16": [0, 0x8000, 1, 0x7F, 0x80, 0x3F80, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0, 0x7F81, 0xFFFF],
    "float32": [0, 1 << 31, 1, 0x7FFFFF, 0x800000, 0x3F800001, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC12345,
                0x7F800001, 0xFFFFFFFF],
    "float64": [0, 1 << 63, 1, (1 << 52) - 1, 1 << 52, 0x3FF0000000000001, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
                0xFFF0000000000000, 0x7FF8000000012345, 0x7FF0000000000001, (1 << 64) - 1],
    "float8_e4m3fn": list(range(256)), "float8_e5m2": list(range(256)),
}  # fmt: skip
SIZES = {"bool": 1, "int8": 1, "uint8": 1, "float8_e4m3fn": 1, "float8_e5m2": 1, "uint16": 2, "int16": 2, "float16": 2,
         "bfloat16": 2, "uint32": 4, "int32": 4, "float32": 4, "uint64": 8, "int64": 8, "float64": 8}  # fmt: skip
FEATURES = {"float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int64", "uint64"}
GROUP = {"int8": "int", "int16": "int", "int32": "int", "int64": "int", "uint8": "uint", "uint16": "uint",
         "uint32": "uint", "uint64": "uint", "float16": "float", "float32": "float", "float64": "float"}  # fmt: skip
EFFECT = "A reader that goes through another type loses payloads, signs of zero, subnormals or the last bits."


def words(dtype: str) -> np.ndarray:
    """The words of a dtype as unsigned integers of its size."""
    return np.array(WORDS[dtype], f"<u{SIZES[dtype]}")


def feature(dtype: str) -> tuple[str, ...]:
    return (f"dtype.{dtype}",) if dtype in FEATURES else ()


for dtype in WORDS:
    clause = f"dtype.{GROUP.get(dtype, dtype)}"

    @case(f"dtype/{dtype}_scalars", clause, "dtype.bits", "dtype.table", features=feature(dtype))
    def _(b: Book, dtype=dtype) -> None:
        b.explain(f"Scalars of {dtype}: every special value, to the bit", EFFECT)
        values = list(words(dtype))
        b.reads(one(values, shape=[], dtype=dtype, k=5), {"x": values})

    @case(f"dtype/{dtype}_rows", clause, "dtype.bits", "chunk.endian", features=feature(dtype))
    def _(b: Book, dtype=dtype) -> None:
        b.explain(f"Ragged rows of {dtype}, units of three items, one missing", EFFECT)
        w = words(dtype)
        values = [w, w[:0], None, w[::-1].copy(), w[:1], w]
        b.reads(one(values, shape=[None], dtype=dtype, k=3), {"x": values})


for dtype, part in (("complex64", "float32"), ("complex128", "float64")):

    @case(f"dtype/{dtype}", "dtype.complex", "dtype.bits", features=(f"dtype.{dtype}",))
    def _(b: Book, dtype=dtype, part=part) -> None:
        b.explain(f"{dtype}: NaN payloads and signed zeros in both parts", EFFECT)
        w = words(part)
        pairs = np.stack([w, w[::-1]], 1).reshape(-1).view(f"<c{2 * SIZES[part]}")
        b.reads(one([pairs, None], shape=[None], dtype=dtype), {"x": [pairs, None]})


for dtype in ("uint8", "int16", "float32", "float64", "bool"):
    for codec in ("lz4", "deflate", "zstd"):

        @case(f"dtype/{dtype}_{codec}", f"codec.{codec}", "unit.decoded", features=(f"codec.{codec}",))
        def _(b: Book, dtype=dtype, codec=codec) -> None:
            b.explain(f"{dtype} through {codec}, units of two items and a short last one", EFFECT)
            w = words(dtype)
            values = [np.tile(w, n) for n in (3, 1, 2, 0, 5)]
            b.reads(one(values, shape=[None], dtype=dtype, k=2, codecs=[[{"name": codec}]]), {"x": values})


def counting(*shape: int, dtype: str = "<u2") -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


SHAPES: dict[str, tuple[list[Any], list[int | None]]] = {
    "rank_0": ([np.array(i, "<u2") for i in range(4)], []),
    "rank_1_one": ([counting(1)] * 3, [1]),
    "rank_4": ([counting(2, 3, 1, 2), counting(2, 3, 1, 2) + 100], [2, 3, 1, 2]),
    "rank_8": ([counting(1, 2, 1, 2, 1, 2, 1, 2)] * 2, [1, 2, 1, 2, 1, 2, 1, 2]),
    "rank_32": ([counting(*[1] * 31, 2), counting(*[1] * 31, 3)], [1] * 31 + [None]),
    "zero_axis_fixed": ([np.zeros((0, 3), "<u2")] * 3, [0, 3]),
    "zero_axis_last": ([np.zeros((3, 0), "<u2")] * 3, [3, 0]),
    "zero_axis_some": ([counting(2, 3), np.zeros((0, 3), "<u2"), counting(1, 3), np.zeros((0, 3), "<u2")], [None, 3]),
    "zero_axis_all": ([np.zeros((0, 0), "<u2"), np.zeros((0, 5), "<u2"), np.zeros((5, 0), "<u2")], [None, None]),
    "free_all": ([counting(1, 2), counting(3, 1), counting(2, 2)], [None, None]),
    "free_first": ([counting(1, 2), counting(3, 2)], [None, 2]),
    "free_last": ([counting(2, 1), counting(2, 3)], [2, None]),
    "missing_first": ([None, counting(2), counting(2)], [2]),
    "missing_last": ([counting(2), counting(2), None], [2]),
    "missing_all": ([None] * 5, [2]),
    "missing_runs": ([None, None, counting(2), None, counting(2), None, None], [None]),
    "missing_scalar": ([np.array(0, "<u2"), None, np.array(1, "<u2")], []),
    "one_sample": ([counting(3)], [3]),
    "large_dims": ([counting(1, 300), counting(1, 70000 // 100)], [1, None]),
}  # fmt: skip
for name, (values, shape) in SHAPES.items():
    for k in (1, 3):

        @case(f"shape/{name}_units_of_{k}", "model.item", "chunk.index.shape", "unit.items", "model.missing",
              "model.rank",
              "tensor.shape")  # fmt: skip
        def _(b: Book, values=values, shape=shape, k=k, name=name) -> None:
            b.explain(f"Shapes: {name.replace('_', ' ')}, {k} items a unit",
                      "Edges of shapes are where readers divide by zero, merge rows or drop axes.")  # fmt: skip
            dtype = "uint16"
            b.reads(one(values, shape=shape, dtype=dtype, k=k), {"x": values})


A, B0 = np.array([1, 2], np.uint8), np.zeros(0, np.uint8)
SEQUENCES: dict[str, list[Any]] = {
    "ones": [[A], [A + 1], [A + 2]], "empty_all": [[], [], []], "empty_and_missing": [[], None, [A], None, []],
    "missing_all": [None, None], "many": [[A] * 7, [A + 1], [A + 2] * 3], "empty_items": [[B0, B0], [], [B0]],
    "ragged": [[A, B0], [A[:1]], None, [B0, A, A[:1]]], "one": [[A]],
}  # fmt: skip
for name, values in SEQUENCES.items():
    for k in (1, 2, 100):

        @case(f"sequence/{name}_units_of_{k}", "model.sequence", "unit.items", "unit.order", "chunk.index.items",
              "model.missing")  # fmt: skip
        def _(b: Book, values=values, k=k, name=name) -> None:
            b.explain(f"Sequences: {name.replace('_', ' ')}, {k} items a unit",
                      "A unit crosses samples, an empty list is no missing sample: off by one shifts all.")  # fmt: skip
            b.reads(one(values, shape=[None], dtype="uint8", sequence=True, k=k), {"x": values})


UNITS: dict[str, tuple[list[int] | None, int]] = {
    "growing": ([1, 2, 3, 4], 10), "first_large": ([7, 1, 1, 1], 10), "zigzag": ([1, 3, 1, 3, 2], 10),
    "exact": (None, 5), "one": (None, 10), "over": (None, 9), "last_larger": ([2, 2, 6], 10),
}  # fmt: skip
for name, (per_unit, k) in UNITS.items():

    @case(
        f"unit/{name}", "chunk.index.unit", "chunk.index.unit_sum", "unit.order", "chunk.index.unit_form", "column.at"
    )
    def _(b: Book, per_unit=per_unit, k=k, name=name) -> None:
        b.explain(
            f"Items per unit: {per_unit or k}", "The unit of an item is a division or a search, and both have edges."
        )
        values = [np.full(i % 4, i, "<u2") for i in range(10)]
        b.reads(one(values, shape=[None], dtype="uint16", k=k, per_unit=per_unit), {"x": values})
        b.part("x", [values[9], values[0], values[5]], dtype="uint16", list=["9", "0", "5"])


@case("unit/wide_column", "chunk.index.unit", "column.unaligned", "chunk.index.crc")
def _(b: Book) -> None:
    """Units of 1 and of 300 items: columns of two bytes, at odd offsets

    A typed view over the file's bytes fails or reads neighbours when the offset is odd.
    """
    values = [np.array([i % 251], np.uint8) for i in range(602)]
    dataset = Dataset()
    dataset.chunk("a", pack(values, per_unit=[1, 300, 300, 1], tensor="odd"))
    dataset.tensor("x", dtype="uint8", shape=[1], slices=[("a", 0, 602)])
    dataset.commit()
    b.reads(dataset, {"x": values})


TILES: dict[str, tuple[list[Any], list[int | None], list[int]]] = {
    "exact": ([counting(4, 6)], [4, 6], [2, 3]), "edges": ([counting(5, 7)], [5, 7], [2, 3]),
    "larger_than_item": ([counting(2, 3)], [2, 3], [10, 10]), "of_one": ([counting(2, 2)], [2, 2], [1, 1]),
    "line": ([counting(7)], [7], [3]), "volume": ([counting(3, 4, 5)], [3, 4, 5], [2, 2, 2]),
    "volume_middle": ([counting(3, 5, 4)], [3, 5, 4], [2, 2, 2]),  # the middle axis has an edge of its own
    "columns": ([counting(3, 5)], [3, 5], [3, 2]), "rows": ([counting(5, 3)], [5, 3], [2, 3]),
    "ragged": ([counting(2, 5), counting(7, 1), counting(3, 3)], [None, None], [2, 2]),
    "empty_between": ([counting(3, 3), np.zeros((0, 3), "<u2"), counting(1, 1)], [None, None], [2, 2]),
    "missing_between": ([counting(3, 3), None, counting(2, 2)], [None, None], [2, 2]),
    "empty_only": ([np.zeros((0, 3), "<u2"), np.zeros((2, 0), "<u2")], [None, None], [2, 2]),
}  # fmt: skip
for name, (values, shape, tile) in TILES.items():
    for codec in ("raw", "lz4"):

        @case(f"tile/{name}_{codec}", "tile.edge", "unit.order", "chunk.index.tile_fit", "chunk.index.tile",
              "algo.read.6",
              features=("codec.lz4",) if codec == "lz4" else ())  # fmt: skip
        def _(b: Book, values=values, shape=shape, tile=tile, codec=codec, name=name) -> None:
            b.explain(f"Tiles: {name.replace('_', ' ')}, {codec}",
                      "Edge tiles are smaller, in C order of the grid: who pads or transposes shows here.")  # fmt: skip
            how = {"codecs": [[{"name": "lz4"}]]} if codec == "lz4" else {}
            if name == "empty_only":
                how = {}
            b.reads(one(values, shape=shape, dtype="uint16", tile=tile, **how), {"x": values})


@case("tile/sequence", "tile.edge", "model.sequence")
def _(b: Book) -> None:
    """Tiles in a sequence tensor

    The tiles of an item begin after those of all items before it, whatever sample they belong to.
    """
    values = [[counting(3, 3), counting(1, 4)], [], None, [counting(2, 2)]]
    b.reads(one(values, shape=[None, None], dtype="uint16", tile=[2, 2], sequence=True), {"x": values})
