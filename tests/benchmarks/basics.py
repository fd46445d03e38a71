"""The format's own numbers: requests for one sample of a terabyte, labels, memory. Needs no other library.

    python tests/benchmarks/basics.py [--json FILE] [--markdown FILE]

Nothing here is asserted by tests; speed is measured here, and printed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from report import arguments, emit

sys.path.insert(0, str(Path(__file__).parent.parent))
import lakebed
from lakebed import codecs, columns
from lakebed.format.chunk import HEAD, encode_tail
from lakebed.format.commit import encode_commit
from lakebed.model import ChunkIndex, Commit, TensorState
from lakebed.names import chunk_key, commit_key, hint_key
from lakebed.slices import ChunkRef, SliceTable, runs
from servers import RangeServer

SAMPLES, MEAN, PER_CHUNK = 10_000_000, 100_000, 2_684  # 1 TB in chunks of about 256 MiB


def requests() -> dict[str, Any]:
    """Counts requests for one random sample of a dataset whose payload is made up by the server."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(MEAN // 2, MEAN * 3 // 2, 64)  # few lengths, so that their checksums are known
    crcs = np.array([zlib.crc32(bytes(int(n))) for n in kinds], np.uint64)
    pick = rng.integers(0, len(kinds), PER_CHUNK)
    lengths = kinds[pick].astype(np.uint64)
    payload = int(lengths.sum())
    index = ChunkIndex(
        dtype="uint8",
        samples=PER_CHUNK,
        shape=(columns.column(lengths),),
        crc=columns.column(crcs[pick]),
        codecs=(codecs.RAW,),
    )
    tail = encode_tail(payload, index)
    count = -(-SAMPLES // PER_CHUNK)
    refs = tuple(ChunkRef(hashlib.sha256(str(i).encode()).hexdigest(), payload, len(tail) - 40) for i in range(count))
    counts = [PER_CHUNK] * (count - 1) + [SAMPLES - PER_CHUNK * (count - 1)]
    table = SliceTable(refs, runs(range(count), [0] * count, counts))
    state = TensorState(htype="generic", dtype="uint8", shape=(None,), own=table)
    commit = Commit("main", 1, "0" * 32, "2026-01-01T00:00:00Z", SAMPLES, {"blobs": state})
    document = encode_commit(commit)
    chunk_keys = {"/" + chunk_key(ref.name) for ref in refs}
    size = 64 + payload + len(tail)

    def chunk_bytes(offset: int, length: int) -> bytes:
        end = offset + length
        head = HEAD[offset:end] if offset < 64 else b""
        zeros = max(0, min(end, 64 + payload) - max(offset, 64))
        rest = tail[max(0, offset - 64 - payload) : max(0, end - 64 - payload)]
        return head + bytes(zeros) + rest

    def source(path: str) -> Any:
        if path in chunk_keys:
            return size, chunk_bytes
        if path in ("/" + commit_key("main", 1), "/" + hint_key("main")):
            return len(document), lambda offset, length: document[offset : offset + length]
        return None

    out: dict[str, Any] = {"commit bytes": len(document), "index bytes": len(tail) - 40}
    with RangeServer(source, delay=0.02) as server:
        start = time.perf_counter()
        tensor = lakebed.open(server.url)["blobs"]
        tensor[7_654_321]
        out |= {"cold requests": server.requests, "cold dependent": server.waves}
        out["cold ms at 20 ms a request"] = round((time.perf_counter() - start) * 1000, 1)
        server.reset()
        start = time.perf_counter()
        tensor[7_654_322]
        out |= {"warm requests": server.requests, "warm dependent": server.waves}
        out["warm ms at 20 ms a request"] = round((time.perf_counter() - start) * 1000, 1)
    return out


def labels() -> dict[str, Any]:
    """One extend of a million int64, and what the index of a fixed raw chunk weighs."""
    values = np.random.default_rng(0).integers(0, 1000, 1_000_000)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(5):
            ds = lakebed.create(f"{folder}/{i}")
            ds.create_tensor("labels", dtype="int64", shape=())
            start = time.perf_counter()
            ds.extend({"labels": values})
            times.append(time.perf_counter() - start)
            ds.commit()
        assert ds.commit_info is not None
        ref = ds.commit_info.tensors["labels"].own.chunks[0]
        assert (ds["labels"][:] == values).all()
    return {
        "extend 1M int64, ms (median of 5)": round(median(times) * 1000, 1),
        "index, % of the payload": round(100 * ref.index / ref.payload, 4),
    }


_WRITER = """
import resource, sys, numpy as np, lakebed
ds = lakebed.create(sys.argv[1])
ds.create_tensor("x", dtype="float32", shape=(1024, 256))
block = np.random.default_rng(0).random((64, 1024, 256), np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(64):
    ds.extend({"x": block})
ds.commit()
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory() -> dict[str, Any]:
    """Peak memory of a process that streams 4 GB into a local dataset."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        command = [sys.executable, "-c", _WRITER, f"{folder}/d"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    before, peak = map(int, done.stdout.split())
    return {
        "writer of 4 GB: peak MB": peak // 1024,
        "of which interpreter and data": before // 1024,
        "MB/s": round(4096 * 1.048576 / seconds),
    }


# (part, figure): the most it should be
TARGETS = {
    ("requests", "cold dependent"): 3,
    ("requests", "warm dependent"): 1,
    ("labels", "extend 1M int64, ms (median of 5)"): 10,
    ("labels", "index, % of the payload"): 0.1,
    ("memory", "writer of 4 GB: peak MB"): 512,
}


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = []
    for part in (requests, labels, memory):
        for figure, value in part().items():
            due = TARGETS.get((part.__name__, figure))
            verdict = "" if due is None else "met" if value <= due else "short"
            rows.append((part.__name__, figure, value, due or "", verdict))
    emit("basics", ("part", "figure", "measured", "target", "verdict"), rows, options)


if __name__ == "__main__":
    main()
