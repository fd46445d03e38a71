"""Floor 5. A batch of samples whose shapes differ, or of which some are missing: one block of values and offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class Ragged:
    """``len`` samples.

    values   one array of all elements: (total, *trailing) where all but the first axis agree, else flat
    offsets  int64 (len+1): sample i is ``values[offsets[i]:offsets[i+1]]``, reshaped where values are flat
    shapes   int64 (len, rank)
    missing  bool (len): such a sample has no elements and reads as None
    """

    def __init__(self, flat: np.ndarray, shapes: np.ndarray, missing: np.ndarray) -> None:
        self.shapes, self.missing = shapes, missing
        sizes = np.where(missing, 0, shapes.prod(axis=1)) if shapes.shape[1] else (~missing).astype(np.int64)
        present = shapes[~missing]
        trailing = present[:, 1:]
        regular = bool(shapes.shape[1]) and bool(len(present)) and bool((trailing == trailing[:1]).all())
        row = int(trailing[0].prod()) if regular else 1
        self._regular = regular and row > 0
        if self._regular:
            self.values = flat.reshape(-1, *trailing[0].tolist())
            sizes = sizes // row
        else:
            self.values = flat
        self.offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @staticmethod
    def of(samples: Sequence[np.ndarray | None], dtype: np.dtype, rank: int) -> Ragged:
        """From single arrays; None is missing."""
        missing = np.array([sample is None for sample in samples], bool)
        shapes = np.array([(0,) * rank if s is None else s.shape for s in samples], np.int64).reshape(len(samples), rank)
        flat = [sample.reshape(-1) for sample in samples if sample is not None]
        return Ragged(np.concatenate(flat) if flat else np.zeros(0, dtype), shapes, missing)

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
            return [values[a:b] for a, b in zip(ends, ends[1:], strict=False)]
        return [self[i] for i in range(len(self))]

    def __repr__(self) -> str:
        return f"Ragged({len(self)} samples, values {self.values.dtype} {self.values.shape})"
