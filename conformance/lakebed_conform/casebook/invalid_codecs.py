"""Invalid pipelines, and streams that break their codec's rules under right checksums."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one
from lakebed_conform.builders.chunk import unit_crcs
from lakebed_conform.builders.columns import column
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.pen import lz4_literals, zlib_stored, zstd_raw

CODEC, DATA = "E_INDEX_CODEC", "E_CODEC_DATA"
WHY = "length and CRC agree with the broken stream"


def stream(
    codecs: list[dict[str, Any]], values: list[np.ndarray], good: bytes, bad: bytes, dtype: str | None = None
) -> Dataset:
    """One unit stored as ``good``; the fault stores ``bad`` in its place, its length and CRC right."""
    shape = list(values[0].shape)
    k = len(values)
    dataset = one(values, shape=shape, k=k, codecs=[codecs], encode=[lambda d: good], dtype=dtype)
    dataset.fault("a", "payload", bad).fault("a", "index.crc", column(unit_crcs([bad])))
    if len(bad) != len(good):
        dataset.fault("a", "index.stored", len(bad))
    return dataset


def refuse(b: Book, name: str, *args: Any, **how: Any) -> None:
    b.explain(
        f"A stream that breaks its codec's rules: {name}",
        "Decoders forgive different things: without one rule, one port returns data where another fails.",
    )
    b.refuses(stream(*args, **how), DATA, why=WHY)


# pipelines: the twin's is replaced by one that may not stand there

VALUES = [np.array([i, 500 + i], "<u2") for i in range(4)]
PLAIN = b"".join(v.tobytes() for v in VALUES)
SH, LZ = {"name": "shuffle", "size": 2}, {"name": "lz4"}
QUANT = {"name": "quantize", "dtype": "float32", "max_abs_error": 0.5}
NARROW = {"name": "narrow", "size": 2, "width": 2}

CHAINS: dict[str, list[dict[str, Any]]] = {
    "filter_last": [LZ, SH], "two_byte_codecs": [LZ, LZ], "byte_codec_twice": [LZ, {"name": "deflate"}],
    "media_and_lz4": [{"name": "png"}, LZ], "filter_and_media": [SH, {"name": "png"}],
    "two_media": [{"name": "png"}, {"name": "jpeg"}],
}  # fmt: skip
PARAMS: dict[str, list[dict[str, Any]]] = {
    "shuffle_no_size": [{"name": "shuffle"}, LZ], "shuffle_size_0": [{"name": "shuffle", "size": 0}, LZ],
    "shuffle_size_256": [{"name": "shuffle", "size": 256}, LZ], "shuffle_size_true": [{"name": "shuffle",
                                        "size": True}, LZ],
    "shuffle_size_str": [{"name": "shuffle", "size": "2"}, LZ],
    "shuffle_size_float": [{"name": "shuffle", "size": 2.0}, LZ],
    "shuffle_size_minus": [{"name": "shuffle", "size": -2}, LZ],
    "bitshuffle_no_size": [{"name": "bitshuffle"}, LZ], "bitshuffle_size_256": [{"name": "bitshuffle", "size": 256},
                                        LZ],
    "delta_no_size": [{"name": "delta"}, LZ], "delta_size_3": [{"name": "delta", "size": 3}, LZ],
    "delta_size_16": [{"name": "delta", "size": 16}, LZ], "delta_stride_0": [{"name": "delta", "size": 2,
                                        "stride": 0}, LZ],
    "delta_stride_over": [{"name": "delta", "size": 2, "stride": (1 << 32) + 1}, LZ],
    "narrow_no_size": [{"name": "narrow", "width": 1}, LZ], "narrow_no_width": [{"name": "narrow", "size": 2}, LZ],
    "narrow_width_3": [{"name": "narrow", "size": 2, "width": 3}, LZ],
    "narrow_signed_1": [{"name": "narrow", "size": 2, "width": 2, "signed": 1}, LZ],
    "lz4_level_13": [{"name": "lz4", "level": 13}], "lz4_level_str": [{"name": "lz4", "level": "9"}],
    "lz4_level_minus": [{"name": "lz4", "level": -1}], "zstd_level_0": [{"name": "zstd", "level": 0}],
    "zstd_level_23": [{"name": "zstd", "level": 23}], "deflate_level_10": [{"name": "deflate", "level": 10}],
}  # fmt: skip
for kind, table, clause in (("chain", CHAINS, "codec.chain"), ("params", PARAMS, "codec.params")):
    for name, pipeline in table.items():

        @case(f"codec/{kind}_{name}", clause, "chunk.index.early", features=("codec.lz4", "codec.shuffle"))
        def _(b: Book, pipeline=pipeline) -> None:
            b.explain(f"Pipeline {pipeline}"[:100], "A pipeline that no text describes decodes as its reader likes.")
            dataset = one(VALUES, shape=[2], k=4, codecs=[[SH, LZ]], encode=[lambda d: lz4_literals(shuffle2(d))])
            also = ("E_INDEX_UNIT", "E_CODEC_UNSUPPORTED") if "media" in b.entry.id else ()
            b.refuses(dataset.fault("a", "index.codecs", [pipeline]), CODEC, also=also)


def shuffle2(data: bytes) -> bytes:
    return data[0::2] + data[1::2]


FLOATS = [np.array([1.0, 2.0, 3.0, 4.0], "<f4")]


def quantized(codes: list[int] = (1, 2, 3, 4), **head: Any) -> bytes:  # type: ignore[assignment]
    """A linear quantize stream of :data:`FLOATS`: lo 1, step 1, one byte a code; ``head`` overrides its fields."""
    f = {"mode": 1, "width": 1, "drop": 0, "zero": 0, "exceptions": 0, "lo": 1.0, "step": 1.0, "pad": bytes(8)} | head
    names = ("mode", "width", "drop", "zero", "exceptions", "lo", "step", "pad")
    return struct.pack("<BBBBIdd8s", *(f[n] for n in names)) + bytes(codes)


QUANTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "both_bounds": ([QUANT | {"max_rel_error": 0.1}], "codec.quantize.bound"),
    "no_bound": ([{"name": "quantize", "dtype": "float32"}], "codec.quantize.bound"),
    "other_dtype": ([QUANT | {"dtype": "float64"}], "codec.quantize.place"),
    "dtype_integer": ([QUANT | {"dtype": "int32"}], "codec.params"), "no_dtype": ([{"name": "quantize",
                                        "max_abs_error": 0.5}], "codec.params"),
    "abs_zero": ([QUANT | {"max_abs_error": 0.0}], "codec.params"), "abs_minus": ([QUANT | {"max_abs_error": -0.5}],
                                        "codec.params"),
    "abs_over": ([QUANT | {"max_abs_error": 1.1e308}], "codec.params"),
    "rel_one": ([{"name": "quantize", "dtype": "float32", "max_rel_error": 1.0}], "codec.params"),
    "rel_tiny": ([{"name": "quantize", "dtype": "float32", "max_rel_error": 1e-16}], "codec.params"),
    "second": ([{"name": "shuffle", "size": 4}, QUANT], "codec.quantize.place"),
    "beside_narrow": ([QUANT, NARROW], "codec.chain"),
}  # fmt: skip
LOSSY = {"fidelity": "lossy"}
for name, (pipeline, clause) in QUANTS.items():

    @case(f"codec/quantize_{name}", clause, features=("codec.quantize", "codec.shuffle", "codec.narrow"))
    def _(b: Book, pipeline=pipeline) -> None:
        b.explain(f"Pipeline {pipeline}"[:100], "A bound that nobody can name is no promise.")
        dataset = one(FLOATS, shape=[4], codecs=[[QUANT]], encode=[lambda d: quantized()], members=LOSSY)
        b.refuses(dataset.fault("a", "index.codecs", [pipeline]), CODEC)


# lz4

TEXT = [np.frombuffer(b"abcabcabcabcabcabcabc!", np.uint8)]
LZ4_GOOD = lz4_literals(TEXT[0].tobytes())
LZ4: dict[str, bytes] = {
    "empty": b"", "cut": LZ4_GOOD[:-1], "byte_behind": LZ4_GOOD + b"\0", "short": lz4_literals(TEXT[0].tobytes()[:-1]),
    "long": lz4_literals(TEXT[0].tobytes() + b"x"),
    "offset_before": b"\x33abc\x09\x00" + lz4_literals(b"12345678901X"), "literals_past": b"\xf0\xff" + bytes(22),
    "length_unended": b"\xf0\xff\xff", "frame": bytes.fromhex("04224d18") + LZ4_GOOD,
    "size_prefix": struct.pack("<I", 22) + LZ4_GOOD,
}  # fmt: skip
for name, bad in LZ4.items():

    @case(f"codec/lz4_{name}", "codec.lz4.block", "codec.whole", "codec.corrupt", "codec.limit", "algo.read.8",
          "codec.trailing", "codec.length", features=("codec.lz4",))  # fmt: skip
    def _(b: Book, name=name, bad=bad) -> None:
        refuse(b, f"lz4, {name}", [{"name": "lz4"}], TEXT, LZ4_GOOD, bad)


# deflate

Z = zlib_stored(TEXT[0].tobytes())


def fdict() -> bytes:
    body = b"\x78\x20" + (1).to_bytes(4, "big")
    head = 0x7800 | 0x20
    head += -head % 31
    return head.to_bytes(2, "big") + body[2:] + Z[2:]


DEFLATE: dict[str, bytes] = {
    "adler": Z[:-1] + bytes([Z[-1] ^ 1]), "no_adler": Z[:-4], "cut": Z[:10], "byte_behind": Z + b"\0",
    "raw": Z[2:-4], "gzip": b"\x1f\x8b\x08" + bytes(7) + Z[2:-4] + bytes(8), "dictionary": fdict(),
    "short": zlib_stored(TEXT[0].tobytes()[:-1]), "long": zlib_stored(TEXT[0].tobytes() + b"x"), "empty": b"",
    "block_type_3": Z[:2] + b"\x07" + Z[3:], "header_check": b"\x78\x02" + Z[2:], "two": Z + Z,
}  # fmt: skip
for name, bad in DEFLATE.items():

    @case(f"codec/deflate_{name}", "codec.deflate.stream", "codec.whole", "codec.trailing", features=("codec.deflate",))
    def _(b: Book, name=name, bad=bad) -> None:
        refuse(b, f"deflate, {name}", [{"name": "deflate"}], TEXT, Z, bad)


# zstd

RAWTEXT = TEXT[0].tobytes()
BLOCK = ((len(RAWTEXT) << 3) | 1).to_bytes(3, "little") + RAWTEXT
MAGIC = b"\x28\xb5\x2f\xfd"
ZS = zstd_raw(RAWTEXT)
SKIP = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
ZSTD: dict[str, tuple[bytes, str]] = {
    "no_size": (MAGIC + b"\x00\x00" + BLOCK, "codec.zstd.size"),
    "size_less": (MAGIC + b"\xe0" + struct.pack("<Q", 21) + BLOCK, "codec.zstd.size"),
    "size_more": (MAGIC + b"\xe0" + struct.pack("<Q", 23) + BLOCK, "codec.zstd.size"),
    "dictionary": (MAGIC + b"\xe1\x07" + struct.pack("<Q", 22) + BLOCK, "codec.zstd.dictionary"),
    "window": (MAGIC + b"\xc0\x70" + struct.pack("<Q", 22) + BLOCK, "codec.zstd.window"),
    "window_just_over": (MAGIC + b"\xc0\x69" + struct.pack("<Q", 22) + BLOCK, "codec.zstd.window"),
    "two_frames": (ZS + zstd_raw(b""), "codec.zstd.frame"), "skippable_before": (SKIP + ZS, "codec.zstd.frame"),
    "skippable_behind": (ZS + SKIP, "codec.zstd.frame"), "skippable_only": (SKIP, "codec.zstd.frame"),
    "magic": (b"\x29" + ZS[1:], "codec.zstd.frame"), "cut": (ZS[:-1], "codec.zstd.frame"), "empty": (b"",
                                        "codec.zstd.frame"),
    "byte_behind": (ZS + b"\0", "codec.trailing"), "reserved_bit": (ZS[:4] + b"\xe8" + ZS[5:], "codec.zstd.frame"),
    "checksum": (MAGIC + b"\xe4" + struct.pack("<Q", 22) + BLOCK + b"\1\2\3\4", "codec.zstd.frame"),
    "block_type_3": (MAGIC + b"\xe0" + struct.pack("<Q", 22) + bytes([BLOCK[0] | 6]) + BLOCK[1:], "codec.corrupt"),
}  # fmt: skip
for name, (bad, clause) in ZSTD.items():

    @case(f"codec/zstd_{name}", clause, "codec.whole", features=("codec.zstd",))
    def _(b: Book, name=name, bad=bad) -> None:
        refuse(b, f"zstd, {name}", [{"name": "zstd"}], TEXT, ZS, bad)


# narrow

SMALL = [np.array([-3, 0, 4, 250], "<i2")]
NARROW_CODEC = {"name": "narrow", "size": 2, "width": 1, "signed": True}


def narrowed(size: int = 2, width: int = 1, signed: int = 1, zero: bytes = bytes(5), least: int = -3,
             codes: bytes = bytes([0, 3, 7, 253])) -> bytes:  # fmt: skip
    return bytes([size, width, signed]) + zero + struct.pack("<q", least) + codes


NARROWS: dict[str, tuple[bytes, str]] = {
    "size": (narrowed(size=4), "codec.narrow.size"), "width": (narrowed(width=2), "codec.narrow.width"),
    "signed": (narrowed(signed=0), "codec.narrow.signed"), "signed_2": (narrowed(signed=2), "codec.narrow.signed"),
    "zero_first": (narrowed(zero=b"\x01\0\0\0\0"), "codec.narrow.zero"),
    "zero_last": (narrowed(zero=b"\0\0\0\0\x80"), "codec.narrow.zero"),
    "minimum_below": (narrowed(least=-32769), "codec.narrow.minimum"),
    "minimum_above": (narrowed(least=32768), "codec.narrow.minimum"),
    "range": (narrowed(least=32767), "codec.narrow.range"),
    "short": (narrowed()[:-1], "codec.narrow.length"), "long": (narrowed() + b"\0", "codec.narrow.length"),
    "head_only": (narrowed()[:15], "codec.narrow.head"), "empty": (b"", "codec.narrow.head"),
}  # fmt: skip
for name, (bad, clause) in NARROWS.items():

    @case(f"codec/narrow_{name}", clause, "codec.narrow", "codec.narrow.head", features=("codec.narrow",))
    def _(b: Book, name=name, bad=bad) -> None:
        refuse(b, f"narrow, {name}", [NARROW_CODEC], SMALL, narrowed(), bad)


# quantize

INF, NAN = float("inf"), float("nan")
QUANTIZED: dict[str, tuple[bytes, str]] = {
    "mode_2": (quantized(mode=2), "codec.quantize.mode"), "mode_0": (quantized(mode=0), "codec.quantize.mode"),
    "width_3": (quantized(width=3), "codec.quantize.width"), "width_0": (quantized(width=0), "codec.quantize.width"),
    "drop_1": (quantized(drop=1), "codec.quantize.drop"), "zero": (quantized(zero=1), "codec.quantize.zero"),
    "exceptions_over": (quantized(exceptions=5), "codec.quantize.exceptions"),
    "exceptions_no_marks": (quantized(exceptions=1) + bytes(4), "codec.quantize.exceptions"),
    "marks_no_exceptions": (quantized([0, 2, 3, 4]), "codec.quantize.exceptions"),
    "lo_infinite": (quantized(lo=INF), "codec.quantize.lo"), "lo_nan": (quantized(lo=NAN), "codec.quantize.lo"),
    "step_0": (quantized(step=0.0), "codec.quantize.step"), "step_minus": (quantized(step=-1.0), "codec.quantize.step"),
    "step_nan": (quantized(step=NAN), "codec.quantize.step"), "step_infinite": (quantized(step=INF),
                                        "codec.quantize.step"),
    "step_21_bits": (quantized(step=1 + 2.0**-20), "codec.quantize.step"),
    "pad": (quantized(pad=bytes(7) + b"\1"), "codec.quantize.pad"),
    "short": (quantized()[:-1], "codec.quantize.length"), "long": (quantized() + b"\0", "codec.quantize.length"),
    "head_only": (quantized()[:31], "codec.quantize.head"), "empty": (b"", "codec.quantize.head"),
}  # fmt: skip
for name, (bad, clause) in QUANTIZED.items():

    @case(f"codec/quantized_{name}", clause, "codec.quantize", "codec.quantize.head", features=("codec.quantize",))
    def _(b: Book, name=name, bad=bad) -> None:
        b.explain(f"A quantize stream: {name}", "Every port must give the same bits, and the same refusals.")
        dataset = stream([QUANT], FLOATS, quantized(), bad)
        b.refuses(lossy(dataset), DATA, why=WHY)


def lossy(dataset: Dataset) -> Dataset:
    """The same with fidelity ``lossy``, in the twin too."""
    return dataset.change("main/1", "/tensors/x/fidelity", "lossy")


def mantissa(codes: bytes, drop: int = 16, width: int = 2, **head: Any) -> bytes:
    return quantized([], mode=2, width=width, drop=drop, lo=0.0, step=0.0, **head) + codes


REL = {"name": "quantize", "dtype": "float32", "max_rel_error": 0.01}
HALF = {"name": "quantize", "dtype": "float16", "max_rel_error": 0.01}
ROUGH = np.array([1.0, 2.0, 4.0, -8.0], "<f4")
CODES = (ROUGH.view("<u4") >> 16).astype("<u2").tobytes()
MANTISSAS: dict[str, tuple[bytes, str]] = {
    "drop_under": (mantissa(CODES, drop=15), "codec.quantize.drop"),
    "drop_over": (mantissa(CODES, drop=24), "codec.quantize.drop"),
    "mode": (mantissa(CODES)[:0] + b"\x01" + mantissa(CODES)[1:], "codec.quantize.mode"),
    "lo": (mantissa(CODES)[:8] + struct.pack("<d", 1.0) + mantissa(CODES)[16:], "codec.quantize.lo"),
    "step": (mantissa(CODES)[:16] + struct.pack("<d", 1.0) + mantissa(CODES)[24:], "codec.quantize.step"),
    "code_over": (mantissa(struct.pack("<4H", 1 << 15, 2, 3, 4), drop=17), "codec.quantize.code"),
}  # fmt: skip
for name, (bad, clause) in MANTISSAS.items():

    @case(f"codec/mantissa_{name}", clause, features=("codec.quantize",))
    def _(b: Book, name=name, bad=bad) -> None:
        b.explain(f"A quantize stream of mode 2: {name}", "A code past the dtype wraps into another number.")
        b.refuses(lossy(stream([REL], [ROUGH], mantissa(CODES), bad)), DATA, why=WHY)


@case("codec/lossy_length_before_filter", "codec.length", features=("codec.quantize", "codec.lz4"))
def _(b: Book) -> None:
    """quantize in lz4: more bytes than the largest length

    Between two steps the length is only bounded; a reader without the bound lets the stream choose.
    """
    good, bad = lz4_literals(quantized()), lz4_literals(quantized() + bytes(40))
    b.refuses(lossy(stream([QUANT, {"name": "lz4"}], FLOATS, good, bad)), DATA, why=WHY)


@case("codec/unknown", "codec.unknown", "version.unknown.codec", "safety.unsupported")
def _(b: Book) -> None:
    """A codec that no registry has: its units fail, the others are read

    A reader that refuses the chunk loses what it could read; one that guesses returns noise.
    """
    values = [np.array([i, i], np.uint8) for i in range(4)]
    dataset = one(values, shape=[2], k=2, codecs=[[], [{"name": "zz-later"}]], codec=[0, 1], encode=[bytes, bytes])
    b.reads(dataset, {}, checker=False)
    b.part("x", values[:2], dtype="uint8", first="0", count="2")
    b.ask("read", None, error="E_CODEC_UNSUPPORTED", tensor="x", list=["3"])


@case("codec/unknown_param", "codec.params.unknown", features=("codec.lz4",))
def _(b: Book) -> None:
    """An unknown parameter of an array codec fails its units

    It may change what the bytes mean.
    """
    values = [np.array([i, i], np.uint8) for i in range(4)]
    dataset = one(values, shape=[2], k=2, codecs=[[{"name": "lz4", "zz": 1}]], encode=[lz4_literals])
    b.reads(dataset, {}, checker=False)
    b.ask("read", None, error="E_CODEC_UNSUPPORTED", tensor="x")
