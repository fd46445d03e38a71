"""Every hostile media file of the corpus, and small files that claim giant size, in a process with limits.

Each is refused by a named error or gives data; none ends the process, hangs it or takes more memory than it may.
"""

from __future__ import annotations

import json
import queue
import struct
import subprocess
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostile_media import KINDS
from lakebed import codecs
from lakebed.codecs import CODECS
from lakebed.errors import CODES, LakebedError
from lakebed.extras import installed

HERE = Path(__file__).parent
SECONDS = 20.0  # for one file: it takes well below one, machines are shared
MEMORY = 320.0  # MiB that one file may add: its pixels are at most 2^26 of one byte each, a few times
SMALL = 48.0  # MiB that a refused giant may add

needs_all = pytest.mark.skipif(
    not all(map(installed, ("imagecodecs", "OpenEXR", "soundfile", "pydicom", "laspy", "av", "qoi", "simplejpeg"))),
    reason="the extras are not installed",
)


def answers(asked: list[tuple[Path, list[str]]], pixels: int = 1 << 26) -> Iterator[dict[str, Any]]:
    """One answer for each file; a file that ends the process or holds it up is told, and the rest go to a new one."""
    left = list(asked)
    while left:
        taken = yield from _one_process(left, pixels)
        left = left[taken:]


def _one_process(asked: list[tuple[Path, list[str]]], pixels: int) -> Iterator[dict[str, Any]]:
    env = {"PYTHONPATH": f"{HERE.parent / 'reference'}:{HERE}", "PATH": "", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "hostile_media.py")], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    lines, done = _lines(process), 0
    try:
        for path, names in asked:
            done += 1
            answer = _asked(process, lines, {"path": str(path), "names": names, "pixels": pixels})
            yield answer
            if "fault" in answer:
                break
    finally:
        process.kill()
        process.wait()
    return done


def _asked(process: subprocess.Popen, lines: queue.Queue[str], question: dict[str, Any]) -> dict[str, Any]:
    path = question["path"]
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return {"path": path, "fault": "the process is gone"}
    try:
        while (line := lines.get(timeout=2 * SECONDS)) and "begins" in json.loads(line):
            pass
    except queue.Empty:
        return {"path": path, "fault": "it hangs"}
    return json.loads(line) if line else {"path": path, "fault": f"it ended the process: {process.wait()}"}


def _lines(process: subprocess.Popen) -> queue.Queue[str]:
    """What the process prints, line by line; an empty line at its end."""
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    return lines


def judged(found: Iterable[dict[str, Any]], memory: float) -> Counter:
    ends: Counter = Counter()
    for answer in found:
        assert "fault" not in answer, answer
        assert set(answer["found"].values()) <= {"data", *CODES}, answer
        assert answer["seconds"] < SECONDS and answer["mib"] < memory, answer
        ends.update(answer["found"].values())
    return ends


@needs_all
def test_hostile_media_of_the_corpus(corpus) -> None:
    rows = [entry for entry in corpus.files if entry["hostile"] and entry["kind"] in KINDS]
    assert len(rows) > 300
    by_path = {str(corpus.path(entry)): entry for entry in rows}
    found = list(answers([(corpus.path(entry), KINDS[entry["kind"]]) for entry in rows]))
    assert len(found) == len(rows)
    ends = judged(found, MEMORY)
    assert ends["E_CODEC_DATA"] > 300 and ends["E_SAMPLE_FILE"] > 200 and ends["data"] > 50
    for answer in found:
        if by_path[answer["path"]]["expect"] == "reject":
            assert answer["found"]["given"] != "data", answer


# --- small files that claim a giant picture ---------------------------------------------------------------------------

SIDE = 30_000


def crc(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def giants() -> dict[str, tuple[str, bytes]]:
    """File name: (format, a small file whose header says SIDE x SIDE)."""
    small = np.zeros((16, 16, 3), np.uint8)
    side2, side4 = struct.pack(">H", SIDE), struct.pack(">I", SIDE)
    jpeg = codecs.encode_media("jpeg", {}, small).replace(b"\x00\x10\x00\x10\x03", side2 + side2 + b"\x03")
    png = codecs.encode_media("png", {}, small)
    ihdr = side4 + side4 + b"\x08\x02\0\0\0"
    webp = codecs.encode_media("webp", {"lossless": True}, small)
    most = struct.pack("<I", 16382 | 16382 << 14)
    out = {
        "jpeg": jpeg,
        "png": png[:8] + crc(b"IHDR", ihdr) + png[33:],
        "webp": webp[:21] + most + webp[25:],
        "bmp": codecs.encode_media("bmp", {}, small).replace(struct.pack("<II", 16, 16), 2 * struct.pack("<I", SIDE)),
        "jpeg2000": codecs.encode_media("jpeg2000", {}, small).replace(
            struct.pack(">IIII", 16, 16, 0, 0), side4 + side4 + bytes(8)
        ),
        "tga": _tga(),
        "qoi": b"qoif" + side4 + side4 + b"\x03\0" + b"\xfd" * 20 + b"\0" * 7 + b"\x01",
        "ppm": b"P6\n30000 30000\n255\n" + bytes(100),
        "wav": codecs.encode_media("wav", {}, np.zeros((50, 2), "i2")).replace(
            b"data" + struct.pack("<I", 200), b"data" + struct.pack("<I", 2**31)
        ),
        "nii": _nii(),
    }
    gif = b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6)
    gif += b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00\x3b"
    out["gif"] = gif
    tiff = codecs.encode_media("tiff", {"compression": "deflate"}, small)
    for tag in (256, 257, 278):
        for kind, size in ((3, "H"), (4, "I")):
            old = struct.pack("<HHI", tag, kind, 1) + struct.pack(f"<{size}", 16).ljust(4, b"\0")
            tiff = tiff.replace(old, struct.pack("<HHII", tag, 4, 1, SIDE))
    out["tiff"] = tiff
    if installed("imagecodecs"):
        out["jxl"] = _jxl(codecs.encode_media("jxl", {"lossless": True}, np.zeros((256, 256, 3), np.uint8)))
    return {name: (name, data) for name, data in out.items()}


def _tga() -> bytes:
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, SIDE, SIDE, 24, 0x20) + b"\xff\0\0\0" * 20


def _nii() -> bytes:
    data = bytearray(codecs.encode_media("nii", {}, np.zeros((2, 2, 2), "i2")))
    struct.pack_into("<4h", data, 40, 3, SIDE, SIDE, 2)
    return bytes(data)


def _jxl(data: bytes) -> bytes:
    """The codestream's size written anew: no ``small``, 18 bits for each side."""
    at = data.index(b"\xff\x0a") + 2
    bits = 0 | 2 << 1 | (SIDE - 1) << 3 | 0 << 21 | 2 << 24 | (SIDE - 1) << 26
    return data[:at] + bits.to_bytes(6, "little") + data[at + 4 :]


@needs_all
def test_small_files_that_claim_giant_pictures_take_no_memory(tmp_path) -> None:
    """Header and index agree on 30,000 x 30,000 [media.plausible]."""
    asked = []
    for name, (form, data) in giants().items():
        header = codecs.media_header(form, data)
        assert int(np.prod(header.shape, dtype=object)) > 200_000_000, (name, header)
        path = tmp_path / name
        path.write_bytes(data)
        asked.append((path, [form]))
    found = list(answers(asked, 1 << 62))
    judged(found, SMALL)
    for answer in found:
        name = Path(answer["path"]).name
        assert answer["found"]["given"] == "E_SAMPLE_FILE" and answer["found"][name] == "E_CODEC_DATA", answer


def test_every_media_format_has_a_bound() -> None:
    """A format without one could be made to take any memory; sound and video have bounds of their own."""
    without = {name for name, row in CODECS.items() if row.kind == "media" and row.plausible is None}
    assert without <= {"flac", "mp3", "ogg", "opus", "mp4", "mkv", "webm", "avi", "jxl_jpeg", "stl"}, without


def test_no_honest_file_of_the_corpus_is_beyond_its_bound(corpus) -> None:
    seen = 0
    for entry in corpus.files:
        if entry["hostile"] or entry["expect"] != "decode" or entry["kind"] not in KINDS:
            continue
        data = corpus.path(entry).read_bytes()
        for row in CODECS.values():
            if row.sniff is None or row.plausible is None or not row.sniff(data):
                continue
            try:
                header = row.header(data)
            except LakebedError:
                continue
            seen += 1
            if header.refuse is None and entry["path"] not in SHORT:
                assert row.plausible(data, header) is None, entry["path"]
    assert seen > 500


SHORT = {
    "pointcloud/pdal/1.2-no-points.las",  # its header counts points that it does not have
    "dicom/pydicom/chrJapMulti.dcm",  # its pixels were taken out
}


@pytest.mark.parametrize("name", ["webp", "avif"])
def test_a_plain_picture_of_many_pixels_is_read(name: str) -> None:
    array = np.full((4096, 4096, 3), 9, np.uint8)
    params = {"lossless": True} if name == "webp" else {"quality": 90, "subsampling": "4:4:4"}
    data = codecs.encode_media(name, params, array)
    assert array.size > 8000 * len(data)
    assert codecs.decode_media(name, {}, data, "uint8", array.shape).shape == array.shape
