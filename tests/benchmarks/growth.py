"""How costs grow: with samples, with commits, with tensors. Each in a process of its own; needs no other library.

    python tests/benchmarks/growth.py [--quick] [--json FILE] [--markdown FILE]

Times: best of the rounds. Memory of a reader counts the pages of chunks it has mapped and looked at. The slope
is that of a straight line through the logarithms of all sizes but the smallest: 0 is flat, 1 is linear.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report import arguments, emit

import lakebed

BATCH = 100_000
LEAST_MB = 4  # an interpreter's memory goes up and down by as much
FLAT, LINEAR = 0.2, 1.15  # largest slopes that are called so
KINDS = {"labels": {"dtype": "int64", "shape": ()}, "ragged": {"dtype": "uint8", "shape": (None,)}}


def peak() -> int:
    """KiB that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def seconds(call: Callable[[], Any], rounds: int = 1) -> float:
    """Of the best round: what others do on the machine only adds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


# --- in a child -------------------------------------------------------------------------------------------------------


def column(kind: str, count: int, rng: np.random.Generator) -> Any:
    if kind == "labels":
        return rng.integers(0, 1000, count)
    ends = np.cumsum(rng.integers(0, 7, count))
    return np.split(rng.integers(0, 255, int(ends[-1]), np.uint8), ends[:-1])


def write_samples(folder: str, kind: str, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    column(kind, min(BATCH, count), rng)
    before = peak()
    ds = lakebed.create(folder)
    ds.create_tensor("x", **KINDS[kind])
    spent = 0.0
    for start in range(0, count, BATCH):
        values = column(kind, min(BATCH, count - start), rng)
        spent += seconds(functools.partial(ds.extend, {"x": values}))
    done = seconds(ds.commit)
    assert ds.commit_info is not None
    index = sum(ref.index for ref in ds.commit_info.tensors["x"].own.chunks)
    return {
        "write, us a sample": spent / count * 1e6,
        "commit, ms": done * 1e3,
        "index, bytes a sample": index / count,
        "writer, MB": (peak() - before) / 1024,
    }


def read_samples(folder: str, kind: str, count: int) -> dict[str, Any]:
    before = peak()
    lakebed.open(folder)["x"][count // 2]
    opening = seconds(lambda: lakebed.open(folder), 25)
    tensor = lakebed.open(folder)["x"]
    tensor[count // 2]
    first = seconds(lambda: lakebed.open(folder)["x"][count // 2], 15)
    rows = np.random.default_rng(1).integers(0, count, 1000).tolist()
    for row in rows:
        tensor[row]
    sample = seconds(lambda: [tensor[row] for row in rows], 5) / len(rows)
    return {
        "open, ms": opening * 1e3,
        "open + 1, ms": first * 1e3,
        "random sample, us": sample * 1e6,
        "reader, MB": (peak() - before) / 1024,
    }


def write_commits(folder: str, _: str, count: int) -> dict[str, Any]:
    """One row a commit: the slowest way to grow there is."""
    ds = lakebed.create(folder)
    ds.create_tensor("x", **KINDS["labels"])
    spent = []
    before = peak()
    for number in range(count):
        ds.append({"x": number})
        spent.append(seconds(ds.commit))
    document = max(Path(folder, "commits/main").glob("0*.json"), key=lambda path: path.name).stat().st_size
    return {
        "commit, ms": min(spent[-50:]) * 1e3,
        "document, bytes a commit": document / count,
        "writer, MB": (peak() - before) / 1024,
    }


def read_commits(folder: str, _: str, count: int) -> dict[str, Any]:
    before = peak()
    opening = seconds(lambda: lakebed.open(folder), 25)
    first = seconds(lambda: lakebed.open(folder)["x"][count // 2], 15)
    everything = seconds(lambda: lakebed.open(folder)["x"][:], 3)
    return {
        "open, ms": opening * 1e3,
        "open + 1, ms": first * 1e3,
        "open + all rows, ms": everything * 1e3,
        "reader, MB": (peak() - before) / 1024,
    }


def tensors(folder: str, _: str, count: int) -> dict[str, Any]:
    with lakebed.create(folder) as ds:
        for number in range(count):
            ds.create_tensor(f"x{number:03d}", dtype="int64", shape=())
        ds.extend({f"x{number:03d}": np.arange(10) for number in range(count)})
    row = seconds(lambda: dict(lakebed.open(folder)[5].items()), 5)
    return {
        "open, ms": seconds(lambda: lakebed.open(folder), 15) * 1e3,
        "open + a handle of each, ms": seconds(lambda: lakebed.open(folder).tensors, 15) * 1e3,
        "open + a row of all, ms": row * 1e3,
    }


def empty_commit(folder: str, _: str, __: int) -> dict[str, Any]:
    def objects() -> int:
        return sum(1 for path in Path(folder).rglob("*") if path.is_file())

    ds = lakebed.create(folder)
    ds.create_tensor("x", **KINDS["labels"])
    ds.extend({"x": np.arange(1000)})
    ds.commit()
    before = objects()
    ds.commit("nothing")
    return {"objects of an empty commit": objects() - before}


JOBS = {job.__name__: job for job in (write_samples, read_samples, write_commits, read_commits, tensors, empty_commit)}


# --- in the parent ----------------------------------------------------------------------------------------------------


def child(job: str, folder: str, kind: str = "", count: int = 0) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", job, folder, kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def slope(sizes: Sequence[int], values: Sequence[float], least: float = 1e-9) -> float:
    """Of a line through the logarithms; the smallest size, where constants rule, left out when there are more, and
    no value taken for less than ``least``."""
    kept = [(math.log(n), math.log(max(v, least))) for n, v in zip(sizes, values, strict=True)]
    x, y = np.array(kept[1:] if len(kept) > 2 else kept).T
    return float(np.polyfit(x, y, 1)[0])


def verdict(found: float) -> str:
    return "flat" if found <= FLAT else "linear" if found <= LINEAR else "faster than linear"


def series(what: str, sizes: Sequence[int], measured: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """A row for each metric: its value at every size, slope and verdict."""
    rows = []
    for metric in measured[0]:
        values = [each[metric] for each in measured]
        found = slope(sizes, values, LEAST_MB if metric.endswith("MB") else 1e-9) if len(sizes) > 1 else 0.0
        shown = " · ".join(f"{value:.3g}" for value in values)
        rows.append([what, metric, " · ".join(f"{n:g}" for n in sizes), shown, round(found, 2), verdict(found)])
    return rows


def run(options: argparse.Namespace) -> list[list[Any]]:
    samples = [10**k for k in range(3, 6 if options.quick else 8)]
    steps = [1, 10, 100] if options.quick else [1, 10, 100, 1000]
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            measured = []
            for n in samples:
                place = f"{folder}/{kind}{n}"
                measured.append(child("write_samples", place, kind, n) | child("read_samples", place, kind, n))
            rows += series(f"samples, {kind}", samples, measured)
        measured = []
        for n in steps:
            place = f"{folder}/c{n}"
            measured.append(child("write_commits", place, "", n) | child("read_commits", place, "", n))
        rows += series("commits of one row", steps, measured)
        many = [10, 30, 100, 300]
        rows += series("tensors", many, [child("tensors", f"{folder}/t{n}", "", n) for n in many])
        rows += series("", [1], [child("empty_commit", f"{folder}/e")])
    return rows


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        job, folder, kind, count = sys.argv[2:]
        print(json.dumps(JOBS[job](folder, kind, int(count))))
        return
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 100,000 samples and 100 commits")
    options = parser.parse_args()
    emit("growth", ("what grows", "metric", "sizes", "measured", "slope", "verdict"), run(options), options)


if __name__ == "__main__":
    main()
