"""Kinds of tensors and random samples for them: what the property tests write, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lakebed import Ragged
from lakebed.stores import MemoryStore

try:
    import ml_dtypes
except ImportError:  # the extra `numeric` is optional
    ml_dtypes = None

Make = Callable[[np.random.Generator], Any]


@dataclass(frozen=True)
class Kind:
    """``options`` for create_tensor, ``make`` one sample; ``python``: read back as str, list or value."""

    name: str
    options: dict[str, Any]
    make: Make
    python: bool = False
    sequence: bool = False
    fixed: bool = False
    dtype: Any = field(default=None)


def bits(rng: np.random.Generator, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Any bit pattern: NaN payloads, minus zero, subnormals, infinities and extremes come often."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape))
    raw = np.frombuffer(rng.bytes(count * dtype.itemsize), np.uint8).reshape(count, dtype.itemsize).copy()
    if rng.random() < 0.4:  # mostly compressible
        raw[rng.random(count) < 0.9] = 0
    if count and dtype.kind in "fcV" and rng.random() < 0.5:
        raw[rng.integers(count), :] = 0xFF  # a NaN with every bit set
        raw[rng.integers(count), -1] = 0x80
    return raw.reshape(-1).view(dtype).reshape(shape)


def arrays(dtype: Any, *sides: tuple[int, int]) -> Make:
    """Arrays with each axis drawn between (low, high) inclusive."""
    return lambda rng: bits(rng, dtype, tuple(int(rng.integers(low, high + 1)) for low, high in sides))


def lists(make: Make, most: int = 4) -> Make:
    return lambda rng: [make(rng) for _ in range(rng.integers(0, most + 1))]


def words(rng: np.random.Generator) -> str:
    alphabet = list('abcä漢😀\0\n"\\ ')
    return "".join(rng.choice(alphabet, rng.integers(0, 12)))


def value(rng: np.random.Generator, depth: int = 0) -> Any:
    which = rng.integers(0, 7 if depth < 3 else 5)
    if which == 5:
        return [value(rng, depth + 1) for _ in range(rng.integers(0, 4))]
    if which == 6:
        return {words(rng): value(rng, depth + 1) for _ in range(rng.integers(0, 3))}
    return [None, True, int(rng.integers(-(2**60), 2**60)), float(rng.normal()), words(rng)][which]


def _kinds() -> list[Kind]:
    def kind(name: str, make: Make, **options: Any) -> Kind:
        shape = options.get("shape", (None,))
        fixed = not options.get("sequence") and None not in shape
        return Kind(name, options, make, sequence=options.get("sequence", False), fixed=fixed)

    out = [
        kind("i64", arrays("<i8"), dtype="int64", shape=()),
        kind("bool", arrays("?", (2, 2)), dtype="bool", shape=(2,), chunk_compression="lz4"),
        kind("f16", arrays("<f2", (0, 5)), dtype="float16", shape=(None,)),
        kind("f32d", arrays("<f4", (3, 3)), dtype="float32", shape=(3,), chunk_compression="shuffle+lz4"),
        kind("f64", arrays("<f8", (0, 4), (2, 2)), dtype="float64", shape=(None, 2), sample_compression="deflate"),
        kind("u16", arrays("<u2", (1, 9), (1, 9)), dtype="uint16", shape=(None, None), tile=(4, 3)),
        kind("u8t", arrays("u1", (7, 7), (5, 5)), dtype="uint8", shape=(7, 5), tile=(3, 4), chunk_compression="lz4"),
        kind("c64", arrays("<c8", (0, 3)), dtype="complex64", shape=(None,), chunk_compression="delta+shuffle+deflate"),
        kind("c128", arrays("<c16", (2, 2)), dtype="complex128", shape=(2,)),
        kind("zero", arrays("<i4", (0, 0), (2, 2)), dtype="int32", shape=(0, 2)),
        kind("i8z", arrays("i1", (0, 40)), dtype="int8", shape=(None,), chunk_compression="zstd"),
        kind("bs", arrays("<u4", (30, 30)), dtype="uint32", shape=(30,), sample_compression="bitshuffle+lz4"),
        kind("nar", arrays("<i2", (0, 20)), dtype="int16", shape=(None,), chunk_compression="narrow+deflate"),
        kind("seq", lists(arrays("<i2", (0, 3))), dtype="int16", shape=(None,), sequence=True),
        kind("seq0", lists(arrays("<u8")), dtype="uint64", shape=(), sequence=True, chunk_compression="lz4"),
        kind(
            "seqt",
            lists(arrays("u1", (1, 5), (1, 5)), 2),
            dtype="uint8",
            shape=(None, None),
            sequence=True,
            tile=(2, 3),
        ),
        kind("png", arrays("u1", (1, 4), (1, 4)), dtype="uint8", shape=(None, None), sample_compression="png"),
        Kind("text", {"htype": "text", "chunk_compression": "lz4"}, words, python=True),
        Kind("json", {"htype": "json"}, lambda rng: value(rng) or {}, python=True),
        Kind("tag", {"htype": "tag"}, lists(words), python=True, sequence=True),
        Kind("list", {"htype": "list", "sample_compression": "deflate"}, lists(value), python=True, sequence=True),
    ]
    if ml_dtypes is not None:
        for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            dtype = np.dtype(getattr(ml_dtypes, name))
            out.append(kind(name, arrays(dtype, (0, 3)), dtype=name, shape=(None,), chunk_compression="shuffle+lz4"))
    return out


KINDS = {kind.name: kind for kind in _kinds()}


def same(a: Any, b: Any) -> bool:
    """Equal to the bit: type, dtype, shape, bytes."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        both = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        return both and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def check_batch(kind: Kind, got: Any, due: list[Any]) -> None:
    """A batch is one array where shapes agree, else ragged; a list for sequences and Python values."""
    if kind.python or kind.sequence:
        assert isinstance(got, list)
        assert same(got, due), (got, due)
        return
    shapes = {None if each is None else each.shape for each in due}
    assert len(got) == len(due)
    if not due:
        assert isinstance(got, np.ndarray)
    elif len(shapes) == 1 and None not in shapes:
        assert isinstance(got, np.ndarray)
        assert same(got, np.stack(due)), kind.name
    else:
        assert isinstance(got, Ragged)
        assert same(list(got), due), (kind.name, list(got), due)
        assert same(got.list(), due)
        assert got.missing.tolist() == [each is None for each in due]


class Distant:
    """A memory store that maps nothing, as one over a network: reads are ranges, and they are counted."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.url, self.writable = "distant://", True
        self.spans: list[tuple[str, int, int]] = []

    def view(self, key: str) -> None:
        return None

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        self.spans += [(key, offset, length) for offset, length in spans]
        return [bytes(data) for data in self.inner.ranges(key, spans)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
