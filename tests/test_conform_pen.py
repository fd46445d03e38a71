"""The pen, the builders and the suite's checker: right bytes, and every planted fault found."""

from __future__ import annotations

import ast
import struct
import sys
import zlib
from pathlib import Path

import lz4.block
import msgpack
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "conformance"))

from lakebed_conform import pen  # noqa: E402
from lakebed_conform.builders import DROP, one  # noqa: E402
from lakebed_conform.checker import check_tree, open_state  # noqa: E402
from lakebed_conform.checker.codecs import decode, unbitshuffle, undelta, unnarrow, unquantize, unshuffle  # noqa: E402
from lakebed_conform.checker.finding import Broken  # noqa: E402
from lakebed_conform.checker.packing import unpack  # noqa: E402


def test_the_suite_imports_no_implementation():
    for path in (ROOT / "conformance" / "lakebed_conform").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n == "lakebed" or n.startswith("lakebed.")], path


def test_the_pen_knows_nothing_of_the_format():
    tree = ast.parse((ROOT / "conformance/lakebed_conform/pen.py").read_text())
    modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert not [m for m in modules if m.startswith("lakebed_conform")]


VALUES = [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, -1, -32, -33, -129, -(2**31) - 1, 1.5, True,
          "", "x" * 31, "x" * 32, "x" * 256, "x" * 65536, [], [1] * 15, [1] * 16, {"a": [1, {"b": False}]}]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_messagepack_is_the_shortest_form(value):
    assert pen.messagepack(value) == msgpack.packb(value)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 8, 16, 17, 255, 256, 65536])
def test_ext_headers(n):
    assert pen.messagepack(pen.Ext(4, bytes(n))) == msgpack.packb(msgpack.ExtType(4, bytes(n)))


def test_wrong_forms_are_wrong_and_mean_the_same():
    assert pen.messagepack(pen.Long(5, 8)) == b"\xcf" + bytes(7) + b"\x05"
    assert msgpack.unpackb(pen.messagepack(pen.Long("ab", 4))) == "ab"
    assert msgpack.unpackb(pen.messagepack(pen.Long([1], 2))) == [1]
    assert pen.messagepack(pen.Pairs((("a", 1), ("a", 2)))) == b"\x82\xa1a\x01\xa1a\x02"


def test_json_ends_in_its_checksum():
    data = pen.sealed(pen.json_bytes({"a": "é", "b": pen.Raw(b"1.0")}))
    assert data[:-20] == '{"a":"é","b":1.0'.encode()
    assert data[-20:] == f',"crc32":"{zlib.crc32(data[:-20]):08x}"}}'.encode()


@pytest.mark.parametrize("n", [0, 1, 14, 15, 16, 269, 270, 271, 525, 70000])
def test_hand_laid_streams_decode_with_the_real_libraries(n):
    data = bytes(i * 7 % 251 for i in range(n))
    assert lz4.block.decompress(pen.lz4_literals(data), uncompressed_size=n) == data
    assert zlib.decompress(pen.zlib_stored(data)) == data
    zstandard = pytest.importorskip("zstandard")
    assert zstandard.ZstdDecompressor().decompress(pen.zstd_raw(data)) == data


def test_filters_by_the_text():
    assert unshuffle(bytes.fromhex("0103020405"), 2) == bytes([1, 2, 3, 4, 5])
    assert undelta(bytes.fromhex("0502ff"), 1, 1) == bytes([5, 7, 6])
    assert unbitshuffle(bytes([1] * 8), 1) == bytes([0xFF, 0, 0, 0, 0, 0, 0, 0])
    stream = bytes([2, 1, 1]) + bytes(5) + (-300).to_bytes(8, "little", signed=True) + bytes([0, 255]) + b"\x09"
    codec = {"name": "narrow", "size": 2, "width": 1, "signed": True}
    assert unnarrow(stream, codec, 5) == struct.pack("<hh", -300, -45) + b"\x09"
    with pytest.raises(Broken):
        unnarrow(stream[:8] + (32767).to_bytes(8, "little") + stream[16:], codec, 5)


def test_bitshuffle_bit_by_bit():
    size, data = 3, np.random.default_rng(5).integers(0, 256, 19 * 3 + 2, dtype=np.uint8).tobytes()
    n = len(data) // size
    m = n - n % 8
    out = bytearray(data)
    out[: m * size] = bytes(m * size)
    for i in range(m):
        for b in range(size):
            for k in range(8):
                out[(8 * b + k) * (m // 8) + i // 8] |= (data[i * size + b] >> k & 1) << (i % 8)
    assert unbitshuffle(bytes(out), size) == data


def test_quantize_both_modes():
    head = struct.pack("<BBBBIdd8s", 1, 1, 0, 0, 1, -2.0, 0.5, bytes(8))
    codec = {"name": "quantize", "dtype": "float32", "max_abs_error": 0.25}
    nan = bytes.fromhex("0100c07f")
    assert unquantize(head + bytes([1, 0, 5]) + nan, codec, 12) == struct.pack("<f", -2) + nan + struct.pack("<f", 0)
    head = struct.pack("<BBBBIdd8s", 2, 2, 16, 0, 0, 0, 0, bytes(8))
    codec = {"name": "quantize", "dtype": "float32", "max_rel_error": 0.01}
    assert unquantize(head + struct.pack("<H", 0x3F80), codec, 4) == struct.pack("<f", 1.0)


@pytest.mark.parametrize(
    "stored",
    [b"", b"\x50abcde", b"\x30abc", pen.lz4_literals(b"abcd") + b"\x00"],
    ids=["empty", "long", "short", "tail"],
)
def test_a_wrong_stream_is_codec_data(stored):
    with pytest.raises(Broken) as e:
        decode(stored, [{"name": "lz4"}], 4, "uint8")
    assert e.value.code == "E_CODEC_DATA"


def test_the_closed_messagepack():
    for data, code in [
        (b"\x81\xa1a\xc0", "E_INDEX_SYNTAX"), (b"\x82\xa1a\x01\xa1a\x01", "E_INDEX_SYNTAX"),
        (b"\x81\x01\x01", "E_INDEX_SYNTAX"),
        (b"\x80\x00", "E_INDEX_SYNTAX"), (b"\x90", "E_INDEX_SYNTAX"), (b"\xdf\xff\xff\xff\xff", "E_INDEX_SYNTAX"),
        (b"\x81\xa1a\xd4\x03\x00", "E_INDEX_SYNTAX"), (b"\x81\xa1a" + b"\x91" * 8 + b"\x01", "E_INDEX_SYNTAX"),
        (b"\x81\xa1a\xcf\x00\x20" + bytes(6), "E_INDEX_LIMIT"), (b"\x81\xa1\xff\x01", "E_INDEX_SYNTAX"),
    ]:  # fmt: skip
        with pytest.raises(Broken) as e:
            unpack(data)
        assert e.value.code == code, data


def rows():
    return [np.arange(3, dtype=np.uint8) + i for i in range(5)]


FAULTS = [
    ("a", "head.magic", b"\x89LBK\r\n\x1a\x0b", "E_CHUNK_HEAD"), ("a", "trailer.payload", 16, "E_CHUNK_SIZE"),
    ("a", "trailer.reserved", b"\1" + bytes(7), "E_CHUNK_RESERVED"), ("a", "tail", b"x", "E_CHUNK_SIZE"),
    ("a", "truncate", -1, "E_TRUNCATED"), ("a", "absent", True, "E_OBJECT_MISSING"),
    ("a", "index.dtype", "int8", "E_CHUNK_TENSOR"), ("a", "index.dtype", "utf8", "E_DTYPE_UNSUPPORTED"),
    ("a", "index.crc", DROP, "E_INDEX_FIELD"), ("a", "index.unit", 0, "E_INDEX_UNIT"),
    ("a", "index.codec", 1, "E_INDEX_CODEC"),
    ("a", "index.missing", 2, "E_INDEX_MISSING"), ("a", "index.tile", [2], "E_INDEX_TILE"),
    ("a", "index.samples", 0, "E_INDEX_LIMIT"), ("a", "index.samples", True, "E_INDEX_FIELD"),
    ("a", "index.stored", 3, "E_INDEX_STORED"), ("a", "index.codecs", [[], []], "E_INDEX_CANONICAL"),
    ("a", "index.shape", [4], "E_INDEX_STORED"), ("a", "index.shape", [2**53], "E_INDEX_LIMIT"),
    ("main/1", "/number", 1.0, "E_COMMIT_FIELD"), ("main/1", "/time", "2026-02-30T00:00:00Z", "E_COMMIT_FIELD"),
    ("main/1", "/tensors/x/slices/extra", 0, "E_TABLE_COLUMNS"), ("main/1", "/tensors/x/slices/chunk", 1, "E_SLICE"),
    ("main/1", "/tensors/x/slices/first", 1, "E_SLICE_RANGE"), ("main/1", "/attributes", {"a": 2**53}, "E_JSON_LIMIT"),
    ("main/1", "text", lambda b: b.replace(b'"number":1', b'"number":1,"number":1'), "E_JSON_DUPLICATE"),
    ("main/1", "text", lambda b: b + b" ", "E_JSON_SYNTAX"), ("main/1", "/tensors/x~1y", DROP, None),
]  # fmt: skip


@pytest.mark.parametrize(("label", "field", "value", "code"), FAULTS, ids=[f"{f[1]}={f[2]!r:.12}" for f in FAULTS])
def test_the_checker_finds_the_one_fault(label, field, value, code):
    dataset = one(rows(), shape=[3], k=2).fault(label, field, value)
    assert [f for f in check_tree(dataset.tree(False)) if not f.note] == []
    if code is None:
        with pytest.raises(KeyError):
            dataset.tree()
        return
    assert {f.code for f in check_tree(dataset.tree()) if not f.note} == {code}


def test_a_fault_that_names_nothing_is_no_fault():
    with pytest.raises(KeyError):
        one(rows(), shape=[3]).fault("a", "trailer.magick", b"").tree()
    with pytest.raises(KeyError):
        one(rows(), shape=[3]).fault("b", "trailer.magic", b"").tree()


@pytest.mark.parametrize("how", [{"k": 1}, {"k": 2}, {"k": 9}, {"per_unit": [1, 3, 1]}, {"tile": [2, 1]}])
@pytest.mark.parametrize("codec", [None, "lz4", "deflate", "zstd"])
def test_own_reader_returns_what_the_builders_laid(how, codec):
    rng = np.random.default_rng(3)
    values = [rng.integers(0, 60000, (h, 3)).astype("<u2") for h in (2, 0, 5, 1, 3)]
    dataset = one(values, shape=[None, 3], codecs=[[{"name": codec}]] if codec else None, **how)
    tree = dataset.tree()
    assert [str(f) for f in check_tree(tree)] == []
    samples = open_state(tree).read("x")
    assert [i.data for i in samples.values] == [v.tobytes() for v in values]
    assert [i.shape for i in samples.values] == [v.shape for v in values]
