"""JSON documents: what is written is read; the rules of every document, in their order."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from hostile import sealed
from lakebed.errors import LakebedError
from lakebed.format import document

GOOD: dict[str, Any] = {"lakebed": "1.0", "a": [1, -(2**53) + 1, 1.5, True, None, "ä😀\0"], "b": {"c": {}}}


def refused(data: bytes) -> LakebedError:
    with pytest.raises(LakebedError) as caught:
        document.decode(data, "key")
    assert caught.value.object == "key"
    return caught.value


def test_round_trip() -> None:
    """[json.crc] [json.object] [json.version]"""
    data = document.encode(GOOD)
    assert json.loads(data)["crc32"] == f"{zlib.crc32(data[:-20]):08x}"
    assert data[-20:].startswith(b',"crc32":"') and data.endswith(b'"}')
    assert document.decode(data, "key") == GOOD


def test_every_flipped_bit_is_seen() -> None:
    """[safety.crc]"""
    data = document.encode(GOOD)
    for at in range(len(data) * 8):
        spoiled = bytearray(data)
        spoiled[at // 8] ^= 1 << at % 8
        assert refused(bytes(spoiled)).code in ("E_JSON_CRC",)


def test_order_of_checks() -> None:
    """[safety.order]: limit, then checksum, then syntax, then version."""
    assert refused(b"x" * (document.MAX_BYTES + 1)).code == "E_JSON_LIMIT"
    assert refused(document.encode(GOOD).replace(b"1.0", b"7.0")).code == "E_JSON_CRC"
    assert refused(sealed(b'{"lakebed":"7.0",')).code == "E_JSON_SYNTAX"
    assert refused(sealed(b'{"lakebed":"7.0"')).code == "E_VERSION"


@pytest.mark.parametrize(
    ("text", "code", "clause"),
    [
        (b'{"a":[1,]', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":Infinity', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":01', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":1 // no', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":"\t"', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":"\xc3\x28"', "E_JSON_SYNTAX", "json.syntax"),
        (b'{"a":"\\udc00"', "E_JSON_SYNTAX", "json.surrogate"),
        (b'{"\\ud83d":1', "E_JSON_SYNTAX", "json.surrogate"),
        (b'{"a":{"b":1,"b":1}', "E_JSON_DUPLICATE", "json.duplicate"),
        (b'{"a":9007199254740992', "E_JSON_LIMIT", "json.integers"),
        (b'{"a":[[-9007199254740992]]', "E_JSON_LIMIT", "json.integers"),
        (b'{"a":-1e999', "E_JSON_LIMIT", "json.floats"),
        (b'{"a":' + b"[" * 32 + b"]" * 32, "E_JSON_LIMIT", "json.depth"),
        (b'{"a":' + b'{"":' * 32 + b"1" + b"}" * 32, "E_JSON_LIMIT", "json.depth"),
    ],
)
def test_refused(text: bytes, code: str, clause: str) -> None:
    problem = refused(sealed(text + b',"lakebed":"1.0"'))
    assert (problem.code, problem.clause) == (code, clause)


@pytest.mark.parametrize("version", ["2.0", "0.9", "1", "1.0.0", "01.0", "1.00", "1.-1", "", 1.0, None, "1.1234567890"])
def test_versions_refused(version: Any) -> None:
    """[json.version] [version.major]: both versions are named."""
    problem = refused(sealed({"lakebed": version, "x": 1}))
    assert problem.code == "E_VERSION"
    assert repr(version)[:5].strip("'") in problem.detail or version is None


def test_larger_minor_is_read() -> None:
    """[version.minor]"""
    assert document.decode(sealed({"lakebed": "1.999999999"}), "key") == {"lakebed": "1.999999999"}


def test_deep_enough() -> None:
    data = sealed(b'{"lakebed":"1.0","a":' + b"[" * 31 + b"]" * 31 + b',"b":"' + b"[{" * 99 + b'"')
    assert document.decode(data, "key")["b"] == "[{" * 99


@pytest.mark.parametrize(
    "members",
    [{"a": 2**53}, {"a": float("nan")}, {"a": float("inf")}, {"a": "\ud800"}, {"a": object()}, {"a": {1: 2, "1": 3}}],
)
def test_what_is_not_written(members: dict[str, Any]) -> None:
    with pytest.raises(LakebedError) as caught:
        document.plain(members, 4)
    assert caught.value.code == "E_ARGUMENT"


def test_plain_is_a_copy() -> None:
    inner = ["a"]
    copy = document.plain({"names": inner, "t": (1, 2)}, 4)
    assert copy == {"names": ["a"], "t": [1, 2]} and copy["names"] is not inner
    nested: Any = 1
    for _ in range(29):
        nested = [nested]
    assert document.plain({"x": nested[0]}, 4)
    with pytest.raises(LakebedError):
        document.plain({"x": nested}, 4)
