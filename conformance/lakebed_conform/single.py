"""Single-fault proof: which fields differ between an invalid dataset and its twin, consequences left out.

A consequence is a checksum, length, name or hash that is right for its bytes on both sides.
"""

from __future__ import annotations

import json
from typing import Any

from lakebed_conform.checker.finding import Broken
from lakebed_conform.checker.packing import unpack
from lakebed_conform.pen import crc32, messagepack, sha256

Tree = dict[str, bytes]
TRAILER = {"payload": 8, "index": 4, "major": 2, "minor": 2, "features": 4, "reserved": 8, "crc": 4, "magic": 8}


def differing(bad: Tree, twin: Tree) -> list[str]:
    """Names of the fields that differ, such as ``chunk trailer.magic`` or ``commit /tensors/x/shape``."""
    pairs, alone = _pair(bad, twin)
    same = {_name(b): _name(t) for b, t in pairs if b != t}
    same |= {sha256(bad[b]): sha256(twin[t]) for b, t in pairs}
    found = [f"{'absent' if key in twin else 'extra'} {key}" for key in alone]
    for b, t in pairs:
        if bad[b] == twin[t]:
            continue
        diff = _chunk if b.endswith(".chunk") else _document
        found += diff(bad[b], twin[t], same, bad, twin)
    named = [f"name {b}" for b, t in pairs if b != t and bad[b] == twin[t]]
    return list(dict.fromkeys(found + named))


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1].split(".")[0]


def _pair(bad: Tree, twin: Tree) -> tuple[list[tuple[str, str]], list[str]]:
    """Objects under one key, then those left over in order, by kind."""
    pairs = [(key, key) for key in bad if key in twin]
    left, right = [k for k in bad if k not in twin], [k for k in twin if k not in bad]
    for kind in ("chunks/", "manifests/", "commits/", "tags/"):
        ours, theirs = ([k for k in keys if k.startswith(kind)] for keys in (left, right))
        for b, t in zip(ours, theirs, strict=False):
            pairs.append((b, t))
            left.remove(b)
            right.remove(t)
    return pairs, left + right


def _chunk(bad: bytes, twin: bytes, same: dict, *_: Any) -> list[str]:
    a, b = _parts(bad, twin), _parts(twin, twin)
    if (len(bad) != len(twin) and a is None) or b is None:
        return ["chunk length"]
    if a is None:
        return ["chunk bytes"]
    found = [f"chunk {part}" for part in ("head.magic", "head.zero", "payload", "tail") if a[part] != b[part]]
    found += _index(a["index"], b["index"], a["payload"] != b["payload"])
    right = [_right(p) for p in (a, b)]
    for field in TRAILER:
        differs = a["trailer"][field] != b["trailer"][field]
        if differs and not (right[0].get(field, False) and right[1].get(field, False)):
            found.append(f"chunk trailer.{field}")
    return found


def _parts(data: bytes, twin: bytes) -> dict[str, Any] | None:
    """The parts of a chunk, found by its own trailer, or by the twin's when that one is broken."""
    for where in (data, twin):
        payload, n = int.from_bytes(where[-40:-32], "little"), int.from_bytes(where[-32:-28], "little")
        size = 104 + payload + n
        if 104 < size <= len(data) and (size == len(data) or where is twin):
            at, trailer = 64 + payload + n, {}
            for field, width in TRAILER.items():
                trailer[field] = data[at : at + width]
                at += width
            return {
                "head.magic": data[:8], "head.zero": data[8:64], "payload": data[64 : 64 + payload],
                "index": data[64 + payload : 64 + payload + n], "trailer": trailer, "tail": data[size:],
            }  # fmt: skip
    return None


def _right(parts: dict[str, Any]) -> dict[str, bool]:
    trailer, index = parts["trailer"], parts["index"]
    head = b"".join(trailer[f] for f in list(TRAILER)[:6])
    return {
        "payload": trailer["payload"] == len(parts["payload"]).to_bytes(8, "little"),
        "index": trailer["index"] == len(index).to_bytes(4, "little"),
        "crc": trailer["crc"] == crc32(index + head).to_bytes(4, "little"),
    }


def _index(bad: bytes, twin: bytes, payload_differs: bool) -> list[str]:
    if bad == twin:
        return []
    try:
        a, b = unpack(bad), unpack(twin)
    except Broken:
        return ["chunk index"]
    keys = [k for k in {**b, **a} if messagepack(a.get(k)) != messagepack(b.get(k))]
    if not keys:
        return ["chunk index encoding"]
    return [f"chunk index.{k}" for k in keys]


def _document(bad: bytes, twin: bytes, same: dict, bad_tree: Tree, twin_tree: Tree) -> list[str]:
    try:
        a, b = (json.loads(d, object_pairs_hook=_pairs) for d in (bad, twin))
    except (ValueError, RecursionError):
        return ["document text"]
    flat_a, flat_b = {}, {}
    _flatten(a, "", flat_a)
    _flatten(b, "", flat_b)
    found = []
    for place in sorted({**flat_a, **flat_b}):
        x, y = flat_a.get(place), flat_b.get(place)
        if x == y or same.get(x) == y is not None:
            continue
        length = "/chunks/payload" in place or "/chunks/index" in place
        moved = len(bad_tree) != len(twin_tree) or any(k not in twin_tree for k in bad_tree)
        if (place == "/crc32" and _sealed(bad) and _sealed(twin)) or (moved and (length or place.endswith("/bytes"))):
            continue
        found.append(f"document {place}")
    if not found and bad != twin and a | {"crc32": ""} == b | {"crc32": ""}:
        return ["document text"]
    return _members(found, flat_a, flat_b)


def _members(found: list[str], a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """A whole value that came, went or changed its form counts once, at the place where the two part."""
    tops: list[str] = []
    for place in found:
        parts = place.split("/")
        for i in range(2, len(parts) + 1):
            top = "/".join(parts[:i])
            bare = top[len("document ") :]
            one_sided = not any(k == bare or k.startswith(bare + "/") for k in a)
            one_sided = one_sided or not any(k == bare or k.startswith(bare + "/") for k in b)
            form = (bare in a) != (bare in b)
            if one_sided or form or i == len(parts):
                tops.append(top)
                break
    return list(dict.fromkeys(tops))


def _sealed(data: bytes) -> bool:
    return data[-20:] == b',"crc32":"' + f"{crc32(data[:-20]):08x}".encode() + b'"}'


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Repeated members get names of their own, so that none is lost."""
    members: dict[str, Any] = {}
    for key, value in pairs:
        while key in members:
            key += "\0twice"
        members[key] = value
    return members


def _flatten(value: Any, place: str, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for k, v in value.items():
            _flatten(v, f"{place}/{k}", flat)
    elif isinstance(value, list) and value:
        for i, v in enumerate(value):
            _flatten(v, f"{place}/{i}", flat)
    else:
        flat[place] = value if isinstance(value, str) else f"\0{json.dumps(value)}"
