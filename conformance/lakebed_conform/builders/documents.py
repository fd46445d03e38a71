"""JSON documents: commits, manifests and tags, with faults named by JSON pointer.

A fault's field is ``/tensors/x/shape`` (a value, or DROP), ``text`` (a function of the bytes before the checksum is
laid), ``crc32`` (the eight digits), ``bytes`` (a function of the finished document) or ``key`` (another place).
"""

from __future__ import annotations

import copy
from typing import Any

from lakebed_conform.builders.chunk import DROP
from lakebed_conform.builders.columns import json_column
from lakebed_conform.pen import json_bytes, sealed


def table(chunks: list[tuple[str, int, int]], slices: list[tuple[int | None, int, int]]) -> dict[str, Any]:
    """The two column sets. ``chunks``: (name, payload, index); ``slices``: (chunk number or None, first, count)."""
    return {
        "chunks": {
            "name": [c[0] for c in chunks],
            "payload": json_column([c[1] for c in chunks]),
            "index": json_column([c[2] for c in chunks]),
        },
        "slices": {
            "chunk": json_column([s[0] for s in slices]),
            "first": json_column([s[1] for s in slices]),
            "count": [s[2] for s in slices],
        },
    }


def lay_document(members: dict[str, Any], faults: dict[str, Any] | None = None) -> bytes:
    """The sealed bytes of ``members``, after ``faults``."""
    left = dict(faults or {})
    members = copy.deepcopy(members)
    for pointer in [f for f in left if f.startswith("/")]:
        put(members, pointer, left.pop(pointer))
    text = left.pop("text", lambda b: b)(json_bytes(members))
    data = sealed(text, left.pop("crc32", None))
    data = left.pop("bytes", lambda b: b)(data)
    left.pop("key", None)
    if left:
        raise KeyError(f"no such document field: {', '.join(left)}")
    return data


def put(document: Any, pointer: str, value: Any) -> None:
    """Set (or, with DROP, remove) the value at a JSON pointer; the last step may be new."""
    *path, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]
    for step in path:
        document = document[int(step)] if isinstance(document, list) else document[step]
    place: Any = int(last) if isinstance(document, list) and last != "-" else last
    if last == "-" and isinstance(document, list):
        document.append(value)
    elif value is DROP:
        del document[place]
    else:
        document[place] = value
