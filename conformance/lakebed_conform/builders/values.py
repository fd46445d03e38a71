"""From values to chunks: the usual ways to cut samples into units, and one-tensor datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lakebed_conform.builders.chunk import Chunk
from lakebed_conform.builders.dataset import Dataset
from lakebed_conform.pen import lz4_literals, zlib_stored, zstd_raw

Value = np.ndarray | None | list[np.ndarray]
Encode = Callable[[bytes], bytes]

#: Byte codecs as laid by hand: every port that declares the codec must read these.
BY_HAND: dict[str, Encode] = {"lz4": lz4_literals, "deflate": zlib_stored, "zstd": zstd_raw}


def raw(array: np.ndarray) -> bytes:
    """Little-endian C order bytes, whatever the array's own order."""
    array = np.asarray(array)
    swapped = array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array
    return np.ascontiguousarray(swapped).tobytes()


def pack(
    values: list[Value], *, dtype: str | None = None, rank: int | None = None, sequence: bool = False, k: int = 1,
    per_unit: list[int] | None = None, tile: list[int] | None = None, codecs: list | None = None,
    encode: list[Encode] | None = None, codec: list[int] | None = None, **fields: Any,
) -> Chunk:  # fmt: skip
    """A chunk of ``values``: arrays, None for missing, lists of arrays for a sequence.

    ``k`` items a unit (or ``per_unit``, or ``tile``). ``codecs``: the pipelines as the index lists them; ``encode``:
    one function of bytes per pipeline (by default the hand-laid stream of a pipeline of one byte codec);
    ``codec``: which pipeline each unit takes (default: the first).
    """
    present = [v for v in values if v is not None]
    items = [np.asarray(i) for v in present for i in v] if sequence else [np.asarray(v) for v in present]
    rank = rank if rank is not None else (items[0].ndim if items else 0)
    name = dtype or (items[0].dtype.name if items else "uint8")
    pieces, counts = _cut(items, k, per_unit, tile)
    pipelines = codecs or [[]]
    which = codec or [0] * len(pieces)
    encode = encode or [BY_HAND[p[0]["name"]] if p else bytes for p in pipelines]
    return Chunk(
        dtype=name,
        samples=len(values),
        shape=[[i.shape[axis] for i in items] for axis in range(rank)],
        units=[encode[w](p) for w, p in zip(which, pieces, strict=True)],
        per_unit=None if tile else counts,
        items=[0 if v is None else len(v) for v in values] if sequence else None,
        missing=[int(v is None) for v in values],
        tile=tile,
        codecs=pipelines,
        codec=which,
        **fields,
    )


def _cut(items: list, k: int, per_unit: list[int] | None, tile: list[int] | None) -> tuple[list[bytes], list[int]]:
    if tile is not None:
        return [raw(part) for item in items for part in tiles(item, tile)], []
    counts = per_unit or [min(k, len(items) - i) for i in range(0, len(items), k)]
    pieces, at = [], 0
    for n in counts:
        pieces.append(b"".join(map(raw, items[at : at + n])))
        at += n
    return pieces, counts


def tiles(item: np.ndarray, tile: list[int]) -> list[np.ndarray]:
    """The tiles of ``item`` in C order; edge tiles are smaller, an item with a zero-length axis has none."""
    grid = [range(0, n, t) for n, t in zip(item.shape, tile, strict=True)]
    starts = np.array(np.meshgrid(*grid, indexing="ij")).reshape(item.ndim, -1).T if item.size else []
    return [item[tuple(slice(int(s), int(s) + t) for s, t in zip(start, tile, strict=True))] for start in starts]


def one(
    values: list[Value], *, shape: list[int | None], name: str = "x", htype: str = "generic", sequence: bool = False,
    members: dict[str, Any] | None = None, commit: dict[str, Any] | None = None, **how: Any,
) -> Dataset:  # fmt: skip
    """The smallest dataset: one tensor ``x``, one chunk labelled ``a``, one commit ``main/1``."""
    dataset = Dataset()
    chunk = pack(values, rank=len(shape), sequence=sequence, **how)
    dataset.chunk("a", chunk)
    extra = ({"sequence": True} if sequence else {}) | (members or {})
    slices = [("a", 0, chunk.samples)]
    dataset.tensor(name, dtype=chunk.dtype, shape=shape, htype=htype, slices=slices, **extra)
    dataset.commit(**(commit or {}))
    return dataset
