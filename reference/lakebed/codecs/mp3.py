"""Floor 1. ``mp3`` and the Ogg codecs ``ogg`` (Vorbis) and ``opus``: lossy sound, kept as given [codec.mp3]
[codec.ogg] [codec.opus]. Other ports: [audio.tolerance]."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import LakebedError
from . import mp3_seek, ogg_seek
from .row import Codec, Header
from .seek import Seek
from .sound import float_header, reach, read, takes


def _mp3(data: bytes) -> bool:
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        start = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
    frame = data[start : start + 3]
    return len(frame) == 3 and frame[0] == 0xFF and frame[1] & 0xE6 == 0xE2 and frame[2] >> 4 not in (0, 15)


def _ogg(mark: bytes):
    return lambda data: data[:4] == b"OggS" and mark in data[28:64]


def _reach_mp3(
    file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
) -> np.ndarray | None:
    if seek is None or not seek.points or len(shape) != 2 or dtype != "float32" or start >= stop:
        return None
    try:
        return mp3_seek.run(file, seek, shape[0], shape[1], start, stop)
    except LakebedError as problem:
        if problem.code != "E_CODEC_DATA":
            raise
        return None


def _seek_mp3(data: bytes, head: Header) -> Seek | None:
    if len(data) < mp3_seek.LEAST:
        return None
    return mp3_seek.entry(data, head, read(data, "MP3", head, 0, head.shape[0]))


_from_start = reach("OGG", first=0)


def _reach_ogg(
    file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
) -> np.ndarray | None:
    if seek is None or not seek.points or len(shape) != 2 or start >= stop:
        return _from_start(file, dtype, shape, start, stop, seek)
    return ogg_seek.run(file, seek, shape, start, stop)


def _seek_ogg(data: bytes, head: Header) -> Seek | None:
    return ogg_seek.entry(data, head)


def _row(
    name: str, about: str, form: str, subtypes: tuple[str, ...], sniff: Any, **more: Any
) -> Codec:
    def header(data: bytes) -> Header:
        return float_header(data, form, subtypes)

    return Codec(
        name,
        "media",
        "never",
        about,
        takes=takes("float32"),
        library="soundfile",
        extra="audio",
        medium="audio",
        proves=("shape", "dtype"),
        sniff=sniff,
        header=header,
        pixels=lambda data, head: read(data, form, head, 0, head.shape[0]),
        part=lambda data, head, start, stop: read(data, form, head, start, stop, first=0),
        describe=lambda data: {**header(data).attributes, "lossless": False},
        whole=lambda data, head: None if head.shape[0] < 1 << 16 or head.shape[0] < 20000 * len(data) else "too long",
        **more,
    )


ROW = _row(
    "mp3", "MP3: lossy sound, kept as given", "MP3", ("MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I"), _mp3,
    reach=_reach_mp3, seek=_seek_mp3, untrue=mp3_seek.untrue,
    tolerance="S", media_type="audio/mpeg", suffixes=(".mp3",),
)  # fmt: skip
VORBIS = _row(
    "ogg", "Ogg Vorbis: lossy sound, kept as given", "OGG", ("VORBIS",), _ogg(b"\x01vorbis"),
    reach=_reach_ogg, seek=_seek_ogg, untrue=ogg_seek.untrue,
    aliases=("vorbis",), tolerance="S", media_type="audio/ogg", suffixes=(".ogg", ".oga"),
)  # fmt: skip
OPUS = _row(
    "opus", "Ogg Opus: lossy sound at 48 kHz, kept as given", "OGG", ("OPUS",), _ogg(b"OpusHead"),
    reach=reach("OGG", first=0),
    tolerance="S2", media_type="audio/opus", suffixes=(".opus",),
)  # fmt: skip
