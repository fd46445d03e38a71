"""Floor 1. ``zstd``: one frame with its content size, no dictionary, window at most 8 MiB [codec.zstd].

zstandard's contexts are not thread safe, so every thread keeps its own.
"""

from __future__ import annotations

import threading
from typing import Any

from ..extras import optional
from .row import Buffer, Codec, Param, Params, corrupt

WINDOW = 8 << 20
_LOG = 23
_here = threading.local()


def _compressor(level: int) -> Any:
    kept = _here.__dict__.setdefault("compressors", {})
    if level not in kept:
        zstandard = optional("zstandard", "zstd")
        best = zstandard.ZstdCompressionParameters.from_level(level)
        chosen = zstandard.ZstdCompressionParameters.from_level(level, window_log=min(best.window_log or _LOG, _LOG))
        kept[level] = zstandard.ZstdCompressor(compression_params=chosen)
    return kept[level]


def encode(raw: Buffer, params: Params) -> bytes:
    return _compressor(params.get("level", 3)).compress(raw)


class _Reader:
    """What a thread decodes with, looked up once."""

    def __init__(self) -> None:
        zstandard = optional("zstandard", "zstd")
        self.head, self.fault = zstandard.get_frame_parameters, zstandard.ZstdError
        self.whole = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompress


def decode(stored: Buffer, params: Params, length: int) -> bytes:
    reader: _Reader | None = getattr(_here, "reader", None)
    if reader is None:
        reader = _here.reader = _Reader()
    try:
        frame = reader.head(stored)
    except (reader.fault, ValueError) as problem:
        raise corrupt("codec.zstd.frame", f"no zstd frame: {problem}") from problem
    if frame.content_size > length:  # an absent size reads as 2**64 - 1
        raise corrupt("codec.zstd.size", f"a zstd frame states no content size, or more than the {length} bytes due")
    if frame.dict_id:
        raise corrupt("codec.zstd.dictionary", f"a zstd frame needs dictionary {frame.dict_id}")
    if frame.window_size > WINDOW:
        raise corrupt("codec.zstd.window", f"a zstd frame's window of {frame.window_size} bytes is over {WINDOW}")
    try:
        return reader.whole(stored, allow_extra_data=False)
    except reader.fault as problem:
        raise corrupt("codec.zstd.frame", f"a damaged zstd frame: {problem}") from problem


def encoded(length: int, params: Params) -> int:
    return length + (length >> 7) + 512


ROW = Codec(
    "zstd",
    "bytes",
    "always",
    "one Zstandard frame: smaller than lz4, still fast",
    aliases=("zstandard",),
    params=(Param("level", (int,), 3, 1, 22, about="1 fast, 22 smallest", effort=True),),
    library="zstandard",
    extra="zstd",
    limits={"window": WINDOW},
    encode=encode,
    decode=decode,
    encoded=encoded,
    ratio=32768,
)
