"""Floor 1. Frames of a video file by number, by way of PyAV: the scan of its packets, decoding, seek entries
[video.frames] [seek.point.video].

A packet scan, without decoding, gives every frame's time and which are key frames. A frame is decoded from a key
frame at or before it, and known by its time, never by counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..checksum import crc32
from ..columns import column
from ..errors import LakebedError
from ..extras import optional
from .matroska import is_cut
from .row import corrupt
from .seek import MAX_PARTS, MAX_POINTS, Seek

_FLAGS = 2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""swscale: bilinear, full chroma out and in, accurate rounding, bit exact: within 1 of the formulas."""
KEPT = 16
SLACK = 32  # bytes that a container may lay between the place it tells of a packet and the packet's data
NEAR = 1 << 16  # parts of a file that lie so close are read as one
CLOSE = 8  # frames


class Frames(NamedTuple):
    """``times`` of all frames in order, in units of ``base`` seconds; ``keys``: numbers of the frames that the
    container calls key frames; ``places``, ``sizes``: of each frame's packet in the file. ``codec`` and ``pixels`` by
    their names in FFmpeg; ``colours``: matrix, range, primaries, transfer; ``head``: offset, length, ... of what was
    read to open the file. ``rotation``: degrees clockwise, 0 where it is no multiple of 90.
    """

    width: int
    height: int
    codec: str
    pixels: str
    base: tuple[int, int]
    times: np.ndarray
    keys: np.ndarray
    places: np.ndarray
    sizes: np.ndarray
    colours: tuple[int, int, int, int]
    head: tuple[int, ...]
    rotation: int


class Recorder:
    """A file in memory that remembers which parts of it were read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.parts = data, 0, []  # type: ignore[var-annotated]

    def read(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if found:
            self.parts.append((self.at, self.at + len(found)))
        self.at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = max(0, offset + (0, self.at, len(self.data))[whence])
        return self.at

    def tell(self) -> int:
        return self.at

    def merged(self) -> tuple[int, ...]:
        """(offset, length, ...) of the parts, those that lie close as one."""
        out: list[list[int]] = []
        for low, high in sorted(self.parts):
            if out and low - out[-1][1] <= NEAR:
                out[-1][1] = max(out[-1][1], high)
            else:
                out.append([low, high])
        return tuple(n for low, high in out[:MAX_PARTS] for n in (low, high - low))


def opened(file: Any, form: str) -> tuple[Any, Any]:
    """(container, its first video stream). Errors: E_CODEC_DATA, and whatever reading ``file`` raises."""
    av = optional("av", "video")
    try:
        container = av.open(file, format=form, mode="r", metadata_errors="replace")
        if not container.streams.video:
            raise corrupt("media.corrupt", "a file without video")
        return container, container.streams.video[0]
    except (av.FFmpegError, ValueError, OSError, IndexError) as problem:
        raise corrupt("media.corrupt", f"FFmpeg refuses it: {problem}") from problem


_kept: dict[tuple[int, int], Frames] = {}


def frames(data: bytes, form: str) -> Frames:
    """The scan, kept for the files looked at last."""
    key = (len(data), crc32(data))
    found = _kept.get(key)
    if found is None:
        found = _scanned(data, form)
        while len(_kept) >= KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = found
    return found


def _scanned(data: bytes, form: str) -> Frames:
    av = optional("av", "video")
    if form == "matroska" and is_cut(data):
        raise corrupt("media.corrupt", "the file ends before its segment does")
    file = Recorder(data)
    container, stream = opened(file, form)
    with container:
        head = file.merged()
        packets: list[tuple[int, int, int, bool]] = []
        rotation = None
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                time = packet.pts if packet.pts is not None else packet.dts
                if time is None or packet.is_corrupt:
                    raise corrupt("media.corrupt", "a video packet without a time, or damaged")
                packets.append((time, -1 if packet.pos is None else packet.pos, packet.size, packet.is_keyframe))
                if packet.is_keyframe and rotation is None:
                    rotation = _rotation(packet, stream)
        except (av.FFmpegError, ValueError) as problem:
            raise corrupt("media.corrupt", f"damaged video: {problem}") from problem
        context = stream.codec_context
        colours = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        base = stream.time_base or container.time_base
        said = (context.width, context.height, context.codec.canonical_name, context.pix_fmt or "")
    packets.sort()
    table = np.array(packets, np.int64).reshape(-1, 4)
    keys = np.flatnonzero(table[:, 3])
    if not len(keys) or (np.diff(table[:, 0]) < 1).any() or min(said[:2]) < 1:
        detail = f"{len(table)} video frames, {len(keys)} of them key frames, or times that repeat"
        raise corrupt("media.corrupt", detail)
    pair = (base.numerator, base.denominator)
    columns = (np.ascontiguousarray(table[:, 0]), keys, table[:, 1], table[:, 2])
    return Frames(*said, pair, *columns, tuple(map(int, colours)), head, rotation or 0)  # type: ignore[arg-type]


def _rotation(packet: Any, stream: Any) -> int:
    """Of the picture that a key frame's packet makes; the file's matrix comes with it."""
    try:
        made = [*packet.decode(), *stream.codec_context.decode(None)]
    except (optional("av", "video").FFmpegError, ValueError):  # judged where every frame is
        return 0
    turned = -int(getattr(made[0], "rotation", 0) or 0) % 360 if made else 0
    return turned if turned % 90 == 0 else 0


# --- decoding ---------------------------------------------------------------------------------------------------------


def straight(data: bytes, form: str, start: int, stop: int) -> Iterator[Any]:
    """Frames [start, stop) by the container's own seeking, one by one; one that does not come is E_CODEC_DATA."""
    av = optional("av", "video")
    found = frames(data, form)
    container, stream = opened(Recorder(data), form)
    with container:
        stream.thread_type = "AUTO"
        wanted = start
        place = int(np.searchsorted(found.keys, start, "right")) - 1 if start < stop else 0
        times = found.times.tolist()
        try:
            if wanted < stop and place > 0:
                container.seek(times[found.keys[place]], stream=stream, backward=True, any_frame=False)
            for frame in container.decode(stream) if start < stop else ():
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None or time < times[wanted]:
                    continue
                if time != times[wanted] or (frame.width, frame.height) != (found.width, found.height):
                    break
                yield frame
                wanted += 1
                if wanted == stop:
                    break
        except (av.FFmpegError, ValueError) as problem:
            raise corrupt("media.corrupt", f"damaged video at frame {wanted}: {problem}") from problem
    if wanted != stop:
        raise corrupt("media.corrupt", f"frame {wanted} of {len(times)} does not decode")


def rgb(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 [video.rgb]"""
    return frame.reformat(format="rgb24", interpolation=_FLAGS).to_ndarray()


class Astray(Exception):
    """What the file gives is not what its seek entry says."""


def from_point(file: Any, form: str, seek: Seek, start: int, stop: int, sides: tuple[int, int]) -> Iterator[Any]:
    """Frames [start, stop), start < stop, decoded from the last point at or before ``start`` [seek.advice].

    Packets are fed only as far as these frames need them. The point's packet lies where the entry says and is a key
    frame of that time, and every frame from there on has its time and the size ``sides`` (H, W); else :class:`Astray`.
    """
    av = optional("av", "video")
    try:
        container, stream = opened(file, form)
        with container:
            stream.thread_type = "AUTO"
            yield from _run(container, stream, seek, start, stop, sides)
    except (av.FFmpegError, ValueError, LakebedError) as problem:
        if isinstance(problem, LakebedError) and problem.code != "E_CODEC_DATA":
            raise
        raise Astray(str(problem)) from problem


def _run(container: Any, stream: Any, seek: Seek, start: int, stop: int, sides: tuple[int, int]) -> Iterator[Any]:
    point = seek.last(max(0, start - seek.before))
    number, offset, size = seek.place(point)
    times = seek.times(number, stop).tolist()
    base = stream.time_base or container.time_base
    if (base.numerator, base.denominator) != seek.base:
        raise Astray(f"a time base of {base}")
    due = iter(times)
    for frame in _sought(container, stream, seek, point, (offset, offset + size), times):
        time = frame.pts if frame.pts is not None else frame.dts
        if time is None or time < times[0]:
            continue  # of an open group: before the point, and not whole
        if time != next(due) or (frame.height, frame.width) != sides:
            raise Astray(f"frame {number} has the time {time}")
        if number >= start:
            yield frame
        number += 1
        if number == stop:
            return
    raise Astray(f"frame {number} does not come")


def _sought(
    container: Any, stream: Any, seek: Seek, point: int, span: tuple[int, int], times: list[int]
) -> Iterator[Any]:
    """Frames from the packet at ``span``: FFmpeg is asked for its time, and where it then lands behind it (AVI counts
    in the order of decoding), for times before it."""
    number = seek.place(point)[0]
    earlier = (number, max(0, number - 8), seek.place(max(0, point - 1))[0], 0)
    for goal in dict.fromkeys([*(int(seek.times(n, n + 1)[0]) for n in earlier), min(0, seek.start)]):
        container.seek(goal, stream=stream, backward=True, any_frame=False)
        try:
            yield from _fed(container, stream, times[0], span, set(times))
            return
        except _Behind:
            continue
    raise Astray(f"no way to the packet at {span[0]}")


class _Behind(Exception):
    """The packet that was sought lies before where reading began; no frame was given."""


def _fed(container: Any, stream: Any, first: int, span: tuple[int, int], left: set[int]) -> Iterator[Any]:
    """Decoded frames of the packets from the key frame of time ``first``, in ``span``, until no time is ``left``."""
    found = False
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        if not found:
            found = packet.is_keyframe and time == first
            place = span[0] if packet.pos is None else packet.pos
            if place > span[0]:
                raise _Behind
            if not found:
                continue
            if place != span[0]:
                raise Astray(f"the packet of time {time} begins at {place}")
        yield from packet.decode()
        left.discard(time)
        if not left:
            yield from stream.codec_context.decode(None)
            return
    raise Astray(f"no key frame of time {first} in {span}, or frames without packets")


# --- making an entry --------------------------------------------------------------------------------------------------


def entry(data: bytes, form: str, sums: list[int]) -> Seek:
    """The seek entry of a file, of whose every frame ``sums`` has the checksum.

    Only points from which all frames up to the next were decoded, and found equal, are listed [seek.point.proved].
    """
    found = frames(data, form)
    made = Seek(
        codec=found.codec,
        base=found.base,
        start=int(found.times[0]),
        step=column(np.diff(found.times)) if len(found.times) > 1 else 1,
        colour=found.colours if max(found.colours) <= 255 and found.colours[1] <= 2 else (2, 0, 2, 2),
        rotation=found.rotation,
        head=_head(data, form, found),
    )
    keys = _thinned(found)
    made = _pointed(made, found, keys, len(data))
    while made.points:  # a point that is dropped gives its frames to the one before it, which must stand this too
        wrong = _unproved(data, form, made, sums, (found.height, found.width))
        if not wrong:
            break
        keys = np.delete(np.asarray(made.at).reshape(-1).astype(np.int64), wrong)
        made = _pointed(made, found, keys if len(wrong) < made.points // 2 else keys[:1], len(data))
    return made


def _head(data: bytes, form: str, found: Frames) -> tuple[int, ...]:
    """What opening reads, and what the container's own seeking reads beside, where that is little."""
    file = Recorder(data)
    container, stream = opened(file, form)
    with container:
        middle = found.keys[(len(found.keys) - 1) // 2]  # not the last: to find its end FFmpeg reads on
        container.seek(int(found.times[middle]), stream=stream, backward=True, any_frame=False)
    head = file.merged()
    return head if sum(head[1::2]) <= max(1 << 20, len(data) // 8) else found.head


def _thinned(found: Frames) -> np.ndarray:
    """Key frames that are worth a point: neither so many nor so close that they only make the index long."""
    kept: list[int] = []
    for key in found.keys.tolist():
        if not kept or key - kept[-1] >= CLOSE or found.places[key] - found.places[kept[-1]] >= NEAR:
            kept.append(key)
    while len(kept) > MAX_POINTS:
        kept = kept[::2]
    return np.array(kept, np.int64)


def _pointed(made: Seek, found: Frames, keys: np.ndarray, length: int) -> Seek:
    """``made`` with these key frames as its points, without those that begin behind one of their own packets."""
    places = found.places
    if len(keys) and (keys[0] != 0 or (places < 0).any()):
        keys = keys[:0]
    while len(keys):
        good = np.minimum.reduceat(places, keys) >= places[keys]
        if good.all():
            break
        keys = keys[good] if good[0] else keys[:0]
    ends = np.maximum.reduceat(np.minimum(places + found.sizes + SLACK, length), keys) if len(keys) else keys
    at, offset, size = (column(values) for values in (keys, places[keys], ends - places[keys]))
    return replace(made, points=len(keys), at=at, offset=offset, bytes=size)


def _unproved(data: bytes, form: str, made: Seek, sums: list[int], sides: tuple[int, int]) -> list[int]:
    """Numbers of the points from which some frame up to the next does not come, or not as it did straight."""
    av = optional("av", "video")
    starts = [made.place(point)[0] for point in range(made.points)]
    bad: list[int] = []
    container, stream = opened(Recorder(data), form)
    with container:
        stream.thread_type = "AUTO"
        for point, (start, stop) in enumerate(zip(starts, [*starts[1:], len(sums)], strict=True)):
            try:
                run = _run(container, stream, made, start, stop, sides)
                if any(checksum(frame) != due for frame, due in zip(run, sums[start:stop], strict=True)):
                    bad.append(point)
            except (Astray, _Behind, LakebedError, av.FFmpegError, ValueError):
                bad.append(point)
    return bad


def untrue(data: bytes, form: str, seek: Seek) -> str | None:
    """Why an entry is not true of a file; None when it is [seek.true]."""
    found = frames(data, form)
    if seek.base != found.base or (seek.times(0, len(found.times)) != found.times).any():
        return "its times are not those of the file's frames"
    keys = set(found.keys.tolist())
    for point in range(seek.points):
        number, offset, _ = seek.place(point)
        if number not in keys or found.places[number] != offset:
            return f"point {point}: frame {number} is no key frame that begins at {offset}"
    return None


def checksum(frame: Any) -> int:
    """CRC-32 of a frame's numbers as they are decoded, before any colour is made of them."""
    try:
        return crc32(frame.to_ndarray())
    except ValueError:  # of a form that PyAV does not lay out
        return crc32(rgb(frame))
