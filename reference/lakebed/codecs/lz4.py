"""Floor 1. ``lz4``: one LZ4 block, no length before it [codec.lz4]."""

from __future__ import annotations

from functools import cache
from typing import Any

from lz4 import block

from ..extras import installed, optional
from .row import Buffer, Codec, Param, Params, corrupt

INPUT = 0x7E000000


def encode(raw: Buffer, params: Params) -> bytes | None:
    """None for more than 0x7E000000 bytes: LZ4 blocks end there [codec.lz4.limit]."""
    if len(raw) > INPUT:
        return None
    level = params.get("level", 0)
    if level > 0:
        return block.compress(raw, mode="high_compression", compression=level, store_size=False)
    return block.compress(raw, store_size=False)


def decode(stored: Buffer, params: Params, length: int) -> bytes:
    _limit(stored, length)
    try:
        return block.decompress(stored, uncompressed_size=length)
    except (block.LZ4BlockError, ValueError, OverflowError) as problem:
        raise corrupt("codec.lz4.block", f"no LZ4 block of {length} bytes: {problem}") from problem


def decode_into(stored: Buffer, params: Params, out: memoryview) -> None:
    """With cramjam straight into ``out``: the lz4 library decodes into memory of its own and copies twice."""
    library = _cramjam()
    if library is None:
        raw = decode(stored, params, len(out))
        done = len(raw)
        if done == len(out):
            out[:] = raw
    else:
        _limit(stored, len(out))
        try:
            done = library.lz4.decompress_block_into(stored, out, output_len=len(out))
        except (library.DecompressionError, ValueError, OverflowError) as problem:
            raise corrupt("codec.lz4.block", f"no LZ4 block of {len(out)} bytes: {problem}") from problem
    if done != len(out):
        raise corrupt("codec.whole", f"lz4 gives {done} bytes where {len(out)} are due")


@cache
def _cramjam() -> Any:
    return optional("cramjam", "fast") if installed("cramjam") else None


def _limit(stored: Buffer, length: int) -> None:
    if length > INPUT or len(stored) > encoded(INPUT, {}):
        raise corrupt("codec.lz4.limit", f"an LZ4 block of {length} bytes is over the limit of {INPUT}")


def encoded(length: int, params: Params) -> int:
    return length + length // 255 + 16


def judge(stored: Buffer) -> None:
    """For checkers: refuse an offset of 0, over which the library says nothing [codec.lz4.offset].

    ``stored`` decodes without error, so every length and offset is there.
    """
    data = bytes(stored)
    at, end = 0, len(data)
    while at < end:
        token = data[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            while data[at] == 255:
                at, literals = at + 1, literals + 255
            literals += data[at]
            at += 1
        at += literals
        if at >= end:
            return  # the last sequence has no match
        if data[at : at + 2] == b"\0\0":
            raise corrupt("codec.lz4.offset", f"the sequence at byte {at} of the block has the offset 0")
        at += 2
        if token & 15 == 15:
            while data[at] == 255:
                at += 1
            at += 1


ROW = Codec(
    "lz4",
    "bytes",
    "always",
    "LZ4 block, the fast general codec",
    params=(Param("level", (int,), 0, 0, 12, about="0 fast; 3 to 12 slower and smaller", effort=True),),
    library="lz4",
    limits={"input": INPUT},
    encode=encode,
    decode=decode,
    decode_into=decode_into,
    encoded=encoded,
    ratio=255,
)
