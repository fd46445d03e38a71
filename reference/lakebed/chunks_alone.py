"""Floor 7. Which tensors a heap of chunks may have been, by what each says of itself [algo.recover.chunks]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from . import codecs, names
from .findings import NOTE, Findings
from .salvage import Salvaged

MAX_GAP = 1 << 40
"""Rows beyond which a hint is not believed: they would be missing samples without number."""


@dataclass(slots=True)
class Group:
    """``placed`` in the order of their rows, which do not overlap; ``overlapping``: those whose rows are taken."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    sequence: bool
    lossy: bool
    placed: list[Salvaged] = field(default_factory=list)
    overlapping: list[Salvaged] = field(default_factory=list)

    @property
    def length(self) -> int:
        return self.placed[-1].index.row + self.placed[-1].index.samples if self.placed else 0

    @property
    def extra(self) -> int:
        return sum(saved.index.samples for saved in self.overlapping)


def groups(kept: Iterable[Salvaged], found: Findings) -> list[Group]:
    """One group for each (name, dtype, rank, sequence); every chunk is in exactly one."""
    heaps: dict[tuple[str, str, int, bool], list[Salvaged]] = {}
    for saved in kept:
        index = saved.index
        kind = (index.tensor, index.dtype, len(index.shape), index.items is not None)
        heaps.setdefault(kind, []).append(saved)
    out: list[Group] = []
    order = sorted(heaps.items(), key=lambda heap: (heap[0][0], -sum(s.index.samples for s in heap[1]), heap[0][1:]))
    for (hinted, dtype, _, sequence), heap in order:
        name = _name(hinted, [group.name for group in out])
        if name != hinted:
            key = names.chunk_key(heap[0].name)
            why = "is no tensor's name, or taken"
            detail = f"{len(heap)} chunks say {hinted!r} ({dtype}), which {why}: they become {name!r}"
            found.note(NOTE, "algo.recover.chunks", key, detail)
        group = Group(name, dtype, _shape(heap), sequence, any(_lossy(saved) for saved in heap))
        _place(group, heap)
        out.append(group)
    return out


def _place(group: Group, heap: list[Salvaged]) -> None:
    """By row; of several at one row the one with the most samples first."""
    end = 0
    for saved in sorted(heap, key=lambda s: (s.index.row, -s.index.samples, s.name)):
        if saved.index.row >= end and saved.index.row < MAX_GAP:
            group.placed.append(saved)
            end = saved.index.row + saved.index.samples
        else:
            group.overlapping.append(saved)


def _name(hinted: str, taken: list[str]) -> str:
    """A tensor's name near ``hinted`` that no other has and that is no other's group."""
    base = hinted if names.is_tensor(hinted) else "unnamed"
    if any(names.clash(base, other) for other in taken):
        base = base.replace("/", ".")
    name, number = base, 2
    while name in taken or any(names.clash(name, other) for other in taken):
        name, number = f"{base}-{number}", number + 1
    return name


def _shape(heap: list[Salvaged]) -> tuple[int | None, ...]:
    """An axis is fixed where all items of all chunks agree."""
    with_items = [saved.index.shape for saved in heap if _has_items(saved)]
    if not with_items:
        return (None,) * len(heap[0].index.shape)
    shape: list[int | None] = []
    for columns in zip(*with_items, strict=True):
        sides = {column if isinstance(column, int) else None for column in columns}
        shape.append(sides.pop() if len(sides) == 1 else None)
    return tuple(shape)


def _has_items(saved: Salvaged) -> bool:
    index = saved.index
    if index.items is None:
        return not np.all(np.asarray(index.missing))
    return bool(np.any(np.asarray(index.items)))


def _lossy(saved: Salvaged) -> bool:
    """Whether some pipeline lost something when arrays were encoded here."""
    for pipeline in saved.index.codecs:
        for step in pipeline:
            if codecs.is_media(pipeline):
                if step.params and not codecs.media_exact(step.name, dict(step.params), saved.index.dtype, None):
                    return True
            elif not codecs.exact_step(step, saved.index.dtype):
                return True
    return False
