"""Floor 7. The members of a JSON document with the bytes they stand in, broken documents included [json.crc]."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_CRC = re.compile(rb',"crc32":"([0-9a-f]{8})"\}')
END = 20
_TABLES = {"chunks": "table.chunk", "slices": "table.slice"}
_COLUMNS = {"chunks": ("name", "payload", "index"), "slices": ("chunk", "first", "count")}
_MEMBERS = {
    "commit": [
        *("lakebed", "requires", "branch", "number", "id", "closed", "parent", "time", "author", "message"),
        *("length", "attributes", "tensors"),
    ],
    "tensor": [
        *("htype", "dtype", "shape", "sequence", "fidelity", "attributes", "write"),
        *("manifests", "chunks", "slices"),
    ],
    "manifest": ["lakebed", "samples", "chunks", "slices"],
    "tag": ["lakebed", "tag", "branch", "number", "sha256", "time"],
}


class Member(NamedTuple):
    """Bytes [start, stop) from the key's quote to the value's end; ``path`` is its place, such as tensors/x/dtype."""

    start: int
    stop: int
    path: tuple[str, ...]
    value: Any
    clause: str


class Fault(NamedTuple):
    """Where the text stops being JSON."""

    start: int
    why: str


def crc_state(data: bytes) -> tuple[str, str | None]:
    """(what the last 20 bytes say, E_JSON_CRC or None)."""
    end = _CRC.fullmatch(data[-END:])
    if end is None:
        return "there is no checksum here", "E_JSON_CRC"
    crc = zlib.crc32(data[:-END])
    if crc != int(end[1], 16):
        return f"{end[1].decode()}; the bytes before give {crc:08x}", "E_JSON_CRC"
    return f"{crc:08x}, right", None


def members(data: bytes, kind: str) -> tuple[list[Member], Fault | None]:
    """Members of the root, of each tensor and of its tables, as far as the text is JSON; ``kind`` names the clauses."""
    text = data.decode("utf-8", "surrogateescape")
    scan = _Scan(text, kind)
    try:
        scan.object(_SPACE.match(text, 0).end(), ())  # type: ignore[union-attr]
    except (ValueError, RecursionError) as cause:
        at = cause.pos if isinstance(cause, json.JSONDecodeError) else scan.at
        return scan.found, Fault(scan.byte(at), str(cause))
    return scan.found, None


class _Scan:
    def __init__(self, text: str, kind: str) -> None:
        self.text, self.kind, self.at = text, kind, 0
        self.found: list[Member] = []
        self._known = (0, 0)  # characters, bytes: the last place that was converted

    def byte(self, at: int) -> int:
        """The offset in bytes of a character; places are asked for in ascending order, mostly."""
        chars, size = self._known if self._known[0] <= at else (0, 0)
        size += len(self.text[chars:at].encode("utf-8", "surrogateescape"))
        self._known = (at, size)
        return size

    def object(self, at: int, path: tuple[str, ...]) -> None:
        """The members of the object that begins at ``at``, each before those inside it."""
        for key, start, value_at, value, end in self._pairs(at):
            self.at = end
            place = (*path, key)
            first = self.byte(start)
            self.found.append(Member(first, self.byte(end), place, value, self._clause(place)))
            if isinstance(value, dict) and self._opens(place):
                self.object(value_at, place)

    def _pairs(self, at: int) -> Iterator[tuple[str, int, int, Any, int]]:
        text = self.text
        if text[at : at + 1] != "{":
            raise json.JSONDecodeError("no object", text, at)
        at = self._skip(at + 1)
        while text[at : at + 1] != "}":
            start = at
            key, at = _DECODER.raw_decode(text, at)
            at = self._skip(at)
            if not isinstance(key, str) or text[at : at + 1] != ":":
                raise json.JSONDecodeError("no member", text, at)
            value_at = self._skip(at + 1)
            value, end = _DECODER.raw_decode(text, value_at)
            yield key, start, value_at, value, end
            at = self._skip(end)
            if text[at : at + 1] == ",":
                at = self._skip(at + 1)
            elif text[at : at + 1] != "}":
                raise json.JSONDecodeError("neither a comma nor the end", text, at)

    def _skip(self, at: int) -> int:
        return _SPACE.match(self.text, at).end()  # type: ignore[union-attr]

    def _opens(self, place: tuple[str, ...]) -> bool:
        if self.kind == "commit":
            return place == ("tensors",) or (place[0] == "tensors" and (len(place) == 2 or place[2:] in _OPEN))
        return place in _OPEN

    def _clause(self, place: tuple[str, ...]) -> str:
        inner = place
        if self.kind == "commit" and place[0] == "tensors" and len(place) > 1:
            if len(place) == 2:
                return "tensor.name"
            inner = place[2:]
            if len(inner) == 1:
                return f"tensor.{inner[0]}" if inner[0] in _MEMBERS["tensor"] else "json.unknown"
        if len(inner) == 2 and inner[0] in _TABLES:
            known = inner[1] in _COLUMNS[inner[0]]
            return f"{_TABLES[inner[0]]}.{inner[1]}" if known else "json.columns_closed"
        return f"{self.kind}.{inner[0]}" if inner[0] in _MEMBERS.get(self.kind, ()) else "json.unknown"


_OPEN = (("chunks",), ("slices",))
