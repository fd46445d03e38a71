"""A whole tree: every object, every commit of every branch, every tag [tree]."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lakebed_conform.checker import commit as c
from lakebed_conform.checker.chunk import Chunk, Region, against_tensor, decoded_unit, open_chunk, strict
from lakebed_conform.checker.codecs import ITEMSIZE
from lakebed_conform.checker.document import parse
from lakebed_conform.checker.fidelity import fidelity_kept
from lakebed_conform.checker.finding import Broken, Finding, need
from lakebed_conform.checker.htypes import fits, has_rules, values_kept
from lakebed_conform.checker.reader import Samples, read_tensor
from lakebed_conform.pen import sha256

COMMIT = re.compile(r"commits/([^/]+)/(\d{10})\.json", re.ASCII)
HINT = re.compile(r"commits/([^/]+)/latest\.json")
TAG = re.compile(r"tags/([^/]+)\.json")
CHUNK = re.compile(r"chunks/([0-9a-f]{2})/(\1[0-9a-f]{62})\.chunk")
MANIFEST = re.compile(r"manifests/([0-9a-f]{2})/(\1[0-9a-f]{62})\.json")


class folder_tree(Mapping[str, bytes]):
    """The objects of a folder by key, read when asked for."""

    def __init__(self, root: Path) -> None:
        self._files = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}

    def __getitem__(self, key: str) -> bytes:
        return self._files[key].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, key: object) -> bool:
        return key in self._files


class State:
    """One commit of a tree, open for reading; chunks are opened once."""

    def __init__(self, tree: Mapping[str, bytes], commit: c.Commit) -> None:
        self.tree, self.commit = tree, commit
        self._chunks: dict[tuple[str, int, int], Chunk] = {}

    def read(self, name: str, which: Sequence[int] | None = None, region: Region = None) -> Samples:
        """All samples of a tensor, or those in ``which``; of tiles those that meet ``region``. Raises Broken."""
        tensor = self.commit.tensors[name]
        need(tensor.dtype in ITEMSIZE, "E_DTYPE_UNSUPPORTED", "dtype.unknown", f"dtype {tensor.dtype}")
        return read_tensor(tensor, self.rows(tensor), self.chunk, which, region)

    def rows(self, tensor: c.Tensor) -> tuple[c.Row, ...]:
        """The slices of the manifests in order, then the tensor's own."""
        rows: tuple[c.Row, ...] = ()
        for name, size, samples in tensor.manifests:
            key = f"manifests/{name[:2]}/{name}.json"
            need(key in self.tree, "E_OBJECT_MISSING", "tree.needed", f"{key} is absent")
            data = self.tree[key]
            good = len(data) == size and sha256(data) == name
            with _at(key):
                need(good, "E_MANIFEST", "manifest.hash", f"{len(data)} bytes; not the manifest that is named")
                rows += c.manifest(parse(data), samples)
        return rows + tensor.rows

    def chunk(self, row: tuple[str, int, int]) -> Chunk:
        if row not in self._chunks:
            key = chunk_key(row[0])
            with _at(key):
                need(key in self.tree, "E_OBJECT_MISSING", "tree.needed", f"{key} is absent")
                self._chunks[row] = open_chunk(self.tree[key], row[1], row[2])
        return self._chunks[row]


class _at:
    """Adds the object's key to a broken rule that has none."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __enter__(self) -> None: ...

    def __exit__(self, _type: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, Broken) and not error.object:
            error.object = self.key


def chunk_key(name: str) -> str:
    return f"chunks/{name[:2]}/{name}.chunk"


def heads(tree: Mapping[str, bytes]) -> dict[str, int]:
    """Newest number of each branch that has a valid name."""
    found: dict[str, int] = {}
    for key in tree:
        match = COMMIT.fullmatch(key)
        if match and c.branch_name(match[1]) and int(match[2]) > 0:
            found[match[1]] = max(found.get(match[1], 0), int(match[2]))
    return found


def open_state(tree: Mapping[str, bytes], branch: str = "main", number: int | None = None) -> State:
    """A commit of ``tree``, the newest by default. Raises Broken."""
    newest = heads(tree)
    need(bool(newest), "E_DATASET_ABSENT", "tree.absent", "no commit")
    need(branch in newest, "E_BRANCH_ABSENT", "tree.absent", branch)
    number = number or newest[branch]
    key = f"commits/{branch}/{number:010d}.json"
    with _at(key):
        need(key in tree, "E_COMMIT_ABSENT", "tree.absent", key)
        return State(tree, c.commit(parse(tree[key]), branch, number))


def check_tree(tree: Mapping[str, bytes]) -> list[Finding]:
    """Every finding; an empty list (notes aside) means that the tree is a valid dataset."""
    walk = _Walk(tree)
    walk.objects()
    walk.history()
    walk.states()
    return list(dict.fromkeys(walk.findings))


class _Walk:
    def __init__(self, tree: Mapping[str, bytes]) -> None:
        self.tree = tree
        self.findings: list[Finding] = []
        self.commits: dict[tuple[str, int], c.Commit] = {}
        self.hashes: dict[tuple[str, int], str] = {}
        self.tags: dict[str, tuple[str, int, str]] = {}
        self.judged: set[str] = set()
        self.broken: set[str] = set()

    def note(self, key: str, clause: str, detail: str) -> None:
        self.findings.append(Finding("-", clause, key, None, detail, note=True))

    def guard(self, key: str, judge: Any, *args: Any) -> Any:
        try:
            return judge(*args)
        except Broken as e:
            self.findings.append(e.finding(key))
            self.broken.add(key)
            return None

    def objects(self) -> None:
        for key in self.tree:
            last = key.rsplit("/", 1)[-1]
            if last.startswith("."):
                continue
            if match := COMMIT.fullmatch(key):
                self.guard(key, self._commit, key, match[1], int(match[2]))
            elif match := TAG.fullmatch(key):
                self.guard(key, self._tag, key, match[1])
            elif match := HINT.fullmatch(key):
                self._hint(key, match[1])
            elif not CHUNK.fullmatch(key) and not MANIFEST.fullmatch(key):
                self.note(key, "tree.foreign", "no object of a dataset")
        if not heads(self.tree):
            self.findings.append(Finding("E_DATASET_ABSENT", "tree.absent", "", None, "no commit"))

    def _commit(self, key: str, branch: str, number: int) -> None:
        need(c.branch_name(branch), "E_NAME", "tree.name", f"branch {branch!r}")
        need(number > 0, "E_COMMIT_PLACE", "tree.number", "numbers begin at 1")
        data = self.tree[key]
        self.hashes[branch, number] = sha256(data)
        self.commits[branch, number] = c.commit(parse(data), branch, number)

    def _tag(self, key: str, name: str) -> None:
        need(c.branch_name(name), "E_NAME", "tree.name", f"tag {name!r}")
        self.tags[name] = c.tag(parse(self.tree[key]), name)

    def _hint(self, key: str, branch: str) -> None:
        try:
            members = parse(self.tree[key])
            c.commit(members, branch, members.get("number"))
        except Broken as e:
            self.note(key, "hint.checker", e.detail)

    def history(self) -> None:
        for branch in {b for b, _ in self.commits}:
            numbers = sorted(n for b, n in self.hashes if b == branch)
            for number in sorted(set(range(numbers[0], numbers[-1])) - set(numbers))[:1]:
                key = f"commits/{branch}/{number:010d}.json"
                self.findings.append(
                    Finding("E_COMMIT_ABSENT", "algo.expire.prefix", key, None, "a hole in the branch's numbers")
                )
        for (branch, number), commit in self.commits.items():
            key = f"commits/{branch}/{number:010d}.json"
            self.guard(key, self._parent, commit)
        for name, (branch, number, digest) in self.tags.items():
            good = self.hashes.get((branch, number)) == digest
            detail = f"{branch}/{number} is not the commit that was tagged"
            self.guard(f"tags/{name}.json", need, good, "E_TAG_TARGET", "tag.target", detail)

    def _parent(self, commit: c.Commit) -> None:
        if commit.parent is None or commit.parent[:2] not in self.hashes:
            return
        branch, number, digest = commit.parent
        found = self.hashes[branch, number]
        need(found == digest, "E_COMMIT_PARENT", "commit.parent.hash", f"{branch}/{number} hashes to {found[:16]}...")
        parent = self.commits.get((branch, number))
        if parent is None or branch != commit.branch:
            return
        need(not parent.closed, "E_COMMIT_PARENT", "commit.parent.hash", f"{branch}/{number} is closed")
        need(commit.time >= parent.time, "E_COMMIT_PARENT", "commit.time.order", "time is before the parent's")

    def states(self) -> None:
        for (branch, number), commit in self.commits.items():
            state = State(self.tree, commit)
            for tensor in commit.tensors.values():
                for name in tensor.unused:
                    self.note(chunk_key(name), "tensor.chunks.used", f"{tensor.name}: no slice uses it")
                key = f"commits/{branch}/{number:010d}.json"
                fit = self.guard(key, fits, tensor)
                rows = self.guard(key, state.rows, tensor) or ()
                for row in rows:
                    if row.chunk is not None and chunk_key(row.chunk[0]) not in self.broken:
                        self.guard(chunk_key(row.chunk[0]), self._slice, state, tensor, row, fit)

    def _slice(self, state: State, tensor: c.Tensor, row: c.Row, fit: bool | None) -> None:
        chunk = state.chunk(row.chunk)
        key = chunk_key(row.chunk[0])
        if key not in self.judged:
            self.judged.add(key)
            strict(chunk, *row.chunk)
            index = chunk.index
            if not index.stored.total():
                good = chunk.index.crc.most() == 0
                need(good, "E_UNIT_CRC", "unit.empty", "a unit of no bytes has another CRC than 0")
            for unit in range(index.unit_count) if index.stored.total() or index.lengths.total() else ():
                self._unit(chunk, unit, key)
        against_tensor(chunk, tensor, row)
        fidelity_kept(chunk, tensor)
        if fit and has_rules(tensor.htype):
            values_kept(tensor, read_tensor(tensor, (row,), state.chunk))

    def _unit(self, chunk: Chunk, unit: int, key: str) -> None:
        """Decode a unit; a codec that this checker does not have is a note."""
        try:
            decoded_unit(chunk, unit)
        except Broken as e:
            if e.code != "E_CODEC_UNSUPPORTED" and e.clause != "picture.rgb16":
                raise
            self.note(key, e.clause, e.detail)
