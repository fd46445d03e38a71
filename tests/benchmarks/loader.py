"""Images per second on a JPEG workload, against the decoder alone and PyTorch on plain files; quality of shuffling.

    python tests/benchmarks/loader.py [--images 4000] [--rounds 3] [--markdown] [--only WORD]

Every way gives every picture decoded, none cropped or joined. The floors decode bytes that lie in memory, with as
many threads as there are CPUs. PyTorch's worker processes start anew for every epoch. The object store is a web server
on this machine that waits 20 ms before each answer, and works on the same CPUs; the dataset is opened anew each time.

``epoch``: images a second over the whole epoch, opening included. ``first``: milliseconds until the first batch.
``steady``: images a second after it. ``CPU``: of the decoder's CPU time, what this way's is (its own processes, not
the server), which other work on the machine disturbs least. Ratios are medians over interleaved rounds, each round's
ratio to the decoder in the same round.
"""

from __future__ import annotations

import argparse
import io
import mmap
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
import lakebed
from lakebed.codecs import CODECS
from lakebed.extras import installed
from lakebed.loaders import loader, quality
from lakebed.threads import default_threads
from servers import Content, RangeServer

DELAY = 0.02
CPUS = default_threads()


def pictures(count: int) -> list[bytes]:
    """Crops of the demo's photographs, 256 to 400 pixels a side, quality 90."""
    rng = np.random.default_rng(11)
    data = Path(lakebed.__file__).parent / "demo" / "data"
    photos = [Image.open(data / name).convert("RGB").resize((640, 480)) for name in ("rose.jpg", "cat.jpg")]
    out = []
    for i in range(count):
        high, wide = int(rng.integers(256, 301)), int(rng.integers(256, 401))
        x, y = int(rng.integers(0, 640 - wide)), int(rng.integers(0, 480 - high))
        out.append(io.BytesIO())
        photos[i % 2].crop((x, y, x + wide, y + high)).save(out[-1], "JPEG", quality=90)
    return [file.getvalue() for file in out]


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def codec(data: bytes) -> np.ndarray:
    """The decoder that lakebed uses: a faster one than Pillow where its library is installed."""
    head = CODECS["jpeg"].header(data)
    return CODECS["jpeg"].pixels(data, head)


Way = Callable[[], Iterable[int]]  # an epoch: the number of pictures of each batch


def floor(files: list[bytes], decode: Callable[[bytes], np.ndarray], threads: int) -> int:
    return sum(floor_batches(files, decode, threads))


def floor_batches(files: list[bytes], decode: Callable[[bytes], np.ndarray], threads: int) -> Iterable[int]:
    with ThreadPoolExecutor(threads) as pool:
        batches = (files[i : i + 32] for i in range(0, len(files), 32))
        yield from pool.map(lambda batch: len([decode(data) for data in batch]), batches)


def counted(batches: Iterable[Any]) -> Iterable[int]:
    return (len(batch["images"]) for batch in batches)


class Files:
    """What one writes by hand for PyTorch: a folder of files."""

    def __init__(self, root: str) -> None:
        self.paths = sorted(Path(root).glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Any:
        import torch

        with Image.open(self.paths[i]) as image:
            return torch.from_numpy(np.array(image))


def mapped(root: str) -> Callable[[str], Content | None]:
    """The files under ``root``, for a server that costs little of the CPUs that are measured."""
    maps: dict[str, mmap.mmap] = {}

    def source(path: str) -> Content | None:
        file = Path(root) / path.lstrip("/")
        if not file.is_file():
            return None
        if path not in maps:
            with file.open("rb") as opened:
                maps[path] = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(maps[path])
        return len(view), lambda offset, length: view[offset : offset + length]  # type: ignore[return-value]

    return source


def serve(root: str, port: Any) -> None:
    with RangeServer(mapped(root), delay=DELAY) as server:
        port.send(server.url)
        port.recv()


def torch_ways(ds: lakebed.Dataset, files: str) -> dict[str, Way]:
    from torch.utils.data import DataLoader

    from lakebed.loaders.torch import IterableDataset

    plain = DataLoader(Files(files), batch_size=32, shuffle=True, num_workers=CPUS, collate_fn=list)
    ours = DataLoader(IterableDataset(ds, shuffle=True, batch_size=32), batch_size=None, num_workers=CPUS)
    return {
        f"PyTorch, plain files, {CPUS} workers": lambda: map(len, plain),
        f"lakebed in PyTorch, shuffled, {CPUS} workers": lambda: counted(ours),
    }


class Epoch(NamedTuple):
    """Seconds: of the whole, until the first batch, of CPU; and the pictures of the first batch."""

    whole: float
    first: float
    cpu: float
    begun: int

    def rate(self, count: int) -> float:
        return count / self.whole

    def steady(self, count: int) -> float:
        return (count - self.begun) / (self.whole - self.first)


def timed(way: Way, count: int) -> Epoch:
    cpu, start = sum(os.times()[:4]), time.perf_counter()
    first, begun, seen = 0.0, 0, 0
    for pictures_ in way():
        if not seen:
            first, begun = time.perf_counter() - start, pictures_
        seen += pictures_
    assert seen == count, (seen, count)
    return Epoch(time.perf_counter() - start, first, sum(os.times()[:4]) - cpu, begun)


def ways_of(files: list[bytes], root: str, url: str) -> dict[str, Way]:
    ds = lakebed.open(f"{root}/ds")
    ways: dict[str, Way] = {
        f"decoder alone, {CPUS} threads": lambda: floor_batches(files, codec, CPUS),
        f"Pillow alone, {CPUS} threads": lambda: floor_batches(files, pillow, CPUS),
        "lakebed, as stored": lambda: counted(loader(ds)),
        "lakebed, chunk-buffer shuffle": lambda: counted(loader(ds, shuffle=True)),
        "lakebed, full shuffle": lambda: counted(loader(ds, shuffle="full")),
        "lakebed, 20 ms a request, shuffled": lambda: counted(loader(lakebed.open(url), shuffle=True)),
    }
    return ways | torch_ways(ds, f"{root}/files") if installed("torch") else ways


def speed(count: int, rounds: int, only: str) -> dict[str, list[Epoch]]:
    """The epochs of each way, in interleaved rounds after one that warms up."""
    files = pictures(count)
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "files").mkdir()
        for i, data in enumerate(files):
            (Path(root) / "files" / f"{i:06}.jpg").write_bytes(data)
        with lakebed.create(f"{root}/ds") as writing:
            writing.create_tensor("images", htype="image", sample_compression="jpeg")
            writing.create_tensor("labels", htype="class_label")
            writing.extend({"images": [lakebed.read(data) for data in files], "labels": np.arange(count) % 10})
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(f"{root}/ds", theirs), daemon=True)
        server.start()
        ways = ways_of(files, root, ours.recv())
        kept = {name: way for name, way in ways.items() if only in name or name.startswith("decoder")}
        seen: dict[str, list[Epoch]] = {name: [] for name in kept}
        for number in range(rounds + 1):
            for name, way in kept.items():
                epoch = timed(way, count)
                if number:
                    seen[name].append(epoch)
        ours.send("")
        server.join(5)
        return seen


def table(seen: dict[str, list[Epoch]], count: int) -> list[list[str]]:
    floors = next(iter(seen.values()))
    rows = [["way", "images/s", "of the decoder", "first, ms", "steady", "CPU"]]
    for name, epochs in seen.items():
        pairs = list(zip(epochs, floors, strict=True))
        rate = median(one.rate(count) for one in epochs)
        whole = median(one.rate(count) / best.rate(count) for one, best in pairs)
        steady = median(one.steady(count) / best.rate(count) for one, best in pairs)
        cpu = median(one.cpu / best.cpu for one, best in pairs)
        first = median(one.first for one in epochs) * 1000
        rows.append([name, f"{rate:.0f}", f"{whole:.2f}", f"{first:.0f}", f"{steady:.2f}", f"{cpu:.2f}"])
    return rows


def shuffles() -> list[tuple[str, Any]]:
    """Quality over 100,000 rows of 20 kB, 1.0 a uniform permutation: by the share of the dataset that waits."""
    from lakebed.loaders.order import Plan, layout
    from lakebed.loaders.sizes import BLOCK, BLOCKS

    rows, out = 100_000, []
    cost = np.full(rows, 20_000)
    for share in (0.01, 0.05, 0.25):
        window = int(cost.sum() * share / 2)
        made = layout(cost, None, min(max(window // BLOCKS, BLOCK[0]), BLOCK[1]))
        order = Plan(made, "chunk-buffer", 0, 0, 1, window).epoch(0).order()
        out.append((f"chunk-buffer, buffer {share:.0%} of the dataset", quality(order)))
    return [*out, ("full", quality(Plan(made, "full", 0, 0, 1, window).epoch(0).order()))]


def shown(rows: list[list[str]], markdown: bool) -> None:
    for number, row in enumerate(rows):
        cells = [f"{row[0]:48}", *(f"{cell:>14}" for cell in row[1:])]
        print("| " + " | ".join(cells) + " |" if markdown else " ".join(cells))
        if markdown and not number:
            print("|---" + "|---:" * (len(row) - 1) + "|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", help="ways whose name has this word")
    arguments = parser.parse_args()
    seen = speed(arguments.images, arguments.rounds, arguments.only)
    shown(table(seen, arguments.images), arguments.markdown)
    print()
    heads = ["shuffle, 1.00: uniform", "displacement", "neighbours", "autocorr. (0)", "spread"]
    rows = [[name, *(f"{value:.2f}" for value in found)] for name, found in shuffles()]
    shown([heads, *rows], arguments.markdown)


if __name__ == "__main__":
    main()
