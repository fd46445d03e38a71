"""Images per second on a JPEG workload, against the decoder alone and PyTorch on plain files; quality of shuffling.

    python tests/benchmarks/loader.py [--images 2000] [--rounds 3] [--markdown]

Every way gives every picture decoded, none cropped or joined. The floors decode bytes that lie in memory, with as
many threads as there are CPUs. PyTorch's worker processes start anew for every epoch. The object store is a web server
on this machine that waits 20 ms before each answer.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
import lakebed
from lakebed.codecs import CODECS
from lakebed.extras import installed
from lakebed.loaders import loader, quality
from lakebed.threads import default_threads
from servers import RangeServer, folder

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


def floor(files: list[bytes], decode: Callable[[bytes], np.ndarray], threads: int) -> int:
    with ThreadPoolExecutor(threads) as pool:
        batches = (files[i : i + 32] for i in range(0, len(files), 32))
        return sum(map(len, pool.map(lambda batch: [decode(data) for data in batch], batches)))


def counted(batches: Iterable[Any]) -> int:
    return sum(len(batch["images"]) for batch in batches)


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


def serve(root: str, port: Any) -> None:
    with RangeServer(folder(root), delay=DELAY) as server:
        port.send(server.url)
        port.recv()


def torch_ways(ds: lakebed.Dataset, files: str) -> dict[str, Callable[[], int]]:
    from torch.utils.data import DataLoader

    from lakebed.loaders.torch import IterableDataset

    plain = DataLoader(Files(files), batch_size=32, shuffle=True, num_workers=CPUS, collate_fn=list)
    ours = DataLoader(IterableDataset(ds, shuffle=True, batch_size=32), batch_size=None, num_workers=CPUS)
    return {
        f"PyTorch, plain files, {CPUS} workers": lambda: sum(map(len, plain)),
        f"lakebed in PyTorch, shuffled, {CPUS} workers": lambda: counted(ours),
    }


def speed(count: int, rounds: int) -> list[tuple[str, float]]:
    """(way, images a second), the median of interleaved rounds."""
    files = pictures(count)
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "files").mkdir()
        for i, data in enumerate(files):
            (Path(root) / "files" / f"{i:06}.jpg").write_bytes(data)
        with lakebed.create(f"{root}/ds") as writing:
            writing.create_tensor("images", htype="image", sample_compression="jpeg")
            writing.create_tensor("labels", htype="class_label")
            writing.extend({"images": [lakebed.read(data) for data in files], "labels": np.arange(count) % 10})
        ds = lakebed.open(f"{root}/ds")
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(f"{root}/ds", theirs), daemon=True)
        server.start()
        url = ours.recv()
        ways: dict[str, Callable[[], int]] = {
            f"decoder alone, {CPUS} threads": lambda: floor(files, codec, CPUS),
            f"Pillow alone, {CPUS} threads": lambda: floor(files, pillow, CPUS),
            "lakebed, as stored": lambda: counted(loader(ds)),
            "lakebed, chunk-buffer shuffle": lambda: counted(loader(ds, shuffle=True)),
            "lakebed, full shuffle": lambda: counted(loader(ds, shuffle="full")),
            "lakebed, 20 ms a request, shuffled": lambda: counted(loader(lakebed.open(url), shuffle=True)),
        }
        if installed("torch"):
            ways |= torch_ways(ds, f"{root}/files")
        seen: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                assert way() == count, name
                seen[name].append(count / (time.perf_counter() - start))
        ours.send("")
        server.join(5)
        return [(name, median(rates)) for name, rates in seen.items()]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    rates = speed(arguments.images, arguments.rounds)
    left, right = ("| ", " |") if arguments.markdown else ("", "")
    print(f"{left}{'way':48} | images/s | of the decoder{right}")
    if arguments.markdown:
        print("|---|---:|---:|")
    for name, rate in rates:
        print(f"{left}{name:48} | {rate:8.0f} | {rate / rates[0][1]:.2f}{right}")
    print()
    print(f"{left}{'shuffle, 1.00: uniform':48} | displacement | neighbours | autocorr. (0) | spread{right}")
    if arguments.markdown:
        print("|---|---:|---:|---:|---:|")
    for name, found in shuffles():
        numbers = " | ".join(f"{value:.2f}" for value in found)
        print(f"{left}{name:48} | {numbers}{right}")


if __name__ == "__main__":
    main()
