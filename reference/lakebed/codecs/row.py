"""Floor 1. What a codec is: one row of data with the functions that do its work [codec.registry].

A filter or byte codec maps bytes to bytes; ``encoded`` states its length rule. A media codec is a whole file of a
named format that holds one item or one tile; ``header`` reads the shape and dtype without decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import LakebedError, error
from .seek import Seek

Params = Mapping[str, Any]
Shape = tuple[int | None, ...]
Buffer = bytes | bytearray | memoryview
LIMIT = 2**53 - 1


class Header(NamedTuple):
    """What a file says about itself: ``dtype`` and ``shape`` (H, W) or (H, W, C) of its decoded first frame.

    ``also``: dtypes that a tensor may record instead (bool for one-bit pictures). ``refuse`` says why this variant
    cannot be decoded exactly here (None when it can), ``clause`` by which rule. ``attributes``: what else it tells.
    """

    dtype: str
    shape: tuple[int, ...]
    frames: int = 1
    also: tuple[str, ...] = ()
    refuse: str | None = None
    clause: str = "picture.other"
    attributes: Mapping[str, Any] = {}

    def agrees(self, dtype: str, shape: tuple[int, ...]) -> bool:
        """Is a recorded ``dtype`` and ``shape`` what this file decodes to? Grey may have a last axis of one."""
        same = self.shape == shape or (len(self.shape) == 2 and (*self.shape, 1) == shape)
        return same and (dtype == self.dtype or dtype in self.also)


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its type(s), the default written when the user gives none, and the values allowed.

    ``required``: without it a stored stream cannot be decoded. ``default``: what absence means; a media pipeline
    that says "encoded here" writes it all the same. ``effort``: only encoders look at it [codec.level].
    """

    name: str
    types: tuple[type, ...]
    default: Any = None
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    required: bool = False
    about: str = ""
    effort: bool = False

    def refused(self, value: Any) -> str | None:
        """Why ``value`` is not allowed; None when it is."""
        typed = isinstance(value, self.types)
        if not typed or (isinstance(value, bool) and bool not in self.types):
            return f"{self.name} must be {' or '.join(t.__name__ for t in self.types)}, not {value!r}"
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value!r}"
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return f"{self.name} must lie in {self.low:g} .. {self.high:g}, not {value!r}"
        if isinstance(value, float) and not np.isfinite(value):
            return f"{self.name} must be finite, not {value!r}"
        return None


def anything(dtype: str, shape: Shape | None) -> str | None:
    """Every dtype and shape is taken."""
    return None


def _absent(*_: Any) -> Any:
    raise error("E_ARGUMENT", "codec.encode", "this codec has no such direction")


def _never(params: Params, dtype: str, shape: Shape | None) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of the registry.

    ``exact``: always, conditions (then ``conditions`` in words and ``is_exact`` in code) or never.
    ``takes(dtype, shape)`` gives the reason why arrays of that kind are refused, or None; ``holds`` says it in words.
    ``keeps``: the same of tensors that its files can be kept in, where that is more.
    Filters and byte codecs: ``encode(raw, params)``, ``decode(stored, params, length)``, ``encoded(length, params)``
    (the largest encoded length) and ``ratio`` (no more bytes than that can come out of one); where it is quicker,
    ``decode_into(stored, params, out)``, straight into a writable buffer of exactly the decoded length.
    Media: ``header(data)``; ``pixels(data, header)``; ``write(array, params)`` (None: verbatim files only) and
    ``complete(array, params)`` (parameters that follow from the array); ``describe(data)``, its metadata;
    ``plausible(data, header)``, why so few bytes cannot hold what the header says [media.plausible];
    ``frames(data, header)``, the header of all frames of a picture, of rank 4, which ``pixels`` takes as well, and
    ``animates``: whether ``write`` takes arrays of them [picture.frames];
    ``whole(data, header)``, why a file cannot be whole, judged before its pixels are made; ``part(data, header, start,
    stop)``, entries of the first axis without the others; ``judge(data, header)``, instead of pixels where all of them
    would be too many to hold when a file is given; ``reach(file, dtype, shape, start, stop, seek)``, ``part`` of a
    file that is fetched as it is read, by its seek entry (None: not in this way); ``seek(data, header)``, that entry;
    ``untrue(data, seek)``, why an entry is not true of a file [seek.true].
    ``medium``: picture, audio, video, dicom, nifti, points or mesh.
    ``packs`` names a format whose files ``pack`` makes smaller (None: not this one) and ``unpack`` gives back.
    ``needs(params, dtype, shape)``: (module, extra) that encoding so needs beyond ``library``.
    ``tolerance`` is the class of agreement that a port owes the reference's decode.
    """

    name: str
    kind: str
    exact: str
    about: str
    aliases: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    takes: Callable[[str, Shape | None], str | None] = anything
    keeps: Callable[[str, Shape | None], str | None] | None = None
    library: str = "numpy"
    extra: str | None = None
    tolerance: str = "E"
    conditions: str = ""
    holds: str = ""
    medium: str = "picture"
    proves: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    media_type: str = ""
    suffixes: tuple[str, ...] = ()
    encode: Callable[[Buffer, Params], Buffer | None] | None = None
    decode: Callable[[Buffer, Params, int], Buffer] = _absent
    decode_into: Callable[[Buffer, Params, memoryview], None] | None = None
    encoded: Callable[[int, Params], int] = _absent
    ratio: int = 0
    is_exact: Callable[[Params, str, Shape | None], bool] = _never
    sniff: Callable[[bytes], bool] | None = None
    header: Callable[[bytes], Header] = _absent
    write: Callable[[np.ndarray, Params], bytes] | None = None
    complete: Callable[[np.ndarray, Params], Params] | None = None
    pixels: Callable[[bytes, Header], np.ndarray] = _absent
    describe: Callable[[bytes], dict[str, Any]] | None = None
    frames: Callable[[bytes, Header], Header] | None = None
    animates: bool = False
    plausible: Callable[[bytes, Header], str | None] | None = None
    whole: Callable[[bytes, Header], str | None] | None = None
    part: Callable[[bytes, Header, int, int], np.ndarray] | None = None
    judge: Callable[[bytes, Header], None] | None = None
    reach: Callable[[Any, str, tuple[int, ...], int, int, Seek | None], np.ndarray | None] | None = None
    seek: Callable[[bytes, Header], Seek | None] | None = None
    untrue: Callable[[bytes, Seek], str | None] | None = None
    packs: str = ""
    pack: Callable[[bytes], bytes | None] | None = None
    unpack: Callable[[bytes], bytes] | None = None
    needs: Callable[[Params, str, Shape | None], tuple[str, str] | None] | None = None


def corrupt(clause: str, detail: str) -> LakebedError:
    """E_CODEC_DATA, the one error of every damaged stream [codec.corrupt]."""
    return error("E_CODEC_DATA", clause, detail)
