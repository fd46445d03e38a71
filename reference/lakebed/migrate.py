"""Floor 7. From one format version to another, and from one store to another [algo.migrate] [version.chunk].

Read with one version's module, write with the other's; chunks stay as they are. For 1.0 there is one version, so this
copies: every object byte for byte, history included, each verified on its way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import history, names
from .errors import error
from .findings import Progress
from .format import document
from .format.commit import decode_commit, decode_manifest, decode_tag
from .format.document import MAX_BYTES
from .model import Commit, ManifestRef
from .publish import create
from .slices import ChunkRef
from .stores import Store
from .stores import store as open_store

WINDOW = 8 << 20
READERS: dict[int, Callable[[bytes, str], Commit]] = {1: decode_commit}
"""By major version: a commit's bytes and key to the model. A later version adds its module here."""


@dataclass(slots=True)
class Report:
    """What was copied."""

    commits: int = 0
    tags: int = 0
    manifests: int = 0
    chunks: int = 0
    bytes: int = 0


def copy(source: Any, target: Any, *, progress: Progress | None = None) -> Report:
    """Everything that the commits of ``source`` need, into the empty ``target``; history, tags and names are kept.

    Every object is verified before its commit is made: chunks and manifests by the SHA-256 that names them, documents
    by their checksums and their children. A fault ends the copy with its error, and no branch is left half visible:
    commits are made last, oldest first.

    Errors: E_VERSION (names both versions), E_DATASET_EXISTS, E_STORE, and whatever is wrong with an object.
    """
    return _Copy(open_store(source, writable=False), open_store(target, writable=True), progress).run()


def check_empty(store: Store) -> None:
    """E_DATASET_EXISTS unless nothing lies at ``store``: what is there stays as it is [algo.create]."""
    rows = store.list("")
    found = rows is not None and next((row for row in rows if not row.key.rpartition("/")[2].startswith(".")), None)
    if found or (rows is None and store.exists(names.hint_key(history.MAIN))):
        raise error("E_DATASET_EXISTS", "algo.create", f"there is something at {store.url}; it must be empty")


def read_commit(data: bytes, key: str) -> Commit:
    """With the module of the document's own version. Errors: E_VERSION, and those of that module."""
    try:
        version = json.loads(data).get("lakebed")
        major = int(str(version).partition(".")[0])
    except (ValueError, AttributeError, RecursionError):
        return decode_commit(data, key)  # says what is wrong
    if major not in READERS:
        known = ", ".join(f"{number}.x" for number in READERS)
        raise error("E_VERSION", "version.major", f"format {version}; here are modules for {known}", object=key)
    return READERS[major](data, key)


class _Copy:
    def __init__(self, source: Store, target: Store, progress: Progress | None) -> None:
        self.source, self.target = source, target
        self.progress = progress or (lambda what, done, total: None)
        self.report = Report()
        self.chunks: dict[ChunkRef, None] = {}
        self.manifests: dict[ManifestRef, None] = {}

    def run(self) -> Report:
        check_empty(self.target)
        keys = self._commits()
        documents = [self._document(key) for key in keys]
        for done, key in enumerate(dict.fromkeys(names.chunk_key(ref.name) for ref in self.chunks)):
            self.progress("chunks", done, len(self.chunks))
            self._object(key)
            self.report.chunks += 1
        for done, (key, digest) in enumerate(zip(keys, documents, strict=True)):
            self.progress("commits", done, len(keys))
            self._create(key, digest)
            self.report.commits += 1
        self._rest()
        return self.report

    def _commits(self) -> list[str]:
        """Keys of all commits, each branch oldest first."""
        branches = history.branches(self.source)
        if not branches:
            raise history.absent(self.source, history.MAIN)
        numbers = [(branch, number) for branch in branches for number in history.listed(self.source, branch) or ()]
        return [names.commit_key(branch, number) for branch, number in numbers]

    def _document(self, key: str) -> str:
        """The SHA-256 of a commit that is valid; what it names is noted and its manifests are copied."""
        data = self._get(key)
        commit = read_commit(data, key)
        parent = commit.parent
        if parent is not None:
            there = self.source.get(names.commit_key(parent.branch, parent.number), limit=MAX_BYTES)
            if there is not None and hashlib.sha256(there).hexdigest() != parent.sha256:
                detail = f"commit {parent.number} of branch {parent.branch} is not the parent that is named"
                raise error("E_COMMIT_PARENT", "commit.parent.hash", detail, object=key)
        for tensor in commit.tensors.values():
            self.chunks |= dict.fromkeys(tensor.own.chunks)
            for ref in tensor.manifests:
                self._manifest(ref)
        return hashlib.sha256(data).hexdigest()

    def _manifest(self, ref: ManifestRef) -> None:
        if ref in self.manifests:
            return
        self.manifests[ref] = None
        self.chunks |= dict.fromkeys(history.manifest(self.source, ref).chunks)
        key = names.manifest_key(ref.sha256)
        data = self._get(key)
        decode_manifest(data, ref, key)
        self.target.put(key, data)
        self.report.manifests += 1
        self.report.bytes += len(data)

    def _object(self, key: str) -> None:
        """A chunk, by windows; made durable only when its bytes hash to its name [tree.content]."""
        size = self.source.size(key)
        if size is None:
            raise error("E_OBJECT_MISSING", "tree.needed", "a chunk that a commit names is not there", object=key)
        digest, spool = hashlib.sha256(), self.target.spool()
        try:
            for start in range(0, size, WINDOW):
                (part,) = self.source.ranges(key, [(start, min(WINDOW, size - start))])
                digest.update(part)
                spool.write(part)
            if names.chunk_key(digest.hexdigest()) != key:
                raise error("E_CHUNK_HASH", "chunk.hash", f"the bytes hash to {digest.hexdigest()}", object=key)
            spool.finish(key)
        except BaseException:
            spool.discard()
            raise
        self.report.bytes += size

    def _create(self, key: str, digest: str) -> None:
        data = self._get(key)
        if hashlib.sha256(data).hexdigest() != digest:
            raise error("E_STORE", "tree.immutable", "the object changed while it was copied", object=key)
        if not create(self.target, key, data):
            raise error("E_DATASET_EXISTS", "algo.create", "another writer is at work at the target", object=key)
        self.report.bytes += len(data)

    def _rest(self) -> None:
        """Tags, then hints: the newest commit of each branch [hint.copy]."""
        for name in history.tags(self.source):
            key = names.tag_key(name)
            data = self._get(key)
            tag = decode_tag(data, key)
            history.tagged(self.source, tag)
            create(self.target, key, data)
            self.report.tags += 1
        for branch in history.branches(self.target):
            newest = history.newest(self.target, branch, exact=True)
            head = self.target.get(names.commit_key(branch, newest.ref.number))
            if head is not None:
                self.target.put(names.hint_key(branch), head)

    def _get(self, key: str) -> bytes:
        data = self.source.get(key, limit=MAX_BYTES)
        if data is None:
            raise error("E_STORE", "tree.immutable", "the object vanished while it was copied", object=key)
        return data


def migrate(source: Any, target: Any, *, to: str = document.VERSION, progress: Progress | None = None) -> Report:
    """``source`` in format ``to``, in the empty ``target``. Errors: E_VERSION, and those of :func:`copy`."""
    if to != document.VERSION:
        raise error("E_VERSION", "version.write", f"format {to!r} cannot be written here; {document.VERSION} can")
    return copy(source, target, progress=progress)


__all__ = ["READERS", "Report", "check_empty", "copy", "migrate", "read_commit"]
