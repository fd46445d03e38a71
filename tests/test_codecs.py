"""Array codecs: every pipeline gives its bytes back, and no damaged stream gives anything but E_CODEC_DATA."""

from __future__ import annotations

import struct
import threading
import time
import zlib

import lz4.block
import numpy as np
import pytest
import zstandard

from lakebed import codecs
from lakebed.codecs import CODECS, Step
from lakebed.dtypes import DTYPES
from lakebed.errors import LakebedError
from lakebed.extras import installed

ASKED = ["lz4", "zstd", "deflate", "shuffle", "bitshuffle", "delta", "shuffle+lz4", "bitshuffle+lz4", "shuffle+zstd",
         "delta+shuffle+deflate", "delta+bitshuffle+zstd"]  # fmt: skip
NARROW = ["narrow", "narrow+lz4", "narrow+shuffle+zstd", "narrow+delta+shuffle+lz4"]
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 15, 63, 64, 65, 255, 1000, 8191, 70001]


def pipeline(asked, dtype="int32"):
    (only,) = codecs.parse_pipelines(asked)
    return codecs.resolve(only, dtype)


def noise(length, seed=0):
    return np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()


def ramp(length, dtype="int32"):
    return np.arange(length, dtype=dtype).tobytes()


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "int64", "complex128", "bool", "bfloat16"])
def test_bytes_come_back_whatever_they_are(asked, dtype):
    steps = pipeline(asked, dtype)
    for length in LENGTHS:
        for raw in (noise(length), bytes(length), (b"abc" * length)[:length]):
            stored = codecs.encode(steps, raw)
            assert bytes(codecs.decode(steps, stored, length)) == raw, (asked, dtype, length)
            out = bytearray(length)
            codecs.decode_into(steps, stored, memoryview(out))
            assert out == raw


@pytest.mark.parametrize("asked", NARROW)
@pytest.mark.parametrize("dtype", [n for n, row in DTYPES.items() if row.kind in ("int", "uint")])
def test_integers_come_back_from_narrow(asked, dtype):
    info = np.iinfo(dtype)
    draw = np.random.default_rng(1)
    near = max(info.min, min(info.max - 90, 1 << 40))
    for values in (
        np.array([info.min, info.max, 0], dtype),
        np.array([info.max] * 9, dtype),
        np.array([info.min] * 5, dtype),
        (draw.integers(0, 90, 3001) + near).astype(dtype),
        np.array([], dtype),
    ):
        used, stored = codecs.encode_unit(pipeline(asked, dtype), values.tobytes())
        assert len(stored) <= values.nbytes
        assert bytes(codecs.decode(used, stored, values.nbytes)) == values.tobytes()


def test_narrow_pays_and_records_its_width():
    values = np.random.default_rng(2).integers(1000, 1200, 4096)
    used, stored = codecs.encode_unit(pipeline("narrow", "int64"), values.tobytes())
    assert used == (Step("narrow", (("size", 8), ("width", 1), ("signed", True))),)
    assert len(stored) == 16 + 4096


def test_the_layouts_printed_in_the_spec():
    def step(name, **params):
        return (Step(name, tuple(params.items())),)

    assert bytes(codecs.encode(step("shuffle", size=2), bytes([1, 2, 3, 4, 5]))) == bytes([1, 3, 2, 4, 5])
    assert bytes(codecs.encode(step("delta", size=1), bytes([5, 7, 6]))) == bytes([5, 2, 255])
    assert bytes(codecs.encode(step("bitshuffle", size=1), bytes([1, *[0] * 7]))) == bytes([1, *[0] * 7])
    assert bytes(codecs.encode(step("bitshuffle", size=1), bytes([255, *[0] * 7]))) == bytes([1] * 8)
    stored = codecs.encode(step("narrow", size=4, width=1, signed=True), np.array([-5, 250], "<i4").tobytes() + b"x")
    assert bytes(stored) == bytes([4, 1, 1, 0, 0, 0, 0, 0, 0xFB, *[0xFF] * 7, 0, 255]) + b"x"


def test_bitshuffle_is_what_its_definition_says():
    size, count = 3, 21
    raw = noise(size * count + 2)
    stored = bytes(codecs.encode((Step("bitshuffle", (("size", size),)),), raw))
    kept = count - count % 8
    wanted = bytearray(len(raw))
    for byte in range(size):
        for bit in range(8):
            for i in range(kept):
                if raw[i * size + byte] >> bit & 1:
                    wanted[(8 * byte + bit) * (kept // 8) + i // 8] |= 1 << (i % 8)
    wanted[kept * size :] = raw[kept * size :]
    assert stored == bytes(wanted)


@pytest.mark.parametrize("stride", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_delta_wraps_over_any_stride(size, stride):
    steps = (Step("delta", (("size", size), ("stride", stride))),)
    for length in LENGTHS:
        raw = noise(length, stride)
        stored = bytes(codecs.encode(steps, raw))
        values = np.frombuffer(raw[: length // size * size], f"<u{size}").astype(object)
        wanted = [int(v) if i < stride else int(v - values[i - stride]) % (1 << 8 * size) for i, v in enumerate(values)]
        assert stored == np.array(wanted, f"<u{size}").tobytes() + raw[length // size * size :]
        assert bytes(codecs.decode(steps, stored, length)) == raw


def test_what_does_not_shrink_is_stored_raw():
    raw = noise(4096)
    assert codecs.encode_unit(pipeline("shuffle+lz4"), raw) == ((), raw)
    assert codecs.encode_unit(pipeline("lz4"), b"") == ((), b"")
    used, stored = codecs.encode_unit(pipeline("lz4"), bytes(4096))
    assert used == (Step("lz4"),) and len(stored) < 100


# --- damage -----------------------------------------------------------------------------------------------------------


def refused(steps, stored, length, *codes):
    with pytest.raises(LakebedError) as caught:
        codecs.decode(steps, stored, length, object="chunks/ab", offset=64)
    assert caught.value.code in (codes or ("E_CODEC_DATA",))
    assert (caught.value.object, caught.value.offset) == ("chunks/ab", 64)
    return caught.value


@pytest.mark.parametrize("asked", [*ASKED, "narrow+shuffle+lz4", "none"])
def test_truncated_longer_and_wrong_lengths_are_refused(asked):
    raw = ramp(3000)
    steps = pipeline(asked)
    if asked.startswith("narrow"):
        steps, stored = codecs.encode_unit(steps, raw)
    else:
        stored = bytes(codecs.encode(steps, raw))
    for bad in (stored[:-1], stored[: len(stored) // 2], stored[:1], b"", stored + b"\0"):
        refused(steps, bad, len(raw))
    for length in (0, 1, len(raw) - 1, len(raw) + 1, len(raw) * 3):
        refused(steps, stored, length)


@pytest.mark.parametrize("asked", [*ASKED, "narrow+shuffle+lz4"])
def test_flipped_bits_are_an_error_or_the_right_length(asked):
    raw = ramp(500)
    steps = pipeline(asked)
    steps, stored = codecs.encode_unit(steps, raw) if "narrow" in asked else (steps, codecs.encode(steps, raw))
    draw = np.random.default_rng(3)
    for place in draw.integers(0, len(stored) * 8, 300):
        bad = bytearray(stored)
        bad[place // 8] ^= 1 << (place % 8)
        try:
            assert len(codecs.decode(steps, bytes(bad), len(raw))) == len(raw)
        except LakebedError as problem:
            assert problem.code == "E_CODEC_DATA"


def test_zstd_frames_that_the_format_does_not_allow():
    steps = (Step("zstd"),)
    raw = bytes(1 << 16)
    plain = zstandard.ZstdCompressor(write_content_size=False).compress(raw)
    assert refused(steps, plain, len(raw)).clause == "codec.zstd.size"
    wide = zstandard.ZstdCompressionParameters(window_log=24)
    frame = zstandard.ZstdCompressor(compression_params=wide).compress(noise(20 << 20))
    assert refused(steps, frame, 20 << 20).clause == "codec.zstd.window"
    words = zstandard.ZstdCompressionDict(noise(2000) * 4, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    dictionary = zstandard.train_dictionary(1024, [noise(200, i) + bytes(50) for i in range(200)])
    assert words
    frame = zstandard.ZstdCompressor(dict_data=dictionary).compress(raw)
    assert refused(steps, frame, len(raw)).clause == "codec.zstd.dictionary"
    good = zstandard.ZstdCompressor().compress(raw)
    refused(steps, good + good, len(raw))
    refused(steps, b"\x50\x2a\x4d\x18\x04\0\0\0abcd", 4)
    refused(steps, bytes.fromhex("28b52ffd") + b"\xe0" + struct.pack("<Q", 1 << 40) + b"\x01\0\0", 1 << 20)
    big = codecs.encode((Step("zstd", (("level", 22),)),), bytes(20 << 20))
    assert zstandard.get_frame_parameters(big).window_size <= 8 << 20


def test_claims_no_stream_can_keep_are_refused_before_allocation():
    assert (
        refused((Step("lz4"),), lz4.block.compress(bytes(100), store_size=False), 1 << 31).clause == "codec.plausible"
    )
    assert refused((Step("deflate"),), zlib.compress(bytes(100)), 1 << 50).clause == "codec.plausible"
    assert refused((Step("zstd"),), zstandard.compress(bytes(100)), 1 << 50).clause == "codec.plausible"


def test_zlib_extras_are_refused():
    raw = b"hello" * 100
    assert refused((Step("deflate"),), zlib.compress(raw) + b"x", len(raw)).clause == "codec.trailing"
    stream = zlib.compressobj(zdict=b"hello")
    refused((Step("deflate"),), stream.compress(raw) + stream.flush(), len(raw))
    broken = bytearray(zlib.compress(raw))
    broken[-1] ^= 1
    refused((Step("deflate"),), bytes(broken), len(raw))


def test_narrow_streams_that_lie():
    steps = (Step("narrow", (("size", 2), ("width", 1))),)
    good = bytes(codecs.encode(steps, np.array([65500, 65535], "<u2").tobytes()))
    for place, value in ((0, 4), (1, 2), (2, 1), (5, 1), (10, 1), (17, 255)):
        bad = bytearray(good)
        bad[place] = value
        refused(steps, bytes(bad), 4)


# --- quantize ---------------------------------------------------------------------------------------------------------


def quantized(values, bound, tail=None):
    (asked,) = codecs.parse_pipelines(tail)
    steps = codecs.resolve(codecs.bounded(asked, bound), values.dtype.name)
    used, stored = codecs.encode_unit(steps, values.tobytes())
    back = np.frombuffer(bytes(codecs.decode(used, stored, values.nbytes)), values.dtype)
    return used, stored, back


def hard(dtype):
    info = np.finfo(dtype)
    draw = np.random.default_rng(4)
    small = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, info.tiny, -info.tiny, info.smallest_subnormal], dtype)
    return {
        "normal": draw.normal(size=3001).astype(dtype),
        "special": np.concatenate([draw.normal(size=500).astype(dtype), np.repeat(small, 5)]),
        "extreme": np.array([info.max, -info.max, 1, 0, info.tiny] * 20, dtype),
        "constant": np.full(999, 3.25, dtype),
        "nan": np.full(77, np.nan, dtype),
        "far": (draw.normal(size=400) + 1000).astype(dtype),
        "outliers": np.concatenate([draw.normal(size=2000), [1e4, -1e4]]).astype(dtype),
        "subnormal": (np.arange(300) * float(info.smallest_subnormal)).astype(dtype),
        "empty": np.zeros(0, dtype),
        "one": np.array([1.5], dtype),
    }


@pytest.mark.parametrize("tail", [None, "shuffle+lz4", "delta+shuffle+zstd", "bitshuffle+deflate"])
@pytest.mark.parametrize("bound", [1e-8, 1e-3, 0.25, 10.0])
@pytest.mark.parametrize("kind", ["max_abs_error", "max_rel_error"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_no_value_misses_its_bound(dtype, kind, bound, tail):
    if kind == "max_rel_error" and bound >= 1:
        bound = 0.9
    for name, values in hard(dtype).items():
        _, stored, back = quantized(values, {kind: bound}, tail)
        assert len(stored) <= values.nbytes
        finite = np.isfinite(values)
        assert values[~finite].tobytes() == back[~finite].tobytes(), name
        wide, end = values[finite].astype(np.longdouble), back[finite].astype(np.longdouble)
        limit = bound if kind == "max_abs_error" else bound * np.abs(wide)
        assert bool((np.abs(end - wide) <= limit).all()), name


def test_quantize_pays_where_it_should():
    values = np.random.default_rng(5).normal(size=20000).astype("f4")
    used, stored, _ = quantized(values, {"max_abs_error": 1e-3}, "shuffle+lz4")
    assert used[0].name == "quantize" and dict(used[1].params) == {"size": 2}
    assert len(stored) < values.nbytes * 0.5
    used, stored, _ = quantized(values, {"max_rel_error": 2.0**-8})
    assert len(stored) == 32 + 2 * 20000
    spiky = values.copy()
    spiky[::997] = 1e30
    _, stored, _ = quantized(spiky, {"max_abs_error": 1e-3})
    assert len(stored) < values.nbytes * 0.6, "outliers are exceptions, they do not widen every code"


def test_a_bound_that_cannot_be_kept_gives_the_exact_tail():
    values = np.repeat(np.random.default_rng(6).normal(size=50) * 1e6, 40).astype("f4")
    used, _, back = quantized(values, {"max_abs_error": 1e-9}, "shuffle+lz4")
    assert used == (Step("shuffle", (("size", 4),)), Step("lz4"))
    assert back.tobytes() == values.tobytes()


def test_linear_decode_is_the_formula():
    step, lo = 0.1875, -3.7
    codes = np.array([1, 2, 3, 255, 0], "u1")
    head = struct.pack("<BBBBIdd8s", 1, 1, 0, 0, 1, lo, step, bytes(8))
    steps = (Step("quantize", (("dtype", "float32"), ("max_abs_error", 0.1))),)
    raw = bytes(codecs.decode(steps, head + codes.tobytes() + struct.pack("<f", 7.0), 20))
    assert raw == np.array([lo, lo + step, lo + 2 * step, lo + 254 * step, 7.0], "f8").astype("<f4").tobytes()


@pytest.mark.parametrize(
    "change",
    [(0, b"\x03"), (0, b"\x02"), (1, b"\x03"), (2, b"\x01"), (3, b"\x01"), (4, b"\x05"), (8, struct.pack("<d", np.inf)),
     (16, struct.pack("<d", -1.0)), (16, struct.pack("<d", 0.0)), (16, struct.pack("<d", 0.1)), (24, b"\x01"),
     (32, b"\x00")],
)  # fmt: skip
def test_quantize_heads_that_lie_are_refused(change):
    head = struct.pack("<BBBBIdd8s", 1, 1, 0, 0, 0, 0.0, 0.5, bytes(8))
    steps = (Step("quantize", (("dtype", "float32"), ("max_abs_error", 0.3))),)
    stored = head + bytes([1, 2, 3])
    assert len(codecs.decode(steps, stored, 12)) == 12
    place, new = change
    refused(steps, stored[:place] + new + stored[place + len(new) :], 12)
    refused(steps, stored + b"\0", 12)
    refused(steps, stored[:31], 12)


def test_mantissa_codes_have_no_bits_to_spare():
    steps = (Step("quantize", (("dtype", "float32"), ("max_rel_error", 0.001))),)
    head = struct.pack("<BBBBIdd8s", 2, 4, 14, 0, 0, 0.0, 0.0, bytes(8))
    assert np.frombuffer(bytes(codecs.decode(steps, head + struct.pack("<I", 0xFE00), 4)), "<f4")[0] == 1.0
    refused(steps, head + struct.pack("<I", 1 << 18), 4)


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (None, [[]]),
        ("none", [[]]),
        ("lz4", [["lz4"]]),
        ("ZLIB", [["deflate"]]),
        ("shuffle+lz4", [["shuffle", "lz4"]]),
        (["shuffle", "lz4"], [["shuffle", "lz4"]]),
        ([{"name": "shuffle"}, {"name": "zstd", "level": 9}], [["shuffle", "zstd"]]),
        ("jpg", [["jpeg"]]),
        (["jpg", "png", "tif"], [["jpeg"], ["png"], ["tiff"]]),
        ([["shuffle", "lz4"], ["zstd"], []], [["shuffle", "lz4"], ["zstd"], []]),
        (["jpeg", "shuffle+lz4"], [["jpeg"], ["shuffle", "lz4"]]),
        ([None, "jpeg"], [[], ["jpeg"]]),
    ],
)
def test_ways_to_ask(asked, wanted):
    found = codecs.parse_pipelines(asked)
    assert [[step.name for step in pipeline] for pipeline in found] == wanted
    for steps in found:
        assert codecs.from_json(codecs.to_json(steps)) == steps
        assert codecs.pipeline_from_index(codecs.to_json(codecs.resolve(steps, "uint8"))) is not None


@pytest.mark.parametrize(
    ("asked", "clause"),
    [
        ("lzma", "codec.registry"),
        (7, "codec.pipeline"),
        ({"level": 3}, "codec.pipeline"),
        ("lz4+shuffle", "codec.chain"),
        ("lz4+zstd", "codec.chain"),
        ("shuffle+jpeg", "codec.chain"),
        (["shuffle", "jpeg"], "codec.chain"),
        ("shuffle+quantize", "codec.chain"),
        ("quantize+narrow", "codec.chain"),
        ("+".join(["shuffle"] * 9), "codec.chain"),
        ({"name": "zstd", "level": 23}, "codec.params"),
        ({"name": "zstd", "level": True}, "codec.params"),
        ({"name": "zstd", "speed": 1}, "codec.params"),
        ({"name": "jpeg", "quality": 0}, "codec.params"),
        ({"name": "jpeg", "subsampling": "4:1:1"}, "codec.params"),
        ({"name": "quantize", "max_abs_error": float("nan")}, "codec.params"),
        (["png", "png"], "codec.pipeline"),
    ],
)
def test_what_cannot_be_asked(asked, clause):
    with pytest.raises(LakebedError) as caught:
        codecs.parse_pipelines(asked)
    assert (caught.value.code, caught.value.clause) == ("E_ARGUMENT", clause)
    if asked == "lzma":
        assert all(name in str(caught.value) for name in CODECS)


@pytest.mark.parametrize(
    ("asked", "dtype", "shape"),
    [
        ("narrow", "float32", None),
        ("jpeg", "float32", None),
        ("jpeg", "uint8", (None, None, 4)),
        ("png", "int32", (None, None)),
        ("webp", "uint8", (None, None)),
        ("tiff", "float32", (None, None, 5)),
        ("png", "uint8", (None,)),
        ("bmp", "int64", (None, None)),
        ({"name": "quantize", "max_abs_error": 1}, "int32", None),
        ("quantize", "float32", None),
    ],
)
def test_what_a_dtype_cannot_take_is_refused_at_creation(asked, dtype, shape):
    (steps,) = codecs.parse_pipelines(asked)
    with pytest.raises(LakebedError) as caught:
        codecs.resolve(steps, dtype, shape)
    assert caught.value.code == "E_ARGUMENT"


def test_defaults_are_left_out_of_array_steps_and_written_in_media_steps():
    assert pipeline({"name": "zstd", "level": 3}) == (Step("zstd"),)
    assert pipeline({"name": "delta", "stride": 1}) == (Step("delta", (("size", 4),)),)
    assert pipeline("delta", "complex64") == (Step("delta", (("size", 4), ("stride", 2))),)
    assert dict(pipeline("jpeg", "uint8")[0].params) == {"quality": 90, "subsampling": "4:2:0"}


def test_an_index_may_name_what_is_not_known_here():
    steps = codecs.pipeline_from_index([{"name": "shuffle", "size": 4}, {"name": "brotli9", "window": 3}])
    assert refused(steps, b"abc", 4, "E_CODEC_UNSUPPORTED").clause == "codec.unknown"
    steps = codecs.pipeline_from_index([{"name": "lz4", "turbo": True}])
    assert refused(steps, b"abc", 4, "E_CODEC_UNSUPPORTED").clause == "codec.params.unknown"


@pytest.mark.parametrize(
    "maps",
    [[{"size": 4}], [4], "lz4", [{"name": 1}], [{"name": "shuffle"}], [{"name": "shuffle", "size": 0}],
     [{"name": "shuffle", "size": "4"}], [{"name": "lz4"}, {"name": "shuffle", "size": 2}],
     [{"name": "png", "level": 6}, {"name": "lz4"}], [{"name": "quantize", "dtype": "float32"}],
     [{"name": "quantize", "dtype": "float32", "max_abs_error": 1.0, "max_rel_error": 0.5}],
     [{"name": "narrow", "size": 4, "width": 3}], [{"name": "lz4"}] * 9],
)  # fmt: skip
def test_an_index_with_impossible_pipelines_is_refused(maps):
    with pytest.raises(LakebedError) as caught:
        codecs.pipeline_from_index(maps)
    assert caught.value.code in ("E_INDEX_FIELD", "E_INDEX_CODEC")


def test_threads_share_a_pipeline():
    steps = pipeline("shuffle+zstd")
    raws = [ramp(5000 + i) for i in range(8)]
    failures = []

    def work(raw):
        for _ in range(40):
            if bytes(codecs.decode(steps, codecs.encode(steps, raw), len(raw))) != raw:
                failures.append(len(raw))

    threads = [threading.Thread(target=work, args=(raw,)) for raw in raws]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(not installed("pcodec"), reason="pcodec is not installed")
@pytest.mark.parametrize("dtype", ["uint16", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 10, 257, 300_000])
def test_nothing_follows_a_pcodec_stream(dtype, count):
    values = (np.random.default_rng(count).normal(size=count) * 100).astype(dtype)
    pipeline = codecs.resolve(codecs.parse_pipelines("pcodec")[0], dtype)
    stored = codecs.encode(pipeline, values.tobytes())
    assert bytes(codecs.decode(pipeline, stored, values.nbytes)) == values.tobytes()
    for more in (b"\0", b"\0\0\0", b"x", stored):
        with pytest.raises(LakebedError) as caught:
            codecs.decode(pipeline, stored + more, values.nbytes)
        assert (caught.value.code, caught.value.clause) == ("E_CODEC_DATA", "codec.trailing")
    with pytest.raises(LakebedError):
        codecs.decode(pipeline, stored[:-1], values.nbytes)


@pytest.mark.skipif(not installed("pcodec"), reason="pcodec is not installed")
def test_a_pcodec_stream_of_many_chunks_costs_its_length():
    """The chunks of other streams behind one file header: large ones, then 60,000 of one number."""
    from pcodec import ChunkConfig, standalone, wrapped

    def parts(values):
        data = standalone.simple_compress(values, ChunkConfig())
        start = 6 + (6 + (data[6] & 63) + 1 + 7) // 8
        start += wrapped.FileDecompressor.new(data[start:])[1]
        return data[:start], data[start:-1]

    noise = np.random.default_rng(5).integers(0, 1 << 32, 200_000, np.uint32)
    head, large = parts(noise)
    ones = [parts(np.array([7 + i], np.uint32))[1] for i in range(2)]
    values = np.concatenate([noise, np.tile(np.array([7, 8], np.uint32), 30_000), noise])
    pipeline = codecs.resolve(codecs.parse_pipelines("pcodec")[0], "uint32")
    stored = head + large + b"".join(ones) * 30_000 + large + b"\0"
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        assert bytes(codecs.decode(pipeline, stored, values.nbytes)) == values.tobytes()
        spent.append(time.perf_counter() - start)
    assert min(spent) < 2, "a copy of the rest for each chunk takes over 7 s"
    for bad in (stored[:-1], stored[: len(head) + len(large) // 2] + b"\0", stored[:-9] + b"\0"):
        with pytest.raises(LakebedError) as caught:
            codecs.decode(pipeline, bad, values.nbytes)
        assert caught.value.code == "E_CODEC_DATA"
