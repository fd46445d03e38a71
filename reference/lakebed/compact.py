"""Floor 7. Compaction: many small or sparsely used chunks become few full ones, in one ordinary commit [algo.compact].

No sample changes, and no tensor becomes another [algo.compact.tensor]. Encoded units travel as they are stored; raw
units are joined. What nothing names any more stays in the store until it is collected.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import codecs, dtypes, history, names, publish
from .carry import carry_samples
from .chunkfile import ChunkFile
from .codecs import exact_tail
from .dataset import Dataset
from .declare import declared_of
from .errors import LakebedError, error
from .findings import Progress
from .fit import check_fit
from .model import Commit, CommitRef, TensorState
from .slices import NULL, ChunkRef, Runs, SliceTable, join, runs
from .stores import Store
from .stores import store as open_store
from .writer import CHUNK_BYTES, ChunkWriter, UnitRule, item_size

BRIDGED = 1024  # missing samples that go into a chunk, as they cost less there than two more slices
STEP = 4096  # samples that are carried between two looks at the size of the new chunk
_UNREADABLE = ("E_CODEC_UNSUPPORTED", "E_EXTRA_MISSING")


@dataclass(frozen=True, slots=True)
class Change:
    """Slices and chunks of one tensor before and after; ``written``: bytes of new payload."""

    slices: tuple[int, int]
    chunks: tuple[int, int]
    written: int


@dataclass(slots=True)
class Report:
    """``commit`` is None when there was nothing to do. ``left``: tensors left as they were, and why."""

    commit: CommitRef | None = None
    tensors: dict[str, Change] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def compact(
    place: Any,
    *,
    branch: str | None = None,
    tensors: Sequence[str] | None = None,
    target_bytes: int = CHUNK_BYTES,
    message: str = "compact",
    progress: Progress | None = None,
    clock: Callable[[], float] | None = None,
    make_id: Callable[[], str] | None = None,
) -> Report:
    """Rewrite runs of small or sparsely used chunks of the newest commit into chunks of about ``target_bytes``.

    ``place``: a path, a URL, a store, or a dataset that is open for writing (it stands at the new commit afterwards).
    ``tensors``: only these. A chunk is left alone when at least half of it is used and that is at least half of
    ``target_bytes``. Others may commit meanwhile: appended rows stay, real conflicts are errors.

    Errors: E_ARGUMENT (uncommitted changes), E_TENSOR_ABSENT, E_READ_ONLY, E_BRANCH_CLOSED, E_CONFLICT, and whatever
    is wrong with the chunks that would be rewritten.
    """
    if target_bytes < 1:
        raise error("E_ARGUMENT", "algo.compact", f"target_bytes is {target_bytes}")
    if isinstance(place, Dataset):
        if place.changed or not place.writable:
            raise error("E_ARGUMENT", "algo.compact", "the dataset has uncommitted changes or is open for reading")
        store, branch = place.store, place.branch
    else:
        store = open_store(place, writable=True)
    base = history.newest(store, branch or history.MAIN, exact=True)
    publish.writable(base, base.commit.branch)
    chosen = _chosen(base.commit, tensors)
    now = clock or time.time
    started = now()
    report = Report()
    written: list[ChunkRef] = []
    states = dict(base.commit.tensors)
    for done, name in enumerate(chosen):
        if progress is not None:
            progress("tensors", done, len(chosen))
        state = _compacted(store, name, states[name], target_bytes, report, written)
        states[name] = states[name] if state is None else state
    if report.tensors:
        made = replace(base.commit, tensors=states, message=message, author="", closed=False)
        loaded = publish.publish(
            store,
            base,
            made,
            clock=now,
            make_id=make_id or (lambda: secrets.token_hex(16)),
            upload_again=lambda: _upload_again(store, written),
            started=started,
        )
        report.commit = loaded.ref
        if isinstance(place, Dataset):
            place.refresh()
    return report


def _chosen(commit: Commit, tensors: Sequence[str] | None) -> list[str]:
    for name in tensors or ():
        if name not in commit.tensors:
            known = ", ".join(commit.tensors) or "none"
            raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")
    return list(commit.tensors) if tensors is None else list(dict.fromkeys(tensors))


def _upload_again(store: Store, written: Iterable[ChunkRef]) -> None:
    """[algo.commit.grace]"""
    for ref in written:
        data = store.get(names.chunk_key(ref.name))
        if data is None:
            raise error("E_STORE", "algo.commit.grace", "a chunk was collected before its commit", object=ref.name)
        store.put(names.chunk_key(ref.name), data)


# --- one tensor ----------------------------------------------------------------------------------------------------


def _compacted(
    store: Store, name: str, state: TensorState, target: int, report: Report, written: list[ChunkRef]
) -> TensorState | None:
    """The tensor with its runs of poor chunks rewritten; None when nothing is gained."""
    table = history.table(store, name, state)
    job = _Job(store, name, state, table, target)
    try:
        made = job.run()
    except LakebedError as cause:
        if cause.code not in _UNREADABLE:
            raise
        report.left[name] = cause.detail
        return None
    if made is None:
        return None
    written += job.written
    used = made.used()
    report.tensors[name] = Change(
        (len(table.runs.count), len(used.runs.count)),
        (len(table.used().chunks), len(used.chunks)),
        sum(ref.payload for ref in job.written),
    )
    kept, samples = [], 0
    for manifest in state.manifests:
        if samples + manifest.samples > job.untouched:
            break
        kept.append(manifest)
        samples += manifest.samples
    own = SliceTable(made.chunks, made.runs.cut(samples, len(made.runs))).used()
    return replace(state, own=own, manifests=tuple(kept))


class _Job:
    """Rewrites the slices of one tensor. ``untouched``: samples from the start that stay as they are."""

    def __init__(self, store: Store, name: str, state: TensorState, table: SliceTable, target: int) -> None:
        self.store, self.name, self.state, self.table, self.target = store, name, state, table, target
        self.refs = list(table.chunks)
        self.written: list[ChunkRef] = []
        self.untouched = len(table.runs)
        self._files: dict[int, ChunkFile] = {}
        self._writer: ChunkWriter | None = None
        self._sparse: set[int] = set()
        self._filled = 0.0  # bytes of the open chunk, about

    def run(self) -> SliceTable | None:
        rows = list(self.table.runs.rows())
        poor = self._poor(rows)
        for chunk, first, count in rows:
            if chunk in poor:  # what is written anew would bear the tensor's dtype and shape
                file = self._file(chunk)
                check_fit(self.name, self.state, file.geometry, first, count, file.key)
        parts: list[Runs] = []
        start = row = 0
        while start < len(rows):
            stop = start + 1
            if self._joins(rows[start], poor):
                while stop < len(rows) and self._joins(rows[stop], poor) and self._alike(rows[start], rows[stop]):
                    stop += 1
            if self._pays(rows[start:stop], poor):
                self.untouched = min(self.untouched, row)
                parts.append(self._rewritten(rows[start:stop], row))
            else:
                parts.append(runs(*zip(*rows[start:stop], strict=True)))
            row += sum(count for _, _, count in rows[start:stop])
            start = stop
        return SliceTable(tuple(self.refs), join(*parts)) if self.written else None

    def _file(self, chunk: int) -> ChunkFile:
        if chunk not in self._files:
            if len(self._files) > 256:
                self._files.clear()
            self._files[chunk] = ChunkFile(self.store, self.refs[chunk])
        return self._files[chunk]

    def _poor(self, rows: list[tuple[int, int, int]]) -> set[int]:
        """Chunks of which little is used, or which are small."""
        used: dict[int, int] = {}
        for chunk, _, count in rows:
            if chunk != NULL:
                used[chunk] = used.get(chunk, 0) + count
        poor = set()
        for chunk, count in used.items():
            payload = self.refs[chunk].payload
            share = min(1.0, count / self._file(chunk).index.samples)
            if share < 0.5:
                self._sparse.add(chunk)
            if share < 0.5 or share * payload < self.target / 2:
                poor.add(chunk)
        return poor

    def _joins(self, row: tuple[int, int, int], poor: set[int]) -> bool:
        chunk, _, count = row
        return count <= BRIDGED if chunk == NULL else chunk in poor

    def _alike(self, one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
        """Whether two slices can go into one chunk: cut into the same tiles, or neither."""
        if NULL in (one[0], other[0]):
            return True
        return self._file(one[0]).index.tile == self._file(other[0]).index.tile

    def _pays(self, rows: list[tuple[int, int, int]], poor: set[int]) -> bool:
        chunks = [chunk for chunk, _, _ in rows if chunk != NULL]
        if not chunks or not poor.issuperset(chunks):
            return False
        return len(rows) > 1 or chunks[0] in self._sparse

    # --- writing --------------------------------------------------------------------------------------------------

    def _rewritten(self, rows: list[tuple[int, int, int]], row: int) -> Runs:
        """The samples of these slices in new chunks."""
        out: list[Runs] = []
        tile = next(self._file(chunk).index.tile for chunk, _, _ in rows if chunk != NULL)
        try:
            for chunk, first, count in rows:
                start = 0
                while start < count:
                    writer = self._open(tile, row, out)
                    step = self._step(chunk, count - start)
                    if chunk == NULL:
                        writer.add_samples(step, -1)
                    else:
                        carry_samples(writer, self._file(chunk), first + start, first + start + step)
                    start, row = start + step, row + step
            self._close(out)
        except BaseException:
            if self._writer is not None:
                self._writer.discard()
                self._writer = None
            raise
        return join(*out)

    def _step(self, chunk: int, left: int) -> int:
        """Samples that may follow at once: few enough to see when the new chunk is full, by the old one's average."""
        if chunk == NULL:
            return left
        each = self.refs[chunk].payload / self._file(chunk).index.samples
        room = STEP if not each else max(1, int((self.target - self._filled) / each))
        step = min(STEP, room, left)
        self._filled += step * each
        return step

    def _open(self, tile: tuple[int, ...] | None, row: int, out: list[Runs]) -> ChunkWriter:
        if self._writer is not None and (self._writer.full or self._filled >= self.target):
            self._close(out)
        if self._writer is None:
            self._filled = 0.0
            state = self.state
            dtype = dtypes.dtype(state.dtype)
            pipeline, advice = _advice(state)
            self._writer = ChunkWriter(
                self.store,
                tensor=self.name,
                row=row,
                dtype=state.dtype,
                itemsize=dtype.itemsize,
                rank=len(state.shape),
                sequence=state.sequence,
                pipeline=pipeline,
                rule=UnitRule.of(advice, item_size(state.shape, dtype.itemsize)),
                tile=tile,
                chunk_bytes=self.target,
                fixed_axes=[axis is not None for axis in state.shape],
            )
        return self._writer

    def _close(self, out: list[Runs]) -> None:
        writer, self._writer = self._writer, None
        if writer is None or not writer.samples:
            return
        ref = writer.close()
        self.written.append(ref)
        out.append(runs(np.array([len(self.refs)]), np.array([0]), np.array([writer.samples])))
        self.refs.append(ref)


def _advice(state: TensorState) -> tuple[codecs.Pipeline, dict[str, Any]]:
    """How array units are encoded that are joined or cut (as the tensor's are, without loss), and how units fill."""
    try:
        declared = declared_of(state)
    except LakebedError:  # advice that this writer cannot follow
        return codecs.RAW, {}
    pipeline = declared.array_pipeline
    return codecs.RAW if codecs.is_media(pipeline) else exact_tail(pipeline), {"unit": declared.unit}
