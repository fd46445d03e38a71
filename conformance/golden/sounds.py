"""Golden sound: tones and a noise of integers, encoded by libsndfile's and FFmpeg's libraries."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import soundfile
from pictures import made

RATE, LENGTH = 8000, 4000


def tones(length: int = LENGTH, rate: int = RATE) -> np.ndarray:
    """int16 (length, 2): three sines that swell, and a little noise."""
    t = np.arange(length) / rate
    noise = (np.arange(length) * 7919 % 101 - 50) / 4000
    left = 0.3 * np.sin(2 * np.pi * 220 * t) + 0.15 * np.sin(2 * np.pi * 331 * t) + noise
    right = 0.3 * np.sin(2 * np.pi * 440 * t + 1) * np.minimum(1, t * 4) - noise
    return np.rint(np.stack([left, right], 1) * 20000).astype(np.int16)


def written(array: np.ndarray, form: str, subtype: str, rate: int = RATE) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, array, rate, format=form, subtype=subtype)
    return out.getvalue()


def by_ffmpeg(data: bytes) -> np.ndarray:
    """float32 (samples, channels) of FFmpeg's own decoder; encoder delay and padding are cut as the file asks."""
    with av.open(io.BytesIO(data)) as container:
        frames = [f.to_ndarray().T for f in container.decode(audio=0)]
    return np.ascontiguousarray(np.concatenate(frames)).astype(np.float32)


def files() -> list[dict[str, Any]]:
    sound = tones()
    deep = sound.astype(np.int32) * 65536 + 256 * (np.arange(LENGTH) % 200)[:, None].astype(np.int32)
    lib = ("soundfile",)
    exact = "codec.flac audio.shape audio.scale audio.tolerance"
    found = [
        made("flac_16", "flac", "tones_16.flac", written(sound, "FLAC", "PCM_16"), sound, exact, by=lib, how="16 bits"),
        made("flac_24", "flac", "tones_24.flac", written(deep, "FLAC", "PCM_24"), deep, exact, by=lib, how="24 bits"),
    ]
    for name, codec, file, form, subtype, rate, rule in (
        ("mp3", "mp3", "tones.mp3", "MP3", "MPEG_LAYER_III", 16000, "S"),
        ("ogg_vorbis", "ogg", "tones.ogg", "OGG", "VORBIS", RATE, "S"),
        ("opus", "opus", "tones.opus", "OGG", "OPUS", 48000, "S2"),
    ):
        given = tones(9000, rate) if name == "opus" else tones(LENGTH, rate)
        data = written(given, form, subtype, rate)
        due = by_ffmpeg(data)[: len(given)]  # the last page's granule position cuts Vorbis, which FFmpeg leaves whole
        clauses = f"codec.{codec} audio.shape audio.scale audio.tolerance"
        found.append(made(name, codec, file, data, due, clauses, by=("soundfile", "av"), how=f"{rate} Hz, 2 channels",
                          rule=rule, due="FFmpeg's own decoder"))  # fmt: skip
    return found
