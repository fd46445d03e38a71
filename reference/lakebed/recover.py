"""Floor 7. Recovery into a copy: what intact commits say, and what chunks alone say where none is left [algo.recover].

Nothing at the source changes [algo.recover.copy]. Stored units travel byte for byte. Every sample, chunk and document
that is lost is in the report, with its error; so is every place where chunks leave a choice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import history, names
from .check_commit import judge_tensor
from .chunks_alone import Group, groups
from .errors import LakebedError
from .findings import NOTE, Finding, Findings, Progress
from .fit import misfit
from .format.document import MAX_BYTES
from .history import Loaded
from .migrate import check_empty
from .model import Commit, TensorState
from .publish import publish
from .salvage import Opened, Salvaged, open_chunk, salvage
from .slices import NULL, ChunkRef, Runs, SliceTable, concatenate, join, missing, runs
from .stores import Store
from .stores import store as open_store


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows [start, stop) of a tensor have no value in the copy; ``object`` is what they were stored in."""

    branch: str
    tensor: str
    start: int
    stop: int
    object: str


@dataclass(slots=True)
class Report:
    """``taken``: by branch, the number of the commit that was believed (0: none; from chunks alone).

    ``findings``: every damage that was met; ``notes``: choices, candidates and what was not needed. ``copied`` and
    ``rewritten`` count chunks, ``skipped`` names those of which nothing could be read.
    """

    taken: dict[str, int] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    samples: int = 0
    copied: int = 0
    rewritten: int = 0
    skipped: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.lost and not self.findings


def recover(
    source: Any,
    target: Any,
    *,
    chunks_only: bool = False,
    progress: Progress | None = None,
    clock: Callable[[], float] | None = None,
    make_id: Callable[[], str] | None = None,
) -> Report:
    """A new dataset at the empty ``target`` with all that can be read at ``source``; history starts anew.

    Of every branch the newest commit that is valid is taken (or its hint, a copy of one); samples in absent or damaged
    chunks become missing. Where no commit is left, or with ``chunks_only``, tensors are put together from the hints in
    the chunks themselves: candidates, for chunks cannot tell what was deleted, changed or never committed.

    Errors: E_DATASET_EXISTS (the target is not empty), E_DATASET_ABSENT (nothing to recover), E_STORE.
    """
    work = _Recovery(open_store(source, writable=False), open_store(target, writable=True), progress)
    check_empty(work.target)
    work.clock, work.make_id = clock or time.time, make_id or (lambda: secrets.token_hex(16))
    commits = [] if chunks_only else work.commits()
    for loaded in commits:
        work.from_commit(loaded)
    if commits:
        work.candidates()
    else:
        work.from_chunks()
    work.report.findings, work.report.notes = work.found.errors, work.found.notes
    return work.report


class _Recovery:
    clock: Callable[[], float]
    make_id: Callable[[], str]

    def __init__(self, source: Store, target: Store, progress: Progress | None) -> None:
        self.source, self.target = source, target
        self.progress = progress or (lambda what, done, total: None)
        self.found = Findings()
        self.report = Report()
        self.saved: dict[str, Salvaged | None] = {}
        self.started: float | None = None

    # --- commits --------------------------------------------------------------------------------------------------

    def commits(self) -> list[Loaded]:
        """Of every branch the newest that is valid."""
        found = [self._newest(branch) for branch in sorted(self._branches())]
        return [loaded for loaded in found if loaded is not None]

    def _branches(self) -> set[str]:
        """By any commit or hint, valid or not."""
        rows = self.source.list("commits/")
        if rows is None:
            return {history.MAIN}
        parts = [row.key.split("/") for row in rows]
        return {part[1] for part in parts if len(part) == 3 and names.REF.fullmatch(part[1])}

    def _newest(self, branch: str) -> Loaded | None:
        hint = history.read_hint(self.source, branch)
        numbers = history.listed(self.source, branch)
        if numbers is None:
            numbers = [] if hint is None else list(range(1, hint.loaded.ref.number + 1))
        if hint is not None and hint.loaded.ref.number not in numbers:
            numbers = sorted([*numbers, hint.loaded.ref.number])
        for number in reversed(numbers):
            loaded = self._valid(branch, number, hint)
            if loaded is not None:
                self.report.taken[branch] = number
                return loaded
        return None

    def _valid(self, branch: str, number: int, hint: history.Hint | None) -> Loaded | None:
        key = names.commit_key(branch, number)
        try:
            data = self.source.get(key, limit=MAX_BYTES)
            if data is not None:
                return history.loaded(data, key)
            detail = f"commit {number} of branch {branch} is not there"
            self.found.add("E_COMMIT_ABSENT", "tree.absent", key, detail)
        except LakebedError as cause:
            self.found.caught(cause, key)
        if hint is not None and hint.loaded.ref.number == number:
            self.found.note(NOTE, "hint.copy", names.hint_key(branch), f"taken in place of commit {number}")
            return hint.loaded
        return None

    def from_commit(self, loaded: Loaded) -> None:
        commit = loaded.commit
        tensors = {}
        for done, (name, tensor) in enumerate(commit.tensors.items()):
            self.progress(f"branch {commit.branch}", done, len(commit.tensors))
            tensors[name] = self._tensor(commit.branch, name, tensor)
        self.report.samples += commit.length * len(tensors)
        message = f"recovered from commit {commit.number} of branch {commit.branch}"
        self._publish(replace(commit, tensors=tensors, closed=False, message=message))

    def _publish(self, commit: Commit) -> None:
        """Number 1 of its branch. Its features are none: what was understood is written anew."""
        publish(
            self.target,
            None,
            commit,
            clock=self.clock,
            make_id=self.make_id,
            started=self.clock() if self.started is None else self.started,
        )

    def _tensor(self, branch: str, name: str, tensor: TensorState) -> TensorState:
        table = concatenate([*(self._manifest(ref) for ref in tensor.manifests), tensor.own])
        refs: dict[ChunkRef, int] = {}
        parts: list[Runs] = []
        row = 0
        for chunk, first, count in table.runs.rows():
            if chunk == NULL:
                parts.append(missing(count))
            else:
                old = table.chunks[chunk]
                saved = self._fitting(name, tensor, self._saved(old.name, [old]), first, count)
                parts.append(self._slice(saved, first, count, refs))
                self._lost(branch, name, row, (first, count), names.chunk_key(old.name), saved)
            row += count
        faults = [fault for fault, note in judge_tensor(name, tensor) if not note]
        for fault in faults:
            self.found.caught(fault, f"branch {branch}")
        write = {} if any(fault.clause == "codec.pipeline" for fault in faults) else tensor.write
        return replace(tensor, manifests=(), write=write, own=SliceTable(tuple(refs), join(*parts)).used())

    def _fitting(
        self, name: str, tensor: TensorState, saved: Salvaged | None, first: int, count: int
    ) -> Salvaged | None:
        """None when these samples are no tensor ``name``'s [chunk.tensor]."""
        if saved is None:
            return None
        samples = saved.index.samples
        start = min(first, samples)
        wrong = misfit(tensor, saved.geometry, start, min(count, samples - start))
        if wrong is not None:
            detail = f"for tensor {name!r} the chunk has {wrong[1]}"
            self.found.add("E_CHUNK_TENSOR", f"chunk.tensor.{wrong[0]}", names.chunk_key(saved.name), detail)
        return saved if wrong is None else None

    def _manifest(self, ref: Any) -> SliceTable:
        """Its slices; when it is lost, as many missing samples."""
        try:
            return history.manifest(self.source, ref)
        except LakebedError as cause:
            self.found.caught(cause, names.manifest_key(ref.sha256))
            return SliceTable((), missing(ref.samples))

    def _saved(self, name: str, refs: list[ChunkRef]) -> Salvaged | None:
        """The chunk in the target, or None; each is looked at once."""
        if name not in self.saved:
            self.started = self.clock() if self.started is None else self.started
            opened = open_chunk(self.source, name, refs, self.found)
            self.saved[name] = None if opened is None else self._carried(opened)
            if opened is None:
                self.report.skipped.append(names.chunk_key(name))
        return self.saved[name]

    def _carried(self, opened: Opened) -> Salvaged | None:
        saved = salvage(opened, self.target, self.found)
        if saved is None:
            self.report.skipped.append(opened.data.key)
            return None
        self.report.rewritten += saved.rewritten and not saved.empty
        self.report.copied += not saved.rewritten
        if saved.empty:
            self.report.skipped.append(opened.data.key)
        return saved

    def _slice(self, saved: Salvaged | None, first: int, count: int, refs: dict[ChunkRef, int]) -> Runs:
        """Samples [first, first+count) of what was salvaged, missing where they lost their value."""
        if saved is None or saved.empty:
            return missing(count)
        number = refs.setdefault(saved.ref, len(refs))
        end = min(first + count, saved.index.samples)
        parts = []
        at = first
        for sample in [*(s for s in saved.bad if first <= s < end), end]:
            if at < sample:
                parts.append(runs([number], [at], [sample - at]))
            if sample < end:
                parts.append(missing(1))
            at = sample + 1
        parts.append(missing(first + count - max(first, end)))
        return join(*parts)

    def _lost(
        self, branch: str, name: str, row: int, span: tuple[int, int], key: str, saved: Salvaged | None
    ) -> None:
        """Report the samples of a slice, (first, count) of the chunk ``key`` at ``row``, that have no value now."""
        first, count = span
        end = first if saved is None else saved.index.samples
        bad = [] if saved is None else [row + s - first for s in saved.bad if first <= s < first + count]
        spans = stretches(bad)
        if first + count > end:
            spans.append((row + max(0, end - first), row + count))
            if saved is not None:
                detail = f"a slice of tensor {name!r} reaches past {end} samples"
                self.found.add("E_SLICE_RANGE", "table.slice.range", key, detail)
        self.report.lost += [Lost(branch, name, start, stop, key) for start, stop in spans]

    def candidates(self) -> None:
        """What chunks and tags there are besides; nothing is made of them."""
        for key in self._chunk_keys():
            if key.removesuffix(".chunk").rpartition("/")[2] not in self.saved:
                detail = "no commit that was taken names it: garbage, older, or of a commit that is lost"
                self.found.note(NOTE, "algo.recover.candidates", key, detail)
        for row in self.source.list("tags/") or ():
            if names.TAG_KEY.fullmatch(row.key):
                self.found.note(NOTE, "algo.recover.commits", row.key, "a tag names history, which is not copied")

    def _chunk_keys(self) -> list[str]:
        return [row.key for row in self.source.list("chunks/") or () if names.CHUNK_KEY.fullmatch(row.key)]

    # --- chunks alone -----------------------------------------------------------------------------------------------

    def from_chunks(self) -> None:
        """Tensors by (name, dtype, rank, sequence), chunks by row [algo.recover.chunks] [algo.recover.candidates]."""
        keys = self._chunk_keys()
        kept: list[Salvaged] = []
        for done, key in enumerate(keys):
            self.progress("chunks", done, len(keys))
            saved = self._saved(key.removesuffix(".chunk").rpartition("/")[2], [])
            if saved is not None:
                kept.append(saved)
        if not kept:
            raise history.absent(self.source, history.MAIN)
        detail = "from chunks alone: nobody can tell what was deleted, changed or not committed; htypes are lost"
        self.found.note(NOTE, "algo.recover.candidates", "", detail)
        found = groups(kept, self.found)
        length = max(group.length for group in found)
        extra = max(group.extra for group in found)
        tensors = {group.name: self._assembled(group, length, extra) for group in found}
        self.report.taken[history.MAIN] = 0
        self.report.samples += (length + extra) * len(tensors)
        commit = Commit(
            branch=history.MAIN,
            number=0,
            id="",
            time="",
            length=length + extra,
            tensors=tensors,
            message="recovered from chunks alone",
        )
        self._publish(commit)

    def _assembled(self, group: Group, length: int, extra: int) -> TensorState:
        """Placed chunks at their rows, gaps missing; behind all tensors' rows the chunks that overlap."""
        refs: dict[ChunkRef, int] = {}
        parts: list[Runs] = []
        row = 0
        for saved in group.placed:
            parts += [missing(saved.index.row - row), self._slice(saved, 0, saved.index.samples, refs)]
            key = names.chunk_key(saved.name)
            self._lost(history.MAIN, group.name, saved.index.row, (0, saved.index.samples), key, saved)
            row = saved.index.row + saved.index.samples
        parts.append(missing(length - row))
        behind = length
        for saved in group.overlapping:
            parts.append(self._slice(saved, 0, saved.index.samples, refs))
            self._lost(history.MAIN, group.name, behind, (0, saved.index.samples), names.chunk_key(saved.name), saved)
            stop = behind + saved.index.samples
            taken = f"rows from {saved.index.row} of tensor {group.name!r} are taken"
            detail = f"{taken}: these samples are at {behind} to {stop - 1}"
            self.found.note(NOTE, "algo.recover.chunks", names.chunk_key(saved.name), detail)
            behind = stop
        parts.append(missing(length + extra - behind))
        return TensorState(
            htype="generic",
            dtype=group.dtype,
            shape=group.shape,
            sequence=group.sequence,
            fidelity="lossy" if group.lossy else "exact",
            own=SliceTable(tuple(refs), join(*parts)).used(),
        )


def stretches(rows: list[int]) -> list[tuple[int, int]]:
    """Ascending rows as (start, stop) runs."""
    out: list[tuple[int, int]] = []
    for row in rows:
        if out and out[-1][1] == row:
            out[-1] = (out[-1][0], row + 1)
        else:
            out.append((row, row + 1))
    return out
