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
BYTES = frozenset({"lz4", "zstd", "deflate", "blosc2"})
FILTERS = frozenset({"shuffle", "bitshuffle", "delta", "narrow", "quantize"})
DATA = "E_CODEC_DATA"
_SIZE, _ANY = range(1, 256), range(1, (1 << 32) + 1)
#: media codecs of which only files are kept
_FILES = ("jxl_jpeg", "hdr", "mp3", "ogg", "opus", "mp4", "mkv", "webm", "avi", "dcm", "las", "laz")
_SCALE: dict[str, tuple[Any, bool]] = {"slope": ((-1e30, 1e30), False), "intercept": ((-1e30, 1e30), False)}
#: parameters in their order: what they may be (a range, a tuple of values, a type) and whether they are required
PARAMS: dict[str, dict[str, tuple[Any, bool]]] = {
    "lz4": {"level": (range(13), False)},
    "zstd": {"level": (range(1, 23), False)},
    "deflate": {"level": (range(10), False)},
    "blosc2": {
        "size": (_SIZE, True), "codec": (("lz4", "zstd", "deflate"), False),
        "filter": (("none", "shuffle", "bitshuffle"), False), "level": (range(1, 10), False),
    },
    "shuffle": {"size": (_SIZE, True)},
    "bitshuffle": {"size": (_SIZE, True)},
    "delta": {"size": ((1, 2, 4, 8), True), "stride": (_ANY, False)},
    "narrow": {"size": ((1, 2, 4, 8), True), "width": ((1, 2, 4, 8), True), "signed": (bool, False)},
    "quantize": {
        "dtype": (("float16", "float32", "float64"), True),
        "max_abs_error": ((0.0, 1e308), False),
        "max_rel_error": ((1e-15, 0.999), False),
    },
    "png": {"level": (range(10), False)},
    "jpeg": {"quality": (range(1, 101), False), "subsampling": (("4:4:4", "4:2:2", "4:2:0"), False)},
    "webp": {"lossless": (bool, False), "quality": (range(101), False)},
    "tiff": {"compression": (("none", "deflate", "lzw"), False)},
    "bmp": {"bits": ((1, 8, 24), False)},
    "gif": {},
    "pcodec": {
        "dtype": (("uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32", "float64"), True),
        "level": (range(13), False),
    },
    "jpeg2000": {"lossless": (bool, False), "psnr": ((10.0, 100.0), False)},
    "avif": {"lossless": (bool, False), "quality": (range(101), False),
             "subsampling": (("4:4:4", "4:2:2", "4:2:0"), False), "speed": (range(11), False)},
    "jxl": {"lossless": (bool, False), "distance": ((0.05, 25.0), False), "effort": (range(1, 10), False)},
    "exr": {"compression": (("none", "zip"), False)},
    "qoi": {"channels": ((3, 4), False)}, "ppm": {"bits": ((1, 8, 16, 32), False)}, "sgi": {"bits": ((8,), False)},
    "ico": {"bits": ((1, 8, 16), False)}, "im": {"bits": ((1, 8, 16, 32), False)}, "xbm": {"bits": ((1,), False)},
    "msp": {"bits": ((1,), False)}, "pcx": {"bits": ((1, 8), False)}, "dib": {"bits": ((1, 8, 24), False)},
    "tga": {"bits": ((8,), False)}, "wav": {"rate": (range(1, 16_000_001), False)},
    "flac": {"rate": (range(1, 655_351), False)}, "ply": {"bits": ((32, 64), False)}, "stl": {"bits": ((32,), False)},
    "nii": _SCALE, "nii.gz": _SCALE | {"level": (range(10), False)},
} | {name: {} for name in _FILES}  # fmt: skip
MEDIA = frozenset(PARAMS) - BYTES - FILTERS - {"pcodec"}


def pipeline_kind(pipeline: list[dict[str, Any]]) -> str:
    """``raw``, ``media``, or ``array`` (unknown codecs too: they fail when they are decoded)."""
    if not pipeline:
        return "raw"
    return "media" if pipeline[0]["name"] in MEDIA else "array"


def judge_pipeline(pipeline: Any, dtype: str) -> None:
    """The form of a pipeline: E_INDEX_FIELD or E_INDEX_CODEC [codec.pipeline, codec.chain, codec.params]."""
    good = isinstance(pipeline, list) and len(pipeline) <= 8
    good = good and all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in pipeline)
    values = [v for c in pipeline for v in c.values()] if good else []
    good = good and all(isinstance(v, bool | int | float | str) for v in values)
    need(good, "E_INDEX_FIELD", "codec.pipeline", "a pipeline is not an array of at most 8 maps with a name")
    names = [c["name"] for c in pipeline]
    for i, name in enumerate(names):
        alone = name in PARAMS and name not in FILTERS | BYTES
        good = len(names) == 1 if alone else name not in BYTES or i == len(names) - 1
        good = good and (name != "quantize" or (i == 0 and "narrow" not in names))
        if name == "pcodec":
            good = len(names) == 1 and pipeline[0].get("dtype", dtype) == dtype
        need(good, "E_INDEX_CODEC", "codec.chain", f"{name} cannot stand at place {i} of {names}")
    for codec in pipeline:
        _judge_params(codec, dtype)


def _judge_params(codec: dict[str, Any], dtype: str) -> None:
    name = codec["name"]
    for param, (allowed, required) in PARAMS.get(name, {}).items():
        good = param in codec or not required
        need(good, "E_INDEX_CODEC", "codec.params", f"{name} without {param}")
        if param in codec:
            good = _allowed(codec[param], allowed)
            need(good, "E_INDEX_CODEC", "codec.params", f"{name}: {param} is {codec[param]!r}")
    if name == "quantize":
        bounds = [b for b in ("max_abs_error", "max_rel_error") if b in codec]
        need(len(bounds) == 1, "E_INDEX_CODEC", "codec.quantize.bound", f"bounds {bounds}")
        good = codec["dtype"] == dtype
        need(good, "E_INDEX_CODEC", "codec.quantize.place", f"dtype {codec['dtype']}, chunk {dtype}")


def _allowed(value: Any, allowed: Any) -> bool:
    if allowed is bool:
        return isinstance(value, bool)
    if isinstance(allowed, range):
        return type(value) is int and value in allowed
    if isinstance(allowed[0], float):
        return type(value) in (int, float) and (value > 0 or allowed[0] < 0) and allowed[0] <= value <= allowed[1]
    return type(value) is type(allowed[0]) and value in allowed


def decode(stored: bytes, pipeline: list[dict[str, Any]], length: int, dtype: str) -> bytes:
    """The ``length`` bytes that ``stored`` decodes to, all input consumed. Raises E_CODEC_DATA [7.2]."""
    for codec in pipeline:
        known = None if codec["name"] == "pcodec" else PARAMS.get(codec["name"])
        need(known is not None, "E_CODEC_UNSUPPORTED", "codec.unknown", f"codec {codec['name']}")
        extra = set(codec) - set(known or ()) - {"name"}
        need(not extra, "E_CODEC_UNSUPPORTED", "codec.params.unknown", f"{codec['name']}: {sorted(extra)}")
    inputs = [length]
    for codec in pipeline:
        inputs.append(_output_length(codec, inputs[-1]))
    loose = pipeline[0]["name"] == "quantize"  # the only filter whose output's length is not known before
    data = stored
    for i, codec in reversed(list(enumerate(pipeline))):
        data = _decode_one(data, codec, inputs[i], loose and i > 0)
    need(len(data) == length, DATA, "codec.whole", f"decodes to {len(data)} bytes, not {length}")
    return data


def _output_length(codec: dict[str, Any], n: int) -> int:
    """The length, or the most, that a codec gives for n bytes of input [codec.length]."""
    if codec["name"] == "quantize":
        size = ITEMSIZE[codec["dtype"]]
        return 32 + n // size * (4 + size)
    if codec["name"] == "narrow":
        return 16 + n // codec["size"] * codec["width"] + n % codec["size"]
    return n


def _decode_one(data: bytes, codec: dict[str, Any], most: int, loose: bool) -> bytes:
    """``most`` bytes come out, or with ``loose`` at most so many."""
    name = codec["name"]
    if name in BYTES:
        good = loose or most <= PER_BYTE[name] * len(data)
        need(good, DATA, "codec.plausible", f"{most} bytes from {len(data)}")
        out = _blosc2(data, most, codec["size"]) if name == "blosc2" else STREAMS[name](data, most)
        need(len(out) == most or loose, DATA, "codec.whole", f"{len(out)} bytes, not {most}")
        return out
    if name == "shuffle":
        return unshuffle(data, codec["size"])
    if name == "bitshuffle":
        return unbitshuffle(data, codec["size"])
    if name == "delta":
        return undelta(data, codec["size"], codec.get("stride", 1))
    if name == "narrow":
        return unnarrow(data, codec, most)
    return unquantize(data, codec, most)


def _lz4(data: bytes, most: int) -> bytes:
    import lz4.block

    need(most <= 0x7E000000, DATA, "codec.lz4.limit", f"{most} bytes")
    try:
        _lz4_walk(data)
    except IndexError:
        raise Broken(DATA, "codec.lz4.block", "cut short") from None
    try:
        return lz4.block.decompress(data, uncompressed_size=most)
    except (lz4.block.LZ4BlockError, ValueError) as e:
        raise Broken(DATA, "codec.lz4.block", str(e)) from None


def _lz4_walk(data: bytes) -> None:
    """The rules of a block that libraries forgive: offsets, and where the last match may lie [codec.lz4.block]."""
    at = out = begin = end = 0
    while True:
        token = data[at]
        n, at = _lz4_length(data, at + 1, token >> 4)
        at, out = at + n, out + n
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        need(1 <= offset <= out, DATA, "codec.lz4.offset", f"offset {offset} at byte {out}", at)
        n, at = _lz4_length(data, at + 2, token & 15)
        begin, end = out, out + n + 4
        out = end
    good = at == len(data) and (not end or (out - begin >= 12 and out - end >= 5))
    need(good, DATA, "codec.lz4.block", "the block does not end in literals as it must")


def _lz4_length(data: bytes, at: int, n: int) -> tuple[int, int]:
    """A length of 15 goes on in bytes until one is not 255; gives (length, where to go on)."""
    more = n == 15
    while more:
        n, more, at = n + data[at], data[at] == 255, at + 1
    return n, at


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
        raise Broken("E_EXTRA_MISSING", "codec.extra", "install lakebed-conform[zstd]") from None
    need(data[:4] == b"\x28\xb5\x2f\xfd", DATA, "codec.zstd.frame", "no Zstandard frame")
    try:
        head = zstandard.get_frame_parameters(data)
        said = head.content_size != zstandard.CONTENTSIZE_UNKNOWN and head.content_size <= most
        need(said, DATA, "codec.zstd.size", f"the frame says {head.content_size} bytes, due are {most}")
        need(head.dict_id == 0, DATA, "codec.zstd.dictionary", f"dictionary {head.dict_id}")
        need(head.window_size <= 8 << 20, DATA, "codec.zstd.window", f"window of {head.window_size} bytes")
        stream = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
        out = stream.decompress(data)
    except zstandard.ZstdError as e:
        raise Broken(DATA, "codec.zstd.frame", str(e)) from None
    need(stream.eof and not stream.unused_data, DATA, "codec.trailing", "cut short, or bytes follow the frame")
    return out


STREAMS = {"lz4": _lz4, "deflate": _deflate, "zstd": _zstd}
PER_BYTE = {"lz4": 255, "deflate": 1032, "zstd": 32768, "blosc2": 32768}


def _blosc2(data: bytes, most: int, size: int) -> bytes:
    """One chunk [codec.blosc2.head, codec.blosc2.starts]."""
    need(len(data) >= 32, DATA, "codec.blosc2.head", f"{len(data)} bytes")
    version, _, flags, each, length, block, whole = struct.unpack_from("<BBBBIII", data)
    filters = [kind for kind in data[16:22] if kind]
    good = version == 5 and flags & 13 == 5 and not any(data[24:32]) and len(filters) < 2 and max([0, *filters]) < 3
    need(good, DATA, "codec.blosc2.head", f"version {version}, flags {flags}, filters {filters}")
    need(max(length, block, whole) < 1 << 31, DATA, "codec.blosc2.length", f"{length}, {block} or {whole} from 2^31 on")
    good = each == size and length <= most and 1 <= block <= max(1, length) and whole == len(data)
    need(good, DATA, "codec.blosc2.length", f"{length} bytes in blocks of {block}, stored {whole}")
    if flags & 2:
        need(len(data) == 32 + length, DATA, "codec.blosc2.stored", f"{len(data)} bytes")
        return data[32:]
    inner = {1: "lz4", 3: "deflate", 4: "zstd"}.get(flags >> 5, "")
    need(inner != "", DATA, "codec.blosc2.flags", f"codec {flags >> 5}")
    n = -(-length // block)
    need(len(data) >= 32 + 4 * n, DATA, "codec.blosc2.starts", f"{n} blocks in {len(data)} bytes")
    starts = struct.unpack_from(f"<{n}I", data, 32)
    out, ends = b"", []
    for i, start in enumerate(starts):
        due = min(block, length - i * block)
        part, end = _blosc2_block(data, start, due, inner, size if not flags & 16 and due == block else 1)
        unfilter = {1: unshuffle, 2: unbitshuffle}.get(filters[0] if filters else 0)
        out += unfilter(part, size) if unfilter else part
        ends.append(end)
    good = sorted([*starts, len(data)]) == sorted([32 + 4 * n, *ends])
    need(good, DATA, "codec.blosc2.starts", "gaps or overlaps")
    return out


def _blosc2_block(data: bytes, at: int, due: int, inner: str, count: int) -> tuple[bytes, int]:
    """The content of a block of ``count`` streams before it is unfiltered, and where it ends [codec.blosc2.streams]."""
    need(due % count == 0, DATA, "codec.blosc2.streams", f"{due} bytes in {count} streams")
    each, out = due // count, b""
    for _ in range(count):
        need(at + 4 <= len(data), DATA, "codec.blosc2.starts", f"a stream at byte {at}")
        (n,) = struct.unpack_from("<i", data, at)
        at += 4
        if n <= 0:
            good = n == 0 or (n >= -255 and at < len(data) and data[at] & 1)
            need(bool(good), DATA, "codec.blosc2.streams", f"a run of {n}")
            out, at = out + bytes([-n]) * each, at + (n < 0)
            continue
        need(at + n <= len(data), DATA, "codec.blosc2.starts", f"a stream of {n} bytes at byte {at}")
        if n == each:
            out += data[at : at + n]
        else:
            need(each <= PER_BYTE[inner] * n, DATA, "codec.plausible", f"{each} bytes from {n}")
            part = STREAMS[inner](data[at : at + n], each)
            need(len(part) == each, DATA, "codec.blosc2.streams", f"{len(part)} bytes, not {each}")
            out += part
        at += n
    return out, at


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


def unbitshuffle(data: bytes, size: int) -> bytes:
    """Bit by bit, as the table has it [codec.bitshuffle]."""
    n = len(data) // size
    m = n - n % 8
    planes = np.frombuffer(data, np.uint8, m * size).reshape(8 * size, m // 8)
    bits = np.unpackbits(planes, axis=1, bitorder="little")
    return np.packbits(bits.T.reshape(m, size, 8), axis=2, bitorder="little").tobytes() + data[m * size :]


def unnarrow(data: bytes, codec: dict[str, Any], length: int) -> bytes:
    """The integers of a narrow stream [codec.narrow]; Python integers, so that nothing wraps."""
    size, width, signed = codec["size"], codec["width"], codec.get("signed", False)
    n, rest = divmod(length, size)
    good = len(data) == 16 + n * width + rest
    need(good, DATA, "codec.narrow.length", f"{len(data)} bytes for {n} values")
    good = data[:8] == bytes([size, width, int(signed)]) + bytes(5)
    need(good, DATA, "codec.narrow.head", f"head {data[:8].hex()}")
    least = int.from_bytes(data[8:16], "little", signed=signed)
    low, high = (-(1 << (8 * size - 1)), 1 << (8 * size - 1)) if signed else (0, 1 << (8 * size))
    need(low <= least < high and (n > 0 or least == 0), DATA, "codec.narrow.minimum", f"minimum {least}")
    codes = np.frombuffer(data, f"<u{width}", n, 16)
    most = int(codes.max()) if n else 0
    need(least + most < high, DATA, "codec.narrow.range", f"value {least + most}")
    wrapped = codes.astype(np.uint64) + np.uint64(least % (1 << 64))
    return wrapped.astype(f"<u{size}").tobytes() + data[16 + n * width :]


_WORDS = {"float16": ("<u2", 10), "float32": ("<u4", 23), "float64": ("<u8", 52)}


def unquantize(data: bytes, codec: dict[str, Any], length: int) -> bytes:
    """The floats of a quantize stream, to the bit [codec.quantize]."""
    need(len(data) >= 32, DATA, "codec.quantize.head", "no header")
    (word, mantissa), size = _WORDS[codec["dtype"]], ITEMSIZE[codec["dtype"]]
    mode, width, drop, zero, kept, lo, step, pad = struct.unpack("<BBBBIdd8s", data[:32])
    n = length // size
    linear = "max_abs_error" in codec
    good = mode == (1 if linear else 2) and width in (1, 2, 4) and zero == 0 and kept <= n and pad == bytes(8)
    if linear:
        low_bits = int.from_bytes(data[16:24], "little") & ((1 << 33) - 1)
        good = good and drop == 0 and np.isfinite([lo, step]).all() and step > 0 and low_bits == 0
    else:
        good = good and max(0, 8 * size - 8 * width) <= drop <= mantissa and data[8:24] == bytes(16)
    need(bool(good), DATA, "codec.quantize.head", f"head {data[:32].hex()}")
    good = len(data) == 32 + n * width + kept * size
    need(good, DATA, "codec.quantize.length", f"{len(data)} bytes for {n} values and {kept} exceptions")
    codes = np.frombuffer(data, f"<u{width}", n, 32)
    with np.errstate(over="ignore"):
        if linear:
            odd = codes == 0
            values = (lo + (codes.astype(np.float64) - 1) * step).astype(f"<f{size}").view(word).copy()
        else:
            odd = codes == (1 << (8 * width)) - 1
            good = not n or int(codes[~odd].max(initial=0)) < 1 << (8 * size - drop)
            need(good, DATA, "codec.quantize.code", "a code past the dtype")
            values = (codes.astype(np.uint64) << np.uint64(drop)).astype(word)
    need(int(odd.sum()) == kept, DATA, "codec.quantize.exceptions", f"{int(odd.sum())} marks, header says {kept}")
    values[odd] = np.frombuffer(data, word, kept, 32 + n * width)
    return values.tobytes()
