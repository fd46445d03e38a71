"""Images per second out of other formats' own loaders, beside ours, on the JPEG workload of ``loader.py``.

    python tests/benchmarks/loader_peers.py --python webdataset=/venvs/common/bin/python --python mds=… [--images 2000]

Every way runs in a process of its own (``--child``), under the interpreter named for it, else under this one; peers
are taken in turns, round after round. A child writes the same files in its format once; its clock runs over one
epoch, shuffled, batches of 32, every picture decoded to an array of its own size, two workers or threads. What an
epoch gave is compared with what was written: their number and the sum of their heights and widths. ``of the decoder``
is the median over the rounds of each round's ratio to the decoder in that round.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

WORKERS, BATCH = 2, 32


def decoded(data: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def all_decoded(rows: list[dict[str, Any]]) -> list[np.ndarray]:
    return [decoded(row["images"]) for row in rows]


def torch_loader(rows: Any, **how: Any) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(rows, batch_size=BATCH, num_workers=WORKERS, collate_fn=list, **how)


# --- one way: bytes of the files, a folder to write into -> a function that begins an epoch of batches ---------------

Way = Callable[[list[bytes], Path], Callable[[], Iterable[Iterable[np.ndarray]]]]


def lakebed_(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import lakebed

    place = str(root / "pictures.lakebed")
    with lakebed.create(place) as ds:
        ds.create_tensor("images", htype="image", sample_compression="jpeg")
        ds.extend({"images": [lakebed.read(data) for data in files]})
    made = lakebed.open(place).loader(batch_size=BATCH, shuffle=True, threads=WORKERS)
    return lambda: (batch["images"] for batch in made)


def lakebed_pillow(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    """Without the faster decoder, so that the pictures are decoded by what the others use."""
    for name in ("simplejpeg", "imagecodecs"):
        sys.modules[name] = None  # type: ignore[assignment]  # as if not installed
    return lakebed_(files, root)


def files_(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    """A folder of files and a ``Dataset`` of five lines: what one writes by hand."""
    for i, data in enumerate(files):
        (root / f"{i:06}.jpg").write_bytes(data)

    class Rows:
        paths = sorted(root.glob("*.jpg"))

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, i: int) -> np.ndarray:
            return decoded(self.paths[i].read_bytes())

    made = torch_loader(Rows(), shuffle=True)
    return lambda: made


def webdataset_(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import webdataset

    with webdataset.ShardWriter(f"{root}/%04d.tar", maxcount=max(1, len(files) // 8), verbose=0) as out:
        for i, data in enumerate(files):
            out.write({"__key__": f"{i:06}", "jpg": data})
    shards = sorted(map(str, root.glob("*.tar")))

    def begin() -> Iterable[Any]:
        rows = webdataset.WebDataset(shards, shardshuffle=100).shuffle(1000).decode("rgb8").to_tuple("jpg")
        return webdataset.WebLoader(rows.batched(BATCH, collation_fn=list), batch_size=None, num_workers=WORKERS)

    return lambda: ([row[0] for row in batch] for batch in begin())


def mds(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import streaming

    with streaming.MDSWriter(out=str(root / "mds"), columns={"images": "jpeg"}) as out:
        for data in files:
            from PIL import Image

            out.write({"images": Image.open(io.BytesIO(data))})  # a file that is JPEG goes in as its own bytes

    class Rows(streaming.StreamingDataset):
        def __getitem__(self, i: Any) -> Any:
            return np.asarray(super().__getitem__(i)["images"])

    made = torch_loader(Rows(local=str(root / "mds"), shuffle=True, batch_size=BATCH))
    return lambda: made


def hf(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import datasets

    rows = datasets.Dataset.from_dict({"images": [{"bytes": data, "path": None} for data in files]})
    rows.cast_column("images", datasets.Image()).save_to_disk(str(root / "hf"))
    opened = datasets.load_from_disk(str(root / "hf")).with_format("numpy")
    made = torch_loader(opened, shuffle=True)
    return lambda: ([row["images"] for row in batch] for batch in made)


def deeplake3(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import deeplake

    ds = deeplake.empty(str(root / "dl3"), overwrite=True)
    ds.create_tensor("images", htype="image", sample_compression="jpeg")
    for i, data in enumerate(files):
        (root / f"{i:06}.jpg").write_bytes(data)
        ds.images.append(deeplake.read(str(root / f"{i:06}.jpg")))
    ds.flush()
    made = ds.pytorch(
        num_workers=WORKERS, batch_size=BATCH, shuffle=True, collate_fn=list, decode_method={"images": "numpy"}
    )
    return lambda: ([row["images"] for row in batch] for batch in made)


def deeplake4(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import deeplake

    ds = deeplake.create(str(root / "dl4"))
    ds.add_column("images", deeplake.types.Image(sample_compression="jpeg"))
    ds.append({"images": files})
    ds.commit()
    made = torch_loader(deeplake.open(str(root / "dl4")).pytorch(), shuffle=True)
    return lambda: ([np.asarray(row["images"]) for row in batch] for batch in made)


def lance_(files: list[bytes], root: Path) -> Callable[[], Iterable[Any]]:
    import lance
    import pyarrow
    from lance.torch.data import SafeLanceDataset, get_safe_loader

    lance.write_dataset(pyarrow.table({"images": pyarrow.array(files, pyarrow.large_binary())}), str(root / "lance"))

    rows = SafeLanceDataset(str(root / "lance"))
    made = get_safe_loader(rows, batch_size=BATCH, num_workers=WORKERS, shuffle=True, collate_fn=all_decoded)
    return lambda: made


WAYS: dict[str, Way] = {
    "lakebed": lakebed_,
    "lakebed-pillow": lakebed_pillow,
    "files": files_,
    "webdataset": webdataset_,
    "mds": mds,
    "hf": hf,
    "deeplake3": deeplake3,
    "deeplake4": deeplake4,
    "lance": lance_,
}
FLOORS = ("decoder alone", "Pillow alone")


# --- running ---------------------------------------------------------------------------------------------------------


def child(name: str, place: str) -> None:
    """Writes, warms up with one epoch, then one epoch for each line of standard input; seconds to standard output."""
    sizes = json.loads((Path(place) / "sizes.json").read_text())
    data = (Path(place) / "files.bin").read_bytes()
    ends = np.cumsum([0, *sizes["bytes"]]).tolist()
    files = [data[a:b] for a, b in itertools.pairwise(ends)]
    with tempfile.TemporaryDirectory() as root:
        begin = WAYS[name](files, Path(root))
        for line in itertools.chain(["warm"], sys.stdin):
            start = time.perf_counter()
            count = total = 0
            for batch in begin():
                for picture in batch:
                    count, total = count + 1, total + sum(picture.shape[:2])
            seconds = time.perf_counter() - start
            assert (count, total) == (len(files), sizes["sides"]), (name, count, total, sizes["sides"])
            print(json.dumps("ready" if line == "warm" else seconds), flush=True)


class Running:
    """A child that has written its files and waits for a word to run an epoch."""

    def __init__(self, name: str, python: str, place: str) -> None:
        self.log = Path(place) / f"{name}.err"
        command = [python, __file__, "--child", name, place]
        with open(self.log, "w") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True
            )
        self.ready = self.read() == "ready"

    def read(self) -> Any:
        for line in self.process.stdout:  # libraries print words of their own
            with contextlib.suppress(ValueError):
                return json.loads(line)
        return None

    def epoch(self) -> float:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(20)


def compared(count: int, rounds: int, ways: list[str], pythons: dict[str, str]) -> dict[str, list[float]]:
    """Seconds of every round, by way; one that cannot run is told on standard error."""
    from loader import codec, floor, pictures, pillow

    files = pictures(count)
    with tempfile.TemporaryDirectory() as place:
        sides = sum(sum(decoded(data).shape[:2]) for data in files)
        (Path(place) / "files.bin").write_bytes(b"".join(files))
        (Path(place) / "sizes.json").write_text(json.dumps({"bytes": list(map(len, files)), "sides": int(sides)}))
        running = {name: Running(name, pythons.get(name, sys.executable), place) for name in ways}
        for name in [name for name, one in running.items() if not one.ready]:
            told = running.pop(name).log.read_text().strip().splitlines()
            print(f"{name}: did not run: {told[-1] if told else 'no word'}", file=sys.stderr)
        seen: dict[str, list[float]] = {name: [] for name in (*FLOORS, *running)}
        for _ in range(rounds):
            for name, decode in zip(FLOORS, (codec, pillow), strict=True):
                start = time.perf_counter()
                floor(files, decode, WORKERS)
                seen[name].append(time.perf_counter() - start)
            for name, one in running.items():
                seen[name].append(one.epoch())
        for one in running.values():
            one.close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", action="append", default=[], metavar="WAY=INTERPRETER")
    parser.add_argument("--only", help="ways, comma between them")
    arguments = parser.parse_args()
    pythons = dict(word.split("=", 1) for word in arguments.python)
    ways = arguments.only.split(",") if arguments.only else list(WAYS)
    seen = compared(arguments.images, arguments.rounds, ways, pythons)
    print("| way | images/s | of the decoder |\n|---|---:|---:|")
    for name, seconds in sorted(seen.items(), key=lambda row: median(row[1])):
        ratio = median(best / one for best, one in zip(seen[FLOORS[0]], seconds, strict=True))
        print(f"| {name} | {arguments.images / median(seconds):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
