"""Floor 7. The bytes of an index, one MessagePack item after the other, broken ones included [index.types]."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from .format.packing import MAX_DEPTH, MAX_ENTRIES

SHOWN = 6  # entries of a column that are printed

MEANINGS = {
    "tensor": "the tensor's name when this was written: a hint for salvage",
    "row": "row of the first sample when written: a hint for salvage",
    "dtype": "of every element",
    "samples": "samples in this chunk",
    "items": "items of each sample; only sequences have it",
    "missing": "1: the sample has no value",
    "shape": "one column for each axis, one entry for each item",
    "tile": "shape of the tiles that every item is cut into",
    "unit": "items in each unit",
    "codecs": "the pipelines that units name",
    "codec": "the pipeline of each unit",
    "stored": "stored length of each unit",
    "crc": "CRC-32 of each started MiB of each unit",
    "seek": "advice for reading parts of long sound and video",
}


SEEK = {
    "unit": "number of the unit",
    "codec": "coding of the stream in the file",
    "base": "times are counted in a/b seconds",
    "start": "time of the first frame or sample",
    "step": "from each frame or sample to the next",
    "trim": "samples cut off in front and at the end",
    "colour": "matrix, range, primaries, transfer",
    "rotation": "degrees clockwise, for showing",
    "head": "offset, length of what opening the file reads",
    "points": "places where decoding can begin",
    "at": "frame or sample of each point",
    "offset": "where in the unit it begins",
    "bytes": "how far its frames reach",
    "before": "frames or samples to be made first",
}


class Item(NamedTuple):
    """One header with its content: bytes [start, stop) of the index, the dotted name of what it is, and its value."""

    start: int
    stop: int
    name: str
    value: str
    meaning: str
    clause: str
    error: str | None = None


class _Stop(Exception):
    """The bytes from here on make no sense."""

    def __init__(self, at: int, clause: str, why: str) -> None:
        self.at, self.clause, self.why = at, clause, why


def items(data: bytes) -> list[Item]:
    """Every item; at the first that the subset does not have, one last item for all that follows."""
    reader = _Reader(data)
    try:
        reader.value("index", 1, "index.map")
        if reader.at != len(data):
            raise _Stop(reader.at, "index.end", "bytes after the map")
    except _Stop as stop:
        said = f"from here on it makes no sense: {stop.why}"
        reader.found.append(Item(stop.at, len(data), "?", "", said, stop.clause, "E_INDEX_SYNTAX"))
    return reader.found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.found = data, 0, []  # type: ignore[var-annotated]

    def value(self, name: str, depth: int, clause: str, meaning: str = "") -> None:
        start = self.at
        kind, got = self._head()
        if kind in ("map", "array"):
            self._nested(start, kind, got, name, depth, clause, meaning)
            return
        self.found.append(Item(start, self.at, name, _shown(kind, got), meaning or kind, clause))

    def _nested(self, start: int, kind: str, count: int, name: str, depth: int, clause: str, meaning: str) -> None:
        if depth > MAX_DEPTH:
            raise _Stop(start, "index.depth", f"nested deeper than {MAX_DEPTH}")
        if count > MAX_ENTRIES or count * (1 + (kind == "map")) > len(self.data) - self.at:
            raise _Stop(start, "index.counts", f"{count} entries, {len(self.data) - self.at} bytes left")
        what = "pairs" if kind == "map" else "entries"
        self.found.append(Item(start, self.at, name, f"{kind} of {count} {what}", meaning or kind, clause))
        for i in range(count):
            if kind == "array":
                self.value(f"{name}[{i}]", depth + 1, clause)
                continue
            key = self._key(name)
            inner = f"{name}.{key}"
            entry = name.startswith("index.seek[") and key in SEEK
            known = name == "index" and key in MEANINGS
            rule = f"chunk.{inner}" if known else f"seek.{key}" if entry else clause
            self.value(inner, depth + 1, rule, MEANINGS[key] if known else SEEK[key] if entry else "")

    def _key(self, name: str) -> str:
        start = self.at
        kind, got = self._head()
        if kind != "str":
            raise _Stop(start, "index.keys", f"a key is a {kind}")
        clause = f"chunk.index.{got}" if name == "index" and got in MEANINGS else "index.keys"
        if name == "index" and got not in MEANINGS:
            clause = "chunk.index.unknown"
        self.found.append(Item(start, self.at, f"{name}.{got}", repr(got), "key", clause))
        return got

    def _take(self, count: int, start: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) != count:
            raise _Stop(start, "index.counts", f"{count} bytes are announced, {len(taken)} are left")
        self.at += count
        return taken

    def _head(self) -> tuple[str, Any]:
        """(kind, value or number of entries) of the item here; strings and columns are taken whole."""
        start = self.at
        first = self._take(1, start)[0]
        if first < 0x80 or first >= 0xE0:
            return "int", first if first < 0x80 else first - 256
        if first < 0x90:
            return "map", first & 15
        if first < 0xA0:
            return "array", first & 15
        if first < 0xC0:
            return "str", self._text(first & 31, start)
        if first in (0xC2, 0xC3):
            return "bool", first == 0xC3
        if first in _NUMBERS:
            code, kind = _NUMBERS[first]
            (number,) = struct.unpack(code, self._take(struct.calcsize(code), start))
            return (kind, self._text(number, start)) if kind == "str" else (kind, number)
        if 0xC7 <= first <= 0xC9:
            length = int.from_bytes(self._take(1 << (first - 0xC7), start), "big")
            return "column", self._column(length, start)
        if 0xD4 <= first <= 0xD8:
            return "column", self._column(1 << (first - 0xD4), start)
        raise _Stop(start, "index.types", f"first byte {first:#04x} is not of the subset")

    def _text(self, length: int, start: int) -> str:
        try:
            return self._take(length, start).decode()
        except UnicodeDecodeError:
            raise _Stop(start, "index.utf8", "a string is not UTF-8") from None

    def _column(self, length: int, start: int) -> np.ndarray:
        width = self._take(1, start)[0]
        if width not in (1, 2, 4, 8):
            raise _Stop(start, "index.ext", f"an extension of type {width}")
        data = self._take(length, start)
        if length % width:
            raise _Stop(start, "column.ext", f"{length} bytes are no entries of {width}")
        return np.frombuffer(data, f"<u{width}")


_NUMBERS = {
    0xCB: (">d", "float"), 0xCC: (">B", "int"), 0xCD: (">H", "int"), 0xCE: (">I", "int"), 0xCF: (">Q", "int"),
    0xD0: (">b", "int"), 0xD1: (">h", "int"), 0xD2: (">i", "int"), 0xD3: (">q", "int"),
    0xD9: (">B", "str"), 0xDA: (">H", "str"), 0xDB: (">I", "str"),
    0xDC: (">H", "array"), 0xDD: (">I", "array"), 0xDE: (">H", "map"), 0xDF: (">I", "map"),
}  # fmt: skip


def _shown(kind: str, value: Any) -> str:
    if kind != "column":
        return repr(value)[:80]
    more = ", …" if len(value) > SHOWN else ""
    return f"{len(value)} x {value.dtype.itemsize} bytes: {', '.join(map(str, value[:SHOWN].tolist()))}{more}"
