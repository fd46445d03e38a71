"""Samples of one tensor, from a checked commit."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lakebed_conform.checker.chunk import Chunk, Region, against_tensor, item_data
from lakebed_conform.checker.commit import Row, Tensor
from lakebed_conform.checker.pixels import array_bytes


@dataclass(frozen=True)
class Item:
    """``data``: little-endian C order bytes, or None for a media unit; ``file``: a media unit's stored bytes."""

    shape: tuple[int, ...]
    data: bytes | None
    file: bytes | None
    pipeline: list[Any]

    def array(self, dtype: str) -> bytes:
        """``data``, or the pixels of ``file``. Raises E_MEDIA_SHAPE, E_CODEC_DATA, E_EXTRA_MISSING."""
        if self.data is not None:
            return self.data
        return array_bytes(self.pipeline[0]["name"], self.file or b"", self.shape, dtype)


@dataclass(frozen=True)
class Samples:
    """``values``: an item, None (missing), or a list of items in a sequence, per sample."""

    dtype: str
    sequence: bool
    values: list[Item | list[Item] | None]


def read_tensor(
    tensor: Tensor, rows: tuple[Row, ...], opened: Callable[[tuple[str, int, int]], Chunk],
    which: Sequence[int] | None = None, region: Region = None,
) -> Samples:  # fmt: skip
    """Samples of ``tensor``, whose slices (manifests' first) are ``rows``: all, or those in ``which``, in order.

    Items keep their shape; with a ``region`` (start and stop, or None, an axis) what lies outside may be zeros.
    """
    ends = list(itertools.accumulate(r.count for r in rows))
    wanted = range(ends[-1] if ends else 0) if which is None else which
    values: list[Any] = []
    caches: dict[int, dict[int, bytes]] = {}
    for sample in wanted:
        at = bisect.bisect_right(ends, sample)
        row = rows[at]
        if row.chunk is None:
            values.append(None)
            continue
        chunk = opened(row.chunk)
        if at not in caches:
            against_tensor(chunk, tensor, row)
        inside = row.first + sample - (ends[at] - row.count)
        values.append(_sample(chunk, inside, tensor.sequence, caches.setdefault(at, {}), region))
    return Samples(tensor.dtype, tensor.sequence, values)


def _sample(chunk: Chunk, sample: int, sequence: bool, cache: dict[int, bytes], region: Region) -> Any:
    index = chunk.index
    if index.missing.at(sample):
        return None
    first = index.first_item(sample)
    if not sequence:
        return _item(chunk, first, cache, region)
    return [_item(chunk, first + i, cache, region) for i in range(index.items.at(sample))]


def _item(chunk: Chunk, item: int, cache: dict[int, bytes], region: Region) -> Item:
    data, file, pipeline = item_data(chunk, item, cache, region)
    return Item(chunk.index.item_shape(item), data, file, pipeline)
