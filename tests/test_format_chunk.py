"""Chunks: canonical index both ways, one byte at a time, and what readers of other writers must take."""

from __future__ import annotations

import zlib
from typing import Any

import msgpack
import numpy as np
import pytest

from hostile import XC, X, array, chunk, column, ext, index, s, step, u
from lakebed import columns
from lakebed.codecs import parse_pipelines
from lakebed.errors import LakebedError
from lakebed.format import chunk as layout
from lakebed.format import packing
from lakebed.model import ChunkIndex


def same(a: ChunkIndex, b: ChunkIndex) -> bool:
    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        return (value.dtype.str, value.tolist()) if isinstance(value, np.ndarray) else value

    return all(plain(getattr(a, name)) == plain(getattr(b, name)) for name in ChunkIndex.__slots__)


def test_round_trip() -> None:
    """[index.canonical]: what is written is read back, and written again to the same bytes."""
    rng = np.random.default_rng(0)
    lz4, delta = parse_pipelines(["lz4", None]), parse_pipelines([{"name": "delta", "size": 2, "stride": 3}])
    for _ in range(300):
        n = int(rng.integers(1, 6))
        some = columns.column(rng.integers(0, rng.choice([2, 300, 70_000, 2**40]), n))
        made = ChunkIndex(
            dtype=str(rng.choice(["uint8", "float64"])),
            samples=n,
            shape=(some, 3)[: rng.integers(0, 3)],
            crc=some,
            tensor=str(rng.choice(["", "x", "ä" * 40])),
            row=int(rng.choice([0, 5, 2**53 - 1])),
            items=None if rng.random() < 0.5 else some,
            missing=columns.column(rng.integers(0, 2, n)),
            unit=some if rng.random() < 0.5 else int(rng.integers(1, 9)),
            codecs=[((),), lz4, delta][rng.integers(3)],
            codec=columns.column(rng.integers(0, 2, n)),
            stored=None if rng.random() < 0.5 else some,
        )
        data = layout.encode_index(made)
        found = layout.decode_index(data)
        assert same(found, made)
        assert layout.encode_index(found) == data


def test_bytes_of_an_index() -> None:
    """[index.shortest] [index.order] [index.present]: by hand, to the byte."""
    crc = zlib.crc32(b"\1\2\3")
    plain = ChunkIndex("uint8", 3, (), crc, unit=3)
    assert layout.encode_index(plain) == b"\x85\xa5dtype\xa5uint8\xa7samples\x03\xa5shape\x90\xa4unit\x03\xa3crc" + u(
        crc
    )
    tiled = ChunkIndex("bool", 1, (2, np.array([1, 300], "<u2")), 0, tensor="t", row=9, tile=(1, 1))
    assert layout.encode_index(tiled) == (
        b"\x87\xa6tensor\xa1t\xa3row\x09\xa5dtype\xa4bool\xa7samples\x01\xa5shape\x92\x02\xd6\x02\x01\x00\x2c\x01"
        b"\xa4tile\x92\x01\x01\xa3crc\x00"
    )


def test_ext_headers_are_shortest() -> None:
    for entries, head in ((1, b"\xd4"), (2, b"\xd5"), (4, b"\xd6"), (8, b"\xd7"), (16, b"\xd8"), (3, b"\xc7\x03")):
        made = packing.encode({"x": np.arange(entries, dtype=np.uint8)})
        assert made[3:].startswith(head)
    assert packing.encode({"x": np.zeros(300, np.uint8)})[3:7] == b"\xc8\x01\x2c\x01"
    assert packing.encode({"x": np.zeros(70_000, np.uint8)})[3:4] == b"\xc9"


def tail(data: bytes) -> layout.Tail:
    size = len(data) - 64 - 40 - 1
    return layout.decode_tail(data[65:], 1, size, "key")


def test_every_byte_of_the_tail_is_guarded() -> None:
    """[chunk.open.crc] [chunk.open.magic] [chunk.open.size] [safety.crc]: no changed bit of index or trailer passes."""
    data = chunk(index(crc=XC), X)
    assert tail(data).index.samples == 1
    for at in range(65 * 8, len(data) * 8):
        spoiled = bytearray(data)
        spoiled[at // 8] ^= 1 << at % 8
        with pytest.raises(LakebedError) as caught:
            tail(bytes(spoiled))
        assert caught.value.code in ("E_CHUNK_MAGIC", "E_CHUNK_SIZE", "E_CHUNK_CRC")
        assert caught.value.object == "key" and caught.value.offset is not None


def test_order_of_the_trailer() -> None:
    """[chunk.trailer.frozen] [chunk.open.zero] [chunk.open.major] [chunk.open.features] [chunk.open.index]: damage is
    told from news, and news before the index is looked at."""
    worst = {"zero": b"\1" * 8, "major": 2, "features": 1, "crc": 0, "P": 9}
    for drop, code in (
        ("P", "E_CHUNK_SIZE"),
        ("crc", "E_CHUNK_CRC"),
        ("zero", "E_CHUNK_RESERVED"),
        ("major", "E_CHUNK_VERSION"),
        ("features", "E_CHUNK_FEATURE"),
    ):
        with pytest.raises(LakebedError) as caught:
            tail(chunk(b"\xc1", X, **worst))
        assert caught.value.code == code
        del worst[drop]
    with pytest.raises(LakebedError) as caught:
        tail(chunk(b"\xc1", X))
    assert caught.value.code == "E_INDEX_SYNTAX"


@pytest.mark.parametrize(
    "body",
    [
        index(crc=XC, samples=b"\xcd\0\1"),
        index(crc=XC, missing=column(1, 0)),
        index(crc=column(8, 5)),
        index(crc=XC, unit=column(1, 1), stored=u(1)),
        index(crc=XC, tensor=s(""), row=u(0)),
        b"\xdf\0\0\0\4" + index(crc=XC)[1:],
        index(crc=XC, future=array(step("x", y=b"\xc3"), ext(1, b"abc"))),
    ],
)
def test_readers_take_other_encodings(body: bytes) -> None:
    """[index.lenient] [chunk.index.unknown]: canonical form is the writer's duty and the checker's business."""
    assert layout.decode_index(body).samples == 1


def test_dtype_names_are_the_format_s() -> None:
    """[dtype.table]: names that numpy would take are refused."""
    for name in ("float", "f4", "int", "half", "uint8 ", "object"):
        with pytest.raises(LakebedError) as caught:
            layout.decode_index(index(dtype=s(name), crc=XC))
        assert caught.value.code == "E_DTYPE_UNSUPPORTED"


def test_against_the_library() -> None:
    """Random values of the subset are read as the library reads them."""
    rng = np.random.default_rng(3)

    def value(depth: int) -> Any:
        kind = rng.integers(0, 8 if depth < 4 else 5)
        if kind == 6:
            return [value(depth + 1) for _ in range(rng.integers(0, 20))]
        if kind == 7:
            return {f"k{i}": value(depth + 1) for i in range(rng.integers(0, 20))}
        return [
            int(rng.integers(-(2**53) + 1, 2**53)),
            bool(rng.integers(2)),
            float(rng.normal()),
            "x" * int(rng.integers(0, 300)),
            int(rng.integers(-200, 300)),
            None,
        ][kind % 5]

    for _ in range(300):
        made = {"a": value(1), "b": [1.5, "\xca"], "c": -1.25}
        assert packing.decode(msgpack.packb(made)) == made
        shorter = msgpack.packb(made, use_single_float=True)
        if b"\xca" in shorter:
            with pytest.raises(LakebedError) as caught:
                packing.decode(shorter)
            assert (caught.value.code, caught.value.clause) == ("E_INDEX_SYNTAX", "index.types")
