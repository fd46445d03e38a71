"""Floor 1. The door to media codecs: header first, then pixels [media.unit]."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import numpy as np

from ..errors import LakebedError, error
from .bounds import FREE, PIXELS
from .registry import CODECS
from .row import Codec, Header, Params, Shape, corrupt
from .seek import LARGEST, Seek

Parsed = TypeVar("Parsed")


def _row(name: str) -> Codec:
    row = CODECS.get(name)
    if row is None or row.kind != "media":
        raise error("E_CODEC_UNSUPPORTED", "codec.unknown", f"{name!r} is no media codec known here")
    return row


def media_header(name: str, data: bytes) -> Header:
    """What the file's own header says, without decoding; E_CODEC_DATA when it is damaged."""
    row = _row(name)
    return _judged(row, row.header, data)


def media_attributes(name: str, data: bytes) -> dict[str, Any]:
    """What else the file says of itself, without decoding; E_CODEC_DATA when it is damaged."""
    row = _row(name)
    return {} if row.describe is None else _judged(row, row.describe, data)


def _judged(row: Codec, parse: Callable[[bytes], Parsed], data: bytes) -> Parsed:
    """A parser's result; what it did not foresee is damage like any other [media.corrupt]."""
    try:
        return parse(data)
    except LakebedError:
        raise
    except (LookupError, ArithmeticError, ValueError, TypeError, MemoryError, struct.error) as problem:
        raise corrupt("media.corrupt", f"a damaged {row.name} header: {problem!r}") from problem


def decode_media(
    name: str,
    params: Params,
    data: bytes | memoryview,
    dtype: str,
    shape: tuple[int, ...],
    *,
    object: str | None = None,
    offset: int | None = None,
) -> np.ndarray:
    """The array of ``dtype`` and ``shape`` that the file holds (it may be read-only).

    Grey gets a last axis of one in a tensor of rank 3 [media.gray], [picture.shape]. The recorded shape is the budget:
    a header that disagrees is E_MEDIA_SHAPE before any pixel is made [media.header]; too few bytes for what it says
    [media.plausible] or a damaged stream is E_CODEC_DATA;
    a variant that nothing here decodes exactly is E_CODEC_UNSUPPORTED [picture.other] or E_EXTRA_MISSING
    [picture.rgb16].
    """
    row = _row(name)
    try:
        data = data if data.__class__ is bytes else bytes(data)
        header = _judged(row, row.header, data)
        if len(shape) == 4 and row.frames is not None:
            header = row.frames(data, header)
        if not header.agrees(dtype, shape):
            said = f"the {name} header says {header.dtype} {header.shape}, the index {dtype} {shape}"
            raise error("E_MEDIA_SHAPE", "media.header", said)
        if header.refuse is not None:
            code = "E_EXTRA_MISSING" if header.clause == "picture.rgb16" else "E_CODEC_UNSUPPORTED"
            raise error(code, header.clause, header.refuse)
        _believe(row, data, header)
        array = row.pixels(data, header)
    except LakebedError as problem:
        if object is None and offset is None:
            raise
        raise error(problem.code, problem.clause, problem.detail, object=object, offset=offset) from problem
    if dtype != header.dtype:
        array = array != 0  # one-bit pictures in a bool tensor
    return array if array.shape == shape else array.reshape(shape)


def decode_part(
    name: str, data: bytes | memoryview, dtype: str, shape: tuple[int, ...], start: int, stop: int
) -> np.ndarray | None:
    """Entries [start, stop) of the first axis, without decoding the others; None where the codec has no such way.

    For sound and video [media.part]. Errors as :func:`decode_media`.
    """
    row = _row(name)
    if row.part is None:
        return None
    data = data if data.__class__ is bytes else bytes(data)
    header = _judged(row, row.header, data)
    if not header.agrees(dtype, shape) or header.refuse is not None:
        return decode_media(name, {}, data, dtype, shape)[start:stop]
    _believe(row, data, header)
    return row.part(data, header, start, stop)


def reach_part(
    name: str, file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
) -> np.ndarray | None:
    """Like :func:`decode_part`, of a ``file`` object that is fetched as it is read (``want(parts)`` tells it ahead).

    None where the codec has no such way, or the seek entry does not fit: then the whole file is to be looked at.
    """
    row = _row(name)
    return None if row.reach is None else row.reach(file, dtype, shape, start, stop, seek)


def seek_entry(name: str, data: bytes) -> Seek | None:
    """What a chunk's index may say of a file that was judged, for parts of it to be read; None: nothing
    [seek.write]."""
    row = _row(name)
    if row.seek is None:
        return None
    found = row.seek(data, row.header(data))
    return None if found is None or found.size > LARGEST else found


def _believe(row: Codec, data: bytes, header: Header) -> None:
    """So few bytes cannot hold so many pixels: E_CODEC_DATA before any is made [media.plausible]."""
    if row.plausible is not None and math.prod(header.shape) > FREE:
        reason = row.plausible(data, header)
        if reason is not None:
            raise corrupt("media.plausible", f"a {row.name} file is not believed: {reason}")


def encode_media(name: str, params: Params, array: np.ndarray) -> bytes:
    """``array`` as a file of the format; parameters that are absent take their defaults.

    A dtype or shape that the format cannot hold, or a format that is only read: E_FIDELITY [codec.takes].
    """
    row = _row(name)
    must_take(name, array.dtype.name, array.shape)
    assert row.write is not None
    data = row.write(np.ascontiguousarray(array), _complete(row, params))
    if array.size > PIXELS and row.plausible is not None:
        reason = row.plausible(data, row.header(data))
        if reason is not None:
            raise error("E_FIDELITY", "media.plausible", f"{name} makes a file of it that no reader believes: {reason}")
    return data


def must_take(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    """E_FIDELITY where the format cannot hold arrays of that kind, or is only read [codec.takes]."""
    row = _row(name)
    reason = "it is kept verbatim only" if row.write is None else _taken(row, dtype, shape)
    if reason is not None:
        raise error("E_FIDELITY", "codec.takes", f"{name} cannot encode a {dtype} array of {shape}: {reason}")


def encode_item(pipeline: tuple[Any, ...], array: np.ndarray) -> tuple[tuple[Any, ...], bytes]:
    """The writer's door for media: (the pipeline to record, which has parameters [fidelity.encoded]; the file)."""
    (step,) = pipeline
    row = _row(step.name)
    data = encode_media(step.name, dict(step.params), array)
    params = _complete(row, dict(step.params))
    if row.complete is not None:
        params.update(row.complete(array, params))
    recorded = tuple((param.name, params[param.name]) for param in row.params if param.name in params)
    return (step._replace(params=recorded),), data


def kept(form: str, data: bytes, formats: Collection[str]) -> tuple[str, bytes] | None:
    """(codec, bytes to store) of a file of format ``form`` in a tensor with the media codecs ``formats``.

    As it is, or packed by a codec that gives it back byte for byte [media.packed]; None when none of them takes it.
    """
    for name in formats:
        row = CODECS[name]
        done = row.pack(data) if row.pack is not None and row.packs == form else None
        if done is not None:
            return name, done
    return (form, data) if form in formats else None


def given(name: str, data: bytes) -> tuple[str, bytes]:
    """(format, bytes) of the file that a media unit stands for: the stored bytes, or what they unpack to."""
    row = CODECS.get(name)
    return (name, data) if row is None or row.unpack is None else (row.packs, row.unpack(data))


def media_exact(name: str, params: Params, dtype: str, shape: Shape | None = None) -> bool:
    """Do arrays of this dtype and shape come back bit for bit from a file encoded with ``params``?"""
    row = _row(name)
    if row.write is None or _taken(row, dtype, shape) is not None:
        return False
    return row.exact == "always" or (row.exact == "conditions" and row.is_exact(_complete(row, params), dtype, shape))


def _taken(row: Codec, dtype: str, shape: Shape | None) -> str | None:
    """Why arrays of that kind are not written; frames only where the writer takes them [picture.frames]."""
    if shape is not None and len(shape) == 4 and row.frames is not None and not row.animates:
        return "arrays of frames are not written in this format"
    return row.takes(dtype, shape)


def film_shape(name: str, data: bytes) -> tuple[int, ...] | None:
    """(frames, H, W, C) of a picture file that can stand for all its frames; None for other formats."""
    row = _row(name)
    return None if row.frames is None else row.frames(data, row.header(data)).shape


def _complete(row: Codec, params: Params) -> dict[str, Any]:
    return {**{p.name: p.default for p in row.params if p.default is not None}, **dict(params)}
