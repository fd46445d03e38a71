"""Floor 1. What the audio codecs share: samples are rows, channels columns [audio.shape]; whole numbers are moved up.

A file of b bits a sample is int16 when b <= 16, else int32, its values moved up so that full scale is the dtype's
[audio.scale]; so 16 bits are as stored, and 24 bits are multiples of 256. 8-bit WAV is uint8 as stored.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import LakebedError
from ..extras import optional
from .row import Header, Shape, corrupt
from .seek import Seek


def takes(*dtypes: str, channels: int = 255) -> Callable[[str, Shape | None], str | None]:
    """Arrays (samples, channels) of these dtypes."""

    def reason(dtype: str, shape: Shape | None) -> str | None:
        if dtype not in dtypes:
            return f"the format holds {' or '.join(dtypes)}"
        if shape is not None and len(shape) != 2:
            return f"audio has two axes, samples and channels, not {len(shape)}"
        if shape is not None and shape[1] is not None and not 1 <= shape[1] <= channels:
            return f"{shape[1]} channels; 1 to {channels} are possible"
        return None

    return reason


MOST = 1 << 14  # samples that a byte may give here; files that give more are decoded whole


class Careful(io.RawIOBase):
    """A file whose errors libsndfile, which calls it from C, does not swallow: kept in ``problem``, the file ends."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.problem: LakebedError | None = None

    def readinto(self, buffer: Any) -> int:
        try:
            return 0 if self.problem is not None else self.file.readinto(buffer)
        except LakebedError as problem:
            self.problem = problem
            return 0

    def read(self, size: int = -1) -> bytes:
        out = bytearray(size)
        return bytes(out[: self.readinto(out)])

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


def opened(data: bytes | Careful, form: str) -> Any:
    """The file as libsndfile sees it, which must be of the container ``form``; E_CODEC_DATA otherwise."""
    soundfile = optional("soundfile", "audio")
    try:
        found = soundfile.SoundFile(io.BytesIO(data) if isinstance(data, bytes) else data)
    except (RuntimeError, TypeError, ValueError) as problem:
        raise corrupt("media.corrupt", f"libsndfile refuses it: {str(problem).rpartition(': ')[2]}") from problem
    if found.format != form:
        raise corrupt("media.corrupt", f"a file of {found.format}, not {form}")
    return found


def read(
    data: bytes | Careful, form: str, header: Header, start: int, stop: int, *, first: int | None = None
) -> np.ndarray:
    """Samples [start, stop) exactly; fewer, or another number of channels, is E_CODEC_DATA.

    Decoding begins at ``first``, at or before ``start``: coders whose state reaches far back begin at 0. It is done in
    one go, for libsndfile's MP3 decoder gives other values when it is asked piece by piece [media.part].
    """
    soundfile = optional("soundfile", "audio")
    try:
        with opened(data, form) as file:
            first = start if first is None else first
            file.seek(first)
            array = file.read(stop - first, dtype=header.dtype, always_2d=True)[start - first :]
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as problem:
        raise corrupt("media.corrupt", f"damaged {form} audio: {problem}") from problem
    if array.shape != (stop - start, header.shape[1]):
        raise corrupt("media.corrupt", f"the decoder gives {array.shape}, {(stop - start, header.shape[1])} is due")
    return array


def attempted(careful: Careful, decode: Callable[[], np.ndarray | None]) -> np.ndarray | None:
    """What ``decode`` makes of the file; None where the library refuses it. What fetching it raised comes first."""
    try:
        part = decode()
    except LakebedError as problem:
        if problem.code != "E_CODEC_DATA":
            raise
        part = None
    if careful.problem is not None:
        raise careful.problem
    return part


def reach(form: str, *, first: int | None = None) -> Callable[..., np.ndarray | None]:
    """A codec's ``reach`` where libsndfile itself finds the way in a file that is fetched as it is read, exactly;
    with ``first`` 0 it begins at the start."""

    def reached(
        file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
    ) -> np.ndarray | None:
        if len(shape) != 2 or start >= stop or shape[0] > MOST * file.size:
            return None
        careful = Careful(file)

        def decode() -> np.ndarray | None:
            with opened(careful, form) as found:
                whole = dtype == "float32" or (dtype == "int16") == (found.subtype in ("PCM_S8", "PCM_16"))
                fits = (found.frames, found.channels) == shape and whole
            careful.seek(0)
            return read(careful, form, Header(dtype, shape), start, stop, first=first) if fits else None

        return attempted(careful, decode)

    return reached


def float_header(data: bytes, form: str, subtypes: tuple[str, ...]) -> Header:
    """Length and channels of a lossy file, as libsndfile counts them after its trimming."""
    with opened(data, form) as file:
        if file.subtype not in subtypes:
            raise corrupt("media.corrupt", f"{form} audio coded as {file.subtype}, not {' or '.join(subtypes)}")
        if not 0 < file.frames < 1 << 40:
            raise corrupt("media.corrupt", f"{form} audio of {file.frames} samples")
        return Header("float32", (file.frames, file.channels), attributes={"rate": file.samplerate})
