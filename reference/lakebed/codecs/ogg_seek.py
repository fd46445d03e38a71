"""Floor 1. Seek entries of Ogg Vorbis: samples to which libsndfile's own seeking is exact [seek.point.sound].

It is not everywhere: within the last page, whose count of samples is cut short, it gives those of another place. So
places are listed that were tried, and from any other the sound is decoded from its start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..columns import column
from .row import Header
from .seek import MAX_POINTS, Seek
from .sound import Careful, attempted, opened, read

APART = 1 << 15  # samples from point to point
LEAST = 1 << 16  # bytes of a file that is worth an entry [seek.write]
NEVER = (1 << 64) - 1  # the count of a page on which no packet ends


def pages(data: bytes) -> list[tuple[int, int]] | None:
    """(where it begins, samples that are whole at its end) of each page; None where it is not one plain stream."""
    found: list[tuple[int, int]] = []
    at, serial = 0, data[14:18]
    while at < len(data):
        count = data[at + 26] if at + 27 <= len(data) else 0
        if data[at : at + 4] != b"OggS" or data[at + 14 : at + 18] != serial:
            return None
        found.append((at, int.from_bytes(data[at + 6 : at + 14], "little")))
        at += 27 + count + sum(data[at + 27 : at + 27 + count])
    return found


def entry(data: bytes, head: Header) -> Seek | None:
    """The entry of a file, with the points that proved right; None where there is none."""
    found = pages(data) if len(data) >= LEAST else None
    if found is None:
        return None
    length = head.shape[0]
    apart = max(APART, -(-length // (MAX_POINTS // 2)))
    places = [(0, 0)]  # sample, page
    for number, (_, sample) in enumerate(found):
        if places[-1][0] + apart <= sample < length and sample != NEVER:
            places.append((sample, number))
    whole = read(data, "OGG", head, 0, length)
    made = Seek(codec="vorbis", base=(1, head.attributes["rate"]), head=_head(found, len(data)))
    while True:
        made = _pointed(made, found, places, len(data))
        wrong = _unproved(data, made, whole)
        if not wrong:
            return made
        if 0 in wrong:
            return None
        places = [place for point, place in enumerate(places) if point not in wrong]


def _head(found: list[tuple[int, int]], length: int) -> tuple[int, ...]:
    """The headers' pages, and the last pages, where libsndfile looks for the length."""
    first = next((at for at, sample in found if sample not in (0, NEVER)), length)
    last = max(first, length - (1 << 16))
    return (0, first, last, length - last) if first < last < length else (0, length)


def _pointed(made: Seek, found: list[tuple[int, int]], places: list[tuple[int, int]], length: int) -> Seek:
    begins = [found[page][0] for _, page in places]
    ends = [*(found[min(page + 2, len(found) - 1)][0] for _, page in places[1:]), length]
    sizes = [end - begin for begin, end in zip(begins, ends, strict=True)]
    samples = [sample for sample, _ in places]
    return replace(made, points=len(places), at=column(samples), offset=column(begins), bytes=column(sizes))


def _unproved(data: bytes, made: Seek, whole: np.ndarray) -> set[int]:
    """Points from which some sample up to the next is not what the straight decode gives [seek.point.proved]."""
    starts = [made.place(point)[0] for point in range(made.points)]
    wrong = set()
    with opened(data, "OGG") as file:
        for point, (start, stop) in enumerate(zip(starts, [*starts[1:], len(whole)], strict=True)):
            file.seek(start)
            if file.read(stop - start, dtype="float32", always_2d=True).tobytes() != whole[start:stop].tobytes():
                wrong.add(point)
    return wrong


def run(file: Any, seek: Seek, shape: tuple[int, ...], start: int, stop: int) -> np.ndarray | None:
    """Samples [start, stop) from the last point at or before; None where the entry does not fit the file."""
    parts = list(zip(seek.head[::2], seek.head[1::2], strict=True))
    file.want([*parts, seek.extent(start, stop)])
    careful = Careful(file)

    def decode() -> np.ndarray | None:
        with opened(careful, "OGG") as found:
            fits = (found.frames, found.channels) == shape
        careful.seek(0)
        first = seek.place(seek.last(start))[0]
        return read(careful, "OGG", Header("float32", shape), start, stop, first=first) if fits else None

    return attempted(careful, decode)


def untrue(data: bytes, seek: Seek) -> str | None:
    """Why an entry is not true of a file; None when it is [seek.true]."""
    found = pages(data)
    known = {sample: at for at, sample in reversed(found or ())}
    for point in range(1, seek.points):
        number, offset, _ = seek.place(point)
        if known.get(number) != offset:
            return f"point {point}: no page at {offset} ends with sample {number}"
    return None
