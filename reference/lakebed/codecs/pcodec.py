"""Floor 1. ``pcodec``: numbers of 16 to 64 bits, smaller than shuffle and zstd [codec.pcodec]."""

from __future__ import annotations

import numpy as np

from ..extras import optional
from .row import Buffer, Codec, Param, Params, Shape, corrupt

DTYPES = ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float16", "float32", "float64")


def encode(raw: Buffer, params: Params) -> bytes:
    values = np.frombuffer(raw, params["dtype"])
    config = optional("pcodec", "numeric").ChunkConfig(compression_level=params.get("level", 8))
    return _standalone().simple_compress(values, config)


def _standalone():
    optional("pcodec", "numeric")
    return optional("pcodec.standalone", "numeric")


def decode(stored: Buffer, params: Params, length: int) -> bytes:
    """Into a buffer of exactly the length due; whatever does not fill it, or has more to give, is refused."""
    size = np.dtype(params["dtype"]).itemsize
    if length % size:
        raise corrupt("codec.pcodec", f"{length} bytes are no whole number of {params['dtype']}")
    out = np.empty(length // size, params["dtype"])
    try:
        progress = _standalone().simple_decompress_into(bytes(stored), out)
    except (RuntimeError, TypeError, ValueError) as problem:
        raise corrupt("codec.pcodec", f"a damaged pcodec stream: {problem}") from problem
    if progress.n_processed != len(out) or not progress.finished:
        raise corrupt("codec.whole", f"pcodec gives {progress.n_processed} numbers where {len(out)} are due")
    return out.tobytes()


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
