"""A pen of its own for chunks and commits that no honest writer makes: MessagePack, columns and checksums by hand.

``python hostile.py`` runs every case and prints one JSON line for each: what it ended in, seconds, growth of memory.
"""

from __future__ import annotations

import hashlib
import json
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import lz4.block

import lakebed
from lakebed.errors import LakebedError
from lakebed.stores import MemoryStore

END = b"\x8aLBKEND\n"
HEAD = b"\x89LBK\r\n\x1a\n" + bytes(56)


# --- MessagePack -----------------------------------------------------------------------------------------------------


def u(n: int) -> bytes:
    """An unsigned integer, shortest form."""
    if n < 128:
        return bytes([n])
    for code, form, limit in ((0xCC, ">B", 8), (0xCD, ">H", 16), (0xCE, ">I", 32), (0xCF, ">Q", 64)):
        if n < 1 << limit:
            return bytes([code]) + struct.pack(form, n)
    raise ValueError(n)


def s(text: str) -> bytes:
    data = text.encode()
    return (bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data


def array(*items: bytes) -> bytes:
    return (bytes([0x90 | len(items)]) if len(items) < 16 else b"\xdc" + struct.pack(">H", len(items))) + b"".join(
        items
    )


def table(pairs: list[tuple[str, bytes]]) -> bytes:
    body = b"".join(s(key) + value for key, value in pairs)
    return (bytes([0x80 | len(pairs)]) if len(pairs) < 16 else b"\xde" + struct.pack(">H", len(pairs))) + body


def ext(width: int, data: bytes) -> bytes:
    return b"\xc9" + struct.pack(">Ib", len(data), width) + data


def column(width: int, *entries: int) -> bytes:
    return ext(width, b"".join(n.to_bytes(width, "little") for n in entries))


def step(name: str, **params: bytes) -> bytes:
    return table([("name", s(name)), *params.items()])


# --- objects ---------------------------------------------------------------------------------------------------------


def index(**keys: bytes) -> bytes:
    """An index map: one uint8 scalar, with ``keys`` in the place of what it says; None leaves a key out."""
    base: dict[str, Any] = {"dtype": s("uint8"), "samples": u(1), "shape": array(), "crc": u(0)}
    return table([(key, value) for key, value in (base | keys).items() if value is not None])


def chunk(body: bytes, payload: bytes = b"", **trailer: Any) -> bytes:
    fields = {"P": len(payload), "N": len(body), "major": 1, "minor": 0, "features": 0, "zero": bytes(8), "end": END}
    fields |= trailer
    start = struct.pack("<QIHHI8s", *(fields[name] for name in ("P", "N", "major", "minor", "features", "zero")))
    crc = fields.get("crc", zlib.crc32(start, zlib.crc32(body)))
    return HEAD + payload + body + start + struct.pack("<I8s", crc, fields["end"])


def sealed(members: dict[str, Any] | bytes) -> bytes:
    """A JSON document with a right checksum; bytes are taken as the text up to the last brace."""
    body = members if isinstance(members, bytes) else json.dumps(members, separators=(",", ":")).encode()[:-1]
    return body + b',"crc32":"%08x"}' % zlib.crc32(body)


def tensor(name: str, payload: int, size: int, **members: Any) -> dict[str, Any]:
    base = {
        "htype": "generic",
        "dtype": "uint8",
        "shape": [],
        "chunks": {"name": [name], "payload": payload, "index": size},
        "slices": {"chunk": 0, "first": 0, "count": [1]},
    }
    return base | members


def commit(tensors: Any, /, **members: Any) -> dict[str, Any]:
    length = 1
    for state in tensors.values():
        length = sum(state["slices"]["count"])
    base = {
        "lakebed": "1.0",
        "requires": {"read": [], "write": []},
        "branch": "main",
        "number": 1,
        "id": "0" * 32,
        "parent": None,
        "time": "2026-01-01T00:00:00Z",
        "length": length,
        "tensors": tensors,
    }
    return base | members


def store_of(document: bytes, *chunks: tuple[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.put("commits/main/0000000001.json", document)
    for name, data in chunks:
        store.put(f"chunks/{name[:2]}/{name}.chunk", data)
    return store


def dataset(
    body: bytes,
    payload: bytes = b"",
    *,
    count: int = 1,
    claim: int | None = None,
    trailer: dict[str, Any] | None = None,
    edit: Callable[[bytes], bytes] | None = None,
    **members: Any,
) -> MemoryStore:
    """One commit, one tensor ``t``, one chunk; ``claim`` is the payload that trailer and table speak of."""
    said = len(payload) if claim is None else claim
    data = chunk(body, payload, **{"P": said, **(trailer or {})})
    name = hashlib.sha256(data).hexdigest()
    data = edit(data) if edit else data
    members.setdefault("slices", {"chunk": 0, "first": 0, "count": [count]})
    return store_of(sealed(commit({"t": tensor(name, said, len(body), **members)})), (name, data))


def crcs(payload: bytes, *sizes: int) -> bytes:
    """The crc column of units of these stored lengths, each below a MiB."""
    at, out = 0, []
    for size in sizes:
        out.append(zlib.crc32(payload[at : at + size]))
        at += size
    return u(out[0]) if len(out) == 1 else column(4, *out)


def packed(codec: bytes, stored: bytes, decoded: int, **keys: bytes) -> MemoryStore:
    """One uint8 item of ``decoded`` bytes in one unit."""
    body = index(
        shape=array(u(decoded)), codecs=array(array(codec)), stored=u(len(stored)), crc=u(zlib.crc32(stored)), **keys
    )
    return dataset(body, stored, shape=[None])


# --- cases -----------------------------------------------------------------------------------------------------------

Case = tuple[Callable[[], MemoryStore], set[str]]  # "data": a legal oddity that must be read
CASES: dict[str, Case] = {}
BIG = 2**53


def case(name: str, *codes: str) -> Callable[[Callable[[], MemoryStore]], None]:
    def add(build: Callable[[], MemoryStore]) -> None:
        CASES[name] = (build, set(codes))

    return add


def simple(
    name: str, codes: str | set[str], body: bytes | Callable[[], bytes], payload: bytes = b"", **more: Any
) -> None:
    def build() -> MemoryStore:
        return dataset(body() if callable(body) else body, payload, **more)

    CASES[name] = (build, {codes} if isinstance(codes, str) else codes)


LIMIT, COLUMN, FIELD, SYNTAX = "E_INDEX_LIMIT", "E_INDEX_COLUMN", "E_INDEX_FIELD", "E_INDEX_SYNTAX"
X = b"x"
XC = u(zlib.crc32(X))

# numbers
simple("samples 2^31", LIMIT, index(samples=u(2**31)))
simple("samples 2^26+1", LIMIT, index(samples=u(2**26 + 1), shape=array(u(0))), shape=[None])
simple("samples 0", LIMIT, index(samples=u(0)))
simple("samples true", FIELD, index(samples=b"\xc3"), X)
simple("samples negative", {FIELD, LIMIT}, index(samples=b"\xff"), X)
simple("samples 2^53", LIMIT, index(samples=u(BIG)))
simple("samples 2^64-1", LIMIT, index(samples=u(2**64 - 1)))
simple("samples float", FIELD, index(samples=b"\xcb" + struct.pack(">d", 1.0)), X)
simple("samples text", FIELD, index(samples=s("1")), X)
simple("samples absent", FIELD, index(samples=None), X)
simple("dtype absent", FIELD, index(dtype=None), X)
simple("shape absent", FIELD, index(shape=None), X)
simple("crc absent", FIELD, index(crc=None), X)
simple("dtype unknown", "E_DTYPE_UNSUPPORTED", index(dtype=s("float128"), crc=XC), X)
simple("rank 33", {LIMIT, FIELD}, index(shape=array(*[u(1)] * 33), crc=XC), X)
simple("shape a column of nothing", COLUMN, index(shape=array(ext(1, b""))), shape=[None])
simple("shape a map", FIELD, index(shape=array(table([]))), shape=[None])
simple("shape no array", FIELD, index(shape=u(3)), shape=[None])
simple("shape product wraps", LIMIT, index(shape=array(u(2**32), u(2**32))), shape=[None, None])
simple(
    "shape product wraps to 0 by columns",
    LIMIT,
    index(samples=u(2), shape=array(column(8, 2**32, 1), column(8, 2**32, 1))),
    shape=[None, None],
    count=2,
)
simple("shape above 2^53", LIMIT, index(shape=array(u(BIG))), shape=[None])
simple("shape column above 2^53", LIMIT, index(samples=u(2), shape=array(column(8, BIG, 0))), shape=[None], count=2)
simple(
    "shapes that numpy cannot count",
    {LIMIT, "data"},
    index(shape=array(u(0), u(BIG - 1), u(BIG - 1))),
    shape=[None] * 3,
)
simple("claimed payload", {"E_TRUNCATED"}, index(shape=array(u(2**52)), crc=u(0)), shape=[None], claim=2**52)
simple("payload claim that wraps", {"E_TRUNCATED", "E_TENSOR_FIELD", "E_STORE"}, index(), claim=BIG - 1)
simple(
    "2^26 raw items of 2 MiB",
    {LIMIT, COLUMN, "E_TRUNCATED"},
    index(samples=u(2**26), shape=array(u(2**21)), crc=u(0)),
    shape=[None],
    claim=2**47,
)

# items and missing
SEQ = {"sequence": True, "shape": []}
simple("items that wrap", LIMIT, index(samples=u(2), items=column(8, 2**63, 2**63)), count=2, **SEQ)
simple("items sum above 2^26", LIMIT, index(samples=u(2**26), items=u(2**27)), **SEQ)
simple("items 2^53-1 each", LIMIT, index(samples=u(2**26), items=u(BIG - 1)), **SEQ)
simple("items sum above 2^53 in a column", LIMIT, index(samples=u(3), items=column(8, *[BIG - 1] * 3)), count=3, **SEQ)
simple("items of a missing sample", "E_INDEX_MISSING", index(items=u(1), missing=u(1), crc=XC), X, **SEQ)
simple(
    "items of a missing sample in columns",
    "E_INDEX_MISSING",
    index(samples=u(2), items=column(1, 1, 0), missing=column(1, 1, 0), crc=XC),
    X,
    count=2,
    **SEQ,
)
simple("items column short", COLUMN, index(samples=u(3), items=column(1, 1, 0)), count=3, **SEQ)
simple("items without a sequence", "E_CHUNK_TENSOR", index(items=u(1), crc=XC), X)
simple("no items in a sequence", "E_CHUNK_TENSOR", index(crc=XC), X, **SEQ)
simple("missing 2", "E_INDEX_MISSING", index(missing=u(2)))
simple("missing 2 in a column", "E_INDEX_MISSING", index(samples=u(2), missing=column(1, 0, 2)), count=2)
simple("missing column long", COLUMN, index(samples=u(2), missing=column(1, 0, 1, 1)), count=2)
simple("missing nil", SYNTAX, index(missing=b"\xc0"), X)
simple(
    "missing zeros in a column",
    "data",
    index(samples=u(2), missing=column(1, 0, 0), unit=u(2), crc=u(zlib.crc32(b"xy"))),
    b"xy",
    count=2,
)
simple(
    "items constant beside missing zeros",
    "data",
    index(samples=u(2), items=u(1), missing=column(1, 0, 0), unit=u(2), crc=u(zlib.crc32(b"xy"))),
    b"xy",
    count=2,
    **SEQ,
)
simple("2^26 missing samples", "data", index(samples=u(2**26), missing=u(1)), count=2**20)

# units
simple("unit 0", "E_INDEX_UNIT", index(unit=u(0)), X)
simple("unit column with 0", "E_INDEX_UNIT", index(samples=u(2), unit=column(1, 0, 2)), b"xy", count=2)
simple("unit column sums short", "E_INDEX_UNIT", index(samples=u(3), unit=column(1, 1, 1)), b"xyz", count=3)
simple(
    "unit column that wraps",
    {LIMIT, "E_INDEX_UNIT"},
    index(samples=u(2), unit=column(8, 2**63, 2**63 + 2)),
    b"xy",
    count=2,
)
simple("unit beside tile", "E_INDEX_TILE", index(shape=array(u(1)), tile=array(u(1)), unit=u(1)), X, shape=[None])
simple("unit larger than all", "data", index(unit=u(9), crc=XC), X)
simple("unit bool", FIELD, index(unit=b"\xc3", crc=XC), X)
simple("2^26 empty units", "data", index(samples=u(2**26), shape=array(u(0)), crc=u(0)), shape=[0], count=1)

# tiles
simple("tile 0", "E_INDEX_TILE", index(shape=array(u(1)), tile=array(u(0))), X, shape=[None])
simple("tile of another rank", "E_INDEX_TILE", index(shape=array(u(1)), tile=array(u(1), u(1))), X, shape=[None])
simple("tile of a scalar", "E_INDEX_TILE", index(tile=array()), X)
simple("tile a column", {"E_INDEX_TILE", FIELD}, index(shape=array(u(1)), tile=array(column(1, 1))), X, shape=[None])
simple("tile no array", {"E_INDEX_TILE", FIELD}, index(shape=array(u(1)), tile=u(1)), X, shape=[None])
simple(
    "tiles 2^40 of nothing stored",
    {LIMIT, "E_INDEX_STORED"},
    index(shape=array(u(2**40)), tile=array(u(1)), stored=u(0), codecs=array(array(step("lz4"))), crc=u(0)),
    shape=[None],
)
simple(
    "tiles 2^52 by two axes",
    {LIMIT},
    index(shape=array(u(2**26), u(2**26)), tile=array(u(1), u(1))),
    shape=[None, None],
)
simple(
    "tile counts that wrap by columns",
    {LIMIT},
    index(samples=u(2), shape=array(column(8, 2**40, 0), column(8, 2**40, 1)), tile=array(u(1), u(1))),
    shape=[None, None],
    count=2,
)
simple(
    "100,000 tiles of 2 MiB",
    LIMIT,
    index(
        shape=array(u(100_000 * 2**21)), tile=array(u(2**21)), stored=u(0), codecs=array(array(step("lz4"))), crc=u(0)
    ),
    shape=[None],
)
simple(
    "one tile of 2^52",
    {"E_CODEC_DATA"},
    index(
        shape=array(u(2**26), u(2**26)),
        tile=array(u(2**26), u(2**26)),
        stored=u(1),
        codecs=array(array(step("lz4"))),
        crc=XC,
    ),
    X,
    shape=[None, None],
)
simple(
    "2^26 tiles of one byte",
    {"E_CODEC_DATA", "E_INDEX_STORED"},
    index(shape=array(u(2**26)), tile=array(u(1)), stored=u(0), codecs=array(array(step("lz4"))), crc=u(0)),
    shape=[None],
)
simple(
    "8 million items without tiles",
    {"data", LIMIT},
    lambda: index(
        samples=u(8_000_001),
        shape=array(ext(1, bytes(8_000_000) + b"\1"), u(2**21)),
        tile=array(u(1), u(2**21)),
        stored=u(0),
        codecs=array(array(step("lz4"))),
        crc=u(0),
    ),
    shape=[None, None],
)

# codecs and lengths
simple("codec 255", "E_INDEX_CODEC", index(codec=u(255)), X)
simple("codec 1 in a column", "E_INDEX_CODEC", index(samples=u(2), codec=column(1, 0, 1)), b"xy", count=2)
simple("codecs empty", FIELD, index(codecs=array()), X)
simple("codecs of names", FIELD, index(codecs=array(s("lz4"))), X)
simple("codec without name", FIELD, index(codecs=array(array(table([]))), stored=u(1), crc=XC), X)
simple("codec of 9 steps", FIELD, index(codecs=array(array(*[step("shuffle", size=u(1))] * 9)), stored=u(1), crc=XC), X)
simple("codec unknown", "E_CODEC_UNSUPPORTED", index(codecs=array(array(step("oodle"))), stored=u(1), crc=XC), X)
simple(
    "codec parameter of a wrong type",
    "E_INDEX_CODEC",
    index(codecs=array(array(step("shuffle", size=s("x")))), stored=u(1), crc=XC),
    X,
)
simple(
    "codec parameter 0", "E_INDEX_CODEC", index(codecs=array(array(step("shuffle", size=u(0)))), stored=u(1), crc=XC), X
)
simple(
    "codec parameter unknown",
    "E_CODEC_UNSUPPORTED",
    index(codecs=array(array(step("lz4", turbo=u(1)))), stored=u(1), crc=XC),
    X,
)
simple(
    "delta stride 2^53-1",
    {"data", "E_INDEX_CODEC"},
    index(codecs=array(array(step("delta", size=u(1), stride=u(BIG - 1)))), stored=u(1), crc=XC),
    X,
)
simple(
    "media beside a filter",
    "E_INDEX_CODEC",
    index(codecs=array(array(step("png"), step("lz4"))), stored=u(1), crc=XC),
    X,
)
simple("stored absent", FIELD, index(codecs=array(array(step("lz4"))), crc=XC), X)
simple(
    "stored that wraps",
    LIMIT,
    index(samples=u(2), stored=column(8, 2**63, 2**63), codecs=array(array(step("lz4")))),
    count=2,
)
simple(
    "stored constant above all",
    {"E_INDEX_STORED", LIMIT},
    index(samples=u(2**26), shape=array(u(0)), stored=u(2**40), codecs=array(array(step("lz4")))),
    shape=[None],
)
simple(
    "stored sums short",
    "E_INDEX_STORED",
    index(samples=u(2), stored=column(1, 1, 0), codecs=array(array(step("lz4")))),
    b"xyz",
    count=2,
)
simple(
    "stored of raw units",
    "E_INDEX_STORED",
    index(samples=u(2), stored=column(1, 2, 0), crc=crcs(b"xy", 2, 0)),
    b"xy",
    count=2,
)
simple(
    "stored of a raw unit beside others",
    "E_INDEX_STORED",
    index(
        samples=u(2),
        codecs=array(array(), array(step("lz4"))),
        codec=column(1, 0, 1),
        stored=column(1, 3, 2),
        crc=crcs(b"xyzab", 3, 2),
    ),
    b"xyzab",
    count=2,
)
simple("stored given for raw units", "data", index(samples=u(2), stored=u(1), crc=crcs(b"xy", 1, 1)), b"xy", count=2)
simple("payload longer than the units", "E_INDEX_STORED", index(crc=XC), b"xy")
simple("payload shorter than the units", "E_INDEX_STORED", index(samples=u(2)), X, count=2)
simple("crc wrong", "E_UNIT_CRC", index(crc=u(1)), X)
simple("crc column short", COLUMN, index(samples=u(3), crc=column(4, 1, 2)), b"xyz", count=3)
simple("crc column long", COLUMN, index(crc=column(4, 1, 2)), X)
simple("crc above 2^32", {LIMIT, "E_UNIT_CRC"}, index(crc=u(2**32 + 5)), X)
simple(
    "crc of a large unit given once",
    COLUMN,
    index(shape=array(u(2**20 + 1)), crc=column(4, 1)),
    bytes(2**20 + 1),
    shape=[None],
)
simple("bool 2", "E_VALUE_BOOL", index(dtype=s("bool"), crc=u(zlib.crc32(b"\2"))), b"\2", dtype="bool")

# against tensor and slice
simple("slice past the samples", "E_SLICE_RANGE", index(crc=XC), X, slices={"chunk": 0, "first": 1, "count": [1]})
simple(
    "slice that wraps",
    {"E_SLICE_RANGE", "E_JSON_LIMIT"},
    index(crc=XC),
    X,
    slices={"chunk": 0, "first": BIG - 1, "count": [1]},
)
simple("dtype of another tensor", "E_CHUNK_TENSOR", index(crc=XC), X, dtype="int8")
simple("rank of another tensor", "E_CHUNK_TENSOR", index(crc=XC), X, shape=[None])
simple("dims of another tensor", "E_CHUNK_TENSOR", index(shape=array(u(1)), crc=XC), X, shape=[2])

# MessagePack
simple(
    "key twice",
    SYNTAX,
    table([("dtype", s("uint8")), ("samples", u(1)), ("samples", u(1)), ("shape", array()), ("crc", XC)]),
    X,
)
simple("key twice below", SYNTAX, index(x=table([("a", u(1)), ("a", u(2))]), crc=XC), X)
simple("array of 2^32-1", SYNTAX, index(x=b"\xdd\xff\xff\xff\xff", crc=XC), X)
simple("map of 2^32-1", SYNTAX, index(x=b"\xdf\xff\xff\xff\xff", crc=XC), X)
simple("arrays of 2^32-1 nested", SYNTAX, index(x=b"\xdd\xff\xff\xff\xff" * 7, crc=XC), X)
simple("arrays of 4096 nested", SYNTAX, index(x=b"\xdc\x10\x00" * 6, crc=XC), X)
simple("array of 4097", SYNTAX, index(x=b"\xdc\x10\x01" + b"\1" * 4097, crc=XC), X)
simple("array of 4096", "data", index(x=b"\xdc\x10\x00" + b"\1" * 4096, crc=XC), X)
simple("str of 2^32-1", SYNTAX, index(x=b"\xdb\xff\xff\xff\xff", crc=XC), X)
simple("ext of 2^32-1", SYNTAX, index(x=b"\xc9\xff\xff\xff\xff\x01", crc=XC), X)
simple("ext of type 3", SYNTAX, index(x=ext(3, b"abc"), crc=XC), X)
simple("ext of type -1", SYNTAX, index(x=b"\xd6\xff\0\0\0\0", crc=XC), X)
simple("ext of an odd length", COLUMN, index(samples=u(2), shape=array(ext(2, b"abc"))), shape=[None], count=2)
simple("bin", SYNTAX, index(x=b"\xc4\x01a", crc=XC), X)
simple("nil", SYNTAX, index(x=b"\xc0", crc=XC), X)
simple("c1", SYNTAX, index(x=b"\xc1", crc=XC), X)
simple("float32", SYNTAX, index(x=b"\xca\0\0\0\0", crc=XC), X)
simple("float32 in a parameter", SYNTAX, index(codecs=array(array(step("oodle", size=b"\xca\x3f\x80\0\0"))), crc=XC), X)
simple("NaN", LIMIT, index(x=b"\xcb\x7f\xf8\0\0\0\0\0\0", crc=XC), X)
simple("integer of 2^53", LIMIT, index(x=u(BIG), crc=XC), X)
simple("integer of -2^53", LIMIT, index(x=b"\xd3" + struct.pack(">q", -BIG), crc=XC), X)
simple("key that is a number", SYNTAX, b"\x81\x01\x01", X)
simple("key that is an array", SYNTAX, b"\x81\x90\x01", X)
simple("str that is not UTF-8", SYNTAX, index(x=b"\xa1\xff", crc=XC), X)
simple("depth 8", "data", index(x=b"\x91" * 7 + b"\1", crc=XC), X)
simple("depth 9", SYNTAX, index(x=b"\x91" * 8 + b"\1", crc=XC), X)
simple("depth 100,000", SYNTAX, index(x=b"\x91" * 100_000, crc=XC), X)
simple("bytes after the map", SYNTAX, index(crc=XC) + b"\x01", X)
simple("half a map", SYNTAX, index(crc=XC)[:-3], X)
simple("an array", SYNTAX, b"\x90", X)
simple("unknown keys", "data", index(x=table([("a", array(s("b"), b"\xc2", b"\xff"))]), crc=XC), X)
simple("not the shortest forms", "data", index(samples=b"\xcf" + bytes(7) + b"\1", crc=XC), X)
simple(
    "8 MiB of small values",
    {"data", SYNTAX},
    lambda: index(x=array(*[b"\xdc\x10\x00" + b"\1" * 4096] * 2000), crc=XC),
    X,
)
simple(
    "8 MiB of keys",
    {"data", SYNTAX},
    lambda: index(x=array(*[table([(f"{i:03}", u(1)) for i in range(1000)])] * 1300), crc=XC),
    X,
)

# the largest legal indexes
simple(
    "8 million raw items in 8 million units",
    "data",
    lambda: index(samples=u(8_000_000), shape=array(ext(1, b"\0" * 7_999_999 + b"\1")), crc=u(0)),
    X,
    shape=[None],
    count=1,
)
simple(
    "8 million raw items in one unit",
    "data",
    lambda: index(samples=u(8_000_000), shape=array(ext(1, b"\0" * 7_999_999 + b"\1")), unit=u(8_000_000), crc=XC),
    X,
    shape=[None],
)
simple(
    "8 million uneven units",
    "data",
    lambda: index(samples=u(8_000_000 + 1), shape=array(u(0)), unit=ext(1, b"\1" * 7_999_999 + b"\2"), crc=u(0)),
    shape=[None],
)
simple(
    "2 million stored lengths",
    {"E_CODEC_DATA"},
    lambda: index(
        samples=u(2_000_000), stored=ext(4, bytes(7_999_996) + b"\1\0\0\0"), codecs=array(array(step("lz4"))), crc=u(0)
    ),
    X,
)
simple(
    "4 million missing flags",
    "data",
    lambda: index(samples=u(8_000_000), missing=ext(1, b"\1" * 7_999_999 + b"\0"), crc=XC),
    X,
)
simple(
    "8 million sequences",
    "data",
    lambda: index(samples=u(8_000_000), items=ext(1, b"\0" * 7_999_999 + b"\1"), crc=XC),
    X,
    **SEQ,
)
simple("index above 8 MiB", {LIMIT, "E_TENSOR_FIELD"}, lambda: index(x=ext(1, bytes(9 << 20)), crc=XC), X)

# trailer
simple("end magic", "E_CHUNK_MAGIC", index(crc=XC), X, trailer={"end": b"\x8aLBKEND\r"})
simple("trailer crc", "E_CHUNK_CRC", index(crc=XC), X, trailer={"crc": 1})
simple("reserved bytes", "E_CHUNK_RESERVED", index(crc=XC), X, trailer={"zero": b"\1" + bytes(7)})
simple("chunk major 2", "E_CHUNK_VERSION", index(crc=XC), X, trailer={"major": 2})
simple("chunk minor 9", "data", index(crc=XC), X, trailer={"minor": 9})
simple("feature bit 31", "E_CHUNK_FEATURE", index(crc=XC), X, trailer={"features": 1 << 31})
simple("trailer payload", "E_CHUNK_SIZE", index(crc=XC), X, trailer={"P": 2})
simple("trailer index", "E_CHUNK_SIZE", index(crc=XC), X, trailer={"N": 1})
simple("truncated", "E_TRUNCATED", index(crc=XC), X, edit=lambda data: data[:-1])
simple("emptied", "E_TRUNCATED", index(crc=XC), X, edit=lambda data: b"")


# decoders
@case("lz4 bomb", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("lz4"), b"\x1f\0\1\0" + b"\xff" * 200 + b"\0", 2**40)


@case("lz4 bomb within its ratio", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("lz4"), lz4.block.compress(bytes(1 << 20), store_size=False), (1 << 20) - 1)


@case("lz4 shorter than due", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("lz4"), lz4.block.compress(bytes(1000), store_size=False), 1001)


@case("lz4 with bytes behind", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("lz4"), lz4.block.compress(bytes(1000), store_size=False) + b"\0", 1000)


@case("deflate bomb", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("deflate"), zlib.compress(bytes(50 << 20), 9), 1000)


@case("deflate that claims 2^40", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("deflate"), zlib.compress(bytes(1000), 9), 2**40)


@case("deflate with bytes behind", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("deflate"), zlib.compress(bytes(1000)) + b"\0", 1000)


@case("deflate without its end", "E_CODEC_DATA")
def _() -> MemoryStore:
    return packed(step("deflate"), zlib.compress(bytes(1000))[:-1], 1000)


def frame(size: int, window: int = 10, extra: bytes = b"") -> bytes:
    """A zstd frame of 8-byte content size and one last raw block of one byte."""
    descriptor = 0xC0 | (1 if extra else 0)
    return (
        b"\x28\xb5\x2f\xfd" + bytes([descriptor, (window - 10) << 3]) + extra + struct.pack("<Q", size) + b"\x09\0\0x"
    )


for _name, _data, _due in (
    ("zstd content size 2^62", frame(2**62), 2**40),
    ("zstd content size above the due", frame(2**40), 1),
    ("zstd window of 128 MiB", frame(1, 27), 1),
    ("zstd dictionary", frame(1, extra=b"\x07"), 1),
    ("zstd skippable", b"\x50\x2a\x4d\x18\1\0\0\0x", 1),
    ("zstd of nothing", b"\x28\xb5\x2f\xfd", 1),
):
    CASES[_name] = (lambda data=_data, due=_due: packed(step("zstd"), data, due), {"E_CODEC_DATA"})
CASES["zstd frame as it must be"] = (lambda: packed(step("zstd"), frame(1), 1), {"data"})


@case("quantize that claims codes", "E_CODEC_DATA")
def _() -> MemoryStore:
    stream = struct.pack("<BBBBIdd8x", 1, 4, 0, 0, 2**32 - 1, 0.0, 1.0)
    q = step("quantize", dtype=s("float32"), max_abs_error=b"\xcb" + struct.pack(">d", 0.5))
    body = index(
        dtype=s("float32"), shape=array(u(2**30)), codecs=array(array(q)), stored=u(32), crc=u(zlib.crc32(stream))
    )
    return dataset(body, stream, shape=[None], dtype="float32", fidelity={"max_abs_error": 0.5})


def png(width: int, height: int, colour: int = 2, data: bytes = b"") -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", data or zlib.compress(b"")) + part(b"IEND", b"")


def pictures(data: bytes, shape: tuple[int, ...], codec: str = "png") -> MemoryStore:
    body = index(
        shape=array(*map(u, shape)), codecs=array(array(step(codec))), stored=u(len(data)), crc=u(zlib.crc32(data))
    )
    return dataset(body, data, shape=[None] * len(shape), htype="image")


JPEG = b"\xff\xd8\xff\xc0\0\x11\x08%s%s\3\1\x22\0\2\x11\0\3\x11\0\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0\xff\xd9"
GIANT = JPEG.replace(b"%s%s", b"\xff\xdc\xff\xdc")
MEDIA = {"E_MEDIA_SHAPE", "E_CODEC_DATA"}
CASES |= {
    "two items in one picture": (
        lambda: dataset(
            index(
                samples=u(2),
                shape=array(u(4), u(4), u(3)),
                unit=u(2),
                codecs=array(array(step("png"))),
                stored=u(len(png(4, 4))),
                crc=u(zlib.crc32(png(4, 4))),
            ),
            png(4, 4),
            shape=[4, 4, 3],
            count=2,
        ),
        {"E_INDEX_UNIT"},
    ),
    "png header larger than recorded": (lambda: pictures(png(30_000, 30_000), (4, 4, 3)), {"E_MEDIA_SHAPE"}),
    "png header smaller than recorded": (lambda: pictures(png(4, 4), (30_000, 30_000, 3)), {"E_MEDIA_SHAPE"}),
    "png that is too small for its header": (lambda: pictures(png(4_000, 4_000), (4_000, 4_000, 3)), MEDIA),
    "png of another number of channels": (lambda: pictures(png(4, 4, 6), (4, 4, 3)), {"E_MEDIA_SHAPE"}),
    "jpeg header larger than recorded": (lambda: pictures(GIANT, (4, 4, 3), "jpeg"), MEDIA),
    "jpeg without scans": (lambda: pictures(JPEG % (b"\x08\0", b"\x08\0"), (2048, 2048, 3), "jpeg"), MEDIA),
    "png under the name of jpeg": (lambda: pictures(png(4, 4), (4, 4, 3), "jpeg"), MEDIA),
    "picture of no bytes": (lambda: pictures(b"", (4, 4, 3)), MEDIA),
    "webp of no sense": (lambda: pictures(b"RIFF\xff\xff\xff\xffWEBPVP8L", (4, 4, 3), "webp"), MEDIA),
    "tiff that points behind its end": (lambda: pictures(b"II*\0\xff\xff\xff\x7f", (4, 4, 3), "tiff"), MEDIA),
    "bmp of a negative size": (lambda: pictures(b"BM" + b"\xff" * 60, (4, 4, 3), "bmp"), MEDIA),
    "gif of nothing": (lambda: pictures(b"GIF89a\xff\xff\xff\xff\0\0\0;", (4, 4, 3), "gif"), MEDIA),
}


# documents
def document(name: str, codes: str | set[str], make: bytes | Callable[[], bytes]) -> None:
    CASES[name] = (lambda: store_of(make() if callable(make) else make), {codes} if isinstance(codes, str) else codes)


def changed(**members: Any) -> bytes:
    return sealed(commit({}, **members))


def with_tensor(**members: Any) -> bytes:
    return sealed(commit({"t": tensor("0" * 64, 1, 1, **members)}, length=1))


def text_of(**members: Any) -> bytes:
    """The text of a commit up to its last brace, to be spoiled."""
    return json.dumps(commit({}, **members), separators=(",", ":")).encode()[:-1]


document("document emptied", "E_JSON_CRC", b"")
document("document without its end", "E_JSON_CRC", changed()[:-1])
document("document with a line feed", "E_JSON_CRC", changed() + b"\n")
document("checksum in capitals", "E_JSON_CRC", lambda: changed()[:-10] + changed()[-10:].upper())
document("byte order mark", "E_JSON_SYNTAX", lambda: sealed(b"\xef\xbb\xbf" + text_of()))
document("not UTF-8", "E_JSON_SYNTAX", lambda: sealed(text_of() + b',"x":"\xff"'))
document("NaN in a document", "E_JSON_SYNTAX", lambda: sealed(text_of() + b',"x":NaN'))
document("1e400 in a document", "E_JSON_LIMIT", lambda: sealed(text_of() + b',"x":1e400'))
document("2^53 in a document", "E_JSON_LIMIT", lambda: sealed(text_of() + b',"x":9007199254740992'))
document("digits", "E_JSON_LIMIT", lambda: sealed(text_of() + b',"x":' + b"9" * 1_000_000))
document("member twice", "E_JSON_DUPLICATE", lambda: sealed(text_of() + b',"x":1,"x":2'))
document(
    "members twice",
    "E_JSON_DUPLICATE",
    lambda: sealed(text_of() + b',"x":{' + b",".join(b'"%d":0' % (i % 99_999) for i in range(100_000)) + b"}"),
)
document("half a surrogate", "E_JSON_SYNTAX", lambda: sealed(text_of() + b',"x":"\\ud800"'))
document("depth 33", "E_JSON_LIMIT", lambda: sealed(text_of() + b',"x":' + b"[" * 32 + b"]" * 32))
document("depth a million", {"E_JSON_LIMIT", "E_JSON_SYNTAX"}, lambda: sealed(text_of() + b',"x":' + b"[" * 1_000_000))
document("brackets in a string", "data", lambda: sealed(text_of() + b',"x":"' + b"[" * 1_000_000 + b'"'))
document("a million small arrays", "data", lambda: sealed(text_of() + b',"x":[' + b"[]," * 300_000 + b"[]]"))
document("a document that is an array", "E_JSON_SYNTAX", lambda: sealed(b'[{"a":1'))
document("version 2.0", "E_VERSION", changed(lakebed="2.0"))
document("version 1.7", "data", changed(lakebed="1.7"))
document("version 01.0", "E_VERSION", changed(lakebed="01.0"))
document("version of a number", "E_VERSION", changed(lakebed=1.0))
document("requires something", "E_REQUIRES_READ", changed(requires={"read": ["magic"], "write": []}))
document("requires no list", "E_COMMIT_FIELD", changed(requires={"read": "x", "write": []}))
document("another number", {"E_COMMIT_PLACE", "E_COMMIT_FIELD"}, changed(number=2))
document("another branch", "E_COMMIT_PLACE", changed(branch="side"))
document("number 1.0", "E_COMMIT_FIELD", lambda: sealed(text_of().replace(b'"number":1', b'"number":1.0')))
document("number true", "E_COMMIT_FIELD", changed(number=True))
document("no date", "E_COMMIT_FIELD", changed(time="2026-02-30T00:00:00Z"))
document("a date in other digits", "E_COMMIT_FIELD", changed(time="٢٠٢٦-01-01T00:00:00Z"))
document("a second of 60", "E_COMMIT_FIELD", changed(time="2026-01-01T00:00:60Z"))
document(
    "parent of number 1 on the branch",
    "E_COMMIT_FIELD",
    changed(parent={"branch": "main", "number": 1, "sha256": "0" * 64}),
)
document("id in capitals", "E_COMMIT_FIELD", changed(id="A" * 32))
document("length negative", "E_COMMIT_FIELD", changed(length=-1))
document("tensors no object", "E_COMMIT_FIELD", changed(tensors=[]))
document("tensor no object", {"E_COMMIT_FIELD", "E_TENSOR_FIELD"}, changed(tensors={"t": 1}))
document("tensor of a million slashes", "E_TENSOR_FIELD", lambda: changed(tensors={"/" * 1_000_000: {}}))
document("tensor that leaves the root", "E_TENSOR_FIELD", changed(tensors={"../x": {}}))
document(
    "tensor and group",
    "E_TENSOR_FIELD",
    lambda: sealed(commit({n: tensor("0" * 64, 1, 1) for n in ("a", "a/b")}, length=1)),
)
document("length that does not fit", "E_LENGTH", lambda: sealed(commit({"t": tensor("0" * 64, 1, 1)}, length=2)))
document("a seventh column", "E_TABLE_COLUMNS", with_tensor(slices={"chunk": 0, "first": 0, "count": [1], "stride": 1}))
document("columns of two lengths", "E_TABLE_COLUMNS", with_tensor(slices={"chunk": [0, 0], "first": 0, "count": [1]}))
document("chunk beyond the table", "E_SLICE", with_tensor(slices={"chunk": 1, "first": 0, "count": [1]}))
document("chunk -1", "E_SLICE", with_tensor(slices={"chunk": [-1], "first": 0, "count": [1]}))
document("chunk true", "E_SLICE", with_tensor(slices={"chunk": [True], "first": 0, "count": [1]}))
document(
    "count 0",
    "E_SLICE",
    lambda: sealed(commit({"t": tensor("0" * 64, 1, 1, slices={"chunk": 0, "first": 0, "count": [0]})}, length=0)),
)
document(
    "counts that pass 2^53",
    {"E_JSON_LIMIT", "E_LENGTH"},
    lambda: sealed(
        commit({"t": tensor("0" * 64, 1, 1, slices={"chunk": None, "first": 0, "count": [BIG - 1, BIG - 1]})}, length=5)
    ),
)
document("first of a missing run", "E_SLICE", with_tensor(slices={"chunk": None, "first": 1, "count": [1]}))
document("chunk named twice", "E_TENSOR_FIELD", with_tensor(chunks={"name": ["0" * 64] * 2, "payload": 1, "index": 1}))
document("chunk name in capitals", "E_TENSOR_FIELD", with_tensor(chunks={"name": ["A" * 64], "payload": 1, "index": 1}))
document("index length 0", "E_TENSOR_FIELD", with_tensor(chunks={"name": ["0" * 64], "payload": 1, "index": 0}))
document("index length 2^40", "E_TENSOR_FIELD", with_tensor(chunks={"name": ["0" * 64], "payload": 1, "index": 2**40}))
document("shape of rank 33", "E_TENSOR_FIELD", with_tensor(shape=[1] * 33))
document("shape of true", "E_TENSOR_FIELD", with_tensor(shape=[True]))
document("fidelity of nothing", "E_TENSOR_FIELD", with_tensor(fidelity={"max_abs_error": 0}))
document("fidelity unhashable", "E_TENSOR_FIELD", with_tensor(fidelity={"max_abs_error": [1]}))
document("chunk that is not there", "E_OBJECT_MISSING", with_tensor())
document(
    "manifest that is not there",
    "E_OBJECT_MISSING",
    with_tensor(
        manifests=[{"sha256": "0" * 64, "bytes": 9, "samples": 1}], slices={"chunk": 0, "first": 0, "count": []}
    ),
)
document("unknown dtype beside nothing", "E_DTYPE_UNSUPPORTED", with_tensor(dtype="int4"))
document(
    "2^53-1 missing samples",
    "data",
    lambda: sealed(
        commit({"t": tensor("0" * 64, 1, 1, slices={"chunk": None, "first": 0, "count": [BIG - 1]})}, length=BIG - 1)
    ),
)


# --- the run ---------------------------------------------------------------------------------------------------------


def outcome(store: MemoryStore) -> str:
    """ "data", or the code that reading the first samples ends in; anything else escapes."""
    try:
        ds = lakebed.open(store)
        for name in ds.tensors:
            t = ds[name]
            t[0]
            t[:3]
            t[[0]]
            t[len(t) - 1]
            t[0, ...]
        return "data"
    except LakebedError as problem:
        if not problem.clause or (problem.object is None and not problem.code.startswith(("E_DTYPE", "E_SAMPLE"))):
            raise AssertionError(f"{problem.code} names no clause or no object") from problem
        return problem.code


def peak() -> int:
    """Largest resident memory of this program so far, MiB. (`getrusage` would count the process that started it.)"""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(*only: str) -> None:
    outcome(dataset(index(crc=XC), X))  # imports and pools are warm
    outcome(CASES["zstd frame as it must be"][0]())
    outcome(pictures(png(4, 4), (4, 4, 3)))
    for name, (build, _) in CASES.items():
        if only and name not in only:
            continue
        store = build()
        before, start = peak(), time.perf_counter()
        try:
            found = outcome(store)
        except BaseException as problem:
            found = f"{type(problem).__name__}: {problem}"
        seconds = time.perf_counter() - start
        grown = peak() - before
        print(json.dumps({"name": name, "found": found, "seconds": round(seconds, 3), "mib": grown}), flush=True)
        del store


if __name__ == "__main__":
    limit = 2 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    main(*sys.argv[1:])
