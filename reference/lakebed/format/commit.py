"""Floor 3. Commit, manifest and tag: JSON members to the model and back [commit] [manifest] [tag]."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np

from .. import names
from ..columns import MAX_INT
from ..errors import LakebedError, error
from ..model import MAX_RANK, Commit, CommitRef, ManifestRef, Tag, TensorState
from ..slices import NULL, ChunkRef, SliceTable, runs
from . import document
from .chunk import MAX_INDEX

KNOWN_READ: frozenset[str] = frozenset()
KNOWN_WRITE: frozenset[str] = frozenset()
MAX_MANIFEST = document.MAX_BYTES
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_ID = re.compile(r"[0-9a-f]{32}")
_FEATURE = re.compile(r"[a-z0-9._-]+")
_HTYPE = re.compile(r"[a-z0-9_.\[\]]{1,64}")
_DTYPE = re.compile(r"[a-z0-9_]{1,32}")


# --- commit --------------------------------------------------------------------------------------------------------


def encode_commit(commit: Commit) -> bytes:
    """One document; small members first, so that a log can be read from its first bytes [json.order]."""
    members: dict[str, Any] = {
        "lakebed": document.VERSION,
        "requires": {"read": list(commit.requires_read), "write": list(commit.requires_write)},
        "branch": commit.branch,
        "number": commit.number,
        "id": commit.id,
        "closed": commit.closed,
        "parent": None if commit.parent is None else _ref_members(commit.parent),
        "time": commit.time,
        "author": commit.author,
        "message": commit.message,
        "length": commit.length,
        "attributes": dict(commit.attributes),
        **commit.extra,
        "tensors": {name: _tensor_members(tensor) for name, tensor in commit.tensors.items()},
    }
    return document.encode(members)


def decode_commit(data: bytes, key: str) -> Commit:
    """Every rule of the spec's commit chapter that needs no other object.

    Errors: E_JSON_*, E_VERSION, E_REQUIRES_READ, E_COMMIT_FIELD, E_COMMIT_PLACE, E_TENSOR_FIELD, E_TABLE_COLUMNS,
    E_SLICE, E_LENGTH.
    """
    raw = document.decode(data, key)
    try:
        return _commit(raw, key)
    except LakebedError as cause:
        if cause.object is None:
            cause.object = key
        raise


def _commit(raw: dict[str, Any], key: str) -> Commit:
    version = raw.pop("lakebed")
    take = _Members(raw, "E_COMMIT_FIELD", "commit")
    read, write = _requires(take.take("requires", dict))
    unknown = set(read) - KNOWN_READ
    if unknown:
        raise error("E_REQUIRES_READ", "commit.requires.read", f"reading needs {', '.join(sorted(unknown))}")
    branch = take.match("branch", names.REF)
    number = take.integer("number", 1, names.MAX_NUMBER)
    place = names.COMMIT_KEY.fullmatch(key)
    hint = key.endswith("/latest.json") and key.split("/")[1:2] == [branch]
    if not hint and (place is None or place[1] != branch or int(place[2]) != number):
        raise error("E_COMMIT_PLACE", "commit.place", f"the document says {branch} {number}")
    length = take.integer("length", 0, MAX_INT)
    return Commit(
        version=version,
        requires_read=read,
        requires_write=write,
        branch=branch,
        number=number,
        id=take.match("id", _ID),
        closed=take.take("closed", bool, False),
        parent=_parent(take.take("parent", (dict, type(None))), branch, number),
        time=_time(take.match("time", _TIME), "E_COMMIT_FIELD", "commit.time"),
        author=take.take("author", str, ""),
        message=take.take("message", str, ""),
        length=length,
        attributes=take.take("attributes", dict, {}),
        tensors=_tensors(take.take("tensors", dict), length),
        extra=raw,
    )


def _requires(raw: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lists = []
    for name in ("read", "write"):
        value: Any = raw.get(name)
        good = type(value) is list and all(type(x) is str and _FEATURE.fullmatch(x) for x in value)
        if not good or len(set(value)) != len(value) or set(raw) != {"read", "write"}:
            raise error("E_COMMIT_FIELD", "commit.requires", "requires is not {read: [names], write: [names]}")
        lists.append(tuple(value))
    return lists[0], lists[1]


def _ref_members(ref: CommitRef) -> dict[str, Any]:
    return {"branch": ref.branch, "number": ref.number, "sha256": ref.sha256}


def _parent(raw: dict[str, Any] | None, branch: str, number: int) -> CommitRef | None:
    if raw is not None:
        if set(raw) != {"branch", "number", "sha256"}:
            raise error("E_COMMIT_FIELD", "commit.parent", "parent is not {branch, number, sha256}")
        take = _Members(raw, "E_COMMIT_FIELD", "commit.parent", clause="commit.parent")
        ref = CommitRef(
            take.match("branch", names.REF),
            take.integer("number", 1, names.MAX_NUMBER),
            take.match("sha256", names.SHA256),
        )
    if number > 1 and (raw is None or (ref.branch, ref.number) != (branch, number - 1)):
        raise error("E_COMMIT_FIELD", "commit.parent", f"the parent of {branch} {number} is not {branch} {number - 1}")
    if number == 1 and raw is not None and ref.branch == branch:
        raise error("E_COMMIT_FIELD", "commit.parent", "a branch's first commit has a parent on the same branch")
    return None if raw is None else ref


def _time(text: str, code: str, clause: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise error(code, clause, f"{text} is no date") from None
    return text


# --- tensors -------------------------------------------------------------------------------------------------------


def _tensor_members(tensor: TensorState) -> dict[str, Any]:
    members: dict[str, Any] = {
        "htype": tensor.htype,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "sequence": tensor.sequence,
        "fidelity": tensor.fidelity,
        "attributes": dict(tensor.attributes),
        "write": dict(tensor.write),
        **tensor.extra,
        "manifests": [{"sha256": m.sha256, "bytes": m.bytes, "samples": m.samples} for m in tensor.manifests],
    }
    return members | table_members(tensor.own)


def _tensors(raw: dict[str, Any], length: int) -> dict[str, TensorState]:
    for name in raw:
        if not names.is_tensor(name):
            raise error("E_TENSOR_FIELD", "tensor.name", f"{name[:80]!r} cannot be a tensor's name")
    groups = {name[:i] for name in raw for i, letter in enumerate(name) if letter == "/"}
    out = {}
    for name, members in raw.items():
        if name in groups:
            raise error("E_TENSOR_FIELD", "tensor.name", f"{name!r} is a tensor and the group of another")
        if type(members) is not dict:
            raise error("E_TENSOR_FIELD", "tensor.members", f"tensor {name!r} is no object")
        out[name] = _tensor(name, members)
        samples = sum(m.samples for m in out[name].manifests) + len(out[name].own.runs)
        if samples != length:
            raise error("E_LENGTH", "tensor.length", f"tensor {name!r} has {samples} samples, the commit {length}")
    return out


def _tensor(name: str, raw: dict[str, Any]) -> TensorState:
    take = _Members(raw, "E_TENSOR_FIELD", "tensor", of=f" of tensor {name!r}")
    own = decode_table(take.table("chunks"), take.table("slices"), name)
    return TensorState(
        own=own,
        htype=take.match("htype", _HTYPE),
        dtype=take.match("dtype", _DTYPE),
        shape=_shape(take.take("shape", list), name),
        sequence=take.take("sequence", bool, False),
        fidelity=_fidelity(take.take("fidelity", (str, dict), "exact"), name),
        attributes=take.take("attributes", dict, {}),
        write=take.take("write", dict, {}),
        manifests=_manifests(take.take("manifests", list, []), name),
        extra=raw,
    )


def _shape(raw: list[Any], name: str) -> tuple[int | None, ...]:
    good = all(axis is None or (type(axis) is int and 0 <= axis <= MAX_INT) for axis in raw)
    if not good or len(raw) > MAX_RANK:
        raise error("E_TENSOR_FIELD", "tensor.shape", f"the shape of tensor {name!r} is {str(raw)[:80]}")
    return tuple(raw)


def _fidelity(raw: Any, name: str) -> Any:
    if raw in ("exact", "lossy"):
        return raw
    if type(raw) is dict and len(raw) == 1:
        (kind, bound), *_ = raw.items()
        number = type(bound) in (int, float) and bound > 0
        if number and (kind in ("max_abs_error", "psnr_db") or (kind == "max_rel_error" and bound < 1)):
            return raw
    raise error("E_TENSOR_FIELD", "tensor.fidelity", f"the fidelity of tensor {name!r} is {str(raw)[:80]}")


def _manifests(raw: list[Any], name: str) -> tuple[ManifestRef, ...]:
    out = []
    for entry in raw:
        if type(entry) is not dict or set(entry) != {"sha256", "bytes", "samples"}:
            raise error("E_TENSOR_FIELD", "tensor.manifests", f"a manifest of tensor {name!r} is not as it must be")
        take = _Members(entry, "E_TENSOR_FIELD", "tensor.manifests", clause="tensor.manifests")
        out.append(
            ManifestRef(
                take.match("sha256", names.SHA256),
                take.integer("bytes", 1, MAX_MANIFEST),
                take.integer("samples", 1, MAX_INT),
            )
        )
    return tuple(out)


# --- tables --------------------------------------------------------------------------------------------------------


def table_members(table: SliceTable) -> dict[str, Any]:
    """`chunks` and `slices`, each column one integer where all entries agree [json.column]."""
    chunk = table.runs.chunk
    column: Any = _short(chunk.tolist())
    if (chunk == NULL).any():
        column = None if column == NULL else [None if c == NULL else c for c in chunk.tolist()]
    return {
        "chunks": {
            "name": [ref.name for ref in table.chunks],
            "payload": _short([ref.payload for ref in table.chunks]),
            "index": _short([ref.index for ref in table.chunks]),
        },
        "slices": {"chunk": column, "first": _short(table.runs.first.tolist()), "count": table.runs.count.tolist()},
    }


def _short(values: list[int]) -> list[int] | int:
    return values[0] if values and values.count(values[0]) == len(values) else values


def decode_table(chunks: dict[str, Any], slices: dict[str, Any], name: str) -> SliceTable:
    """Unknown columns are refused [version.unknown.column]. Errors: E_TABLE_COLUMNS, E_TENSOR_FIELD, E_SLICE."""
    if set(chunks) != {"name", "payload", "index"} or set(slices) != {"chunk", "first", "count"}:
        raise error("E_TABLE_COLUMNS", "json.columns_closed", f"the tables of tensor {name!r} have other columns")
    ids, counts = chunks["name"], slices["count"]
    if type(ids) is not list or type(counts) is not list:
        raise error("E_TABLE_COLUMNS", "json.column", f"`name` or `count` of tensor {name!r} is no array")
    if not all(type(x) is str and names.SHA256.fullmatch(x) for x in ids) or len(set(ids)) != len(ids):
        raise error("E_TENSOR_FIELD", "table.chunk.name", f"a chunk of tensor {name!r} has no proper name, or twice")
    payload = _column(chunks["payload"], len(ids), 0, MAX_INT, "table.chunk.payload", "E_TENSOR_FIELD", name)
    index = _column(chunks["index"], len(ids), 1, MAX_INDEX, "table.chunk.index", "E_TENSOR_FIELD", name)
    count = _column(counts, len(counts), 1, MAX_INT, "table.slice.count", "E_SLICE", name)
    first = _column(slices["first"], len(counts), 0, MAX_INT, "table.slice.first", "E_SLICE", name)
    chunk = slices["chunk"]
    if chunk is None:
        chunk = NULL
    elif type(chunk) is list and None in chunk:
        chunk = [NULL if c is None else (c if type(c) is int and c >= 0 else -2) for c in chunk]
    elif type(chunk) is int and chunk < 0:
        chunk = -2
    elif type(chunk) is list:
        chunk = [c if type(c) is not int or c >= 0 else -2 for c in chunk]
    column = _column(chunk, len(counts), NULL, len(ids) - 1, "table.slice.chunk", "E_SLICE", name)
    if (first[column == NULL] != 0).any():
        raise error("E_SLICE", "table.slice.first", f"a missing run of tensor {name!r} has a first sample")
    if sum(counts) > MAX_INT or (len(first) and max(map(sum, zip(first.tolist(), counts, strict=True))) > MAX_INT):
        raise error("E_JSON_LIMIT", "json.integers", f"the slices of tensor {name!r} pass 2^53-1")
    refs = tuple(map(ChunkRef, ids, payload.tolist(), index.tolist()))
    return SliceTable(refs, runs(column, first, count))


def _column(raw: Any, rows: int, low: int, high: int, clause: str, code: str, name: str) -> np.ndarray:
    if type(raw) is int:
        if rows and not low <= raw <= high:
            raise error(code, clause, f"{raw} in {clause} of tensor {name!r}")
        return np.full(rows, raw, np.int64)
    if type(raw) is not list or len(raw) != rows:
        raise error("E_TABLE_COLUMNS", "json.column", f"{clause} of tensor {name!r} is no column of {rows} entries")
    if not all(type(x) is int for x in raw) or (raw and not (low <= min(raw) and max(raw) <= high)):
        raise error(code, clause, f"an entry of {clause} of tensor {name!r} is not {low} to {high}")
    return np.array(raw, np.int64)


# --- manifest and tag ----------------------------------------------------------------------------------------------


def encode_manifest(table: SliceTable) -> bytes:
    """The oldest slices of one tensor, sealed [manifest.samples]."""
    return document.encode({"lakebed": document.VERSION, "samples": len(table.runs)} | table_members(table))


def decode_manifest(data: bytes, ref: ManifestRef, key: str) -> SliceTable:
    """The hash was checked by the caller. Errors: E_JSON_*, E_VERSION, E_MANIFEST, E_TABLE_COLUMNS, E_SLICE."""
    raw = document.decode(data, key)
    try:
        take = _Members(raw, "E_MANIFEST", "manifest")
        table = decode_table(take.table("chunks"), take.table("slices"), key)
        if take.integer("samples", 1, MAX_INT) != len(table.runs) or len(table.runs) != ref.samples:
            detail = f"{len(table.runs)} samples where the commit says {ref.samples}"
            raise error("E_MANIFEST", "manifest.samples", detail)
    except LakebedError as cause:
        cause.object = key
        raise
    return table


def encode_tag(tag: Tag) -> bytes:
    """[tag.tag]"""
    members = {"lakebed": document.VERSION, "tag": tag.name} | _ref_members(tag.target)
    return document.encode(members | {"time": tag.time})


def decode_tag(data: bytes, key: str) -> Tag:
    """Errors: E_JSON_*, E_VERSION, E_TAG."""
    raw = document.decode(data, key)
    try:
        take = _Members(raw, "E_TAG", "tag")
        name = take.match("tag", names.REF)
        if names.tag_key(name) != key:
            raise error("E_TAG", "tag.tag", f"the document says {name!r}")
        target = CommitRef(
            take.match("branch", names.REF),
            take.integer("number", 1, names.MAX_NUMBER),
            take.match("sha256", names.SHA256),
        )
        return Tag(name, target, _time(take.match("time", _TIME), "E_TAG", "tag.time"))
    except LakebedError as cause:
        cause.object = key
        raise


class _Members:
    """Takes members out of an object one by one, so that what remains is unknown and kept [json.unknown]."""

    def __init__(self, raw: dict[str, Any], code: str, prefix: str, *, clause: str = "", of: str = "") -> None:
        self.raw, self.code, self.prefix, self.clause, self.of = raw, code, prefix, clause, of

    def fault(self, name: str, said: str) -> LakebedError:
        return error(self.code, self.clause or f"{self.prefix}.{name}", f"`{name}`{self.of} {said}")

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = _FEATURE) -> Any:
        value = self.raw.pop(name, default)
        if value is _FEATURE:  # a value no document holds
            raise self.fault(name, "is absent")
        if type(value) not in (kind if isinstance(kind, tuple) else (kind,)):
            raise self.fault(name, f"is {str(value)[:60]!r}, of the wrong type")
        return value

    def table(self, name: str) -> dict[str, Any]:
        """`chunks` or `slices`; each of its faults is E_TABLE_COLUMNS, absence too."""
        value = self.raw.pop(name, None)
        if type(value) is not dict:
            raise error("E_TABLE_COLUMNS", f"{self.prefix}.{name}", f"`{name}`{self.of} is no table")
        return value

    def match(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.take(name, str)
        if not pattern.fullmatch(value):
            raise self.fault(name, f"is {value[:80]!r}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.take(name, int)
        if not low <= value <= high:
            raise self.fault(name, f"is {value}, not {low} to {high}")
        return value
