"""Floor 3. The closed subset of MessagePack that an index is written in [index.types].

Map, array, str, unsigned integer, extensions 1, 2, 4, 8; in codec parameters also bool, negative integer, float64.
The msgpack library does the bytes; what the subset forbids is refused here.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from ..columns import MAX_INT, Odd, from_ext
from ..errors import LakebedError, error

MAX_DEPTH = 8
MAX_ENTRIES = 4096  # libraries allocate from the declared count, before the entries are there


def encode(index: dict[str, Any]) -> bytes:
    """Shortest headers, keys in the order given; arrays of unsigned integers become extensions [index.canonical]."""
    return msgpack.packb(index, default=_column, use_bin_type=True, strict_types=True)


def decode(data: bytes | memoryview) -> dict[str, Any]:
    """The one map that ``data`` is, extensions as columns. Errors: E_INDEX_SYNTAX, E_INDEX_COLUMN, E_INDEX_LIMIT."""
    size = len(data)
    unpacker = msgpack.Unpacker(
        object_pairs_hook=_unique,
        ext_hook=_ext,
        strict_map_key=True,
        max_buffer_size=size or 1,
        max_str_len=size,
        max_bin_len=0,
        max_ext_len=size,
        max_array_len=MAX_ENTRIES,  # [index.entries]
        max_map_len=MAX_ENTRIES,
    )
    unpacker.feed(data)
    try:
        value = unpacker.unpack()
    except LakebedError:
        raise
    except (ValueError, msgpack.UnpackException, UnicodeError, RecursionError) as cause:
        detail = f"the index is not MessagePack of the subset: {cause!r}"
        raise error("E_INDEX_SYNTAX", "index.types", detail) from cause
    if unpacker.tell() != size:
        raise error("E_INDEX_SYNTAX", "index.end", f"{size - unpacker.tell()} bytes follow the index map")
    if type(value) is not dict:
        raise error("E_INDEX_SYNTAX", "index.map", "the index is no map")
    if _check_types(value, 1) and b"\xca" in bytes(data):
        _no_float32(bytes(data))
    return value


def _column(value: object) -> msgpack.ExtType:
    if isinstance(value, np.ndarray):
        return msgpack.ExtType(value.dtype.itemsize, value.tobytes())
    if isinstance(value, Odd):
        return msgpack.ExtType(value.width, value.data)
    raise TypeError(type(value).__name__)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise error("E_INDEX_SYNTAX", "index.duplicate", "a map of the index repeats a key")
    return out


def _ext(width: int, data: bytes) -> np.ndarray | Odd:
    if width not in (1, 2, 4, 8):
        raise error("E_INDEX_SYNTAX", "index.ext", f"extension type {width} is not of the subset")
    return from_ext(width, data)


def _check_types(value: Any, depth: int) -> bool:
    """Refuse what the library allows and the subset does not; gives whether there is a float."""
    kind = type(value)
    if kind in (str, bool, np.ndarray, Odd):
        return False
    if kind is int:
        if abs(value) > MAX_INT:
            raise error("E_INDEX_LIMIT", "index.integers", f"{value} passes 2^53-1")
        return False
    if kind is float:
        if not math.isfinite(value):
            raise error("E_INDEX_LIMIT", "index.finite", f"a float of the index is {value}")
        return True
    if kind not in (dict, list):
        raise error("E_INDEX_SYNTAX", "index.types", f"{kind.__name__} is not of the subset")
    if depth > MAX_DEPTH:
        raise error("E_INDEX_SYNTAX", "index.depth", f"the index nests deeper than {MAX_DEPTH}")
    if kind is dict and not all(type(key) is str for key in value):
        raise error("E_INDEX_SYNTAX", "index.keys", "a key of the index is no string")
    items = value.values() if kind is dict else value
    kinds = set(map(type, items))
    if kinds == {int}:  # the common case of a hostile flood, in one look
        items = (min(items), max(items))
    elif kinds <= {str, bool}:
        return False
    found = False
    for item in items:
        found = _check_types(item, depth + 1) or found
    return found


# Headers and short values in one match each; strings and extensions are skipped by their lengths.
_PLAIN = re.compile(
    rb"(?:[\x00-\x9f\xa0\xc2\xc3\xe0-\xff]|\xa1.|\xa2..|\xa3...|\xa4....|\xa5.{5}|[\xcc\xd0].|[\xcd\xd1\xdc\xde]..|"
    rb"[\xce\xd2\xdd\xdf].{4}|[\xcb\xcf\xd3].{8}|\xd4..|\xd5...|\xd6.{5}|\xd7.{9}|\xd8.{17})*",
    re.DOTALL,
)
_SIZED = {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}


def _no_float32(data: bytes) -> None:
    """The library reads a float32 as it reads a float64; only the first byte tells [index.types]."""
    at = 0
    while at < len(data):
        at = _PLAIN.match(data, at).end()  # type: ignore[union-attr]
        if at == len(data):
            return
        if data[at] == 0xCA:
            raise error("E_INDEX_SYNTAX", "index.types", "a float32 is not of the subset")
        if 0xA0 <= data[at] <= 0xBF:
            at += 1 + (data[at] & 31)
        else:
            size, more = _SIZED[data[at]]
            at += 1 + size + more + int.from_bytes(data[at + 1 : at + 1 + size], "big")
