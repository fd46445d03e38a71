"""Bytes, requests and time of twenty frames, or a second of sound, out of a minute: with the seek entry and without.

    python tests/benchmarks/seeking.py [names of films]

On disk, and on a range server of this machine whose every answer waits 20 ms.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import lakebed
from films import FILMS, made
from lakebed.chunkfile import ChunkFile
from lakebed.codecs import film
from servers import RangeServer, folder

DELAY = 0.02


def sounds() -> dict[str, bytes]:
    import soundfile

    draw = np.random.default_rng(0)
    count = 44100 * 600
    out = {}
    for name, form, subtype in [("mp3", "MP3", "MPEG_LAYER_III"), ("ogg", "OGG", "VORBIS"), ("flac", "FLAC", "PCM_16")]:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", 44100, 2, subtype=subtype, format=form) as sound:
            for _ in range(0, count, 44100):
                tone = np.sin(np.arange(44100)[:, None] / np.array([9.0, 31.0])) * 0.3
                sound.write((tone + draw.normal(0, 0.02, tone.shape)).astype("f4"))
        out[name] = file.getvalue()
    return out


def measure(name: str, data: bytes, *parts: tuple[int, int]) -> None:
    file = lakebed.read(data)
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        with lakebed.create(root + "/d.lakebed") as ds:
            htype = "video" if len(file.shape) == 4 else "audio"
            ds.create_tensor("t", htype=htype, dtype=file.dtype, sample_compression=file.format)
            ds.append({"t": file})
            ds.commit("one")
        wrote = time.perf_counter() - begun
        print(f"{name:12} {len(data) / 1e6:7.1f} MB, appended in {wrote:.1f} s")
        with RangeServer(folder(root), delay=DELAY) as server:
            for said, entry in [("entry", ChunkFile.seek), ("whole", None)]:
                kept = ChunkFile.seek, ChunkFile._media_part
                if entry is None:
                    ChunkFile.seek = lambda self, unit: None
                    ChunkFile._media_part = _whole
                for place in (root + "/d.lakebed", server.url + "/d.lakebed"):
                    for start, stop in parts:
                        film._kept.clear()  # the scan of a whole file is remembered
                        tensor = lakebed.open(place)["t"]
                        assert tensor.shapes[0]  # the index is at hand
                        server.reset()
                        begun = time.perf_counter()
                        tensor[0, start:stop]
                        took = time.perf_counter() - begun
                        sent = f"{server.bytes / 1e6:7.2f} MB, {server.requests} requests"
                        print(f"    {said} {start:9} {1e3 * took:8.1f} ms  {sent if 'http' in place else 'on disk'}")
                ChunkFile.seek, ChunkFile._media_part = kept


def _whole(self, number, region):
    """As before there were entries: the whole unit, then its part."""
    from lakebed import codecs
    from lakebed.columns import at

    unit = self.geometry.unit_of(number)
    name = self.index.codecs[at(self.index.codec, unit)][0].name
    stored = self.stored([self.geometry.unit(unit)])[0]
    shape = self.geometry.shape_of(number)
    return codecs.decode_part(name, stored, self.index.dtype, shape, region[0].start, region[0].stop)


def main() -> None:
    usual = ["mp4", "mp4_sound", "mkv", "mkv_no_cues", "webm", "avi_b", "mkv_ffv1", "mp3", "ogg", "flac"]
    names = sys.argv[1:] or usual
    for name in names:
        if name in FILMS:
            count = 1500 if name != "mkv_ffv1" else 300
            measure(name, made(FILMS[name], count, (640, 360), noise=60), (100, 120), (count - 60, count - 40))
    if {"mp3", "ogg", "flac"} & set(names):
        for name, data in sounds().items():
            measure(name, data, (44100 * 300, 44100 * 301))


if __name__ == "__main__":
    main()
