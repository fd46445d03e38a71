"""Floor 1. ``mp4`` ``mkv`` ``webm`` ``avi``: video kept as given; frames by number, exactly [codec.mp4] [codec.mkv]
[codec.webm] [codec.avi] [video.frames].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..checksum import crc32
from ..errors import LakebedError
from .film import Astray, checksum, entry, frames, from_point, rgb, straight, untrue
from .row import Codec, Header, Shape
from .seek import Seek

KEPT = 4
_sums: dict[tuple[int, int], list[int]] = {}
"""Of the files judged last: each frame's checksum."""


def _header(form: str) -> Callable[[bytes], Header]:
    def header(data: bytes) -> Header:
        """[video.shape]"""
        found = frames(data, form)
        shape = (len(found.times), found.height, found.width, 3)
        refuse = None if found.width <= 16384 and found.height <= 16384 else f"frames of {shape[1:3]} pixels"
        return Header("uint8", shape, frames=shape[0], refuse=refuse)

    return header


def _part(form: str) -> Callable[[bytes, Header, int, int], np.ndarray]:
    def part(data: bytes, head: Header, start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, *head.shape[1:]), np.uint8)
        try:
            for place, frame in enumerate(straight(data, form, start, stop)):
                out[place] = rgb(frame)
        except LakebedError:
            if not start:
                raise
            for place, frame in enumerate(straight(data, form, 0, stop)):  # a key frame that was none
                if place >= start:
                    out[place - start] = rgb(frame)
        return out

    return part


def _reach(form: str) -> Callable[[Any, str, tuple[int, ...], int, int, Seek | None], np.ndarray | None]:
    def reach(
        file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
    ) -> np.ndarray | None:
        """Frames by way of a seek entry; None where there is none to follow, or it leads astray [seek.advice]."""
        if seek is None or not seek.points or start >= stop or dtype != "uint8" or len(shape) != 4 or shape[3] != 3:
            return None
        if shape[0] > file.size:
            return None  # a frame takes a byte or more
        parts = list(zip(seek.head[::2], seek.head[1::2], strict=True))
        file.want([*parts, seek.extent(start, stop)])
        out: list[np.ndarray] = []
        try:
            for frame in from_point(file, form, seek, start, stop, (shape[1], shape[2])):
                out.append(rgb(frame))
        except Astray:
            return None
        return np.stack(out)

    return reach


def _judge(form: str) -> Callable[[bytes, Header], None]:
    def judge(data: bytes, head: Header) -> None:
        """Every frame once, none of them kept [video.whole]."""
        _judged(data, form, head.shape[0])

    return judge


def _judged(data: bytes, form: str, count: int) -> list[int]:
    key = (len(data), crc32(data))
    found = _sums.get(key)
    if found is None:
        found, seen = [], set()
        for frame in straight(data, form, 0, count):
            if frame.format.name not in seen:
                rgb(frame)  # colours can be made of this form
                seen.add(frame.format.name)
            found.append(checksum(frame))
        while len(_sums) >= KEPT:
            _sums.pop(next(iter(_sums)), None)
        _sums[key] = found
    return found


def _seek(form: str) -> Callable[[bytes, Header], Seek | None]:
    def seek(data: bytes, head: Header) -> Seek | None:
        """[seek.write], by way of the frames that were decoded when the file was judged."""
        return entry(data, form, _judged(data, form, head.shape[0]))

    return seek


def _untrue(form: str) -> Callable[[bytes, Seek], str | None]:
    return lambda data, seek: untrue(data, form, seek)


def _describe(form: str) -> Callable[[bytes], dict[str, Any]]:
    def describe(data: bytes) -> dict[str, Any]:
        """Times are in units of time_base seconds; a constant step is told as such. Key frames are frame numbers."""
        found = frames(data, form)
        times = found.times
        steps = np.unique(np.diff(times))
        matrix, spread, primaries, transfer = found.colours
        return {
            "lossless": found.codec in ("ffv1", "rawvideo", "huffyuv", "png"),
            "codec": found.codec,
            "pixels": found.pixels,
            "time_base": list(found.base),
            "times": times.tolist()
            if len(steps) > 1
            else {"first": int(times[0]), "step": int(steps[0]) if len(steps) else 0},
            "keys": found.keys.tolist(),
            "colour": {"matrix": matrix, "range": spread, "primaries": primaries, "transfer": transfer},
            "rotation": found.rotation,
        }

    return describe


def _takes(dtype: str, shape: Shape | None) -> str | None:
    good = dtype == "uint8" and (shape is None or (len(shape) == 4 and shape[3] in (3, None)))
    return None if good else "video is uint8 of shape (frames, height, width, 3)"


def _row(name: str, about: str, form: str, sniff: Callable[[bytes], bool], **more: Any) -> Codec:
    part = _part(form)
    return Codec(
        name,
        "media",
        "never",
        about,
        takes=_takes,
        library="av",
        extra="video",
        medium="video",
        tolerance="B",
        proves=("shape", "dtype"),
        limits={"side": 16384},
        sniff=sniff,
        header=_header(form),
        pixels=lambda data, head: part(data, head, 0, head.shape[0]),
        part=part,
        reach=_reach(form),
        seek=_seek(form),
        untrue=_untrue(form),
        judge=_judge(form),
        describe=_describe(form),
        **more,
    )


def _brand(data: bytes) -> bool:
    return data[4:8] in (b"ftyp", b"moov", b"mdat") and data[8:12] not in (b"avif", b"avis", b"heic", b"mif1", b"M4A ")


def _doc(kind: bytes) -> Callable[[bytes], bool]:
    return lambda data: data[:4] == b"\x1aE\xdf\xa3" and kind in data[:64]


MP4 = _row("mp4", "MP4 and QuickTime video, kept as given", "mp4", _brand, aliases=("mov", "m4v"),
           media_type="video/mp4", suffixes=(".mp4", ".mov", ".m4v"))  # fmt: skip
MKV = _row("mkv", "Matroska video, kept as given", "matroska", _doc(b"matroska"),
           media_type="video/matroska", suffixes=(".mkv",))  # fmt: skip
WEBM = _row("webm", "WebM video, kept as given", "matroska", _doc(b"webm"),
            media_type="video/webm", suffixes=(".webm",))  # fmt: skip
AVI = _row("avi", "AVI video, kept as given", "avi", lambda data: data[:4] == b"RIFF" and data[8:12] == b"AVI ",
           media_type="video/x-msvideo", suffixes=(".avi",))  # fmt: skip
