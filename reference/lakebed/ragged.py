"""Floor 5. A batch of samples whose shapes differ, or of which some are missing: one block of values and offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .columns import prefix


class Ragged:
    """``len`` samples.

    values   one array of all elements: (total, *trailing) where all but the first axis agree, else flat
    offsets  int64 (len+1): sample i is ``values[offsets[i]:offsets[i+1]]``, reshaped where values are flat
    shapes   int64 (len, rank)
    missing  bool (len): such a sample has no elements and reads as None
    """

    def __init__(self, flat: np.ndarray, shapes: np.ndarray, missing: np.ndarray) -> None:
        self._shapes: np.ndarray | None = shapes
        self.missing = missing
        present = shapes[~missing] if missing.any() else shapes
        trailing = present[:, 1:]
        regular = bool(shapes.shape[1]) and bool(len(present)) and bool((trailing == trailing[:1]).all())
        self._regular = regular and bool(trailing[0].all())
        if self._regular:
            self.values = flat.reshape(-1, *trailing[0].tolist())
            sizes = shapes[:, 0]
        else:
            self.values = flat
            sizes = shapes.prod(axis=1) if shapes.shape[1] else np.ones(len(shapes), np.int64)
        self.offsets = prefix(sizes if present is shapes else np.where(missing, 0, sizes))

    @staticmethod
    def of(samples: Sequence[np.ndarray | None], dtype: np.dtype, rank: int) -> Ragged:
        """From single arrays; None is missing."""
        missing = np.array([sample is None for sample in samples], bool)
        rows = [(0,) * rank if sample is None else sample.shape for sample in samples]
        shapes = np.array(rows, np.int64).reshape(len(samples), rank)
        flat = [sample.reshape(-1) for sample in samples if sample is not None]
        return Ragged(np.concatenate(flat) if flat else np.zeros(0, dtype), shapes, missing)

    @classmethod
    def rows(cls, values: np.ndarray, offsets: np.ndarray) -> Ragged:
        """From ``values`` (total, *trailing), no axis of trailing being 0, and int64 ``offsets``; none is missing."""
        batch = cls.__new__(cls)
        batch.values, batch.offsets, batch._shapes, batch._regular = values, offsets, None, True
        batch.missing = np.zeros(len(offsets) - 1, bool)
        return batch

    @property
    def shapes(self) -> np.ndarray:
        if self._shapes is None:
            self._shapes = np.empty((len(self), self.values.ndim), np.int64)
            self._shapes[:, 0], self._shapes[:, 1:] = np.diff(self.offsets), self.values.shape[1:]
        return self._shapes

    def __len__(self) -> int:
        return len(self.missing)

    def __getitem__(self, i: int) -> np.ndarray | None:
        """A view of sample ``i``; None when missing."""
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        if self.missing[i]:
            return None
        part = self.values[self.offsets[i] : self.offsets[i + 1]]
        return part if self._regular else part.reshape(self.shapes[i])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def list(self) -> list[Any]:
        """Every sample, as views."""
        if self._regular and not self.missing.any():
            ends = self.offsets.tolist()
            values = self.values
            return [values[a:b] for a, b in pairwise(ends)]
        return [self[i] for i in range(len(self))]

    def __repr__(self) -> str:
        return f"Ragged({len(self)} samples, values {self.values.dtype} {self.values.shape})"
