"""Ours against the flat-file floor, in one process, interleaved; prints the ratios.

    python tests/benchmarks/floor.py [--quick] [--markdown]

The floor is the hand-written flat file of each workload: raw bytes (or one codec frame a sample) and an offsets array,
no checksums, no versions. Checksums are verified in our figures. Median of the rounds; reads after one warm-up.
"""

from __future__ import annotations

import argparse
import io
import itertools
import mmap
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import lz4.block
import numpy as np
from PIL import Image

import lakebed

Metric = tuple[str, Callable[[], Any], Callable[[], Any], int]  # name, ours, floor, operations in one call


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(workload: str, metrics: list[Metric], rounds: int) -> list[tuple[str, str, float, float]]:
    """(workload, metric, ours, floor) in microseconds per operation."""
    out = []
    for name, ours, floor, operations in metrics:
        ours(), floor()
        pairs = [(seconds(ours), seconds(floor)) for _ in range(rounds)]
        a, b = (median(column) / operations * 1e6 for column in zip(*pairs, strict=True))
        out.append((workload, name, a, b))
    return out


def written(folder: str, name: str, columns: dict[str, Any], **tensor: Any) -> lakebed.Tensor:
    with lakebed.create(f"{folder}/{name}") as ds:
        ds.create_tensor("x", **tensor)
        ds.extend(columns)
    return lakebed.open(f"{folder}/{name}")["x"]


def mapped(folder: str, name: str, data: bytes | memoryview) -> mmap.mmap:
    path = Path(folder) / name
    path.write_bytes(data)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def fixed(folder: str, name: str, data: np.ndarray, rounds: int, batch: int, gets: int) -> Any:
    """Raw arrays of one shape."""
    tensor = written(folder, name, {"x": data}, dtype=data.dtype, shape=data.shape[1:])
    flat = np.frombuffer(mapped(folder, name + ".flat", data.tobytes()), data.dtype).reshape(data.shape)
    rng = np.random.default_rng(1)
    one = rng.integers(0, len(data), gets).tolist()
    many = rng.integers(0, len(data), batch)
    assert (tensor[many] == data[many]).all()
    return compare(
        name,
        [
            ("read all", lambda: tensor[:], lambda: flat.copy(), 1),
            ("random sample", lambda: [tensor[i] for i in one], lambda: [flat[i].copy() for i in one], gets),
            (f"batch of {batch}", lambda: tensor[many], lambda: flat[many], 1),
            ("cold open + 1", lambda: lakebed.open(f"{folder}/{name}")["x"][7], lambda: _cold(folder, name, data), 1),
        ],
        rounds,
    ) + compare(name, [_write(folder, name, data)], max(3, rounds // 2))


def _cold(folder: str, name: str, data: np.ndarray) -> np.ndarray:
    with Path(f"{folder}/{name}.flat").open("rb") as file:
        view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(view, data.dtype).reshape(data.shape)[7].copy()


def _write(folder: str, name: str, data: np.ndarray) -> Metric:
    count = iter(range(1000))

    def ours() -> None:
        with lakebed.create(f"{folder}/{name}.w{next(count)}") as ds:
            ds.create_tensor("x", dtype=data.dtype, shape=data.shape[1:])
            ds.extend({"x": data})

    return "write", ours, lambda: Path(f"{folder}/{name}.w{next(count)}.flat").write_bytes(memoryview(data)), 1


def labels(folder: str, data: np.ndarray, rounds: int) -> Any:
    count = iter(range(1000))

    def append() -> None:
        ds = lakebed.create(f"memory://append{next(count)}")
        ds.create_tensor("x", dtype="int64", shape=())
        for value in range(50_000):
            ds.append({"x": value})

    def floor() -> None:
        out = np.empty(50_000, np.int64)
        for value in range(50_000):
            out[value] = value

    return compare("labels 1M int64", [("append one", append, floor, 50_000)], max(3, rounds // 2))


def ragged(folder: str, count: int, rounds: int) -> Any:
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 20, count)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    flat = rng.random((int(ends[-1]), 4), np.float32)
    boxes = [flat[a:b] for a, b in itertools.pairwise(ends)]
    tensor = written(folder, "boxes", {"x": boxes}, dtype="float32", shape=(None, 4))
    floor = np.frombuffer(mapped(folder, "boxes.flat", flat.tobytes()), np.float32).reshape(-1, 4)
    one = rng.integers(0, count, 2000).tolist()
    many = rng.integers(0, count, 256)
    starts = ends.tolist()
    number = iter(range(1000))

    def write() -> None:
        with lakebed.create(f"{folder}/boxes.w{next(number)}") as ds:
            ds.create_tensor("x", dtype="float32", shape=(None, 4))
            ds.extend({"x": boxes})

    def write_flat() -> None:
        Path(f"{folder}/boxes.w{next(number)}").write_bytes(np.concatenate(boxes))
        np.cumsum([len(box) for box in boxes]).tofile(f"{folder}/boxes.o{next(number)}")

    return compare(
        "ragged boxes",
        [
            ("write", write, write_flat, 1),
            ("read all, flat", lambda: tensor[:], lambda: floor.copy(), 1),
            ("read all, list", lambda: tensor[:].list(), lambda: _split(floor.copy(), starts), 1),
            (
                "random sample",
                lambda: [tensor[i] for i in one],
                lambda: [floor[starts[i] : starts[i + 1]].copy() for i in one],
                len(one),
            ),
            (
                "batch of 256",
                lambda: tensor[many],
                lambda: [floor[starts[i] : starts[i + 1]].copy() for i in many.tolist()],
                1,
            ),
        ],
        rounds,
    )


def _split(flat: np.ndarray, ends: list[int]) -> list[np.ndarray]:
    return [flat[a:b] for a, b in itertools.pairwise(ends)]


def compressed(folder: str, name: str, data: np.ndarray, rounds: int, tile: tuple[int, int] | None = None) -> Any:
    """One lz4 unit a sample."""
    tensor = written(folder, name, {"x": data}, dtype=data.dtype, shape=data.shape[1:], sample_compression="lz4")
    frames = [lz4.block.compress(item.tobytes(), store_size=False) for item in data]
    starts = np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]).tolist()
    view = memoryview(mapped(folder, name + ".flat", b"".join(frames)))
    size = data[0].nbytes

    def get(i: int) -> np.ndarray:
        raw = lz4.block.decompress(view[starts[i] : starts[i + 1]], uncompressed_size=size)
        return np.frombuffer(raw, data.dtype).reshape(data.shape[1:])

    def everything() -> np.ndarray:
        out = np.empty(data.shape, data.dtype)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda i: out.__setitem__(i, get(i)), range(len(data))))
        return out

    def encode() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda item: lz4.block.compress(item, store_size=False), data))

    number = iter(range(1000))

    def write() -> None:
        with lakebed.create(f"{folder}/{name}.w{next(number)}") as ds:
            ds.create_tensor("x", dtype=data.dtype, shape=data.shape[1:], sample_compression="lz4")
            ds.extend({"x": data})

    one = np.random.default_rng(3).integers(0, len(data), 50).tolist()
    metrics: list[Metric] = [
        ("write (floor: 2 threads, encode only)", write, encode, 1),
        ("read all, 2 threads", lambda: tensor.read(slice(None), threads=2), everything, 1),
        ("random sample", lambda: [tensor[i] for i in one], lambda: [get(i) for i in one], len(one)),
    ]
    if tile is not None:
        tiled = written(
            folder,
            name + ".t",
            {"x": data},
            dtype=data.dtype,
            shape=data.shape[1:],
            sample_compression="lz4",
            tile=tile,
        )
        cut = lz4.block.compress(data[0, : tile[0], : tile[1]].tobytes(), store_size=False)
        raw = tile[0] * tile[1] * data.itemsize

        def floor_cut() -> np.ndarray:
            part = np.frombuffer(lz4.block.decompress(cut, uncompressed_size=raw), data.dtype)
            return part.reshape(tile)[:64, :64].copy()

        metrics.append(
            ("64x64 cut with tiles", lambda: [tiled[i, :64, :64] for i in one], lambda: [floor_cut() for _ in one], 50)
        )
    return compare(name, metrics, rounds)


def jpegs(folder: str, count: int, rounds: int) -> Any:
    rng = np.random.default_rng(4)
    files = []
    for _ in range(count):
        smooth = rng.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        side = tuple(int(n) for n in rng.integers(224, 320, 2))
        out = io.BytesIO()
        Image.fromarray(smooth).resize(side, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        files.append(out.getvalue())
    with lakebed.create(f"{folder}/jpeg") as ds:
        ds.create_tensor("x", htype="image", sample_compression="jpeg")
        ds.extend({"x": [lakebed.read(data) for data in files]})
    tensor = lakebed.open(f"{folder}/jpeg")["x"]
    starts = np.concatenate([[0], np.cumsum([len(data) for data in files])]).tolist()
    view = memoryview(mapped(folder, "jpeg.flat", b"".join(files)))
    one = rng.integers(0, count, 50).tolist()

    def get(i: int) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(view[starts[i] : starts[i + 1]])))

    def everything() -> list[np.ndarray]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(get, range(count)))

    return compare(
        "JPEG files",
        [
            ("read all, 2 threads", lambda: list(tensor.read(slice(None), threads=2)), everything, 1),
            ("random sample", lambda: [tensor[i] for i in one], lambda: [get(i) for i in one], len(one)),
            (
                "50 encoded files",
                lambda: [tensor.file(i) for i in one],
                lambda: [bytes(view[starts[i] : starts[i + 1]]) for i in one],
                1,
            ),
        ],
        rounds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--markdown", action="store_true", help="a table for the README")
    options = parser.parse_args()
    part, rounds = (10, 3) if options.quick else (1, 7)
    rng = np.random.default_rng(0)
    rows: list[tuple[str, str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        small = rng.integers(0, 255, (60_000 // part, 28, 28), np.uint8)
        rows += fixed(folder, "small 28x28 uint8", small, rounds, 256, 10_000)
        numbers = rng.integers(0, 1000, 1_000_000 // part)
        rows += fixed(folder, "labels 1M int64", numbers, rounds, 100_000 // part, 10_000)
        rows += labels(folder, numbers, rounds)
        rows += ragged(folder, 200_000 // part, rounds)
        vectors = rng.random((100_000 // part, 768), np.float32)
        rows += fixed(folder, "embeddings 768 float32", vectors, rounds, 256, 5_000)
        field = np.cumsum(rng.normal(size=(100, 512, 512)), axis=2).round(2).astype(np.float32)[: 400 // part]
        rows += compressed(folder, "big 512x512 float32 lz4", field, rounds, (128, 128))
        mask = (field > 0).astype(np.uint8) * 7
        rows += compressed(folder, "masks 512x512 uint8 lz4", mask, rounds)
        rows += jpegs(folder, 1000 // part, rounds)
    line = "| {} | {} | {} | {} | {} |" if options.markdown else "{:26} {:38} {:>12} {:>12} {:>7}"
    print(line.format("workload", "metric", "ours, us", "floor, us", "ratio"))
    if options.markdown:
        print("|---|---|---:|---:|---:|")
    for workload, metric, ours, floor in rows:
        print(line.format(workload, metric, f"{ours:,.1f}", f"{floor:,.1f}", f"{ours / floor:.2f}"))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
