"""Indexes in another encoding than the one of 6.3: readers take them (``lenient``), checkers refuse (``canonical``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, wide
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import rows, small
from lakebed_conform.casebook.invalid_index import one_missing, ragged
from lakebed_conform.casebook.invalid_pack import packed, sequence
from lakebed_conform.pen import Ext, Long, Pairs, Raw


def shuffled() -> Dataset:
    values = [np.array([i, 256 + i], "<u2") for i in range(4)]
    pipeline = [{"name": "delta", "size": 2, "stride": 2}, {"name": "lz4"}]
    from lakebed_conform.pen import lz4_literals

    return one(values, shape=[2], k=2, codecs=[pipeline], encode=[lambda d: lz4_literals(delta2(d))])


def delta2(data: bytes) -> bytes:
    """delta, size 2, stride 2."""
    x = np.frombuffer(data, "<u2")
    y = x.copy()
    y[2:] = x[2:] - x[:-2]
    return y.tobytes()


def whole() -> Dataset:
    """Five rows in one unit."""
    return one(rows(), shape=[3], k=5)


def void() -> Dataset:
    """Two missing samples: no items, no units."""
    return one([None, None], shape=[3])


PACKED = [np.array([i, i], np.uint8) for i in range(4)]
SHUFFLED = [np.array([i, 256 + i], "<u2") for i in range(4)]
SEQUENCE = [[np.array([1], np.uint8)], [], None]
MISSING = [np.array([1, 2], np.uint8), None, np.array([3, 4], np.uint8)]
RAGGED = [np.array([i] * (i + 1), np.uint8) for i in range(4)]


def moved(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [pairs[-1], *pairs[:-1]]


def wide_crc(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The column crc as 8-byte entries."""
    return [(k, wide(np.frombuffer(v.data, "<u4").tolist(), 8) if k == "crc" else v) for k, v in pairs]


def long_ext(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(k, [Ext(x.type, x.data, 1) for x in v] if k == "shape" else v) for k, v in pairs]


def long_map(data: bytes) -> bytes:
    return b"\xde\x00" + bytes([data[0] & 15]) + data[1:]


LZ4, EMPTY = [{"name": "lz4"}], []
DELTA = {"name": "delta", "size": 2, "stride": 2}
BASES: dict[Any, tuple[list[Any], tuple[str, ...]]] = {
    small: (rows(), ()), whole: (rows(), ()), packed: (PACKED, ("codec.lz4",)), shuffled: (SHUFFLED, ("codec.lz4",
                                        "codec.delta")),
    sequence: (SEQUENCE, ()), one_missing: (MISSING, ()), ragged: (RAGGED, ()), void: ([None, None], ()),
}  # fmt: skip
#: dataset, field, value, clause
CASES: dict[str, tuple[Any, str, Any, str]] = {
    "key_order": (small, "index.pairs", moved, "index.order"),
    "map_16": (small, "index.bytes", long_map, "index.shortest"),
    "key_str_8": (small, "index.pairs", lambda p: [(Long(k, 1), v) for k, v in p], "index.shortest"),
    "uint_32": (small, "index.samples", Long(5, 4), "index.shortest"),
    "uint_64": (small, "index.samples", Long(5, 8), "index.shortest"),
    "array_16": (small, "index.shape", Long([3], 2), "index.shortest"),
    "array_32": (small, "index.shape", Long([3], 4), "index.shortest"),
    "str_16": (small, "index.dtype", Long("uint8", 2), "index.shortest"),
    "ext_8": (ragged, "index.pairs", long_ext, "index.shortest"),
    "unknown_key": (small, "index.+later", [1, {"a": "b"}, 1.5, -7, True], "index.present"),
    "tensor_empty": (small, "index.tensor", "", "index.present"),
    "row_0": (small, "index.row", 0, "index.present"),
    "missing_0": (small, "index.missing", 0, "index.present"),
    "codecs_default": (small, "index.codecs", [[]], "index.present"),
    "codec_0": (small, "index.codec", 0, "index.present"),
    "stored_of_raw": (small, "index.stored", wide([6, 6, 3], 1), "index.present"),
    "unit_1": (one_missing, "index.unit", 1, "index.present"),
    "missing_ext": (small, "index.missing", wide([0] * 5, 1), "column.canonical"),
    "missing_wide": (one_missing, "index.missing", wide([0, 1, 0], 2), "column.canonical"),
    "shape_ext_4": (small, "index.shape", [wide([3] * 5, 4)], "column.canonical"),
    "shape_ext_8": (ragged, "index.shape", [wide([1, 2, 3, 4], 8)], "column.canonical"),
    "items_wide": (sequence, "index.items", wide([1, 0, 0], 8), "column.canonical"),
    "crc_wide": (small, "index.pairs", wide_crc, "column.canonical"),
    "empty_column": (void, "index.shape", [Ext(1, b"")], "column.canonical"),
    "empty_not_0": (void, "index.shape", [7], "column.canonical"),
    "unit_over": (whole, "index.unit", 7, "chunk.index.unit_form"),
    "unit_of_none": (void, "index.unit", 4, "chunk.index.unit_form"),
    "unit_ext": (small, "index.unit", wide([2, 2, 1], 1), "chunk.index.unit_form"),
    "unit_ext_wide": (ragged, "index.unit", wide([1, 2, 1], 2), "chunk.index.unit_form"),
    "codecs_unused": (packed, "index.codecs", [LZ4, EMPTY, [{"name": "deflate"}]], "chunk.index.codecs_canonical"),
    "codecs_of_none": (void, "index.codecs", [LZ4], "chunk.index.codecs_canonical"),
    "params_order": (shuffled, "index.codecs",
                     [[Pairs((("name", "delta"), ("stride", 2), ("size", 2))), {"name": "lz4"}]], "codec.params.order"),
    "params_before_name": (shuffled, "index.codecs",
                           [[Pairs((("size", 2), ("name", "delta"), ("stride", 2))), {"name": "lz4"}]],
                           "codec.params.order"),
    "depth_8": (small, "index.+zz", Raw(b"\x91" * 6 + b"\x90"), "index.present"),
    "entries_4096": (small, "index.+zz", Raw(b"\xdc\x10\x00" + bytes(4096)), "index.present"),
    "integers_edge": (small, "index.+zz", [(1 << 53) - 1, -(1 << 53) + 1, -1, -33, -129, -40000], "index.present"),
    "float_edge": (small, "index.+zz", [1.7976931348623157e308, -0.0, 5e-324], "index.present"),
    "ext_types": (small, "index.+zz", [Ext(1, b""), Ext(2, b"abcd"), Ext(4, b"abcd"), Ext(8, bytes(16))],
                  "index.present"),
}  # fmt: skip
for name, (base, field, value, clause) in CASES.items():
    values, features = BASES[base]

    @case(f"canonical/{name}", clause, "index.canonical", features=features)
    def _(b: Book, base=base, field=field, value=value) -> None:
        b.explain(
            f"Another encoding of the same index: {b.entry.id.split('/')[1]}",
            "One content, one encoding: else equal datasets have unequal names, and copies are not recognised.",
        )
        why = "one column in another width" if field == "index.pairs" else None
        b.refuses(base().fault("a", field, value), "E_INDEX_CANONICAL", roles=("checker",), why=why)

    @case(f"lenient/{name}", "chunk.index.unknown", "version.unknown.key", clause, features=features)
    def _(b: Book, base=base, field=field, value=value, values=values) -> None:
        b.explain(
            f"A reader reads another encoding of the index: {b.entry.id.split('/')[1]}",
            "Readers need not look at the one encoding and must not depend on it.",
        )
        b.reads(base().change("a", field, value), {"x": values}, checker=False)
        b.ask("check", None, error="E_INDEX_CANONICAL")


def swapped(which: list[int], pipelines: list[Any]) -> Dataset:
    """Units 0 and 1 of :data:`PACKED`, by these pipelines."""
    return one(PACKED, shape=[2], k=2, codecs=pipelines, codec=which)


ORDERS: dict[str, tuple[list[int], list[Any]]] = {
    "codecs_late": ([1, 0], [EMPTY, LZ4]), "codecs_twice": ([0, 1], [LZ4, LZ4]), "codecs_not_first": ([1, 1], [EMPTY,
                                        LZ4]),
}  # fmt: skip
for name, (which, pipelines) in ORDERS.items():

    @case(f"lenient/{name}", "chunk.index.codecs_canonical", "codec.order", features=("codec.lz4",))
    def _(b: Book, which=which, pipelines=pipelines) -> None:
        b.explain("Pipelines in another order than units use them", "The number of a pipeline is all a reader needs.")
        dataset = swapped(which, pipelines)
        if which == [1, 1]:
            dataset.change("a", "index.codec", 1)
        b.reads(dataset, {"x": PACKED}, checker=False)
        b.ask("check", None, error="E_INDEX_CANONICAL")
