"""Floor 7. A chunk against the tensors that use it: fit, fidelity and the values of their htypes [chunk.tensor]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import codecs, dtypes, htypes
from .codecs import CODECS, Pipeline
from .columns import entries
from .errors import LakebedError
from .findings import NOTE, Findings
from .geometry import Geometry, Unit
from .model import ChunkIndex

HELD = 64 << 20  # bytes that are held in memory at once
LISTED = 100  # faulty values of one kind in one chunk that are listed one by one
_TEXT = ("text", "json", "list", "tag")
_ANYWHERE = ("class_label", "segment_mask", "point", "polygon")  # judged element by element: a tile will do


@dataclass(frozen=True, slots=True)
class Index:
    """A sound index and where it lies in its chunk."""

    value: ChunkIndex
    geometry: Geometry
    offset: int


class Placed(NamedTuple):
    """A unit, the items [start, stop) it holds (or the item it is a tile of), and the shape of its one item or tile."""

    unit: Unit
    start: int
    stop: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Use:
    """What one tensor says, in the members that a chunk is held against, and the samples it uses: int64 (n, 2)."""

    name: str
    htype: str
    dtype: str
    shape: tuple[int | None, ...]
    sequence: bool
    fidelity: Any
    attributes: Mapping[str, Any]
    where: str
    spans: np.ndarray


@dataclass(slots=True)
class _Judged:
    """A use that fits, and its items as ascending starts and stops."""

    use: Use
    starts: np.ndarray
    stops: np.ndarray
    row: htypes.HType

    def within(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The used parts of items [start, stop)."""
        low = int(np.searchsorted(self.stops, start, "right"))
        while low < len(self.starts) and self.starts[low] < stop:
            yield max(start, int(self.starts[low])), min(stop, int(self.stops[low]))
            low += 1


class Values:
    """Made for one chunk; every unit is shown to it once."""

    def __init__(self, key: str, index: Index, uses: Sequence[Use], found: Findings) -> None:
        self.key, self.index, self.geometry, self.found = key, index.value, index.geometry, found
        self.offset = index.offset
        self.uses = [judged for use in uses if (judged := self._fitting(use)) is not None]
        self.lossy: dict[tuple[bool, str, str], list[int]] = {}  # (note, clause, detail) -> offsets
        self.listed: dict[tuple[str, str, str], int] = {}
        self.unjudged: set[str] = set()

    # --- fit ------------------------------------------------------------------------------------------------------

    def _fitting(self, use: Use) -> _Judged | None:
        """[table.slice.range] and the rules of [chunk.tensor]; None when its values cannot be judged."""
        index, faults = self.index, []
        spans = use.spans
        if len(spans) and int(spans[:, 1].max()) > index.samples:
            detail = f"tensor {use.name!r} uses samples up to {int(spans[:, 1].max())} of {index.samples}"
            self.found.add("E_SLICE_RANGE", "table.slice.range", self.key, f"{detail}, by {use.where}", self.offset)
            spans = np.minimum(spans, index.samples)
        if index.dtype != use.dtype:
            faults.append(("dtype", f"{index.dtype} in tensor {use.name!r} of {use.dtype}"))
        if (index.items is not None) != use.sequence:
            faults.append(("sequence", f"`items` and `sequence` of tensor {use.name!r} disagree"))
        if len(index.shape) != len(use.shape):
            faults.append(("rank", f"rank {len(index.shape)} in tensor {use.name!r} of rank {len(use.shape)}"))
        starts, stops = self._items(spans)
        if len(index.shape) == len(use.shape):
            faults += self._dims(use, starts, stops)
        for rule, detail in faults:
            self.found.add("E_CHUNK_TENSOR", f"chunk.tensor.{rule}", self.key, f"{detail}, by {use.where}", self.offset)
        return None if faults else _Judged(use, starts, stops, htypes.row_of(use.htype))

    def _items(self, spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample spans as item spans, empty ones left out."""
        pairs = [(self._item_at(start), self._item_at(stop)) for start, stop in spans.tolist()]
        kept = np.array([pair for pair in pairs if pair[0] < pair[1]], np.int64).reshape(-1, 2)
        return kept[:, 0], kept[:, 1]

    def _item_at(self, sample: int) -> int:
        """Items before a sample; ``sample`` may be the end."""
        return int(self.geometry.item_starts(sample, 0)[0])

    def _dims(self, use: Use, starts: np.ndarray, stops: np.ndarray) -> Iterator[tuple[str, str]]:
        for axis, (due, column) in enumerate(zip(use.shape, self.index.shape, strict=True)):
            if due is None:
                continue
            if isinstance(column, int):
                wrong = column != due and len(starts) > 0
            else:
                spans = zip(starts.tolist(), stops.tolist(), strict=True)
                wrong = any(bool((column[start:stop] != due).any()) for start, stop in spans)
            if wrong:
                yield "dims", f"axis {axis} of some item is not {due}, as tensor {use.name!r} has it"

    # --- fidelity -------------------------------------------------------------------------------------------------

    def fidelity(self, placed: Placed, pipeline: Pipeline, stored: memoryview | bytes) -> None:
        """[chunk.tensor.fidelity] [fidelity.stored] [htype.lossless.stored]"""
        if not pipeline:
            return
        for judged in self.uses:
            if next(judged.within(placed.start, placed.stop), None) is None:
                continue
            for step in pipeline:
                row = CODECS.get(step.name)
                if row is None or row.exact == "always":
                    continue
                for note, clause, said in self._losses(judged, step, row.kind == "media", placed, stored):
                    detail = f"{said} in tensor {judged.use.name!r}"
                    self.lossy.setdefault((note, clause, detail), []).append(placed.unit.offset)

    def _losses(
        self, judged: _Judged, step: codecs.Step, media: bool, placed: Placed, stored: memoryview | bytes
    ) -> Iterator[tuple[bool, str, str]]:
        params, promise = dict(step.params), judged.use.fidelity
        kept = media and bool(params) and codecs.media_exact(step.name, params, self.index.dtype, placed.shape)
        if judged.row.exact and not kept and (_lossy_file(step.name, stored) if media else step.name == "quantize"):
            yield False, "htype.lossless.stored", f"{step.name}, which loses, of htype {judged.use.htype}"
        if media and (not params or codecs.media_exact(step.name, params, self.index.dtype, placed.shape)):
            return  # a file as given, or nothing lost
        if promise == "exact":
            yield False, "fidelity.stored", f"{step.name} with parameters, which loses, under fidelity exact"
        elif isinstance(promise, dict):
            (kind, bound), *_ = promise.items()
            if step.name == "quantize" and kind in params:
                if params[kind] > bound:
                    said = f"quantize of {kind} {params[kind]:g}, where {bound:g} is promised,"
                    yield False, "fidelity.stored", said
            else:
                yield True, "fidelity.stored", f"{step.name} under fidelity {promise}: nothing can be measured"

    # --- values ---------------------------------------------------------------------------------------------------

    def array(self, placed: Placed, data: memoryview | None) -> None:
        """A decoded array unit; None: too large to hold."""
        judged = [one for one in self.uses if one.row.check is not None]
        if not judged:
            return
        if data is None or dtypes.DTYPES[self.index.dtype].itemsize == 0:
            self.unjudged.add(f"unit {placed.unit.number} is larger than {HELD} bytes")
            return
        flat = np.frombuffer(data, dtypes.dtype(self.index.dtype).numpy)
        if self.index.tile is not None:
            self._tile(judged, placed, flat.reshape(placed.shape or ()))
        elif self.geometry.item_shape is not None:
            self._uniform(judged, placed, flat)
        else:
            self._ragged(judged, placed, flat)

    def picture(self, placed: Placed, array: np.ndarray) -> None:
        """A decoded media unit: one item, or a tile."""
        judged = [one for one in self.uses if one.row.check is not None]
        if judged and self.index.tile is not None:
            self._tile(judged, placed, array)
        else:
            self._items_of(judged, placed, lambda item: array)

    def _uniform(self, judged: list[_Judged], placed: Placed, flat: np.ndarray) -> None:
        items = flat.reshape(placed.stop - placed.start, *self.geometry.item_shape)  # type: ignore[misc]
        left = []
        for one in judged:
            if one.row.present is not None:
                left.append(one)
                continue
            for start, stop in one.within(placed.start, placed.stop):
                stack = items[start - placed.start : stop - placed.start]
                if self._fault(one, stack[0] if one.row.shape_only else stack) is not None:
                    left.append(one)
                    break
        self._items_of(left, placed, lambda item: items[item - placed.start])

    def _ragged(self, judged: list[_Judged], placed: Placed, flat: np.ndarray) -> None:
        shapes = np.stack([entries(axis, placed.start, placed.stop) for axis in self.index.shape], axis=1)
        ends = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])

        def item(number: int) -> np.ndarray:
            at = number - placed.start
            return flat[ends[at] : ends[at + 1]].reshape(shapes[at].tolist())

        self._items_of(judged, placed, item)

    def _tile(self, judged: list[_Judged], placed: Placed, tile: np.ndarray) -> None:
        whole = placed.shape == self.geometry.shape_of(placed.start)
        kept = [one for one in judged if whole or one.use.htype in _ANYWHERE]
        self.unjudged |= {f"items of htype {one.use.htype} in tiles" for one in judged if one not in kept}
        self._items_of(kept, placed, lambda item: tile)

    def _items_of(self, judged: list[_Judged], placed: Placed, item: Any) -> None:
        for one in judged:
            for start, stop in one.within(placed.start, placed.stop):
                for number in range(start, stop):
                    cause = self._fault(one, item(number))
                    if cause is not None:
                        self._list(one, cause, number, placed.unit.offset)

    def _fault(self, one: _Judged, item: np.ndarray) -> LakebedError | None:
        if one.row.check is None:
            return None
        try:
            one.row.check(one.row.name, one.use.attributes, item)
        except LakebedError as cause:
            return cause
        return None

    def _list(self, one: _Judged, cause: LakebedError, item: int, offset: int) -> None:
        text = one.use.htype in _TEXT or cause.clause == "htype.link.value"
        code = "E_VALUE_TEXT" if text else cause.code
        kind = (code, cause.clause, one.use.name)
        self.listed[kind] = self.listed.get(kind, 0) + 1
        if self.listed[kind] <= LISTED:
            detail = f"item {item}, of tensor {one.use.name!r}: {cause.detail}"
            self.found.add(code, cause.clause, self.key, detail, offset)

    # --- the end --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """What was counted over all units."""
        for (note, clause, detail), offsets in self.lossy.items():
            said = f"{detail}, in {len(offsets)} units"
            (self.found.note if note else self.found.add)("E_FIDELITY_BROKEN", clause, self.key, said, offsets[0])
        for (code, clause, name), count in self.listed.items():
            if count > LISTED:
                self.found.add(code, clause, self.key, f"{count - LISTED} more items of tensor {name!r}")
        for detail in sorted(self.unjudged):
            self.found.note(NOTE, "htype.known", self.key, f"values are not judged: {detail}")


def _lossy_file(name: str, data: memoryview | bytes) -> bool:
    """Whether a stored file's own coding loses, as its bytes say [htype.lossless.stored]."""
    row = CODECS[name]
    try:
        return row.describe is not None and not row.describe(bytes(data)).get("lossless", True)
    except LakebedError:  # a damaged file is reported when it is decoded
        return False
