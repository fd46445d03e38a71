"""Invalid indexes: the MessagePack subset, and the type of every known key."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import DROP, Dataset, one, wide
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import small
from lakebed_conform.pen import Ext, Pairs, Raw

SYNTAX, LIMIT, FIELD = "E_INDEX_SYNTAX", "E_INDEX_LIMIT", "E_INDEX_FIELD"


def nested(depth: int) -> Raw:
    """Arrays in arrays, ``depth`` deep."""
    return Raw(b"\x91" * (depth - 1) + b"\x90")


#: value of an unknown key: what it is called, the bytes, the code, the clauses
VALUES: dict[str, tuple[str, Any, str, tuple[str, ...]]] = {
    "never_used": ("the byte c1", Raw(b"\xc1"), SYNTAX, ("index.types",)),
    "bin8": ("a bin 8", Raw(b"\xc4\x01a"), SYNTAX, ("index.types",)),
    "bin16": ("a bin 16", Raw(b"\xc5\x00\x01a"), SYNTAX, ("index.types",)),
    "bin32": ("a bin 32", Raw(b"\xc6\x00\x00\x00\x01a"), SYNTAX, ("index.types",)),
    "float32": ("a float 32", Raw(b"\xca\x3f\x80\x00\x00"), SYNTAX, ("index.types",)),
    "nil_nested": ("nil inside an array", Raw(b"\x91\xc0"), SYNTAX, ("index.types",)),
    "ext_0": ("an ext of type 0", Ext(0, b"abcd"), SYNTAX, ("index.ext",)),
    "ext_3": ("an ext of type 3", Ext(3, b"abc"), SYNTAX, ("index.ext",)),
    "ext_16": ("an ext of type 16", Ext(16, b"a" * 16), SYNTAX, ("index.ext",)),
    "ext_timestamp": ("an ext of type -1", Ext(-1, b"abcd"), SYNTAX, ("index.ext",)),
    "key_uint": ("a map with a number as key", Raw(b"\x81\x01\x01"), SYNTAX, ("index.keys",)),
    "key_bin": ("a map with bin as key", Raw(b"\x81\xc4\x01a\x01"), SYNTAX, ("index.keys", "index.types")),
    "key_bool": ("a map with true as key", Raw(b"\x81\xc3\x01"), SYNTAX, ("index.keys",)),
    "twice_nested": ("a map with one key twice", Pairs((("a", 1), ("a", 1))), SYNTAX, ("index.duplicate",)),
    "utf8_stray": ("a str of the byte ff", Raw(b"\xa1\xff"), SYNTAX, ("index.utf8",)),
    "utf8_surrogate": ("a str with a UTF-8 surrogate", Raw(b"\xa3\xed\xa0\x80"), SYNTAX, ("index.utf8",)),
    "utf8_overlong": ("a str with an overlong zero", Raw(b"\xa2\xc0\x80"), SYNTAX, ("index.utf8",)),
    "utf8_cut": ("a str that ends inside a character", Raw(b"\xa2\xe2\x82"), SYNTAX, ("index.utf8",)),
    "utf8_key": ("a map whose key is no UTF-8", Raw(b"\x81\xa1\xff\x01"), SYNTAX, ("index.utf8",)),
    "depth_9": ("arrays down to depth 9", nested(8), SYNTAX, ("index.depth",)),
    "depth_many": ("arrays down to depth 5000", nested(5000), SYNTAX, ("index.depth",)),
    "entries_4097": ("an array of 4097", Raw(b"\xdc\x10\x01" + bytes(4097)), SYNTAX, ("index.entries",)),
    "count_array": ("an array of 100 with two", Raw(b"\xdc\x00\x64\x01\x01"), SYNTAX, ("index.counts",)),
    "count_map": ("a map of 100 with none", Raw(b"\xde\x00\x64"), SYNTAX, ("index.counts",)),
    "count_str": ("a str of 200 bytes with none", Raw(b"\xd9\xc8"), SYNTAX, ("index.counts",)),
    "count_str_most": ("a str of 2^32-1 bytes", Raw(b"\xdb\xff\xff\xff\xff"), SYNTAX, ("index.counts",)),
    "count_ext_most": ("an ext of 2^32-1 bytes", Raw(b"\xc9\xff\xff\xff\xff\x01"), SYNTAX, ("index.counts",)),
    "uint_2_53": ("2^53", 1 << 53, LIMIT, ("index.integers", "model.integers")),
    "uint_most": ("2^64-1", (1 << 64) - 1, LIMIT, ("index.integers",)),
    "int_minus_2_53": ("-2^53", -(1 << 53), LIMIT, ("index.integers",)),
    "int_least": ("-2^63", -(1 << 63), LIMIT, ("index.integers",)),
    "float_infinite": ("an infinite float", float("inf"), LIMIT, ("index.finite",)),
    "float_nan": ("a NaN", float("nan"), LIMIT, ("index.finite",)),
}
for name, (words, value, code, clauses) in VALUES.items():

    @case(f"pack/{name}", *clauses)
    def _(b: Book, words=words, value=value, code=code) -> None:
        b.explain(
            f"An unknown key of the index has {words}",
            "What one MessagePack library takes another refuses: the subset is closed, wherever a value stands.",
        )
        b.refuses(small().fault("a", "index.+zz", value), code)


def swapped(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [*pairs, ("zz", 1), ("zz", 1)]


WHOLE: dict[str, tuple[str, str, Any, tuple[str, ...]]] = {
    "outer_array": ("the index is an array", "index.bytes", lambda d: b"\x91" + d, ("index.map",)),
    "outer_uint": ("the index is a number", "index.bytes", lambda d: b"\x07", ("index.map",)),
    "outer_key_uint": ("a key of the index is 5", "index.pairs", lambda p: [*p, (5, 5)], ("index.keys",)),
    "unknown_twice": ("an unknown key twice", "index.pairs", swapped, ("index.duplicate",)),
    "byte_behind": ("a byte follows the map", "index.bytes", lambda d: d + b"\x00", ("index.end",)),
    "map_behind": ("the map twice", "index.bytes", lambda d: d + d, ("index.end",)),
    "cut": ("the last byte is missing", "index.bytes", lambda d: d[:-1], ("index.end",)),
    "pair_short": ("the map counts one pair too many", "index.bytes", lambda d: bytes([d[0] + 1]) + d[1:],
                   ("index.end",)),
}  # fmt: skip
for name, (words, field, change, clauses) in WHOLE.items():

    @case(f"pack/{name}", *clauses)
    def _(b: Book, words=words, field=field, change=change) -> None:
        b.explain(f"Index: {words}", "Two readings of one index are two datasets.")
        b.refuses(small().fault("a", field, change), SYNTAX)


def sequence() -> Dataset:
    return one([[np.array([1], np.uint8)], [], None], shape=[1], sequence=True)


def tiled() -> Dataset:
    return one([np.arange(6, dtype=np.uint8).reshape(2, 3)], shape=[2, 3], tile=[2, 2])


def packed() -> Dataset:
    """Two pipelines, so that ``codec`` and ``stored`` are columns: unit 0 in lz4, unit 1 raw."""
    values = [np.array([i, i], np.uint8) for i in range(4)]
    return one(values, shape=[2], k=2, codecs=[[{"name": "lz4"}], []], codec=[0, 1])


BASES = {"small": small, "sequence": sequence, "tiled": tiled, "packed": packed}
#: key: (dataset, wrong values by name, other codes that its row leaves)
TYPES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "tensor": ("small", {"uint": 3, "array": ["x"]}, ()),
    "row": ("small", {"str": "0", "negative": -1, "bool": True, "float": 0.0}, ()),
    "dtype": ("small", {"absent": DROP, "uint": 1, "array": ["uint8"]}, ()),
    "samples": ("small", {"absent": DROP, "str": "5", "bool": True, "float": 5.0, "negative": -5}, ("E_INDEX_LIMIT",)),
    "items": ("sequence", {"str": "1", "array": [1, 0, 0], "bool": True}, ()),
    "missing": ("sequence", {"str": "0", "bool": False, "array": [0, 0, 1]}, ("E_INDEX_MISSING",)),
    "shape": ("small", {"absent": DROP, "uint": 3, "str": "3", "map": {"0": 3}}, ()),
    "tile": ("tiled", {"uint": 2, "str": "22", "ext": wide([2, 2], 1)}, ("E_INDEX_TILE",)),
    "unit": ("small", {"str": "2", "bool": True, "negative": -1, "array": [2, 2, 1]}, ("E_INDEX_UNIT",)),
    "codecs": ("packed", {"str": "lz4", "map": {"name": "lz4"}, "uint": 1, "empty": []}, ()),
    "codec": ("packed", {"str": "0", "array": [0, 1], "bool": False}, ("E_INDEX_CODEC",)),
    "stored": ("packed", {"str": "4", "float": 4.0, "array": [5, 4]}, ("E_INDEX_STORED",)),
    "crc": ("small", {"absent": DROP, "str": "0", "array": [0, 0, 0], "negative": -1}, ()),
}
for key, (base, wrong, also) in TYPES.items():
    for name, value in wrong.items():
        features = ("codec.lz4",) if base == "packed" else ()
        clauses = (f"chunk.index.{key}", "chunk.index.required", "chunk.index.early", "chunk.index.order")
        clauses += ("chunk.open.index",)
        clauses += ("column.form",) if key in ("items", "missing", "unit", "codec", "stored", "crc") else ()

        @case(f"index/{key}_{name}", *clauses, features=features)
        def _(b: Book, base=base, key=key, value=value, also=also) -> None:
            b.explain(
                f"Index: {key} is {value!r}"[:90],
                'A language that takes true for 1 or "5" for 5 reads what others refuse.',
            )
            b.refuses(BASES[base]().fault("a", f"index.{key}", value), FIELD, also=also)


for name, value in {"str": "3", "bool": True, "negative": -3, "array": [3]}.items():

    @case(f"index/shape_entry_{name}", "chunk.index.shape", "column.form")
    def _(b: Book, value=value) -> None:
        b.explain(f"Index: the column of axis 0 is {value!r}", "Axes come from columns; anything else is a guess.")
        b.refuses(small().fault("a", "index.shape", [value]), FIELD)


for name, value in {"str": "2", "bool": True, "negative": -2, "float": 2.0}.items():

    @case(f"index/tile_entry_{name}", "chunk.index.tile", "chunk.index.tile_fit")
    def _(b: Book, value=value) -> None:
        b.explain(f"Index: an entry of tile is {value!r}", "A tile that is no number cuts nothing.")
        b.refuses(tiled().fault("a", "index.tile", [value, 2]), "E_INDEX_TILE", also=(FIELD,))


PIPELINES: dict[str, Any] = {
    "uint": 3,
    "map": {"name": "lz4"},
    "codec_str": ["lz4"],
    "nameless": [{"level": 1}],
    "name_uint": [{"name": 4}],
    "empty_map": [{}],
    "param_array": [{"name": "lz4", "level": [1]}],
    "param_map": [{"name": "lz4", "level": {}}],
    "param_ext": [{"name": "lz4", "level": Ext(1, b"\x01")}],
    "nine": [{"name": "shuffle", "size": 1}] * 9,
}
for name, value in PIPELINES.items():

    @case(f"pipeline/{name}", "codec.pipeline", "chunk.index.codecs", features=("codec.lz4",))
    def _(b: Book, value=value) -> None:
        b.explain("A pipeline of another form", "Codecs are looked up by name; a form that is guessed runs another.")
        also = ("E_INDEX_CODEC",) if isinstance(value, list) and "lz4" in str(value) else ()
        b.refuses(packed().fault("a", "index.codecs", [value, []]), FIELD, also=also)
