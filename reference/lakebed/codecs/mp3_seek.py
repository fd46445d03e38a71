"""Floor 1. Seek entries of MP3: parts of a long file are decoded from a frame near by [seek.point.sound].

What a frame makes depends on those before it (bit reservoir, overlap, filter bank), but only so far: a decoder that
begins some frames earlier gives the same samples, to the bit. How far is proved for each point when it is listed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..columns import column
from ..errors import LakebedError
from .row import Header, corrupt
from .seek import MAX_POINTS, Seek
from .sound import read

APART = 32  # frames from point to point
BEFORE = 10  # frames that are decoded and thrown away
LEAST = 1 << 16  # bytes of a file that is worth an entry [seek.write]
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_BITS = {
    (3, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Frame(NamedTuple):
    """``bytes`` with its header, ``samples`` that it makes, ``rate``; ``side``: where an Info tag would stand."""

    bytes: int
    samples: int
    rate: int
    side: int


def frame(data: bytes, at: int) -> Frame | None:
    """The frame whose header stands at ``at``; None where there is none of layer II or III."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bits, rate, padded = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer not in (2, 3) or bits in (0, 15) or rate == 3:
        return None
    hertz = _RATES[version][rate]
    kilobits = _BITS[3 if version == 3 else 2, layer][bits - 1]
    samples = 1152 if layer == 2 or version == 3 else 576
    mono = data[at + 3] >> 6 == 3
    side = 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))
    return Frame(samples * 125 * kilobits // hertz + padded, samples, hertz, side)


def frames(data: bytes) -> tuple[list[int], Frame, int] | None:
    """(where the frames of sound begin, and the last ends; one of them; samples that the file cuts off in front).

    None where the file is not one run of frames of one kind, from its start or its ID3 tag on.
    """
    at = 0
    if data[:3] == b"ID3" and len(data) > 10:
        at = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
    first, found, delay = frame(data, at), [], 0
    if first is None:
        return None
    tag = at + first.side
    if data[tag : tag + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(data[tag + 4 : tag + 8], "big")
        lame = tag + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        if data[lame : lame + 4] in (b"LAME", b"Lavc", b"Lavf"):
            delay = (int.from_bytes(data[lame + 21 : lame + 23], "big") >> 4) + 529
        at += first.bytes
    while (here := frame(data, at)) is not None and at + here.bytes <= len(data):
        if (here.samples, here.rate, here.side) != (first.samples, first.rate, first.side):
            return None
        found.append(at)
        at += here.bytes
    return ([*found, at], first, delay) if found else None


def _lengthened(data: bytes, count: int, kind: Frame) -> bytes:
    """These ``count`` frames and silent ones behind them, which nobody decodes: libsndfile guesses from a file's length
    how many there are, by the size of the first, and gives no more than it guessed."""
    if data[kind.side : kind.side + 4] in (b"Xing", b"Info"):
        return data
    silent = (data[:4] + bytes(kind.bytes))[: kind.bytes]
    return data + silent * max(2, 2 * (count + 2) - len(data) // kind.bytes)


def _sized(data: bytes, kind: Frame) -> bytes:
    """The beginning of a file, its tag telling of these bytes only."""
    at = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]) if data[:3] == b"ID3" else 0
    tag = at + kind.side
    flags = int.from_bytes(data[tag + 4 : tag + 8], "big")
    if data[tag : tag + 4] not in (b"Xing", b"Info") or not flags & 2:
        return data
    place = tag + 8 + 4 * (flags & 1)
    return data[:place] + (len(data) - at).to_bytes(4, "big") + data[place + 4 :]


def run(file: Any, seek: Seek, length: int, channels: int, start: int, stop: int) -> np.ndarray:
    """Samples [start, stop) by way of the points of an entry. Errors: E_CODEC_DATA where it does not fit."""
    point, last = seek.last(max(0, start - seek.before)), seek.last(stop - 1)
    base, offset, _ = seek.place(point)
    end = seek.place(last)[1] + seek.place(last)[2]
    file.want([(offset, end - offset)])
    file.seek(offset)
    data = file.read(end - offset)
    found = frames(data)
    if found is None:
        raise corrupt("media.corrupt", "no MP3 frames where they should begin")
    begins, kind, _ = found
    made = (len(begins) - 1) * kind.samples
    if begins[-1] != len(data) or made < stop - base:
        raise corrupt("media.corrupt", f"the frames make {made} samples")
    made = made if point else stop - base  # the first point keeps the file's trimming
    more = _lengthened(data if point else _sized(data, kind), len(begins), kind)
    return read(more, "MP3", Header("float32", (made, channels)), start - base, stop - base, first=0)


def entry(data: bytes, head: Header, whole: np.ndarray) -> Seek | None:
    """The entry of a file that decodes to ``whole``, with the points that proved right; None where there is none."""
    found = frames(data) if len(data) >= LEAST else None
    if found is None:
        return None
    starts, kind, delay = found
    spare = (len(starts) - 1) * kind.samples - head.shape[0] - delay
    if spare < 0:
        return None
    made = Seek(
        codec=("mp1", "mp2", "mp3")[3 - (data[starts[0] + 1] >> 1 & 3)],
        base=(1, kind.rate),
        trim=(delay, spare),
        before=BEFORE * kind.samples,
    )
    apart = max(APART, -(-len(starts) // (MAX_POINTS // 2)))
    first = -(-delay // kind.samples) + apart
    tries = [_proven(data, made, starts, [0, *range(first + i, len(starts) - 1, apart)], kind, whole) for i in (0, 1)]
    return max(tries, key=lambda made: 0 if made is None else made.points)


def _proven(
    data: bytes, made: Seek, starts: list[int], numbers: list[int], kind: Frame, whole: np.ndarray
) -> Seek | None:
    """``made`` with those of these frames as points that prove right. (The last bit of a sample may hang on whether
    its decoder has made an even or an odd number of frames before, as its buffer turns.)"""
    while numbers and numbers[0] == 0:
        made = _pointed(made, starts, numbers, kind.samples)
        wrong = {point for point in range(made.points) if not _proved(data, made, point, whole)}
        if not wrong:
            return made
        if len(wrong) > len(numbers) // 2:
            return _pointed(made, starts, [0], kind.samples) if 0 not in wrong else None
        numbers = [number for point, number in enumerate(numbers) if point not in wrong]
    return None


def _pointed(made: Seek, starts: list[int], numbers: list[int], samples: int) -> Seek:
    places = [starts[number] if number else 0 for number in numbers]
    ends = [*places[1:], starts[-1]]
    at = [0, *(number * samples - made.trim[0] for number in numbers[1:])]
    sizes = [end - place for place, end in zip(places, ends, strict=True)]
    return replace(made, points=len(numbers), at=column(at), offset=column(places), bytes=column(sizes))


def _proved(data: bytes, made: Seek, point: int, whole: np.ndarray) -> bool:
    """What a reader takes from this point is what the straight decode gives [seek.point.proved]."""
    begin = made.place(point)[0] + made.before if point else 0
    after = made.place(point + 1)[0] + made.before if point + 1 < made.points else len(whole)
    begin, after = min(begin, len(whole)), min(after, len(whole))
    if begin == after:
        return True
    try:
        part = run(Held(data), made, len(whole), whole.shape[1], begin, after)
    except LakebedError:
        return False
    return part.tobytes() == whole[begin:after].tobytes()


def untrue(data: bytes, seek: Seek) -> str | None:
    """Why an entry is not true of a file; None when it is [seek.true]."""
    found = frames(data)
    if found is None or seek.base != (1, found[1].rate):
        return "it is no run of frames of that rate"
    begins = set(found[0][:-1])
    for point in range(1, seek.points):
        number, offset, _ = seek.place(point)
        if offset not in begins or (number + found[2]) % found[1].samples:
            return f"point {point}: no frame of sample {number} begins at {offset}"
    return None


class Held:
    """A file in memory as :class:`lakebed.pieces.Pieces` are read."""

    def __init__(self, data: bytes) -> None:
        self.size, self._data, self._at = len(data), data, 0

    def want(self, parts: Any) -> None:
        """All of it is here."""

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        return self._data[self._at : self._at + size]
