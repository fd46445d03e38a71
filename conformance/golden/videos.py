"""Golden video: a picture that moves, in four containers and four codings."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
from pictures import made, up

from lakebed_conform.casebook.photo import photo

FRAMES, HEIGHT, WIDTH = 8, 32, 48


def pan() -> np.ndarray:
    """uint8 (frames, height, width, 3)."""
    wide = photo(HEIGHT, WIDTH + 4 * FRAMES)
    return np.stack([wide[:, 4 * n : 4 * n + WIDTH] for n in range(FRAMES)])


def encoded(form: str, coder: str, pixels: str, **options: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(coder, rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, pixels, options
        stream.codec_context.thread_count = 1
        for frame in pan():
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return out.getvalue()


def by_formula(data: bytes, decoder: str, limited: bool = True) -> np.ndarray:
    """RGB by BT.601 and bilinear chroma from the planes of ``decoder``, which knows nothing of colours."""
    found = []
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r")
        context.extradata = stream.codec_context.extradata
        packets = [p for p in container.demux(stream) if p.size]
        frames = [f for p in packets for f in context.decode(p)] + list(context.decode(None))
        frames.sort(key=lambda f: f.pts)
        for frame in frames:
            flat = frame.to_ndarray()
            y = flat[:HEIGHT].astype(np.float64)
            u, v = (up(p, HEIGHT, WIDTH) - 128 for p in flat[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2))
            if limited:
                y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
            rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1)
            found.append(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
    return np.stack(found)


def files() -> list[dict[str, Any]]:
    clauses = "video.shape video.frames video.rgb media.part"
    formula = "planes of FFmpeg's {} decoder, BT.601 and bilinear chroma by formula"
    found = []
    for name, form, coder, decoder, options in (
        ("mp4_h264", "mp4", "libx264", "h264", {"g": "4", "bf": "2", "crf": "14", "preset": "slow"}),
        ("webm_vp9", "webm", "libvpx-vp9", "vp9", {"g": "4", "crf": "16", "b:v": "0"}),
        ("avi_mpeg4", "avi", "mpeg4", "mpeg4", {"g": "4", "q": "2"}),
    ):
        codec = form
        data = encoded(form, coder, "yuv420p", **options)
        due = by_formula(data, decoder)
        how = f"{coder}, yuv420p, {options}"
        found.append(made(name, codec, f"{name}.{form}", data, due, f"codec.{codec} {clauses} media.tolerance",
                          by=("av",), how=how, rule="B", due=formula.format(decoder)))  # fmt: skip
    data = encoded("matroska", "ffv1", "bgr0", level="3", g="1")
    found.append(made("mkv_ffv1", "mkv", "mkv_ffv1.mkv", data, pan(), f"codec.mkv {clauses}", by=("av",),
                      how="ffv1, bgr0"))  # fmt: skip
    return found
