"""Floor 1. ``deflate``: one zlib stream, RFC 1950, no preset dictionary [codec.deflate]."""

from __future__ import annotations

import zlib

from .row import Buffer, Codec, Param, Params, corrupt


def encode(raw: Buffer, params: Params) -> bytes:
    return zlib.compress(raw, params.get("level", 6))


def decode(stored: Buffer, params: Params, length: int) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(stored, length + 1)
    except (zlib.error, OverflowError) as problem:
        raise corrupt("codec.deflate.stream", f"no zlib stream: {problem}") from problem
    if len(data) > length:
        raise corrupt("codec.limit", f"a zlib stream holds more than {length} bytes")
    if not stream.eof:
        raise corrupt("codec.deflate.stream", f"a zlib stream ends early, after {len(data)} of {length} bytes")
    if stream.unused_data:
        raise corrupt("codec.trailing", f"{len(stream.unused_data)} bytes after the zlib stream")
    return data


def encoded(length: int, params: Params) -> int:
    return length + (length >> 10) + 128


ROW = Codec(
    "deflate",
    "bytes",
    "always",
    "zlib stream: slower than lz4 and zstd, in every standard library",
    aliases=("zlib",),
    params=(Param("level", (int,), 6, 0, 9, about="0 stored, 9 smallest", effort=True),),
    library="zlib",
    encode=encode,
    decode=decode,
    encoded=encoded,
    ratio=1032,
)
