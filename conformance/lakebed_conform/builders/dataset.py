"""A whole dataset tree as {key: bytes}, described once and laid with or without its faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lakebed_conform.builders.chunk import Chunk, Laid, lay_chunk
from lakebed_conform.builders.documents import lay_document, table
from lakebed_conform.pen import sha256

Slice = tuple[str | None, int, int]


@dataclass(frozen=True)
class Fault:
    """One change: the ``field`` of the object called ``label`` gets ``value``."""

    label: str
    field: str
    value: Any


@dataclass
class _Tensor:
    members: dict[str, Any]
    slices: list[Slice]
    manifests: list[str]
    unused: list[str] = field(default_factory=list)


@dataclass
class _Commit:
    branch: str
    number: int
    parent: tuple[str, int] | None
    members: dict[str, Any]
    tensors: dict[str, _Tensor]


class Dataset:
    """Describe with :meth:`chunk`, :meth:`tensor`, :meth:`commit`, :meth:`tag`, :meth:`fault`; lay with :meth:`tree`.

    Labels name objects: a chunk or manifest by the label given, a commit ``main/1``, a tag ``tag:v1``, any other
    object by its key.
    """

    def __init__(self, version: str = "1.0") -> None:
        self.version = version
        self.faults: list[Fault] = []
        self.changes: list[Fault] = []
        self.places: dict[str, str] = {}
        self.spans: dict[str, dict[str, tuple[int, int]]] = {}
        self._chunks: dict[str, Chunk] = {}
        self._manifests: dict[str, tuple[list[Slice], dict[str, Any]]] = {}
        self._tensors: dict[str, _Tensor] = {}
        self._commits: list[_Commit] = []
        self._tags: dict[str, tuple[str, int, dict[str, Any]]] = {}
        self._files: dict[str, bytes] = {}
        self._hints: dict[str, int] = {}

    # describing

    def chunk(self, label: str, chunk: Chunk) -> str:
        self._chunks[label] = chunk
        return label

    def manifest(self, label: str, slices: list[Slice], **members: Any) -> str:
        """A sealed slice table; the tensor lists it with ``manifests=[label]``."""
        self._manifests[label] = (slices, members)
        return label

    def tensor(
        self, name: str, *, dtype: str, shape: list[int | None], slices: list[Slice], htype: str = "generic",
        manifests: list[str] | None = None, unused: list[str] | None = None, **members: Any,
    ) -> None:  # fmt: skip
        """Put (or replace) a tensor; ``unused`` lists chunks that no slice uses; ``members`` are optional members."""
        required = {"htype": htype, "dtype": dtype, "shape": shape}
        self._tensors[name] = _Tensor(required | members, slices, manifests or [], unused or [])

    def remove(self, name: str) -> None:
        del self._tensors[name]

    def commit(
        self, branch: str = "main", *, parent: tuple[str, int] | None = None, number: int | None = None, **members: Any
    ) -> str:
        """Freeze the tensors described so far as the next commit of ``branch``; gives its label."""
        before = [c.number for c in self._commits if c.branch == branch]
        number = number or (max(before) + 1 if before else 1)
        if parent is None and number > 1:
            parent = (branch, number - 1)
        self._commits.append(_Commit(branch, number, parent, members, dict(self._tensors)))
        return f"{branch}/{number}"

    def hint(self, branch: str = "main", number: int = 1) -> None:
        """Write ``latest.json`` of ``branch`` as a copy of its commit ``number``; label ``hint:<branch>``."""
        self._hints[branch] = number

    def tag(self, name: str, branch: str = "main", number: int = 1, **members: Any) -> None:
        self._tags[name] = (branch, number, members)

    def put(self, key: str, data: bytes) -> None:
        """Any other object, as it is."""
        self._files[key] = data

    def fault(self, label: str, field: str, value: Any) -> Dataset:
        """Record one change; ``fault(label, "absent", True)`` leaves the object out."""
        self.faults.append(Fault(label, field, value))
        return self

    def change(self, label: str, field: str, value: Any) -> Dataset:
        """Override a field in the valid twin too: for what is unusual and still right."""
        self.changes.append(Fault(label, field, value))
        return self

    # laying

    def tree(self, faulty: bool = True) -> dict[str, bytes]:
        """Every object; ``faulty=False`` gives the valid twin. Raises KeyError for a fault that names nothing."""
        self._left: dict[str, dict[str, Any]] = {}
        for f in self.changes + (self.faults if faulty else []):
            self._left.setdefault(f.label, {})[f.field] = f.value
        self._tree: dict[str, bytes] = {}
        laid = {label: self._lay_chunk(label, c) for label, c in self._chunks.items()}
        sealed = {label: self._lay_manifest(label, *m, laid) for label, m in self._manifests.items()}
        hashes: dict[tuple[str, int], str] = {}
        for c in self._commits:
            hashes[c.branch, c.number] = self._lay_commit(c, laid, sealed, hashes)
        self._lay_rest(hashes)
        if self._left:
            raise KeyError(f"no object is labelled {', '.join(self._left)}")
        return self._tree

    def _add(self, label: str, key: str, data: bytes, absent: bool) -> None:
        self.places[label] = key
        if not absent:
            self._tree[key] = data

    def _lay_chunk(self, label: str, chunk: Chunk) -> Laid:
        faults = self._left.pop(label, {})
        absent = faults.pop("absent", False)
        laid = lay_chunk(chunk, faults)
        self._add(label, f"chunks/{laid.name[:2]}/{laid.name}.chunk", laid.data, absent)
        self.spans[label] = laid.spans
        return laid

    def _columns(self, slices: list[Slice], laid: dict[str, Laid], unused: list[str] = ()) -> dict[str, Any]:
        used = list(dict.fromkeys([s[0] for s in slices if s[0] is not None] + list(unused)))
        chunks = [(laid[label].name, laid[label].payload, laid[label].index) for label in used]
        return table(chunks, [(None if s[0] is None else used.index(s[0]), s[1], s[2]) for s in slices])

    def _lay_manifest(self, label: str, slices: list[Slice], members: dict, laid: dict) -> dict[str, Any]:
        faults = self._left.pop(label, {})
        absent, name = faults.pop("absent", False), faults.pop("name", None)
        document = {"lakebed": self.version, "samples": sum(s[2] for s in slices)} | self._columns(slices, laid)
        data = lay_document(document | members, faults)
        name = name or sha256(data)
        self._add(label, f"manifests/{name[:2]}/{name}.json", data, absent)
        return {"sha256": name, "bytes": len(data), "samples": sum(s[2] for s in slices)}

    def _lay_commit(self, c: _Commit, laid: dict, sealed: dict, hashes: dict) -> str:
        label = f"{c.branch}/{c.number}"
        faults = self._left.pop(label, {})
        absent = faults.pop("absent", False)
        data = lay_document(self._commit_members(c, laid, sealed, hashes), faults)
        key = faults.pop("key", f"commits/{c.branch}/{c.number:010d}.json")
        self._add(label, key, data, absent)
        return sha256(data)

    def _commit_members(self, c: _Commit, laid: dict, sealed: dict, hashes: dict) -> dict[str, Any]:
        parent = None
        if c.parent:
            parent = {"branch": c.parent[0], "number": c.parent[1], "sha256": hashes.get(c.parent, "0" * 64)}
        lengths = [self._length(t) for t in c.tensors.values()]
        members = {
            "lakebed": self.version, "requires": {"read": [], "write": []}, "branch": c.branch, "number": c.number,
            "id": sha256(f"{c.branch}/{c.number}".encode())[:32], "parent": parent,
            "time": f"2026-01-01T00:{c.number // 60 % 60:02d}:{c.number % 60:02d}Z",
            "length": max(lengths, default=0),
        }  # fmt: skip
        members |= c.members
        members["tensors"] = {n: self._tensor_members(t, laid, sealed) for n, t in c.tensors.items()}
        return members

    def _length(self, t: _Tensor) -> int:
        own = sum(s[2] for s in t.slices)
        return own + sum(s[2] for m in t.manifests for s in self._manifests[m][0])

    def _tensor_members(self, t: _Tensor, laid: dict, sealed: dict) -> dict[str, Any]:
        members = dict(t.members)
        if t.manifests:
            members["manifests"] = [sealed[label] for label in t.manifests]
        return members | self._columns(t.slices, laid, t.unused)

    def _lay_rest(self, hashes: dict) -> None:
        for branch, number in self._hints.items():
            faults = self._left.pop(f"hint:{branch}", {})
            copy = self._tree[self.places[f"{branch}/{number}"]]
            absent = faults.pop("absent", False)
            copy = faults.pop("bytes", lambda b: b)(copy)
            self._add(f"hint:{branch}", f"commits/{branch}/latest.json", copy, absent)
        for name, (branch, number, members) in self._tags.items():
            faults = self._left.pop(f"tag:{name}", {})
            absent = faults.pop("absent", False)
            document = {"lakebed": self.version, "tag": name, "branch": branch, "number": number,
                        "sha256": hashes.get((branch, number), "0" * 64), "time": "2026-01-02T00:00:00Z"}  # fmt: skip
            data = lay_document(document | members, faults)
            self._add(f"tag:{name}", faults.pop("key", f"tags/{name}.json"), data, absent)
        for key, data in self._files.items():
            faults = self._left.pop(key, {})
            self._add(key, key, faults.pop("bytes", lambda b: b)(data), faults.pop("absent", False))
