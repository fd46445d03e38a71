"""Floor 3. The closed subset of MessagePack that an index is written in [index.types].

Map, array, str, unsigned integer, extensions 1, 2, 4, 8; in codec parameters also bool, negative integer, float64.
The msgpack library does the bytes; what the subset forbids is refused here.
"""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np

from ..columns import from_ext
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
        raise error("E_INDEX_SYNTAX", "index.types", f"the index is not MessagePack of the subset: {cause!r}") from cause
    if unpacker.tell() != size:
        raise error("E_INDEX_SYNTAX", "index.end", f"{size - unpacker.tell()} bytes follow the index map")
    if type(value) is not dict:
        raise error("E_INDEX_SYNTAX", "index.map", "the index is no map")
    _check_types(value, 1)
    return value


def _column(value: object) -> msgpack.ExtType:
    if isinstance(value, np.ndarray):
        return msgpack.ExtType(value.dtype.itemsize, value.tobytes())
    raise TypeError(type(value).__name__)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise error("E_INDEX_SYNTAX", "index.duplicate", "a map of the index repeats a key")
    return out


def _ext(width: int, data: bytes) -> np.ndarray:
    if width not in (1, 2, 4, 8):
        raise error("E_INDEX_SYNTAX", "index.types", f"extension type {width} is not of the subset")
    return from_ext(width, data, "column.ext")


def _check_types(value: Any, depth: int) -> None:
    kind = type(value)
    if kind in (int, str, bool, float, np.ndarray):
        return
    if depth > MAX_DEPTH:
        raise error("E_INDEX_SYNTAX", "index.depth", f"the index nests deeper than {MAX_DEPTH}")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise error("E_INDEX_SYNTAX", "index.types", "a key of the index is no string")
            _check_types(item, depth + 1)
    elif kind is list:
        for item in value:
            _check_types(item, depth + 1)
    else:
        raise error("E_INDEX_SYNTAX", "index.types", f"{kind.__name__} is not of the subset")
