"""Films for tests and benchmarks: every frame another picture, in containers and codings that FFmpeg can make."""

from __future__ import annotations

import io
import tempfile
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

FLAGS = 2 | 0x2000 | 0x4000 | 0x40000 | 0x80000  # those of [video.rgb]


class Film(NamedTuple):
    """``name``: of the codec row; ``form``: of FFmpeg's muxer; ``options``: of encoder and muxer."""

    name: str
    form: str
    coder: str
    options: tuple[tuple[str, str], ...] = ()
    muxer: tuple[tuple[str, str], ...] = ()
    sound: bool = False


X264 = (("g", "25"), ("bf", "2"), ("preset", "veryfast"), ("threads", "1"))
FILMS = {
    "mp4": Film("mp4", "mp4", "libx264", X264),
    "mp4_first": Film("mp4", "mp4", "libx264", X264, (("movflags", "faststart"),)),
    "mp4_parts": Film("mp4", "mp4", "libx264", X264, (("movflags", "frag_keyframe+empty_moov"),)),
    "mp4_open": Film("mp4", "mp4", "libx264", (*X264, ("x264-params", "open-gop=1:keyint=25:bframes=3:threads=1"))),
    "mp4_hevc": Film("mp4", "mp4", "libx265", (("x265-params", "keyint=25:open-gop=1:log-level=none:pools=1"),)),
    "mp4_sound": Film("mp4", "mp4", "libx264", X264, (), True),
    "mkv": Film("mkv", "matroska", "libx264", X264),
    "mkv_no_cues": Film("mkv", "matroska", "libx264", X264, (("live", "1"),)),
    "mkv_ffv1": Film("mkv", "matroska", "ffv1", (("g", "25"),)),
    "webm": Film("webm", "webm", "libvpx-vp9", (("g", "25"), ("deadline", "realtime"), ("cpu-used", "8"))),
    "avi": Film("avi", "avi", "mpeg4", (("g", "25"), ("bf", "0"))),
    "avi_b": Film("avi", "avi", "mpeg4", (("g", "25"), ("bf", "2"))),
    "avi_mjpeg": Film("avi", "avi", "mjpeg"),
    "mp4_one_key": Film("mp4", "mp4", "libx264", (*X264, ("g", "1000"), ("sc_threshold", "0"))),
    "mp4_refresh": Film("mp4", "mp4", "libx264", (*X264, ("bf", "0"), ("x264-params", "keyint=25:intra-refresh=1"))),
}


def made(
    film: Film, frames: int = 120, size: tuple[int, int] = (96, 64), *, noise: int = 40, steps: Any = None
) -> bytes:
    """A file of ``frames`` pictures of ``size`` (width, height); ``steps``: times of the frames in 1/25 s."""
    return _made(film, frames, size, noise, None if steps is None else tuple(steps))


@cache
def _made(film: Film, frames: int, size: tuple[int, int], noise: int, steps: tuple[int, ...] | None) -> bytes:
    import av

    draw = np.random.default_rng(5)
    ground = draw.integers(0, 2 * noise, (size[1], 2 * size[0], 3), np.uint8)
    with (
        tempfile.NamedTemporaryFile() as out,  # a muxer may read again what it wrote
        av.open(out.name, "w", format=film.form, options=dict(film.muxer)) as container,
    ):
        stream = container.add_stream(film.coder, rate=25, options=dict(film.options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if film.coder == "mjpeg" else "yuv420p"
        sound = container.add_stream("aac", rate=44100) if film.sound else None
        for number in range(frames):
            picture = np.roll(ground, 3 * number, 1)[:, : size[0]] + np.uint8(number % 200)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = number if steps is None else steps[number]
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
            if sound is not None:
                tone = draw.normal(0, 0.1, (1, 1764)).astype("f4")
                piece = av.AudioFrame.from_ndarray(np.repeat(tone, 2, 0), format="fltp", layout="stereo")
                piece.sample_rate, piece.pts = 44100, number * 1764
                container.mux(sound.encode(piece))
        container.mux(stream.encode())
        if sound is not None:
            container.mux(sound.encode())
        container.close()
        return out.read()


def played(data: bytes) -> np.ndarray:
    """Every frame in the order in which a player shows them: no seeking, no counting."""
    import av

    with av.open(io.BytesIO(data)) as container:
        pictures = [f.reformat(format="rgb24", interpolation=FLAGS).to_ndarray() for f in container.decode(video=0)]
    return np.stack(pictures)
