"""How the bytes that came differ from those that were due: where first, how many elements, and in what manner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lakebed_conform.tolerance import array_of

AROUND = 32
MOST_CELLS, WIDEST = 120, 16


@dataclass(frozen=True)
class Difference:
    """``manner``: a few words, the same for the same bug; ``want``, ``got``: hex of the bytes from ``start``.

    ``cells``: when the item is small, its elements in C order of ``shape``: due, came, whether they differ in a bit.
    """

    words: str
    manner: str
    offset: int
    start: int
    want: str
    got: str
    item: str = ""
    shape: tuple[int, ...] = ()
    cells: tuple[tuple[str, str, bool], ...] = ()


def difference(got: bytes, want: bytes, dtype: str, items: list[tuple[str, list[int]]]) -> Difference | None:
    """None for equal bytes. ``items``: name and shape of each that lies in ``want``, back to back."""
    if got == want:
        return None
    size = array_of(b"", dtype).itemsize
    cells, place = (), _Place("", "", (), 0)
    short = min(len(got), len(want))
    at = first_difference(got[:short], want[:short])
    if len(got) != len(want):
        manner = "no bytes" if not got else "too few bytes" if len(got) < len(want) else "too many bytes"
        words = f"{len(got)} bytes, not {len(want)}" + (f"; the first {at} are right" if got else "")
    else:
        n = at // size
        here, there = (array_of(x[n * size : (n + 1) * size], dtype) for x in (got, want))
        place = _place(n, items)
        words = f"{place.words} is {here[0]} for {there[0]} (bytes {_hex(got, n, size)} for {_hex(want, n, size)})"
        a, b = (np.frombuffer(x, np.uint8).reshape(-1, size) for x in (got, want))
        other = np.flatnonzero((a != b).any(axis=1))
        manner = _manner(got, want, dtype, other)
        words += f"; {len(other)} of {len(want) // size} elements: {manner}"
        cells = _cells(got, want, dtype, place)
    start = max(0, at - AROUND) // 16 * 16
    end = start + 16 + 2 * AROUND
    parts = want[start:end].hex(), got[start:end].hex()
    return Difference(words, manner, at, start, *parts, place.item, place.shape if cells else (), cells)


def first_difference(a: bytes, b: bytes) -> int:
    """The first byte where they differ; their length when they do not."""
    same = np.frombuffer(a, np.uint8) == np.frombuffer(b, np.uint8)
    return len(a) if same.all() else int(same.argmin())


def _hex(data: bytes, n: int, size: int) -> str:
    return data[n * size : (n + 1) * size].hex()


@dataclass(frozen=True)
class _Place:
    """An element in words, the item it lies in, and the item's first element."""

    words: str
    item: str
    shape: tuple[int, ...]
    first: int


def _place(element: int, items: list[tuple[str, list[int]]]) -> _Place:
    """Where an element lies; axes count from 0."""
    first = 0
    for name, shape in items:
        count = int(np.prod(shape, dtype=np.int64))
        if element < first + count:
            inside = [int(i) for i in np.unravel_index(element - first, shape)] if shape else []
            return _Place(f"{name} at {inside} of {shape}" if shape else name, name, tuple(shape), first)
        first += count
    return _Place(f"element {element}", "", (), 0)


def _cells(got: bytes, want: bytes, dtype: str, place: _Place) -> tuple[tuple[str, str, bool], ...]:
    count = int(np.prod(place.shape, dtype=np.int64))
    if not place.shape or count > MOST_CELLS or place.shape[-1] > WIDEST:
        return ()
    size = array_of(b"", dtype).itemsize
    at = [(place.first + n) * size for n in range(count)]
    pairs = [(want[i : i + size], got[i : i + size]) for i in at]
    return tuple((_element(w, dtype), _element(g, dtype), w != g) for w, g in pairs)


def _element(data: bytes, dtype: str) -> str:
    """An element as people write it; a NaN with its bits, most significant first."""
    value = array_of(data, dtype)[0]
    nan = value.dtype.kind in "fc" and np.isnan(value)
    return f"nan {data[::-1].hex()}" if nan else f"{value:.8g}" if value.dtype.kind == "f" else str(value)


def _manner(got: bytes, want: bytes, dtype: str, other: np.ndarray) -> str:
    """What the elements that differ have in common; ``got`` and ``want`` have one length."""
    a, b = array_of(got, dtype), array_of(want, dtype)
    x, y = a[other], b[other]
    if b.dtype.kind in "fc" and (said := _float_manner(x, y)):
        return said
    if not np.frombuffer(got, np.uint8).reshape(len(a), -1)[other].any():
        return "zeros in their place"
    if len(set(got)) == 1:
        return "one value everywhere"
    if b.dtype.itemsize > 1 and x.byteswap().tobytes() == y.tobytes():
        return "their bytes are swapped"
    cells = f"V{b.dtype.itemsize}"
    if sorted(np.frombuffer(got, cells).tolist()) == sorted(np.frombuffer(want, cells).tolist()):
        return "right values in wrong places"
    return "other values"


def _float_manner(x: np.ndarray, y: np.ndarray) -> str:
    real = np.dtype(f"f{y.dtype.itemsize // (2 if y.dtype.kind == 'c' else 1)}")
    if y.dtype.kind == "c":
        x, y = x.view(real), y.view(real)
        apart = x.view(f"u{real.itemsize}") != y.view(f"u{real.itemsize}")
        x, y = x[apart], y[apart]
    if np.isnan(y).all():
        return "NaNs with another payload" if np.isnan(x).all() else "other values for NaN"
    if (x == y).all():
        return "the sign of zero is lost"
    tiny = np.finfo(real).tiny
    if (x == 0).all() and (np.abs(y) < tiny).all():
        return "subnormals become zero"
    odd = np.isnan(y) | (np.abs(y) < tiny)
    return "special values (NaN, -0, subnormals) are lost" if odd.all() else ""
