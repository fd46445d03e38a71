"""Floor 5. One row: a mapping from tensor names to samples, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .tensor import Tensor


class Row(Mapping[str, Any]):
    """``row["images"]`` reads that sample now; nothing is read before."""

    __slots__ = ("_number", "_tensors")

    def __init__(self, tensors: Mapping[str, Tensor], number: int) -> None:
        self._tensors, self._number = tensors, number

    def __getitem__(self, name: str) -> Any:
        return self._tensors[name][self._number]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"Row({self._number}: {', '.join(self._tensors)})"
