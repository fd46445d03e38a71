"""Floor 3. JSON documents: limits, the checksum at the end, strict reading [json].

Every document ends with `,"crc32":"89abcdef"}`: CRC-32 of all bytes before that comma [json.crc].
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..columns import MAX_INT
from ..errors import LakebedError, error

MAX_BYTES = 64 << 20
MAX_DEPTH = 32
VERSION = "1.0"
MAJOR = 1
_END = re.compile(rb',"crc32":"([0-9a-f]{8})"\}')
_END_SIZE = 20
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*"', re.DOTALL)
_STEPS = bytes(1 if b in b"[{" else 255 for b in range(256))
_OTHERS = bytes(b for b in range(256) if b not in b"[]{}")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def encode(members: Mapping[str, Any]) -> bytes:
    """The document with its checksum, members in the order given. Errors: E_JSON_LIMIT, E_ARGUMENT (not JSON)."""
    try:
        text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        body = text.encode("utf-8")[:-1]
    except (ValueError, TypeError, RecursionError) as cause:
        raise error("E_ARGUMENT", "json.syntax", f"this cannot be written as JSON: {cause}") from cause
    data = body + f',"crc32":"{zlib.crc32(body):08x}"}}'.encode()
    if len(data) > MAX_BYTES:
        raise error("E_JSON_LIMIT", "json.size", f"a document of {len(data)} bytes")
    _numbers(dict(members))
    if _depth(data) > MAX_DEPTH:
        raise error("E_ARGUMENT", "json.depth", f"JSON nested deeper than {MAX_DEPTH}")
    return data


def plain(members: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """A deep copy of attributes as JSON gives it back, to stand ``depth`` deep in a document. Errors: E_ARGUMENT."""
    nested: Any = members
    for _ in range(depth - 1):
        nested = {"": nested}
    body = encode(nested)[:-_END_SIZE] + b"}"
    try:
        copy = json.loads(body, object_pairs_hook=_unique, parse_int=_integer)
    except LakebedError as cause:
        raise error("E_ARGUMENT", cause.clause, cause.detail) from cause
    for _ in range(depth - 1):
        copy = copy[""]
    return copy


def decode(data: bytes, key: str) -> dict[str, Any]:
    """The members, without `crc32`; every check of the spec in its order [json.order].

    Errors: E_JSON_LIMIT, E_JSON_CRC, E_JSON_SYNTAX, E_JSON_DUPLICATE, E_VERSION, E_REQUIRES_READ.
    """
    if len(data) > MAX_BYTES:
        raise error("E_JSON_LIMIT", "json.size", f"a document of {len(data)} bytes", object=key)
    end = _END.fullmatch(data[-_END_SIZE:])
    if end is None or zlib.crc32(data[:-_END_SIZE]) != int(end[1], 16):
        said = "its checksum is wrong" if end else "it does not end with a checksum"
        raise error("E_JSON_CRC", "json.crc", f"the document is damaged: {said}", object=key)
    if _depth(data) > MAX_DEPTH:
        raise error("E_JSON_LIMIT", "json.depth", f"nested deeper than {MAX_DEPTH}", object=key)
    try:
        members = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except LakebedError as cause:
        cause.object = key
        raise
    except (ValueError, RecursionError) as cause:
        raise error("E_JSON_SYNTAX", "json.syntax", f"not JSON: {cause}", object=key) from cause
    if type(members) is not dict or members.pop("crc32", None) is None:
        raise error("E_JSON_SYNTAX", "json.syntax", "the document is no JSON object", object=key)
    if _HALF.search(data) and _surrogate(members):
        raise error("E_JSON_SYNTAX", "json.surrogate", "a string holds an unpaired surrogate", object=key)
    check_version(members, key)
    return members


def check_version(members: Mapping[str, Any], key: str) -> None:
    """Refuse another major and unknown required features [json.version]."""
    version = members.get("lakebed")
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise error("E_VERSION", "json.version", f"`lakebed` is {version!r}, no version", object=key)
    if int(match[1]) != MAJOR:
        raise error("E_VERSION", "json.version", f"format {version}; this reader knows {VERSION}", object=key)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise error("E_JSON_DUPLICATE", "json.duplicate", f"a member is named twice: {twice[:80]!r}")
    return out


def _no_constant(text: str) -> None:
    raise error("E_JSON_SYNTAX", "json.syntax", f"{text} is no JSON number")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > MAX_INT:
        raise error("E_JSON_LIMIT", "json.integers", f"the integer {text[:24]} passes 2^53-1")
    return int(text)


def _finite(text: str) -> float:
    """Python reads 1e400 as infinity; the format does not."""
    number = float(text)
    if number - number != 0:
        raise error("E_JSON_LIMIT", "json.floats", f"the number {text[:24]} is too large for a float64")
    return number


def _numbers(value: Any) -> None:
    for item in _walk(value):
        if type(item) is int and abs(item) > MAX_INT:
            raise error("E_ARGUMENT", "json.integers", f"the integer {item} passes 2^53-1; write it as a string")


def _walk(value: Any):
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) is dict:
            stack.extend(item.values())
        elif type(item) is list:
            if item and type(item[0]) is int and len(item) > 64 and set(map(type, item)) == {int}:
                stack.append(max(item, key=abs))  # a long column of integers: one check
            else:
                stack.extend(item)
        else:
            yield item


def _depth(data: bytes) -> int:
    """Deepest nesting, counted on the text, so that no parser recurses first."""
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return 0
    brackets = _STRING.sub(b"", data).translate(_STEPS, _OTHERS)
    deepest = depth = 0
    for start in range(0, len(brackets), 1 << 20):
        steps = depth + np.cumsum(np.frombuffer(brackets, np.int8)[start : start + (1 << 20)], dtype=np.int64)
        deepest, depth = max(deepest, int(steps.max())), int(steps[-1])
    return deepest


def _surrogate(value: Any) -> bool:
    """Whether a string or a member's name holds half of a pair [json.surrogate]."""
    if type(value) is str:
        return any("\ud800" <= letter <= "\udfff" for letter in value)
    if type(value) is dict:
        return any(_surrogate(name) or _surrogate(item) for name, item in value.items())
    return type(value) is list and any(map(_surrogate, value))
