"""Lossiness: codecs that are exact are exact on arrays made to break them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import x_is
from lakebed_conform.casebook.writing_values import SPECIAL

LZ4, DEFLATE, ZSTD = {"name": "lz4"}, {"name": "deflate"}, {"name": "zstd"}


def special(dtype: str, repeats: int = 40) -> list[np.ndarray]:
    """Two items of ``dtype``: its special words over and over, and once each backwards."""
    kind, words = SPECIAL[dtype]
    row = np.array(words, kind)
    return [
        np.tile(row, repeats).view(f"<{np.dtype(dtype).str[1:]}"),
        row[::-1].copy().view(f"<{np.dtype(dtype).str[1:]}"),
    ]


def ramp(dtype: str, n: int = 900) -> list[np.ndarray]:
    return [np.arange(n).astype(dtype), np.arange(n)[::-1].astype(dtype).copy()]


def edges(dtype: str) -> list[np.ndarray]:
    """Integers at both ends of the range, beside each other and apart."""
    info = np.iinfo(dtype)
    ends = np.array([info.min, info.max, info.min, 0, info.max], dtype)
    return [np.tile(ends, 60), np.full(300, info.min, dtype), np.full(300, info.max, dtype), ends]


def names(pipeline: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(f"codec.{c['name']}" for c in pipeline)


CASES: dict[str, tuple[str, list[dict[str, Any]], list[np.ndarray]]] = {
    "lz4_float32": ("float32", [LZ4], special("float32")),
    "deflate_float32": ("float32", [DEFLATE], special("float32")),
    "zstd_float32": ("float32", [ZSTD], special("float32")),
    "zstd_float64": ("float64", [ZSTD], special("float64")),
    "shuffle_float32": ("float32", [{"name": "shuffle", "size": 4}, LZ4], special("float32")),
    "shuffle_float64": ("float64", [{"name": "shuffle", "size": 8}, ZSTD], special("float64")),
    "shuffle_odd": ("uint16", [{"name": "shuffle", "size": 3}, LZ4], ramp("uint16", 901)),
    "shuffle_complex64": ("complex64", [{"name": "shuffle", "size": 4}, LZ4], special("complex64")),
    "bitshuffle_float32": ("float32", [{"name": "bitshuffle", "size": 4}, LZ4], special("float32")),
    "bitshuffle_rest": ("uint16", [{"name": "bitshuffle", "size": 2}, LZ4], ramp("uint16", 907)),
    "bitshuffle_bool": ("bool", [{"name": "bitshuffle", "size": 1}, LZ4], [np.tile([True, False, False], 333)]),
    "delta_wraps": ("int64", [{"name": "delta", "size": 8}, LZ4], edges("int64")),
    "delta_uint8": ("uint8", [{"name": "delta", "size": 1}, LZ4], edges("uint8")),
    "delta_stride": ("int32", [{"name": "delta", "size": 4, "stride": 3}, LZ4], edges("int32")),
    "delta_rest": ("uint8", [{"name": "delta", "size": 4}, LZ4], ramp("uint8", 903)),
    "delta_shuffle": ("int64", [{"name": "delta", "size": 8}, {"name": "shuffle", "size": 8}, ZSTD], ramp("int64")),
    "delta_on_floats": ("float64", [{"name": "delta", "size": 8}, LZ4], special("float64")),
    "narrow": (
        "int64",
        [{"name": "narrow", "size": 8, "width": 2, "signed": True}, LZ4],
        [v - 400 for v in ramp("int64")],
    ),
    "narrow_far": (
        "int64",
        [{"name": "narrow", "size": 8, "width": 1, "signed": True}, LZ4],
        [np.int64(np.iinfo(np.int64).max) - np.arange(200, dtype=np.int64)],
    ),
    "narrow_unsigned": (
        "uint64",
        [{"name": "narrow", "size": 8, "width": 1}, LZ4],
        [np.uint64(2**64 - 1) - np.arange(200, dtype=np.uint64)],
    ),
    "narrow_too_wide": ("int64", [{"name": "narrow", "size": 8, "width": 1, "signed": True}, LZ4], edges("int64")),
    "three_filters": (
        "uint32",
        [{"name": "delta", "size": 4}, {"name": "bitshuffle", "size": 4}, {"name": "shuffle", "size": 4}, DEFLATE],
        ramp("uint32"),
    ),
}

for _id, (_dtype, _pipeline, _values) in CASES.items():
    _declared = (f"dtype.{_dtype}",) if _dtype in ("complex64", "int64", "uint64") else ()

    @case(
        f"lossy/exact_{_id}",
        "fidelity.exact",
        "dtype.bits",
        f"codec.{_pipeline[0]['name']}",
        *(("codec.narrow.fits",) if _id == "narrow_too_wide" else ()),
        features=tuple(dict.fromkeys(names(_pipeline))) + _declared,
    )
    def _(
        b: Book, dtype: str = _dtype, pipeline: list[dict[str, Any]] = _pipeline, values: list[np.ndarray] = _values
    ) -> None:
        chain = "+".join(c["name"] for c in pipeline)
        b.explain(
            f"{chain} on {dtype}: every bit comes back", "An exact codec that loses one bit loses it in every copy."
        )
        script = [
            s.create(),
            s.tensor("x", dtype=dtype, shape=[None], codecs=[pipeline], unit={"items": 1}, fidelity="exact"),
            s.extend(x=values),
            s.commit(),
        ]
        b.writes(script, x_is(values, dtype) | {"layout": {"x": {"members": {"fidelity": "exact"}}}})


@case("lossy/exact_many_in_unit", "fidelity.exact", "write.unit", features=("codec.shuffle", "codec.lz4"))
def _(b: Book) -> None:
    """Filters over a unit of many items of different lengths

    The filter runs over the unit, not over each item; a writer that filters items one by one writes nonsense.
    """
    values = [np.arange(n, dtype="<i4") for n in (3, 0, 500, 17, 40)]
    script = [
        s.create(),
        s.tensor("x", dtype="int32", shape=[None], codecs=[[{"name": "shuffle", "size": 4}, LZ4]]),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(script, x_is(values, "int32"))


@case("lossy/exact_tiles", "fidelity.exact", "write.tile", features=("codec.bitshuffle", "codec.lz4"))
def _(b: Book) -> None:
    """Filters over tiles, those at the edge included

    Edge tiles are smaller: a filter told the full tile's length writes past them.
    """
    item = np.arange(37 * 41, dtype="<u2").reshape(37, 41)
    script = [
        s.create(),
        s.tensor(
            "x", dtype="uint16", shape=[None, None], tile=[16, 16], codecs=[[{"name": "bitshuffle", "size": 2}, LZ4]]
        ),
        s.append(x=item),
        s.commit(),
    ]
    b.writes(script, x_is([item]))


@case("lossy/exact_filter_alone", "fidelity.exact", "write.unit.raw", features=("codec.shuffle",))
def _(b: Book) -> None:
    """A filter without a byte codec makes nothing smaller: the unit is raw

    Filtered and not compressed costs time twice and saves nothing.
    """
    values = [np.arange(300, dtype="<u4")]
    script = [
        s.create(),
        s.tensor("x", dtype="uint32", shape=[None], codecs=[[{"name": "shuffle", "size": 4}]]),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(script, x_is(values, "uint32") | {"layout": {"x": {"raw": [[True]]}}})
