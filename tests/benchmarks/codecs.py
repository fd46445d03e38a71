"""Codecs: what is added to the bare library call, and what a second core brings; prints two tables.

    python tests/benchmarks/codecs.py [--quick] [--markdown]

Overhead: one sample decoded from memory through the codec layer against the library alone, interleaved, median.
Scaling: many samples decoded by one thread and by two; the best of the rounds. What two threads of pure arithmetic in
numpy reach at the same time stands in the first row: on a busy machine no codec can do better. "held" survives load:
the longest time that a spinning thread stood still during one decode, as a share of it, the least of the rounds; near
1 the interpreter's lock was held throughout, and a second core brings nothing.
"""

from __future__ import annotations

import argparse
import io
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import lz4.block
import numpy as np
from PIL import Image

from lakebed import codecs
from lakebed.codecs import CODECS
from lakebed.extras import installed

Call = Callable[[], Any]


def photo(side: int) -> np.ndarray:
    """Like a photograph for a coder: smooth shapes, edges, a little noise."""
    y, x = np.mgrid[:side, :side] / side
    stripes = [30 * (((x * 5).astype(int) + k) % 2) for k in range(3)]
    waves = [np.sin(9 * x + 3 * k) * np.cos(7 * y - k) * 90 + 128 + stripes[k] for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 4, (side, side, 3))
    return np.clip(np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)


def seconds(call: Call, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


# --- overhead ---------------------------------------------------------------------------------------------------------


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def media_pairs(side: int) -> list[tuple[str, Call, Call]]:
    """(name, ours, the library alone) of pictures and sound."""
    array, out = photo(side), []
    bare: dict[str, Callable[[bytes], Any]] = {"png": opened, "webp": opened, "jpeg": opened, "bmp": opened}
    if installed("simplejpeg"):
        import simplejpeg

        bare["jpeg"] = lambda data: simplejpeg.decode_jpeg(data, "RGB")
    if installed("imagecodecs"):
        import imagecodecs

        bare["jxl"] = lambda data: imagecodecs.jpegxl_decode(data, numthreads=1)
    if installed("qoi"):
        import qoi

        bare["qoi"] = qoi.decode
    for name, alone in bare.items():
        data = codecs.encode_media(name, {}, array)
        ours = lambda name=name, data=data: codecs.decode_media(name, {}, data, "uint8", array.shape)  # noqa: E731
        out.append((f"{name} {side} x {side}", ours, lambda alone=alone, data=data: alone(data)))
    return out


def array_pairs() -> list[tuple[str, Call, Call]]:
    """Small units of numbers."""
    raw = np.arange(64, dtype="i8").tobytes()
    bare: dict[str, tuple[Any, Call]] = {}
    packed = lz4.block.compress(raw, store_size=False)
    bare["lz4"] = packed, lambda: lz4.block.decompress(packed, uncompressed_size=len(raw))
    stream = zlib.compress(raw)
    bare["deflate"] = stream, lambda: zlib.decompress(stream)
    if installed("zstandard"):
        import zstandard

        frame, reader = zstandard.ZstdCompressor().compress(raw), zstandard.ZstdDecompressor()
        bare["zstd"] = frame, lambda: reader.decompress(frame)
    out = []
    for name, (data, alone) in bare.items():
        pipeline = codecs.parse_pipelines(name)[0]
        out.append((f"{name} 512 bytes", lambda p=pipeline, d=data: codecs.decode(p, d, 512), alone))
    return out


def overhead(rounds: int) -> list[tuple[str, float, float]]:
    """(what, ours, alone) in microseconds."""
    rows = []
    for name, ours, alone in media_pairs(256) + array_pairs():
        count = max(3, min(2000, int(0.01 / max(1e-7, seconds(alone, 2)))))
        pairs = [(seconds(ours, count), seconds(alone, count)) for _ in range(rounds)]
        rows.append((name, median(p[0] for p in pairs) * 1e6, median(p[1] for p in pairs) * 1e6))
    return rows


# --- filters ----------------------------------------------------------------------------------------------------------


def filters(rounds: int) -> list[tuple[str, float, float]]:
    """(name, encode, decode) in MB of content a second, 8 MiB of int32."""
    raw = np.cumsum(np.random.default_rng(0).integers(-3, 9, 1 << 21)).astype("i4").tobytes()
    rows = []
    for name in ("shuffle", "bitshuffle", "delta", "narrow", "quantize", "blosc2"):
        dtype = "float32" if name == "quantize" else "int32"
        asked = {"name": name, **({"max_abs_error": 1.0} if name == "quantize" else {})}
        data = np.frombuffer(raw, "i4").astype("f4").tobytes() if name == "quantize" else raw
        pipeline = codecs.resolve(codecs.parse_pipelines(asked)[0], dtype, (None,))
        if name == "narrow":
            pipeline = (codecs.Step("narrow", (("size", 4), ("width", 4), ("signed", True))),)
        stored = codecs.encode(pipeline, data)
        coding = min(seconds(lambda p=pipeline, d=data: codecs.encode(p, d), 1) for _ in range(rounds))
        reading = min(seconds(lambda p=pipeline, s=stored: codecs.decode(p, s, len(raw)), 1) for _ in range(rounds))
        rows.append((name, len(raw) / coding / 1e6, len(raw) / reading / 1e6))
    return rows


# --- two cores --------------------------------------------------------------------------------------------------------


def jobs(quick: bool) -> list[tuple[str, Call, int]]:
    """(name, one decode, how often)."""
    side = 256 if quick else 1024
    array = photo(side)
    ones = np.ones(1 << 20)
    out: list[tuple[str, Call, int]] = [("(numpy alone)", lambda: np.sin(ones), 16)]
    for name in ("jpeg", "png", "webp", "tiff", "jpeg2000", "avif", "jxl", "qoi", "bmp"):
        row = CODECS[name]
        if row.extra is None or installed(row.library):
            data = codecs.encode_media(name, {}, array)
            call = lambda name=name, data=data: codecs.decode_media(name, {}, data, "uint8", array.shape)  # noqa: E731
            out.append((name, call, 0))
    sound = (np.sin(np.arange(1 << 17)[:, None] / 9) * 9000).astype("i2")
    for name in ("flac", "wav"):
        if CODECS[name].extra is None or installed(CODECS[name].library):
            data = codecs.encode_media(name, {}, sound)
            call = lambda name=name, data=data: codecs.decode_media(name, {}, data, "int16", sound.shape)  # noqa: E731
            out.append((name, call, 0))
    numbers = np.cumsum(np.random.default_rng(0).integers(-3, 9, 1 << (19 if quick else 22))).astype("i4").tobytes()
    chains = ["lz4", "zstd", "deflate", "shuffle+lz4", "bitshuffle+zstd", "delta+shuffle+lz4", "blosc2", "pcodec"]
    for name in chains:
        rows = [CODECS[part] for part in name.split("+")]
        if all(row.extra is None or installed(row.library) for row in rows):
            pipeline = codecs.resolve(codecs.parse_pipelines(name)[0], "int32", (None,))
            data = codecs.encode(pipeline, numbers)
            out.append((name, lambda p=pipeline, d=data: codecs.decode(p, d, len(numbers)), 0))
    return out


ENOUGH = 2.0  # seconds of looking at how one codec holds the interpreter


def spent(call: Call, count: int, threads: int) -> float:
    """Seconds for ``count`` calls, shared out before the clock starts."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: None, range(threads)))
        start = time.perf_counter()
        for done in [pool.submit(seconds, call, count // threads) for _ in range(threads)]:
            done.result()
        return time.perf_counter() - start


def held(call: Call, count: int, rounds: int) -> float:
    """The longest stand-still of a spinning thread while another one decodes, as a share of one decode."""
    least, until = 1.0, time.perf_counter() + ENOUGH
    for _ in range(rounds):
        if time.perf_counter() > until:  # a codec whose library calls back into Python crawls beside a spinning thread
            break
        took: list[float] = []
        worker = threading.Thread(target=lambda took=took: took.append(seconds(call, count)))
        gap, last = 0.0, time.perf_counter()
        worker.start()
        while worker.is_alive():
            now = time.perf_counter()
            gap, last = max(gap, now - last), now
        least = min(least, gap / took[0])
    return least


def scaling(rounds: int, quick: bool) -> list[tuple[str, float, float, float]]:
    """(name, ms for one, times faster on two, share of a decode in which the interpreter was held)."""
    rows = []
    for name, call, count in jobs(quick):
        one = seconds(call, 2)
        count = count or max(8, min(400, int(0.15 / one) // 2 * 2))
        pairs = [(spent(call, count, 1), spent(call, count, 2)) for _ in range(rounds)]
        alone, both = (min(column) for column in zip(*pairs, strict=True))
        rows.append((name, alone / count * 1e3, alone / both, held(call, max(1, int(0.03 / one)), 3 * rounds)))
    return rows


def printed(title: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]], markdown: bool) -> None:
    print(f"\n{'### ' if markdown else ''}{title}\n")
    if markdown:
        print("|".join(heads), "|".join("---" for _ in heads), sep="\n")
    else:
        print("".join(f"{head:>22}" for head in heads))
    for row in rows:
        cells = [cell if isinstance(cell, str) else f"{cell:.2f}" for cell in row]
        print("|".join(cells) if markdown else "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds, small pictures")
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    rounds = 3 if asked.quick else 9
    added = [(name, ours, alone, ours - alone, f"{ours / alone:.2f}x") for name, ours, alone in overhead(rounds)]
    printed("One sample from memory", ("decode", "ours us", "alone us", "added us", "ratio"), added, asked.markdown)
    printed("Filters, 8 MiB", ("filter", "encode MB/s", "decode MB/s"), filters(rounds), asked.markdown)
    printed("Two cores", ("decode", "ms", "times faster", "held"), scaling(rounds, asked.quick), asked.markdown)


if __name__ == "__main__":
    main()
