"""Ours against the flat-file floor, in one process, interleaved; prints the ratios.

    python tests/benchmarks/floor.py [--quick] [--json FILE] [--markdown FILE]

The floor is the hand-written flat file of each workload: raw bytes (or one codec frame a sample) and an offsets array,
no checksums, no versions. Checksums are verified in our figures. Interleaved; reads: median of the rounds after one
warm-up; writes: best of the rounds, for memory that is touched for the first time costs ten times more than the second.
"""

from __future__ import annotations

import io
import itertools
import mmap
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
from report import arguments, emit

import lakebed

Targets = dict[tuple[str, str], tuple[str, float]]
SMALL, LABELS, BOXES, VECTORS = "small 28x28 uint8", "labels 1M int64", "ragged boxes", "embeddings 768 float32"
BIG, SHUFFLED, MASKS, FILES = (
    "big 512x512 float32 lz4",
    "big 512x512 float32 shuffle+lz4",
    "masks 512x512 uint8 lz4",
    "JPEG files",
)
TARGETS: Targets = {  # "x": times the floor; "us": microseconds
    **{(workload, "cold open + 1"): ("us", 1000) for workload in (SMALL, LABELS, BOXES, VECTORS)},
    (SMALL, "read all"): ("x", 1.3),
    (SMALL, "random sample"): ("us", 5),
    (SMALL, "batch of 256"): ("x", 2),
    (LABELS, "extend"): ("us", 10_000),
    (LABELS, "append one"): ("us", 4),
    (LABELS, "read all"): ("x", 1.5),
    (LABELS, "random sample"): ("us", 4),
    (LABELS, "batch of 100000"): ("x", 1.5),
    (BOXES, "write"): ("x", 1.5),
    (BOXES, "read all, flat"): ("x", 1.3),
    (BOXES, "read all, list"): ("x", 1.5),
    (BOXES, "random sample"): ("us", 6),
    (BOXES, "batch of 256"): ("x", 5),
    (VECTORS, "read all"): ("x", 1.2),
    (VECTORS, "random sample"): ("us", 6),
    (VECTORS, "batch of 256"): ("x", 2),
    (BIG, "write"): ("us", 140_000),  # 560 ms for 400 of them
    (BIG, "read all, 2 threads"): ("x", 1.2),
    (BIG, "random sample"): ("x", 1.2),
    (BIG, "64x64 cut with tiles"): ("us", 60),
    (SHUFFLED, "write"): ("us", 140_000),
    (SHUFFLED, "read all, 2 threads"): ("x", 1.2),
    (SHUFFLED, "random sample"): ("x", 1.2),
    (MASKS, "write"): ("x", 1.5),
    (MASKS, "read all, 2 threads"): ("x", 1.2),
    (MASKS, "random sample"): ("x", 1.3),
    (FILES, "read all, 2 threads"): ("x", 0.75),
    (FILES, "random sample"): ("x", 1.1),
    (FILES, "256 encoded files"): ("x", 2),
}

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
        figure = min if name.startswith(("write", "extend")) else median
        a, b = (figure(column) / operations * 1e6 for column in zip(*pairs, strict=True))
        out.append((workload, name, a, b))
    return out


def judged(row: tuple[str, str, float, float], targets: Targets) -> tuple[Any, ...]:
    """A row with its ratio, its target and whether that is met."""
    workload, metric, ours, floor = row
    kind, due = targets.get((workload, metric), ("", 0.0))
    target = f"{due:g}x" if kind == "x" else f"{due:,g} us" if kind else ""
    met = "" if not kind else "met" if (ours / floor if kind == "x" else ours) <= due else "short"
    return workload, metric, ours, floor, ours / floor, target, met


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

    def extend() -> None:
        ds = lakebed.create(f"{folder}/extend{next(count)}")
        ds.create_tensor("x", dtype="int64", shape=())
        ds.extend({"x": data})

    def append() -> None:
        ds = lakebed.create(f"memory://append{next(count)}")
        ds.create_tensor("x", dtype="int64", shape=())
        for value in range(50_000):
            ds.append({"x": value})

    def floor() -> None:
        out = np.empty(50_000, np.int64)
        for value in range(50_000):
            out[value] = value

    metrics: list[Metric] = [("extend", extend, data.copy, 1), ("append one", append, floor, 50_000)]
    return compare(LABELS, metrics, max(3, rounds // 2))


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
        BOXES,
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


def compressed(
    folder: str,
    name: str,
    data: np.ndarray,
    rounds: int,
    tile: tuple[int, int] | None = None,
    codec: str = "lz4",
) -> Any:
    """One unit a sample; the floor is plain lz4, and written by two threads."""
    tensor = written(folder, name, {"x": data}, dtype=data.dtype, shape=data.shape[1:], sample_compression=codec)
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

    number = iter(range(1000))

    def encode() -> None:
        with ThreadPoolExecutor(2) as pool, Path(f"{folder}/{name}.w{next(number)}.flat").open("wb") as file:
            for frame in pool.map(lambda item: lz4.block.compress(item, store_size=False), data):
                file.write(frame)

    def write() -> None:
        with lakebed.create(f"{folder}/{name}.w{next(number)}") as ds:
            ds.create_tensor("x", dtype=data.dtype, shape=data.shape[1:], sample_compression=codec)
            ds.extend({"x": data})

    one = np.random.default_rng(3).integers(0, len(data), 50).tolist()
    metrics: list[Metric] = [
        ("write", write, encode, 1),
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
            sample_compression=codec,
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
    many = rng.integers(0, count, 256)

    def get(i: int) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(view[starts[i] : starts[i + 1]])))

    def everything() -> list[np.ndarray]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(get, range(count)))

    return compare(
        FILES,
        [
            ("read all, 2 threads", lambda: list(tensor.read(slice(None), threads=2)), everything, 1),
            ("random sample", lambda: [tensor[i] for i in one], lambda: [get(i) for i in one], len(one)),
            (
                "256 encoded files",
                lambda: tensor.files(many),
                lambda: [bytes(view[starts[i] : starts[i + 1]]) for i in many.tolist()],
                1,
            ),
        ],
        rounds,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    options = parser.parse_args()
    part, rounds = (10, 3) if options.quick else (1, 7)
    rng = np.random.default_rng(0)
    rows: list[tuple[str, str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        small = rng.integers(0, 255, (60_000 // part, 28, 28), np.uint8)
        rows += fixed(folder, SMALL, small, rounds, 256, 10_000)
        numbers = rng.integers(0, 1000, 1_000_000 // part)
        rows += fixed(folder, LABELS, numbers, rounds, 100_000 // part, 10_000)
        rows += labels(folder, numbers, rounds)
        rows += ragged(folder, 200_000 // part, rounds)
        vectors = rng.random((100_000 // part, 768), np.float32)
        rows += fixed(folder, VECTORS, vectors, rounds, 256, 5_000)
        field = fields(100 // part)
        rows += compressed(folder, BIG, field, rounds, (128, 128))
        rows += compressed(folder, SHUFFLED, field, rounds, codec="shuffle+lz4")
        rows += compressed(folder, MASKS, (field > 0).astype(np.uint8) * 7, rounds)
        rows += jpegs(folder, 1000 // part, rounds)
    columns = ("workload", "metric", "ours, us", "floor, us", "ratio", "target", "verdict")
    emit("floor", columns, [judged(row, TARGETS) for row in rows], options, rounds=rounds, quick=options.quick)


def fields(count: int) -> np.ndarray:
    """Sums of waves, rounded as published fields are: float32 (count, 512, 512)."""
    rng = np.random.default_rng(15)
    y, x = np.mgrid[0:512, 0:512].astype(np.float32) / 512
    out = np.zeros((count, 512, 512), np.float32)
    for field in out:
        for wide, high, start in rng.uniform(-9, 9, (5, 3)):
            field += rng.uniform(1, 8) * np.sin(6.28 * (wide * x + high * y) + start)
        np.round(field * 64, out=field)
    return out / 64


if __name__ == "__main__":
    main()
