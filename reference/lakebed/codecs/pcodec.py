"""Floor 1. ``pcodec``: numbers of 16 to 64 bits, smaller than shuffle and zstd [codec.pcodec]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..extras import optional
from .row import Buffer, Codec, Param, Params, Shape, corrupt

DTYPES = ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32", "float64")


_MAGIC = b"pco!\x03"
_KINDS = {"u32": 1, "u64": 2, "i32": 3, "i64": 4, "f32": 5, "f64": 6, "u16": 7, "i16": 8, "f16": 9}
"""How the stream says what its numbers are."""
_WINDOW = 4096


def encode(raw: Buffer, params: Params) -> bytes:
    values = np.frombuffer(raw, params["dtype"])
    config = optional("pcodec", "numeric").ChunkConfig(compression_level=params.get("level", 8))
    return _standalone().simple_compress(values, config)


def _standalone():
    optional("pcodec", "numeric")
    return optional("pcodec.standalone", "numeric")


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    """Into a buffer of exactly the length due; whatever does not fill it, or has more to give, is refused."""
    size = np.dtype(params["dtype"]).itemsize
    if length % size:
        raise corrupt("codec.pcodec", f"{length} bytes are no whole number of {params['dtype']}")
    out, data = np.empty(length // size, params["dtype"]), bytes(stored)
    try:
        end = _walked(data, out) if data[:5] == _MAGIC else _counted(data, out)
    except (RuntimeError, TypeError, ValueError, IndexError) as problem:
        raise corrupt("codec.pcodec", f"a damaged pcodec stream: {problem}") from problem
    if end != len(data):
        raise corrupt("codec.trailing", f"{len(data) - end} bytes after the pcodec stream")
    return out.view(np.uint8).data


def _walked(data: bytes, out: np.ndarray) -> int:
    """Chunk by chunk into ``out``, which they fill; where the stream ends.

    After the magic: a byte; 6 bits, one less than how many bits of a hint follow; the file's header; then for each
    chunk the byte of its dtype and 24 bits, one less than its numbers; a 0.
    """
    wrapped = optional("pcodec.wrapped", "numeric")
    place = 6 + (6 + (data[6] & 63) + 1 + 7) // 8
    file, size = wrapped.FileDecompressor.new(data[place : place + _WINDOW])
    place, done = place + size, 0
    kind = out.dtype.kind + str(8 * out.itemsize)
    while data[place]:
        if data[place] != _KINDS[kind]:
            raise corrupt("codec.pcodec", f"a chunk of kind {data[place]} where {out.dtype.name} is due")
        count = 1 + int.from_bytes(data[place + 1 : place + 4], "little")
        if count > len(out) - done:
            raise corrupt("codec.whole", f"pcodec gives {done + count} numbers where {len(out)} are due")
        place += 4
        chunk, size = _windowed(data, place, _WINDOW, file.chunk_decompressor, kind)
        place, into = place + size, out[done : done + count]
        progress, size = _windowed(data, place, into.nbytes + _WINDOW, chunk.read_page_into, count, into)
        if not progress.finished or progress.n_processed != count:
            raise corrupt("codec.pcodec", f"a chunk of {progress.n_processed} numbers where {count} are due")
        place, done = place + size, done + count
    if done != len(out):
        raise corrupt("codec.whole", f"pcodec gives {done} numbers where {len(out)} are due")
    return place + 1


def _windowed(data: bytes, place: int, reach: int, read: Callable[..., tuple[Any, int]], *how: Any) -> tuple[Any, int]:
    """What the library reads at ``place``: it takes bytes only, and a copy of all the rest for each chunk would take
    the square of the stream's length. A part that is too short is an error to it; then it gets twice as much."""
    while True:
        try:
            return read(data[place : place + reach], *how)
        except RuntimeError:
            if place + reach >= len(data):
                raise
        reach *= 2


def _counted(data: bytes, out: np.ndarray) -> int:
    """A stream of another version, which only the library can walk: whole, and not whole without its last byte."""
    read = _standalone().simple_decompress_into
    progress = read(data, out)
    if progress.n_processed != len(out) or not progress.finished:
        raise corrupt("codec.whole", f"pcodec gives {progress.n_processed} numbers where {len(out)} are due")
    try:
        return len(data) - int(read(data[:-1], np.empty_like(out)).finished)
    except RuntimeError:
        return len(data)


def takes(dtype: str, shape: Shape | None) -> str | None:
    return None if dtype in DTYPES else f"pcodec holds {', '.join(DTYPES)}"


ROW = Codec(
    "pcodec",
    "bytes",
    "always",
    "pcodec: the smallest for most numbers, fast to decode",
    aliases=("pco",),
    params=(
        Param("dtype", (str,), choices=DTYPES, required=True, about="of the numbers"),
        Param("level", (int,), 8, 0, 12, about="1 fast, 12 smallest", effort=True),
    ),
    takes=takes,
    library="pcodec",
    extra="numeric",
    holds="numbers of 16, 32 and 64 bits",
    encode=encode,
    decode=decode,
    encoded=lambda length, params: length + (length >> 6) + 1024,
    ratio=1 << 20,
)
