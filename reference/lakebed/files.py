"""Floor 1. Encoded files: told apart by their bytes, shape and dtype from their header, never decoded to look.

``lakebed.read("cat.jpg")`` gives an :class:`EncodedFile`; appended to a tensor whose codecs include its format, the
file's own bytes are stored. :meth:`EncodedFile.verify` decodes it once, so that nothing unreadable gets in.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .codecs import CODECS, decode_media, media_attributes, media_header
from .errors import LakebedError, error

PIXELS = 1 << 28
"""Pixels a picture may have to be verified without asking [media.append]; raise it per call."""

_CLAUSE = "media.append"


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A whole encoded file. ``shape`` is (H, W) or (H, W, C); ``dtype`` that of the decoded values."""

    data: bytes = field(repr=False)
    format: str
    dtype: str
    shape: tuple[int, ...]
    frames: int = 1
    name: str | None = None
    also: tuple[str, ...] = ()
    refuse: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Is the file's own coding lossless? Only such files go where values must be exact [htype.lossless]."""
        return bool(self.attributes.get("lossless", True))

    def array(self, dtype: str | None = None, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The decoded first frame; E_CODEC_DATA when the file is damaged. May be read-only."""
        return decode_media(self.format, {}, self.data, dtype or self.dtype, shape or self.shape, object=self.name)

    def film(self, shape: tuple[int, ...]) -> np.ndarray:
        """All frames, (frames, H, W, C), each as it is shown [picture.frames]; damaged ones are E_SAMPLE_FILE."""
        try:
            return self.array(self.dtype, shape)
        except LakebedError as problem:
            raise error("E_SAMPLE_FILE", _CLAUSE, problem.detail, object=self.name) from problem

    def verify(self, *, pixels: int = PIXELS) -> np.ndarray | None:
        """Decode the whole file once; truncated or corrupt is E_SAMPLE_FILE [media.append].

        More than ``pixels`` pixels is E_SAMPLE_LIMIT [media.append]; a variant that nothing here decodes exactly is
        E_SAMPLE_FILE [media.append]. Returns the array, so that the caller need not decode again; None for video, whose
        frames are not held.
        """
        if self.refuse is not None:
            raise error("E_SAMPLE_FILE", _CLAUSE, self.refuse, object=self.name)
        row = CODECS[self.format]
        count = math.prod(self.shape[:2] if row.medium == "picture" else self.shape)
        if count > pixels and row.judge is None:
            detail = f"{self.format} of {count} values ({self.shape}) is over the limit of {pixels}"
            raise error("E_SAMPLE_LIMIT", _CLAUSE, detail, object=self.name)
        try:
            header = row.header(self.data)
            reason = None if row.plausible is None else row.plausible(self.data, header)
            if reason is not None:
                raise error("E_SAMPLE_FILE", "media.plausible", f"a {self.format} file is not believed: {reason}")
            reason = None if row.whole is None else row.whole(self.data, header)
            if reason is not None:
                raise error("E_SAMPLE_FILE", _CLAUSE, f"a {self.format} file is not whole: {reason}")
            if row.judge is not None:
                row.judge(self.data, header)
                return None
            return self.array()
        except LakebedError as problem:
            raise error("E_SAMPLE_FILE", _CLAUSE, problem.detail, object=self.name) from problem


def sniff(data: bytes) -> str | None:
    """The registry's name of the format whose magic ``data`` begins with; None when there is none."""
    for row in CODECS.values():
        if row.sniff is not None and row.sniff(data):
            return row.name
    return None


def read(source: str | bytes | bytearray | memoryview | os.PathLike[str]) -> EncodedFile:
    """An encoded file from a path or from its bytes. Only its header is looked at.

    Unknown formats: E_SAMPLE_FILE [media.append]; a header that makes no sense: E_SAMPLE_FILE [media.append].
    """
    name = None
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        path = Path(source)
        data, name = path.read_bytes(), path.name
    form = sniff(data)
    if form is None:
        known = ", ".join(sorted(row.name for row in CODECS.values() if row.sniff is not None))
        start = data[:8].hex(" ") or "nothing"
        raise error("E_SAMPLE_FILE", _CLAUSE, f"bytes beginning {start} are none of {known}", object=name)
    try:
        header, attributes = media_header(form, data), media_attributes(form, data)
    except LakebedError as problem:
        raise error("E_SAMPLE_FILE", _CLAUSE, problem.detail, object=name) from problem
    frames = attributes.get("frames", header.frames)
    return EncodedFile(data, form, header.dtype, header.shape, frames, name, header.also, header.refuse, attributes)
