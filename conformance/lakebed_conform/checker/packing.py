"""Section 6.1: the closed subset of MessagePack."""

from __future__ import annotations

import math
import struct
from typing import Any

from lakebed_conform.checker.document import MOST
from lakebed_conform.checker.finding import Broken, need
from lakebed_conform.pen import Ext


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self.at:
            raise Broken(
                "E_INDEX_SYNTAX", "index.counts", f"{n} bytes wanted, {len(self.data) - self.at} left", self.at
            )
        self.at += n
        return self.data[self.at - n : self.at]

    def big(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")


def unpack(data: bytes) -> dict[str, Any]:
    """The outer map. Raises E_INDEX_SYNTAX or E_INDEX_LIMIT [index]."""
    cursor = _Cursor(data)
    value = _value(cursor, 0)
    need(isinstance(value, dict), "E_INDEX_SYNTAX", "index.map", "the index is not a map", 0)
    need(cursor.at == len(data), "E_INDEX_SYNTAX", "index.end", f"{len(data) - cursor.at} bytes follow", cursor.at)
    return value


def _value(c: _Cursor, depth: int) -> Any:
    start = c.at
    b = c.take(1)[0]
    if b <= 0x7F:
        return b
    if b >= 0xE0:
        return b - 256
    if 0xCC <= b <= 0xCF or 0xD0 <= b <= 0xD3:
        width = 1 << (b & 3)
        n = int.from_bytes(c.take(width), "big", signed=b >= 0xD0)
        need(abs(n) <= MOST, "E_INDEX_LIMIT", "index.integers", f"{n} passes 2^53-1", start)
        return n
    if b <= 0x8F or b in (0xDE, 0xDF):
        return _map(c, b & 15 if b <= 0x8F else c.big(2 if b == 0xDE else 4), depth + 1, start)
    if b <= 0x9F or b in (0xDC, 0xDD):
        n = b & 15 if b <= 0x9F else c.big(2 if b == 0xDC else 4)
        _room(c, n, 1, depth + 1, start)
        return [_value(c, depth + 1) for _ in range(n)]
    if b <= 0xBF or 0xD9 <= b <= 0xDB:
        return _text(c, b & 31 if b <= 0xBF else c.big(1 << (b - 0xD9)), start)
    if 0xD4 <= b <= 0xD8 or 0xC7 <= b <= 0xC9:
        n = 1 << (b - 0xD4) if b >= 0xD4 else c.big(1 << (b - 0xC7))
        type_ = c.take(1)[0]
        need(type_ in (1, 2, 4, 8), "E_INDEX_SYNTAX", "index.ext", f"ext type {type_}", start)
        return Ext(type_, c.take(n))
    if b in (0xC2, 0xC3):
        return b == 0xC3
    if b == 0xCB:
        number = struct.unpack(">d", c.take(8))[0]
        need(math.isfinite(number), "E_INDEX_LIMIT", "index.finite", "a float is not finite", start)
        return number
    raise Broken("E_INDEX_SYNTAX", "index.types", f"first byte {b:02x}", start)


def _room(c: _Cursor, n: int, each: int, depth: int, start: int) -> None:
    need(depth <= 8, "E_INDEX_SYNTAX", "index.depth", "deeper than 8", start)
    need(n <= 4096, "E_INDEX_SYNTAX", "index.entries", f"{n} entries", start)
    need(n * each <= len(c.data) - c.at, "E_INDEX_SYNTAX", "index.counts", f"{n} entries do not fit", start)


def _map(c: _Cursor, n: int, depth: int, start: int) -> dict[str, Any]:
    _room(c, n, 2, depth, start)
    members: dict[str, Any] = {}
    for _ in range(n):
        at = c.at
        key = _value(c, depth)
        need(isinstance(key, str), "E_INDEX_SYNTAX", "index.keys", "a key is not a str", at)
        need(key not in members, "E_INDEX_SYNTAX", "index.duplicate", f"key {key!r} twice", at)
        members[key] = _value(c, depth)
    return members


def _text(c: _Cursor, n: int, start: int) -> str:
    try:
        return c.take(n).decode()
    except UnicodeDecodeError:
        raise Broken("E_INDEX_SYNTAX", "pack.utf8", "a str is not UTF-8", start) from None
