"""Floor 7. Checking a dataset: every finding, not the first; nothing is changed [safety.check].

    report = check("pets.lakebed")
    for finding in report.findings: print(finding)

Documents are judged first and say which chunks are used, by which tensors, in which samples; then every chunk is
judged once, however many commits name it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from . import history, names
from .check_chunk import judge_chunk
from .check_commit import judge_commit, judge_strings, judge_tensor
from .check_values import Use
from .errors import LakebedError
from .findings import NOTE, Finding, Findings, Progress
from .format.commit import decode_commit, decode_manifest, decode_tag
from .format.document import MAX_BYTES
from .htypes import row_of
from .model import CommitRef, ManifestRef, TensorState
from .slices import NULL, ChunkRef, SliceTable
from .stores import Store
from .stores import store as open_store

_COMMIT = re.compile(r"commits/([^/]+)/([0-9]{10})\.json")
_HINT = re.compile(r"commits/([^/]+)/latest\.json")
_TAG = re.compile(r"tags/([^/]+)\.json")


@dataclass(slots=True)
class Report:
    """``findings`` are faults, ``notes`` are not. The numbers count what was judged; ``bytes`` those of chunks."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    commits: int = 0
    tags: int = 0
    manifests: int = 0
    chunks: int = 0
    units: int = 0
    bytes: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings


def check(
    place: Any,
    *,
    branch: str | None = None,
    all_commits: bool = True,
    decode: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Every finding in the dataset at ``place`` (a path, a URL or a store).

    ``branch``: only this one's commits (with the tags that name them). ``all_commits`` False: only the newest of each
    branch. ``decode`` False: checksums, but no decoding of units and no judging of values. ``progress`` is called with
    (what, done, total).

    Errors: E_DATASET_ABSENT, E_BRANCH_ABSENT, E_NAME, E_STORE; everything else is a finding.
    """
    walk = _Walk(open_store(place, writable=False), decode, progress or (lambda what, done, total: None))
    if branch is not None:
        names.check_ref(branch, "branch")
    walk.tree(branch)
    numbers = walk.chosen(branch, all_commits)
    walk.documents(numbers)
    walk.judge_tags(branch)
    walk.hints()
    walk.chunks()
    if all_commits and branch is None:
        walk.unused()
    walk.report.findings, walk.report.notes = walk.found.errors, walk.found.notes
    return walk.report


class _Read(NamedTuple):
    """What later questions need of a commit that was read."""

    sha256: str
    closed: bool
    time: str
    parent: CommitRef | None


class _Walk:
    def __init__(self, store: Store, decode: bool, progress: Progress) -> None:
        self.store, self.decode, self.progress = store, decode, progress
        self.found = Findings()
        self.report = Report()
        self.keys: dict[str, int] | None = None  # of all objects that are of the dataset, or None: cannot list
        self.branches: dict[str, list[int]] = {}
        self.misplaced: set[tuple[str, int]] = set()  # keys whose commit says that it belongs elsewhere
        self.read: dict[tuple[str, int], _Read | None] = {}
        self.manifests: dict[ManifestRef, SliceTable | None] = {}
        self.refs: dict[str, dict[ChunkRef, str]] = {}
        self.uses: dict[str, dict[str, set[tuple[int, int]]]] = {}
        self.states: dict[str, tuple[str, TensorState, str]] = {}
        self.seen: set[tuple[str, str]] = set()
        self.unread = False  # some document could not be read: what it names is not known

    # --- the tree ---------------------------------------------------------------------------------------------------

    def tree(self, branch: str | None) -> None:
        """Names of all objects [tree.keys], and the numbers of each branch."""
        rows = self.store.list("")
        if rows is None:
            detail = "the store cannot list: foreign and unused objects are not seen, one branch is checked"
            self.found.note(NOTE, "store.contract", "", detail)
            return
        self.keys = {}
        for row in rows:
            if row.key.rsplit("/", 1)[-1].startswith("."):
                continue  # [tree.dotfiles]
            self.keys[row.key] = row.size
            if match := _COMMIT.fullmatch(row.key):
                self._commit_key(row.key, match[1], int(match[2]))
            elif match := _HINT.fullmatch(row.key) or _TAG.fullmatch(row.key):
                self._ref_name(row.key, match[1])
            elif not names.CHUNK_KEY.fullmatch(row.key) and not names.MANIFEST_KEY.fullmatch(row.key):
                self.found.note(NOTE, "tree.foreign", row.key, "this is no object of a dataset")
        for numbers in self.branches.values():
            numbers.sort()

    def _holes(self) -> None:
        """[algo.expire.prefix]: what is left of a branch is one run of numbers; misplaced commits have none."""
        for name, numbers in self.branches.items():
            for low, high in pairwise(n for n in numbers if (name, n) not in self.misplaced):
                if high != low + 1:
                    detail = f"branch {name} has {low} and {high}, and nothing between them"
                    self.found.add("E_COMMIT_ABSENT", "algo.expire.prefix", names.commit_key(name, low + 1), detail)

    def _ref_name(self, key: str, name: str) -> bool:
        if names.REF.fullmatch(name):
            return True
        self.found.add("E_NAME", "tree.name", key, f"{name!r} cannot be the name of a branch or tag")
        return False

    def _commit_key(self, key: str, branch: str, number: int) -> None:
        if not self._ref_name(key, branch):
            return
        if number:
            self.branches.setdefault(branch, []).append(number)
        else:
            self.found.add("E_COMMIT_PLACE", "tree.number", key, "numbers run from 1")

    def chosen(self, branch: str | None, all_commits: bool) -> list[tuple[str, int]]:
        """The commits to judge, oldest first. Errors: E_DATASET_ABSENT, E_BRANCH_ABSENT."""
        if self.keys is None:
            self.branches = {branch or history.MAIN: self._numbers(branch or history.MAIN)}
        if not self.branches or (branch is not None and branch not in self.branches):
            raise history.absent(self.store, branch or history.MAIN)
        chosen = {name: self.branches[name] for name in ([branch] if branch else sorted(self.branches))}
        return [(name, n) for name, numbers in chosen.items() for n in (numbers if all_commits else numbers[-1:])]

    def _numbers(self, branch: str) -> list[int]:
        """Without a listing: from the newest down to the first that is not there."""
        number = newest_number(self.store, branch)
        low = number
        while low > 1 and self.store.exists(names.commit_key(branch, low - 1)):
            low -= 1
        return list(range(low, number + 1))

    # --- documents --------------------------------------------------------------------------------------------------

    def documents(self, numbers: list[tuple[str, int]]) -> None:
        for done, (branch, number) in enumerate(numbers):
            self.progress("commits", done, len(numbers))
            self._document(branch, number)
        self.progress("commits", len(numbers), len(numbers))
        self._holes()
        for branch, number in numbers:
            self._history(branch, number)

    def _get(self, key: str) -> bytes | None:
        """The whole document; too long or unreadable is a finding."""
        try:
            return self.store.get(key, limit=MAX_BYTES)
        except LakebedError as cause:
            self.found.caught(cause, key)
            return None

    def _document(self, branch: str, number: int) -> None:
        key = names.commit_key(branch, number)
        self.read[branch, number] = None
        self.report.commits += 1
        data = self._get(key)
        if data is None:
            self.unread = True
            return
        commit, faults = judge_commit(data, key)
        for fault in faults:
            self.found.caught(fault, key)
            if fault.code == "E_COMMIT_PLACE":
                self.misplaced.add((branch, number))
        if commit is None or faults:
            self.unread = True
        if commit is None:
            return
        digest = hashlib.sha256(data).hexdigest()
        self.read[branch, number] = _Read(digest, commit.closed, commit.time, commit.parent)
        for name, tensor in commit.tensors.items():
            self._tensor(key, name, tensor)

    def _history(self, branch: str, number: int) -> None:
        """[commit.parent.hash] [commit.time.order] [commit.closed.end]"""
        child, key = self.read[branch, number], names.commit_key(branch, number)
        parent = None if child is None else child.parent
        if child is None or parent is None:
            return
        digest = self._digest(parent.branch, parent.number)
        if digest is None:
            return  # expired: the history ends here [commit.parent.expired]
        if digest != parent.sha256:
            detail = f"the parent, {parent.branch} {parent.number}, hashes to {digest}, not {parent.sha256}"
            self.found.add("E_COMMIT_PARENT", "commit.parent.hash", key, detail)
        read = self.read.get((parent.branch, parent.number))
        if read is None or parent.branch != branch:
            return
        if read.closed:
            detail = f"commit {parent.number}, before it, closed the branch"
            self.found.add("E_COMMIT_PARENT", "commit.parent.hash", key, detail)
        if child.time and read.time and history.instant(child.time) < history.instant(read.time):
            detail = f"time {child.time} is before the parent's, {read.time}"
            self.found.add("E_COMMIT_PARENT", "commit.time.order", key, detail)

    def _digest(self, branch: str, number: int) -> str | None:
        read = self.read.get((branch, number))
        if read is not None:
            return read.sha256
        data = self._get(names.commit_key(branch, number))
        return None if data is None else hashlib.sha256(data).hexdigest()

    def judge_tags(self, branch: str | None) -> None:
        """[tag.target]"""
        for key in sorted(self.keys or ()):
            match = _TAG.fullmatch(key)
            data = self._get(key) if match and names.REF.fullmatch(match[1]) else None
            if data is None:
                continue
            try:
                tag = decode_tag(data, key)
            except LakebedError as cause:
                self.found.caught(cause, key)
                continue
            for fault in judge_strings(data, key):
                self.found.caught(fault, key)
            target = tag.target
            if branch is not None and target.branch != branch:
                continue
            self.report.tags += 1
            digest = self._digest(target.branch, target.number)
            if digest != target.sha256:
                said = "is not there" if digest is None else f"hashes to {digest}"
                detail = f"commit {target.number} of branch {target.branch} {said}"
                self.found.add("E_TAG_TARGET", "tag.target", key, detail)

    def hints(self) -> None:
        """Notes only [hint.checker]."""
        for branch, numbers in self.branches.items():
            key = names.hint_key(branch)
            if self.keys is not None and key not in self.keys:
                self.found.note(NOTE, "hint.checker", key, "there is no hint: finding the newest takes more requests")
                continue
            try:
                data = self.store.get(key, limit=MAX_BYTES)
                hint = None if data is None else decode_commit(data, key)
            except LakebedError as cause:
                self.found.caught(cause, key, note=True)
                continue
            if hint is None or data is None:
                continue
            if hashlib.sha256(data).hexdigest() != self._digest(branch, hint.number):
                self.found.note(NOTE, "hint.copy", key, f"it is no copy of commit {hint.number}")
            elif hint.number != numbers[-1]:
                detail = f"stale: it names {hint.number}, the newest is {numbers[-1]}"
                self.found.note(NOTE, "hint.checker", key, detail)

    # --- tables -----------------------------------------------------------------------------------------------------

    def _tensor(self, key: str, name: str, tensor: TensorState) -> None:
        fits = True
        for fault, note in judge_tensor(name, tensor):
            self.found.caught(fault, key, note=note)
            fits = fits and (note or fault.code != "E_TENSOR_FIELD")
        if not fits:  # its values are not judged by rules that it does not fit
            tensor = replace(tensor, htype="generic")
        attributes = {k: v for k, v in tensor.attributes.items() if k in row_of(tensor.htype).attributes}
        told = [name, tensor.htype, tensor.dtype, tensor.shape, tensor.sequence, tensor.fidelity, attributes]
        signature = json.dumps(told, sort_keys=True)
        self.states.setdefault(signature, (name, tensor, key))
        for ref in tensor.manifests:
            table = self._manifest(ref, key)
            if table is not None:
                self._table(signature, ref.sha256, table, names.manifest_key(ref.sha256))
        self._table(signature, _digest_of(tensor.own), tensor.own, key)

    def _manifest(self, ref: ManifestRef, where: str) -> SliceTable | None:
        """[manifest.hash] and the document, once for each way in which it is named."""
        if ref in self.manifests:
            return self.manifests[ref]
        key = names.manifest_key(ref.sha256)
        self.manifests[ref] = None
        self.report.manifests += 1
        try:
            data = self.store.get(key, limit=MAX_BYTES)
        except LakebedError as cause:
            self.found.caught(cause, key)
            return None
        if data is None:
            detail = f"the manifest is not in the store; {where} needs it"
            self.found.add("E_OBJECT_MISSING", "tree.needed", key, detail)
            self.unread = True
            return None
        digest = hashlib.sha256(data).hexdigest()
        if digest != ref.sha256 or len(data) != ref.bytes:
            detail = f"{len(data)} bytes that hash to {digest}; {where} says {ref.bytes} bytes"
            self.found.add("E_MANIFEST", "manifest.hash", key, detail)
        try:
            self.manifests[ref] = decode_manifest(data, ref, key)
        except LakebedError as cause:
            self.found.caught(cause, key)
            self.unread = True
            return None
        for fault in judge_strings(data, key):
            self.found.caught(fault, key)
        return self.manifests[ref]

    def _table(self, signature: str, digest: str, table: SliceTable, key: str) -> None:
        """Which samples of which chunks the tensor uses; a table that many commits hold is looked at once."""
        if (signature, digest) in self.seen:
            return
        self.seen.add((signature, digest))
        for ref in table.chunks:
            self.refs.setdefault(ref.name, {}).setdefault(ref, key)
        used = set()
        for chunk, first, count in table.runs.rows():
            if chunk != NULL:
                used.add(chunk)
                spans = self.uses.setdefault(table.chunks[chunk].name, {}).setdefault(signature, set())
                spans.add((first, first + count))
        for number in sorted(set(range(len(table.chunks))) - used):
            detail = f"no slice uses chunk {table.chunks[number].name}"
            self.found.note("E_SLICE", "tensor.chunks.used", key, detail)

    # --- chunks -----------------------------------------------------------------------------------------------------

    def chunks(self) -> None:
        for done, (name, refs) in enumerate(self.refs.items()):
            self.progress("chunks", done, len(self.refs))
            try:
                judged = judge_chunk(self.store, refs, list(self._uses(name)), self.found, decode=self.decode)
            except LakebedError as cause:
                self.found.caught(cause, names.chunk_key(name))
                continue
            self.report.chunks += 1
            self.report.units += judged.units
            self.report.bytes += judged.bytes
        self.progress("chunks", len(self.refs), len(self.refs))

    def _uses(self, name: str) -> Iterator[Use]:
        for signature, spans in self.uses.get(name, {}).items():
            tensor_name, tensor, where = self.states[signature]
            yield Use(
                tensor_name,
                tensor.htype,
                tensor.dtype,
                tensor.shape,
                tensor.sequence,
                tensor.fidelity,
                tensor.attributes,
                where,
                merged(spans),
            )

    def unused(self) -> None:
        """Chunks and manifests that nothing names: garbage, or of a writer at work [algo.collect.roots]."""
        named = {names.chunk_key(name) for name in self.refs}
        named |= {names.manifest_key(ref.sha256) for ref in self.manifests}
        unsure = " that could be read" if self.unread else ""
        for key in self.keys or ():
            if key not in named and (names.CHUNK_KEY.fullmatch(key) or names.MANIFEST_KEY.fullmatch(key)):
                detail = f"no commit{unsure} names it: garbage, or of a writer at work"
                self.found.note(NOTE, "algo.collect.roots", key, detail)


def newest_number(store: Store, branch: str) -> int:
    """The number of the newest commit, whether it is sound or not. Errors: E_BRANCH_ABSENT, E_DATASET_ABSENT."""
    try:
        return history.newest(store, branch).commit.number
    except LakebedError as cause:  # a broken newest commit is what its error names
        match = names.COMMIT_KEY.fullmatch(cause.object or "")
        if match is None:
            raise
        return int(match[2])


def merged(spans: set[tuple[int, int]]) -> np.ndarray:
    """Spans as ascending ones that do not touch: int64 (n, 2)."""
    out: list[list[int]] = []
    for start, stop in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], stop)
        else:
            out.append([start, stop])
    return np.array(out, np.int64).reshape(-1, 2)


def _digest_of(table: SliceTable) -> str:
    runs = table.runs
    parts = (repr(table.chunks).encode(), runs.chunk.tobytes(), runs.first.tobytes(), runs.count.tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


__all__ = ["Report", "check"]
