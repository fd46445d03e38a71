"""Floor 6. One tensor being changed: the slice list, the open chunk, and what waits to go into it [algo.append].

New samples, wherever they end up in the tensor, are written to the open chunk; the slice list says where they belong.
So an update, an insert and an append are the same: write, then edit the list.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import codecs, dtypes, htypes
from .columns import MAX_INT
from .declare import Declared, settle
from .encoder import TILE_FROM, Item, Sample, prepare, tile_for
from .errors import LakebedError, error
from .files import EncodedFile
from .format import document
from .model import TensorState
from .slices import NULL, ChunkRef, Runs, SliceTable, join, missing, runs
from .stores.store import Store
from .threads import default_threads, spread
from .writer import ChunkWriter, UnitRule, array_bytes, elements, item_size

QUEUE = 4096  # plain numbers that wait to be written together
BATCH = 32 << 20  # bytes handed to a chunk at a time: it may pass its size by as much
BATCH_ITEMS = 1 << 16  # and items of free shape, or units: its index may pass its size by as much
UNSEALED = ChunkRef("", 0, 0)
_DTYPE, _RANK, _SHAPE, _SIZE = map(operator.attrgetter, ("dtype", "ndim", "shape", "size"))


class TensorDraft:
    """``declared`` says what it is; ``runs`` where its samples are, in chunks numbered by ``refs``."""

    def __init__(self, name: str, declared: Declared, store: Store, table: SliceTable) -> None:
        self.name, self.declared, self._store = name, declared, store
        self.refs: list[ChunkRef] = list(table.chunks)
        self._runs = table.runs
        self._open: ChunkWriter | None = None
        self._open_number = NULL
        self._appended = 0  # samples at the end of the open chunk that are not in _runs yet
        self._torn = False  # an error came between the items and their sample: the open chunk cannot be closed
        self._queue: list[int] = []
        self._range = _plain_range(declared)
        self._untouched = len(table.runs)  # samples from the start that no edit has reached
        self.uploaded: set[str] = set()

    # --- lengths and slices ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._runs) + self._appended + len(self._queue)

    @property
    def runs(self) -> Runs:
        """The slices with everything added so far; open chunks have a number, but no name yet."""
        self.flush()
        return self._gathered()

    def _gathered(self) -> Runs:
        if self._appended:
            writer = self._open
            tail = runs([self._open_number], [writer.samples - self._appended], [self._appended])  # type: ignore[union-attr]
            self._runs, self._appended = join(self._runs, tail), 0
        return self._runs

    def splice(self, start: int, stop: int, new: Runs) -> None:
        """Samples [start, stop) give way to ``new``: the one edit there is [slice]."""
        old = self.runs
        self._untouched = min(self._untouched, start)
        self._runs = join(old.cut(0, start), new, old.cut(stop, len(old)))

    def state(self, base: TensorState | None) -> TensorState:
        """What a commit says of this tensor: every chunk named, manifests kept as far as nothing under them changed."""
        self.seal()
        kept, samples = [], 0
        for manifest in base.manifests if base is not None else ():
            if samples + manifest.samples > self._untouched:
                break
            kept.append(manifest)
            samples += manifest.samples
        declared = self.declared
        return TensorState(
            htype=declared.htype,
            dtype=declared.dtype,
            shape=declared.shape,
            own=SliceTable(tuple(self.refs), self.runs.cut(samples, len(self.runs))).used(),
            sequence=declared.sequence,
            fidelity=declared.fidelity.to_json(),
            attributes=declared.attributes,
            write=declared.write(),
            manifests=tuple(kept),
            extra=declared.extra,
        )

    # --- adding ---------------------------------------------------------------------------------------------------

    def append(self, sample: Sample) -> None:
        """One prepared sample at the end."""
        self.flush()
        if sample is None:
            self.append_missing(1)
        else:
            self._write(sample)
            self._appended += 1

    def append_missing(self, count: int) -> None:
        """A run of nothing: no object [slice.null]."""
        if count:
            old = self.runs
            self._runs = join(old, missing(count))

    def takes_plain(self, value: Any) -> bool:
        """Whether :meth:`queue` may have this value as it is."""
        return value.__class__ is int and self._range[0] <= value <= self._range[1]

    def queue(self, value: int) -> None:
        """The fast way for one plain number that :meth:`takes_plain` said yes to."""
        self._queue.append(value)
        if len(self._queue) >= QUEUE:
            self.flush()

    def flush(self) -> None:
        if self._queue:
            values, self._queue = np.array(self._queue, self._numpy), []
            try:
                self._write_block(values)
            except BaseException:
                self._torn = True
                raise

    def add(self, samples: Sequence[Sample]) -> Runs:
        """Prepared samples into chunks, without a place in the tensor yet: their slices."""
        self.runs  # what was appended is settled first  # noqa: B018
        parts = []
        if len(samples) > 1:  # names may have begun among them
            for item in itertools.chain.from_iterable(filter(None, samples)):
                if item.array is not None and "class_names" in self.declared.attributes:
                    htypes.check_sample(self.declared, item.array)
        for sample in samples:
            if sample is None:
                parts.append(missing(1))
            else:
                self._write(sample)
                parts.append(runs([self._open_number], [self._open.samples - 1], [1]))  # type: ignore[union-attr]
        return join(*parts)

    def extend(self, values: Any) -> int:
        """Many samples at the end, whole arrays at once; gives their number. All are checked before one is stored."""
        self.flush()
        if not isinstance(values, np.ndarray):
            first = next((value for value in values if value is not None), None)
            if first is None:
                self.append_missing(len(values))
                return len(values)
            self.settle(first)
        else:
            self.settle(values, many=True)
        self._check_first_name(values)
        block = None if codecs.is_media(self.declared.array_pipeline) else self._block(values)
        if block is not None:
            self._write_block(block)
            return len(block)
        shapes = self._ragged_shapes(values)
        if shapes is not None:
            self._write_ragged(values, shapes)
            return len(values)
        pictures = codecs.is_media(self.declared.array_pipeline) and len(values) > 1
        side_by_side = spread(default_threads() if pictures else 1, "encode")  # codecs let go of the lock
        prepared = list(side_by_side(lambda value: prepare(self.declared, value), values))
        for sample in prepared:
            self.append(sample)
        return len(prepared)

    def settle(self, value: Any, *, many: bool = False) -> None:
        """A tensor that was declared without dtype or shape takes them from its first sample [tensor.first].

        Errors: E_TENSOR_FIELD where the tensor breaks its htype's rules and so can take none; those of the sample.
        """
        fault = self.declared.fault
        if fault is not None and value is not None:
            raise error(fault.code, fault.clause, fault.detail, object=self.name)
        if not many:
            self._check_first_name([value])
        if self.declared.pending is None or value is None:
            return
        free_shape, given = self.declared.pending
        declared = replace(self.declared, pending=None, attributes=dict(self.declared.attributes))
        if isinstance(value, EncodedFile):
            dtype, rank = value.dtype, max(3, len(value.shape))
        else:
            first = self._first(value)
            rank = first.ndim - (many and isinstance(value, np.ndarray))
            try:
                dtype = declared.dtype or dtypes.dtype(first.dtype).name
            except LakebedError as cause:
                raise error("E_SAMPLE_DTYPE", "tensor.first", cause.detail, object=self.name) from cause
        if declared.sequence:
            rank -= 1
        declared.dtype = declared.dtype or dtype
        if free_shape:
            declared.shape = (None,) * max(0, rank)
        self.declared = settle(declared, given=given)
        self._range = _plain_range(self.declared)

    def _check_first_name(self, values: Any) -> None:
        """Names do not begin after values that have none. Errors: E_SAMPLE_HTYPE."""
        declared = self.declared
        named = "class_names" not in htypes.row_of(declared.htype).attributes or declared.attributes.get("class_names")
        if named or (isinstance(values, np.ndarray) and values.dtype.kind not in "OU"):
            return
        stored = bool(self._appended or self._queue or (self._runs.chunk != NULL).any())
        htypes.check_first_name(declared, values, stored)

    def _first(self, value: Any) -> np.ndarray:
        """The value as an array, to see its dtype and rank; of a sequence its first item does, on a new axis."""
        if self.declared.sequence:
            if not isinstance(value, (list, tuple, np.ndarray)) or not len(value):
                detail = f"{str(value)[:40]} tells no dtype: give one, or a sequence with an item first"
                raise error("E_SAMPLE_SHAPE", "tensor.first", detail, object=self.name)
            value = [value[0]]
        try:
            return np.asarray(value)
        except ValueError as cause:
            raise error("E_SAMPLE_SHAPE", "dtype.ragged", str(cause), object=self.name) from cause

    def _block(self, values: Any) -> np.ndarray | None:
        if self.declared.tile is not None:
            return None
        block = htypes.encode_many(self.declared, values)
        return None if block is None or (len(block) and tile_for(self.declared, block[0]) is not None) else block

    def _ragged_shapes(self, values: Any) -> np.ndarray | None:
        """Shapes, int64 (n, rank), of a list of arrays of the tensor's own dtype and rank, each of which it takes;
        None when it is no such list."""
        declared = self.declared
        plain = isinstance(values, list) and values and not declared.sequence and declared.tile is None
        if not plain or codecs.is_media(declared.array_pipeline) or not declared.shape:
            return None
        want, rank = self._numpy, len(declared.shape)
        if set(map(type, values)) != {np.ndarray} or set(map(_DTYPE, values)) != {want}:
            return None
        if set(map(_RANK, values)) != {rank}:
            return None
        shapes = _shapes(values, declared.shape)
        if int(elements(shapes).max()) * want.itemsize > TILE_FROM:
            return None
        for axis, due in enumerate(declared.shape):
            if due is not None and (shapes[:, axis] != due).any():
                htypes.check_shape(declared.shape, values[int(np.argmax(shapes[:, axis] != due))].shape)
        if htypes.row_of(declared.htype).check is not None:
            for value in values:
                htypes.check_sample(declared, value)
        return shapes

    @property
    def _numpy(self) -> np.dtype:
        return dtypes.DTYPES[self.declared.dtype].numpy

    # --- the open chunk -------------------------------------------------------------------------------------------

    def _writer(self, tile: tuple[int, ...] | None = None) -> ChunkWriter:
        """The open chunk, or a new one where the old is full or its units are of another kind [write.chunk]."""
        if self._open is not None and (self._open.full or self._open.tile != tile):
            self.seal()
        if self._open is None:
            declared = self.declared
            row = dtypes.DTYPES[declared.dtype]
            pipeline = declared.array_pipeline
            self._open = ChunkWriter(
                self._store,
                tensor=self.name,
                row=len(self._runs) + self._appended,
                dtype=row.name,
                itemsize=row.itemsize,
                rank=len(declared.shape),
                sequence=declared.sequence,
                pipeline=() if codecs.is_media(pipeline) else pipeline,
                rule=UnitRule.of({"unit": declared.unit}, item_size(declared.shape, row.itemsize)),
                tile=tile,
                chunk_bytes=declared.chunk_bytes,
                fixed_axes=[axis is not None for axis in declared.shape],
            )
            self._open_number = len(self.refs)
            self.refs.append(UNSEALED)
        return self._open

    def _write(self, sample: list[Item]) -> None:
        tile = next((item.tile for item in sample if item.tile is not None), None)
        writer = self._writer(tile)
        self._torn = True
        for item in sample:
            if item.data is not None:
                writer.add_encoded(item.data, item.pipeline, item.shape, item.seek)
            elif item.pictures:
                writer.add_stored(item.shape, item.pictures)
            elif tile is not None:
                writer.add_tiled(item.array)  # type: ignore[arg-type]
            else:
                writer.add_block(array_bytes(item.array), 1, item.shape)  # type: ignore[arg-type]
        writer.add_samples(1, len(sample))
        self._torn = False

    def _write_block(self, block: np.ndarray) -> None:
        """Equal shapes, straight from the array's memory, to the end of the tensor."""
        most = BATCH_ITEMS * int(self.declared.unit.get("items", 1 if None in self.declared.shape else 64))
        step = min(most, max(1, self._batch // max(1, block[:1].nbytes)))
        for start in range(0, len(block), step):
            part = block[start : start + step]
            writer = self._writer()
            self._torn = True
            writer.add_block(array_bytes(part), len(part), part.shape[1:])
            writer.add_samples(len(part))
            self._torn = False
            self._appended += len(part)

    @property
    def _batch(self) -> int:
        """Bytes handed over at once: fewer where chunks are to be small."""
        return min(BATCH, self.declared.chunk_bytes or BATCH)

    def _write_ragged(self, values: list[np.ndarray], shapes: np.ndarray) -> None:
        ends = np.cumsum(elements(shapes) * self._numpy.itemsize)
        start = 0
        while start < len(values):
            goal = (int(ends[start - 1]) if start else 0) + BATCH
            stop = min(max(start + 1, int(np.searchsorted(ends, goal, "right"))), start + BATCH_ITEMS)
            part = values[start:stop]
            writer = self._writer()
            self._torn = True
            writer.add_ragged(_joined(part), shapes[start:stop])
            writer.add_samples(len(part))
            self._torn = False
            self._appended += len(part)
            start = stop

    def set_attributes(self, members: dict[str, Any]) -> None:
        """Changed members, checked by the htype; None removes one. Errors: E_ARGUMENT."""
        declared = self.declared
        kept = {key: value for key, value in {**declared.attributes, **members}.items() if value is not None}
        kept = document.plain(kept, 4)
        if declared.pending is None:
            kept = htypes.check_tensor(declared.htype, declared.dtype, declared.shape, declared.sequence, kept)
            declared.fault = None
        declared.attributes = kept
        self._range = _plain_range(declared)

    def hold(self) -> tuple[Declared, int | None]:
        """What :meth:`let_go` returns to: the declaration, and how many class names it has."""
        names = self.declared.attributes.get("class_names")
        return self.declared, len(names) if isinstance(names, list) else None

    def let_go(self, held: tuple[Declared, int | None]) -> None:
        """Forget what a refused sample decided: dtype, shape, new class names [sample.atomic]."""
        self.declared, count = held
        names = self.declared.attributes.get("class_names")
        if isinstance(names, list):
            del names[count or 0 :]
            if count is None:
                del self.declared.attributes["class_names"]
        self._range = _plain_range(self.declared)

    def shorten(self, length: int) -> None:
        """Undo what was added at the end beyond ``length``; bytes in the open chunk stay there, unnamed."""
        more = len(self) - length
        if more > 0:
            queued = min(more, len(self._queue))
            del self._queue[len(self._queue) - queued :]
            if more > queued:
                self._runs = self._gathered().cut(0, length)

    def seal(self) -> None:
        """Close the open chunk: its number gets a name, and readers can have it. Errors: E_STORE."""
        self.flush()
        self.runs  # noqa: B018
        if self._torn:
            detail = "an earlier write into this chunk broke off: discard the changes and make them again"
            raise error("E_STORE", "sample.atomic", detail, object=self.name)
        if self._open is not None:
            self._torn = True
            ref = self._open.close()
            self._torn = False
            self.refs[self._open_number] = ref
            self.uploaded.add(ref.name)
            self._open = None

    def discard(self) -> None:
        """Leave nothing behind of what was not closed."""
        if self._open is not None:
            self._open.discard()
            self._open = None
        self._queue, self._torn = [], False


def _shapes(values: list[np.ndarray], due: tuple[int | None, ...]) -> np.ndarray:
    """Shapes, int64 (n, rank), of arrays of the rank of ``due``; two quick looks where only the first axis is free."""
    count, rank = len(values), len(due)
    if rank == 2 and due[0] is None and due[1]:
        shapes = np.empty((count, 2), np.int64)
        shapes[:, 0] = np.fromiter(map(len, values), np.int64, count)
        shapes[:, 1] = due[1]
        sizes = np.fromiter(map(_SIZE, values), np.int64, count)
        empty = np.flatnonzero(shapes[:, 0] == 0).tolist()
        if (sizes == shapes[:, 0] * due[1]).all() and all(values[i].shape == (0, due[1]) for i in empty):
            return shapes
    sides = itertools.chain.from_iterable(map(_SHAPE, values))
    return np.fromiter(sides, np.int64, rank * count).reshape(-1, rank)


def _joined(values: Sequence[np.ndarray]) -> memoryview:
    """The bytes of all of them, one after another, each in C order."""
    try:
        return memoryview(b"".join(values))  # type: ignore[arg-type]
    except TypeError:  # one does not lie so in memory, or its dtype has no buffer
        return array_bytes(np.concatenate([value.reshape(-1) for value in values]))


def _plain_range(declared: Declared) -> tuple[int, int]:
    """Integers that need no further look: in range of the dtype and of the class names; empty when none."""
    row = dtypes.DTYPES.get(declared.dtype)
    plain = row is not None and row.kind in ("int", "uint") and declared.shape == () and not declared.sequence
    if not plain or declared.htype not in ("generic", "class_label") or declared.fault is not None:
        return 0, -1
    info = np.iinfo(declared.dtype)
    low, high = int(info.min), int(info.max)
    names = declared.attributes.get("class_names")
    if declared.htype == "class_label":
        low, high = 0, min(high, len(names) - 1 if names else MAX_INT)
    return low, high
