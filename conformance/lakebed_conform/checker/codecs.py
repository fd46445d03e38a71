"""Byte codecs and filters, decoded in plain Python and numpy from the text; media codecs are only named here."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from lakebed_conform.checker.finding import Broken, need

ITEMSIZE = {
    "bool": 1, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "float16": 2, "float32": 4, "float64": 8, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "complex64": 8, "complex128": 16,
}  # fmt: skip
BYTES = frozenset({"lz4", "zstd", "deflate"})
FILTERS = frozenset({"shuffle", "bitshuffle", "delta", "narrow", "quantize"})
DATA = "E_CODEC_DATA"


def pipeline_kind(pipeline: list[dict[str, Any]]) -> str:
    """``raw``, ``array`` or ``media``."""
    if not pipeline:
        return "raw"
    return "array" if pipeline[0]["name"] in BYTES | FILTERS else "media"


def decode(stored: bytes, pipeline: list[dict[str, Any]], length: int, dtype: str) -> bytes:
    """The ``length`` bytes that ``stored`` decodes to, all input consumed. Raises E_CODEC_DATA [codec.decode]."""
    bounds = [length]
    for codec in pipeline:
        bounds.append(_bound(codec, bounds[-1], dtype))
    data = stored
    for i, codec in reversed(list(enumerate(pipeline))):
        data = _decode_one(data, codec, bounds[i], dtype, exact=i == 0)
    need(len(data) == length, DATA, "codec.length", f"decodes to {len(data)} bytes, not {length}")
    return data


def _bound(codec: dict[str, Any], n: int, dtype: str) -> int:
    """The most bytes that a codec's output has for n bytes of input."""
    name = codec["name"]
    if name == "quantize":
        return 32 + 5 * n
    if name == "narrow":
        return 32 + 2 * n
    return n


def _decode_one(data: bytes, codec: dict[str, Any], most: int, dtype: str, *, exact: bool) -> bytes:
    name = codec["name"]
    if name == "lz4":
        return _lz4(data, most, exact)
    if name == "deflate":
        return _deflate(data, most)
    if name == "zstd":
        return _zstd(data, most)
    if name == "shuffle":
        return unshuffle(data, codec["size"])
    if name == "delta":
        return undelta(data, codec["size"], codec.get("stride", 1))
    if name == "quantize":
        return unquantize(data, codec.get("dtype", dtype), most)
    raise Broken("E_CODEC_UNSUPPORTED", "codec.name", f"codec {name}")


def _lz4(data: bytes, most: int, exact: bool) -> bytes:
    import lz4.block

    try:
        out = lz4.block.decompress(data, uncompressed_size=most)
    except (lz4.block.LZ4BlockError, ValueError) as e:
        raise Broken(DATA, "codec.lz4", str(e)) from None
    need(len(out) == most or not exact, DATA, "codec.lz4", f"{len(out)} bytes, not {most}")
    return out


def _deflate(data: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, most + 1)
    except zlib.error as e:
        raise Broken(DATA, "codec.deflate", str(e)) from None
    need(len(out) <= most and stream.eof, DATA, "codec.deflate", f"more than {most} bytes, or cut short")
    need(not stream.unused_data, DATA, "codec.deflate", "bytes follow the stream")
    return out


def _zstd(data: bytes, most: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise Broken("E_CODEC_UNSUPPORTED", "codec.zstd", "install lakebed-conform[zstd]") from None
    try:
        size = zstandard.get_frame_parameters(data).content_size
        need(size <= most, DATA, "codec.zstd", f"frame of {size} bytes, not {most}")
        stream = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
        out = stream.decompress(data)
    except zstandard.ZstdError as e:
        raise Broken(DATA, "codec.zstd", str(e)) from None
    need(not stream.unused_data and stream.eof, DATA, "codec.zstd", "cut short, or bytes follow the frame")
    return out


def unshuffle(data: bytes, size: int) -> bytes:
    n = len(data) // size
    planes = np.frombuffer(data, np.uint8, n * size).reshape(size, n)
    return planes.T.tobytes() + data[n * size :]


def undelta(data: bytes, size: int, stride: int) -> bytes:
    n = len(data) // size
    x = np.frombuffer(data, f"<u{size}", n).copy()
    for start in range(min(stride, n)):
        x[start::stride] = np.cumsum(x[start::stride], dtype=x.dtype)
    return x.tobytes() + data[n * size :]


_WORDS = {"float16": "<u2", "float32": "<u4", "float64": "<u8"}


def unquantize(data: bytes, dtype: str, length: int) -> bytes:
    """The floats of a quantize stream, to the bit [codec.quantize]."""
    need(len(data) >= 32, DATA, "codec.quantize", "no header")
    mode, width, drop, zero, exceptions, lo, step, rest = struct.unpack("<BBBBIdd8s", data[:32])
    size = ITEMSIZE[dtype]
    n = length // size
    good = mode in (1, 2) and width in (1, 2, 4) and zero == 0 and rest == bytes(8)
    need(good, DATA, "codec.quantize", "a wrong header")
    good = len(data) == 32 + n * width + exceptions * size
    need(good, DATA, "codec.quantize", f"{len(data)} bytes for {n} values and {exceptions} exceptions")
    codes = np.frombuffer(data, f"<u{width}", n, 32)
    kept = np.frombuffer(data, _WORDS[dtype], exceptions, 32 + n * width)
    if mode == 1:
        bad = codes == 0
        with np.errstate(over="ignore"):
            values = (lo + (codes.astype(np.float64) - 1) * step).astype(f"<f{size}").view(_WORDS[dtype]).copy()
    else:
        bad = codes == (1 << (8 * width)) - 1
        values = (codes.astype(np.uint64) << np.uint64(drop)).astype(_WORDS[dtype])
    need(int(bad.sum()) == exceptions, DATA, "codec.quantize", f"{int(bad.sum())} marks for {exceptions} exceptions")
    values[bad] = kept
    return values.tobytes()
