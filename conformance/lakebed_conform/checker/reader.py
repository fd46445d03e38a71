"""Samples of one tensor, from a checked commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lakebed_conform.checker.chunk import Chunk, against_tensor, item_data
from lakebed_conform.checker.commit import Row, Tensor


@dataclass(frozen=True)
class Item:
    """``data``: little-endian C order bytes, or None for a media unit; ``file``: a media unit's stored bytes."""

    shape: tuple[int, ...]
    data: bytes | None
    file: bytes | None
    pipeline: list[Any]


@dataclass(frozen=True)
class Samples:
    """``values``: an item, None (missing), or a list of items in a sequence, per sample."""

    dtype: str
    sequence: bool
    values: list[Item | None | list[Item]]


def read_tensor(tensor: Tensor, rows: tuple[Row, ...], opened: Callable[[tuple[str, int, int]], Chunk]) -> Samples:
    """All samples of ``tensor``, whose slices (manifests' first) are ``rows``."""
    values: list[Any] = []
    for row in rows:
        if row.chunk is None:
            values += [None] * row.count
            continue
        chunk = opened(row.chunk)
        against_tensor(chunk, tensor, row)
        cache: dict[int, bytes] = {}
        for sample in range(row.first, row.first + row.count):
            values.append(_sample(chunk, sample, tensor.sequence, cache))
    return Samples(tensor.dtype, tensor.sequence, values)


def _sample(chunk: Chunk, sample: int, sequence: bool, cache: dict[int, bytes]) -> Any:
    index = chunk.index
    if index.missing.at(sample):
        return None
    first = index.first_item(sample)
    if not sequence:
        return _item(chunk, first, cache)
    return [_item(chunk, first + i, cache) for i in range(index.items.at(sample))]


def _item(chunk: Chunk, item: int, cache: dict[int, bytes]) -> Item:
    data, file, pipeline = item_data(chunk, item, cache)
    return Item(chunk.index.item_shape(item), data, file, pipeline)
