"""Floor 1. ``mp4`` ``mkv`` ``webm`` ``avi``: video kept as given; frames by number, exactly [codec.mp4] [codec.mkv]
[codec.webm] [codec.avi] [video.frames].

A packet scan, without decoding, gives every frame's time and which are key frames; a frame is decoded from the last
key frame at or before it, and known by its time, never by counting.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..extras import optional
from .row import Codec, Header, Shape, corrupt

_FLAGS = 2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""swscale: bilinear, full chroma out and in, accurate rounding, bit exact: within 1 of the formulas."""
KEPT = 16


class Frames(NamedTuple):
    """``times`` of all frames in order, in units of ``base`` seconds; ``keys``: times that decoding can begin at."""

    width: int
    height: int
    codec: str
    pixels: str
    base: tuple[int, int]
    times: tuple[int, ...]
    keys: tuple[int, ...]
    colours: tuple[int, int, int, int]
    rotation: int


_kept: dict[tuple[int, int], Frames] = {}


def _open(data: bytes, form: str) -> tuple[Any, Any]:
    av = optional("av", "video")
    try:
        container = av.open(io.BytesIO(data), format=form, mode="r", metadata_errors="replace")
        if not container.streams.video:
            raise corrupt("media.corrupt", "a file without video")
        return container, container.streams.video[0]
    except (av.FFmpegError, ValueError, OSError, IndexError) as problem:
        raise corrupt("media.corrupt", f"FFmpeg refuses it: {problem}") from problem


def frames(data: bytes, form: str) -> Frames:
    """The scan, kept for the files looked at last."""
    key = (len(data), zlib.crc32(data))
    found = _kept.get(key)
    if found is None:
        found = _scanned(data, form)
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = found
    return found


def _size(data: bytes, at: int) -> tuple[int, int]:
    """An EBML size and the place behind it; the size that says "not known" is 0."""
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (0 if value == (1 << 7 * width) - 1 else value), at + width


def _cut(data: bytes) -> bool:
    """Does a Matroska segment end beyond the file? FFmpeg gives the frames that are there and says nothing."""
    try:
        size, at = _size(data, 4)
        if data[at + size : at + size + 4] != b"\x18\x53\x80\x67":
            return False
        size, at = _size(data, at + size + 4)
    except IndexError:
        return False
    return at + size > len(data)


def _scanned(data: bytes, form: str) -> Frames:
    av = optional("av", "video")
    if form == "matroska" and _cut(data):
        raise corrupt("media.corrupt", "the file ends before its segment does")
    container, stream = _open(data, form)
    with container:
        times: list[int] = []
        keys: list[int] = []
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                time = packet.pts if packet.pts is not None else packet.dts
                if time is None or packet.is_corrupt:
                    raise corrupt("media.corrupt", "a video packet without a time, or damaged")
                times.append(time)
                if packet.is_keyframe:
                    keys.append(time)
        except (av.FFmpegError, ValueError) as problem:
            raise corrupt("media.corrupt", f"damaged video: {problem}") from problem
        context = stream.codec_context
        colours = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        rotation = _rotation(stream)
        base = stream.time_base or container.time_base
        said = (context.width, context.height, context.name, context.pix_fmt or "")
    if not times or not keys or len(set(times)) != len(times) or min(said[:2]) < 1:
        raise corrupt(
            "media.corrupt", f"{len(times)} video frames, {len(keys)} of them key frames, or times that repeat"
        )
    pair = (base.numerator, base.denominator)
    return Frames(*said, pair, tuple(sorted(times)), tuple(sorted(keys)), tuple(map(int, colours)), rotation)  # type: ignore[arg-type]


def _rotation(stream: Any) -> int:
    try:
        return int(stream.metadata.get("rotate", 0) or 0) % 360
    except (TypeError, ValueError):
        return 0


def _header(form: str) -> Callable[[bytes], Header]:
    def header(data: bytes) -> Header:
        """[video.shape]"""
        found = frames(data, form)
        shape = (len(found.times), found.height, found.width, 3)
        refuse = None if found.width <= 16384 and found.height <= 16384 else f"frames of {shape[1:3]} pixels"
        return Header("uint8", shape, frames=shape[0], refuse=refuse)

    return header


def decoded(data: bytes, form: str, start: int, stop: int) -> Iterator[np.ndarray]:
    """Frames [start, stop) as (H, W, 3) RGB [video.rgb], one by one; one that does not come is E_CODEC_DATA."""
    av = optional("av", "video")
    found = frames(data, form)
    container, stream = _open(data, form)
    with container:
        stream.thread_type = "AUTO"
        wanted = start
        place = bisect_right(found.keys, found.times[start]) - 1 if start < stop else 0
        try:
            if wanted < stop and place > 0:
                container.seek(found.keys[place], stream=stream, backward=True, any_frame=False)
            for frame in container.decode(stream) if start < stop else ():
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None or time < found.times[wanted]:
                    continue
                if time != found.times[wanted] or (frame.width, frame.height) != (found.width, found.height):
                    break
                yield frame.reformat(format="rgb24", interpolation=_FLAGS).to_ndarray()
                wanted += 1
                if wanted == stop:
                    break
        except (av.FFmpegError, ValueError) as problem:
            raise corrupt("media.corrupt", f"damaged video at frame {wanted}: {problem}") from problem
    if wanted != stop:
        raise corrupt("media.corrupt", f"frame {wanted} of {len(found.times)} does not decode")


def _part(form: str) -> Callable[[bytes, Header, int, int], np.ndarray]:
    def part(data: bytes, head: Header, start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, *head.shape[1:]), np.uint8)
        for place, frame in enumerate(decoded(data, form, start, stop)):
            out[place] = frame
        return out

    return part


def _judge(form: str) -> Callable[[bytes, Header], None]:
    def judge(data: bytes, head: Header) -> None:
        """Every frame once, none of them kept [video.whole]."""
        for _ in decoded(data, form, 0, head.shape[0]):
            pass

    return judge


def _describe(form: str) -> Callable[[bytes], dict[str, Any]]:
    def describe(data: bytes) -> dict[str, Any]:
        """Times are in units of time_base seconds; a constant step is told as such. Key frames are frame numbers."""
        found = frames(data, form)
        steps = {b - a for a, b in zip(found.times, found.times[1:], strict=False)}
        times: Any = list(found.times)
        if len(steps) <= 1:
            times = {"first": found.times[0], "step": steps.pop() if steps else 0}
        place = {time: number for number, time in enumerate(found.times)}
        matrix, spread, primaries, transfer = found.colours
        return {
            "lossless": found.codec in ("ffv1", "rawvideo", "huffyuv", "png"),
            "codec": found.codec,
            "pixels": found.pixels,
            "time_base": list(found.base),
            "times": times,
            "keys": [place[key] for key in found.keys if key in place],
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
