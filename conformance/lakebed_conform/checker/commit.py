"""Sections 4.2 to 4.6: commits, tensors, tables, manifests, tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakebed_conform.checker.document import MOST, whole
from lakebed_conform.checker.finding import Broken, need

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FEATURE = re.compile(r"[a-z0-9._-]+")
HEX32, HEX64 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z", re.ASCII)
SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HTYPE, DTYPE = re.compile(r"[a-z0-9_.\[\]]{1,64}"), re.compile(r"[a-z0-9_]{1,32}")
NUMBERS = 9_999_999_999


@dataclass(frozen=True)
class Row:
    """One row of a slice table: ``chunk`` is (name, payload, index) or None."""

    chunk: tuple[str, int, int] | None
    first: int
    count: int


@dataclass(frozen=True)
class Tensor:
    name: str
    htype: str
    dtype: str
    shape: tuple[int | None, ...]
    sequence: bool
    fidelity: Any
    attributes: dict[str, Any]
    manifests: tuple[tuple[str, int, int], ...]
    rows: tuple[Row, ...]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commit:
    branch: str
    number: int
    parent: tuple[str, int, str] | None
    time: datetime
    length: int
    closed: bool
    members: dict[str, Any] = field(repr=False)
    tensors: dict[str, Tensor] = field(repr=False)


def branch_name(name: Any) -> bool:
    return isinstance(name, str) and NAME.fullmatch(name) is not None and not name.endswith(".")


def instant(text: Any) -> datetime | None:
    match = TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(microsecond=int((match[2] or "0").ljust(6, "0")))
    except ValueError:
        return None


def commit(members: dict[str, Any], branch: str, number: int) -> Commit:
    """The commit of ``members`` that lies at ``branch``/``number`` [commit]."""

    def rule(holds: bool, name: str) -> None:
        need(holds, "E_COMMIT_FIELD", f"commit.{name}", f"{name} is {_short(members.get(name, 'absent'))}")

    _requires(members.get("requires"))
    rule(branch_name(members.get("branch")), "branch")
    rule(whole(members.get("number"), 1, NUMBERS), "number")
    same = (members["branch"], members["number"]) == (branch, number)
    need(same, "E_COMMIT_PLACE", "commit.place", f"says {members['branch']}/{members['number']}")
    rule(isinstance(members.get("id"), str) and HEX32.fullmatch(members["id"]) is not None, "id")
    rule(isinstance(members.get("closed", False), bool), "closed")
    rule("parent" in members and _parent_ok(members["parent"], branch, number), "parent")
    rule(instant(members.get("time")) is not None, "time")
    rule(isinstance(members.get("author", ""), str), "author")
    rule(isinstance(members.get("message", ""), str), "message")
    rule(whole(members.get("length")), "length")
    rule(isinstance(members.get("attributes", {}), dict), "attributes")
    rule(isinstance(members.get("tensors"), dict), "tensors")
    parent, tensors = members["parent"], members["tensors"]
    _tensor_names(list(tensors))
    read = {name: tensor(name, value, members["length"]) for name, value in tensors.items()}
    above = (parent["branch"], parent["number"], parent["sha256"]) if parent else None
    closed = members.get("closed", False)
    return Commit(branch, number, above, instant(members["time"]), members["length"], closed, members, read)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _requires(value: Any) -> None:
    good = isinstance(value, dict) and set(value) == {"read", "write"}
    for names in value.values() if good else ():
        good = good and isinstance(names, list)
        good = good and all(isinstance(n, str) and FEATURE.fullmatch(n) for n in names)
        good = good and len(set(names)) == len(names)
    need(good, "E_COMMIT_FIELD", "commit.requires", f"requires is {_short(value)}")
    need(not value["read"], "E_REQUIRES_READ", "commit.requires.read", f"needs {value['read']}")


def _parent_ok(parent: Any, branch: str, number: int) -> bool:
    if parent is None:
        return number == 1
    if not isinstance(parent, dict) or set(parent) != {"branch", "number", "sha256"}:
        return False
    good = branch_name(parent["branch"]) and whole(parent["number"], 1, NUMBERS)
    if not (good and isinstance(parent["sha256"], str) and HEX64.fullmatch(parent["sha256"])):
        return False
    here = parent["branch"] == branch
    return (here and parent["number"] == number - 1) if number > 1 else not here


def _tensor_names(names: list[str]) -> None:
    groups = set()
    for name in names:
        segments = name.split("/")
        good = len(name.encode()) <= 255 and all(SEGMENT.fullmatch(s) for s in segments)
        need(good, "E_TENSOR_FIELD", "tensor.name", f"tensor name {_short(name)}")
        groups |= {"/".join(segments[:i]) for i in range(1, len(segments))}
    for name in names:
        need(name not in groups, "E_TENSOR_FIELD", "tensor.name", f"{name} is also a group")


def tensor(name: str, value: Any, length: int) -> Tensor:
    """One tensor of a commit [tensor]."""

    def rule(holds: bool, member: str) -> None:
        found = value.get(member, "absent") if isinstance(value, dict) else value
        need(holds, "E_TENSOR_FIELD", f"tensor.{member}", f"{name}: {member} is {_short(found)}")

    rule(isinstance(value, dict), "htype")
    rule(isinstance(value.get("htype"), str) and HTYPE.fullmatch(value["htype"]) is not None, "htype")
    rule(isinstance(value.get("dtype"), str) and DTYPE.fullmatch(value["dtype"]) is not None, "dtype")
    shape = value.get("shape")
    rule(isinstance(shape, list) and len(shape) <= 32 and all(d is None or whole(d) for d in shape), "shape")
    rule(isinstance(value.get("sequence", False), bool), "sequence")
    rule(_fidelity_ok(value.get("fidelity", "exact")), "fidelity")
    rule(isinstance(value.get("attributes", {}), dict), "attributes")
    rule(isinstance(value.get("write", {}), dict), "write")
    manifests = value.get("manifests", [])
    rule(isinstance(manifests, list) and all(map(_manifest_row_ok, manifests)), "manifests")
    rows, unused = tables(value)
    listed = tuple((m["sha256"], m["bytes"], m["samples"]) for m in manifests)
    total = sum(r.count for r in rows) + sum(m[2] for m in listed)
    need(total == length, "E_LENGTH", "tensor.length", f"{name}: {total} samples, the commit says {length}")
    return Tensor(
        name, value["htype"], value["dtype"], tuple(shape), value.get("sequence", False),
        value.get("fidelity", "exact"), value.get("attributes", {}), listed, rows, unused,
    )  # fmt: skip


def _manifest_row_ok(m: Any) -> bool:
    if not isinstance(m, dict) or set(m) != {"sha256", "bytes", "samples"}:
        return False
    named = isinstance(m["sha256"], str) and HEX64.fullmatch(m["sha256"]) is not None
    return named and whole(m["bytes"], 1, 64 << 20) and whole(m["samples"], 1)


def _fidelity_ok(value: Any) -> bool:
    if value in ("exact", "lossy"):
        return isinstance(value, str)
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((measure, bound),) = value.items()
    if type(bound) not in (int, float) or not bound > 0:
        return False
    return measure in ("max_abs_error", "psnr_db") or (measure == "max_rel_error" and bound < 1)


def tables(value: dict[str, Any]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows of the slice table with their chunks, and the chunks that no slice uses [table]."""
    chunks = _table(value.get("chunks"), ("name", "payload", "index"), "name")
    slices = _table(value.get("slices"), ("chunk", "first", "count"), "count")
    names = chunks["name"]
    named = all(isinstance(n, str) and HEX64.fullmatch(n) for n in names) and len(set(names)) == len(names)
    need(named, "E_TENSOR_FIELD", "table.chunk.name", "a chunk's name is not 64 hex digits, or stands twice")
    need(all(whole(p) for p in chunks["payload"]), "E_TENSOR_FIELD", "table.chunk.payload", "payload")
    need(all(whole(i, 1, 8 << 20) for i in chunks["index"]), "E_TENSOR_FIELD", "table.chunk.index", "index length")
    need(all(whole(c, 1) for c in slices["count"]), "E_SLICE", "table.slice.count", "a count below 1")
    rows = []
    for which, first, count in zip(slices["chunk"], slices["first"], slices["count"], strict=True):
        good = which is None or (whole(which) and which < len(names))
        need(good, "E_SLICE", "table.slice.chunk", f"chunk {which} of {len(names)}")
        need(whole(first) and (which is not None or first == 0), "E_SLICE", "table.slice.first", f"first {first}")
        picked = None if which is None else (names[which], chunks["payload"][which], chunks["index"][which])
        rows.append(Row(picked, first, count))
    need(sum(r.count for r in rows) <= MOST, "E_JSON_LIMIT", "json.integers", "counts sum past 2^53-1")
    used = {r.chunk[0] for r in rows if r.chunk}
    return tuple(rows), tuple(n for n in names if n not in used)


def _table(value: Any, columns: tuple[str, ...], array: str) -> dict[str, list[Any]]:
    closed = isinstance(value, dict) and set(value) == set(columns)
    need(
        closed,
        "E_TABLE_COLUMNS",
        "json.columns_closed",
        f"columns are {_short(sorted(value) if isinstance(value, dict) else value)}",
    )
    need(isinstance(value[array], list), "E_TABLE_COLUMNS", "json.column", f"{array} is not an array")
    n = len(value[array])
    read: dict[str, list[Any]] = {}
    for name in columns:
        column = value[name]
        if isinstance(column, list):
            need(len(column) == n, "E_TABLE_COLUMNS", "json.column", f"{name} has {len(column)} entries of {n}")
            read[name] = column
        else:
            good = whole(column) or (column is None and name == "chunk")
            need(good, "E_TABLE_COLUMNS", "json.column", f"{name} is {_short(column)}")
            read[name] = [column] * n
        if name != "name" and name != array:
            good = all(whole(e) or (e is None and name == "chunk") for e in read[name])
            need(good, "E_TABLE_COLUMNS", "json.column", f"an entry of {name} is no integer >= 0")
    return read


def manifest(members: dict[str, Any], samples: int) -> tuple[Row, ...]:
    """The rows of a manifest whose entry in the commit says ``samples`` [manifest]."""
    good = whole(members.get("samples"), 1) and members["samples"] == samples
    need(good, "E_MANIFEST", "manifest.samples", f"samples {members.get('samples')}, the commit says {samples}")
    rows, _ = tables(members)
    total = sum(r.count for r in rows)
    need(total == samples, "E_MANIFEST", "manifest.samples", f"counts sum to {total}, not {samples}")
    return rows


def tag(members: dict[str, Any], name: str) -> tuple[str, int, str]:
    """(branch, number, sha256) of a tag [tag]."""
    rules = {
        "tag": members.get("tag") == name,
        "branch": branch_name(members.get("branch")),
        "number": whole(members.get("number"), 1, NUMBERS),
        "sha256": isinstance(members.get("sha256"), str) and HEX64.fullmatch(members["sha256"]) is not None,
        "time": instant(members.get("time")) is not None,
    }
    for member, holds in rules.items():
        if not holds:
            raise Broken("E_TAG", f"tag.{member}", f"{member} is {_short(members.get(member, 'absent'))}")
    return members["branch"], members["number"], members["sha256"]
