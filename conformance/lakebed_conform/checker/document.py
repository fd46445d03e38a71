"""Section 4.1: the outer rules of every JSON document."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from lakebed_conform.checker.finding import Broken, need
from lakebed_conform.pen import crc32

MOST = (1 << 53) - 1
SIZE = 64 << 20
_END = re.compile(rb',"crc32":"([0-9a-f]{8})"}\Z')
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


def parse(data: bytes) -> dict[str, Any]:
    """The document's members after size, checksum, syntax, duplicates, depth, numbers and version [json]."""
    need(len(data) <= SIZE, "E_JSON_LIMIT", "json.size", f"{len(data)} bytes")
    end = _END.search(data[-20:])
    need(end is not None, "E_JSON_CRC", "json.crc", "no checksum at the end", max(0, len(data) - 20))
    found = crc32(memoryview(data)[:-20])
    said = int(end[1], 16)
    need(found == said, "E_JSON_CRC", "json.crc", f"says {said:08x}, is {found:08x}", len(data) - 20)
    document = _syntax(data)
    need(isinstance(document, dict), "E_JSON_SYNTAX", "json.syntax", "not an object")
    _walk(document)
    _version(document.get("lakebed"))
    return document


def _syntax(data: bytes) -> Any:
    need(not data.startswith(b"\xef\xbb\xbf"), "E_JSON_SYNTAX", "json.syntax", "byte order mark", 0)
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise Broken("E_JSON_SYNTAX", "json.syntax", "not UTF-8", e.start) from None
    _depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_real
        )
    except json.JSONDecodeError as e:
        raise Broken("E_JSON_SYNTAX", "json.syntax", e.msg, len(text[: e.pos].encode())) from None


def _depth(text: str) -> None:
    """Nesting is judged before parsing, so that a parser's own recursion is never the limit [json.depth]."""
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        mark = token[0][0]
        if mark in "[{":
            depth += 1
            need(depth <= 32, "E_JSON_LIMIT", "json.depth", "deeper than 32", token.start())
        elif mark in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [k for k, _ in pairs]
        twice = next(k for k in names if names.count(k) > 1)
        raise Broken("E_JSON_DUPLICATE", "json.duplicate", f"member {twice!r} twice")
    return members


def _constant(name: str) -> Any:
    raise Broken("E_JSON_SYNTAX", "json.syntax", f"{name} is not JSON")


def _integer(text: str) -> int:
    need(len(text) < 20 and abs(int(text)) <= MOST, "E_JSON_LIMIT", "json.integers", f"{text[:30]} passes 2^53-1")
    return int(text)


def _real(text: str) -> float:
    need(math.isfinite(float(text)), "E_JSON_LIMIT", "json.floats", f"{text[:30]} is not finite")
    return float(text)


def _walk(value: Any) -> None:
    """No unpaired surrogates, in names or strings [json.surrogate]."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Broken("E_JSON_SYNTAX", "json.surrogate", "unpaired surrogate") from None
    elif isinstance(value, list):
        for v in value:
            _walk(v)
    elif isinstance(value, dict):
        for k, v in value.items():
            _walk(k)
            _walk(v)


def _version(value: Any) -> None:
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
    need(match is not None, "E_VERSION", "json.version", f"lakebed is {value!r}")
    need(match[1] == "1", "E_VERSION", "json.version", f"version {value}; 1.x is known")


def whole(value: Any, least: int = 0, most: int = MOST) -> bool:
    """An integer written as one, within bounds; ``True`` and ``1.0`` are not [json.integer_form]."""
    return type(value) is int and least <= value <= most
