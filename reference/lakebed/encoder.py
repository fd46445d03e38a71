"""Floor 6. From a caller's value to what is stored, under the tensor's declaration [algo.append] [fidelity].

Everything that can be refused is refused here, before a byte is written: so a row goes in whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import codecs, fidelity, htypes
from .codecs import Pipeline
from .declare import Declared
from .errors import LakebedError, error
from .files import EncodedFile

TILE_FROM = 32 << 20  # array items above this are tiled without being asked
TILE_BYTES = 1 << 20


class Item(NamedTuple):
    """One item ready to be stored: an array for array units, or encoded bytes with their pipeline, one of each tile;
    ``seek``: of a file, where parts of it lie."""

    shape: tuple[int, ...]
    array: np.ndarray | None = None
    data: bytes | None = None
    pipeline: Pipeline = ()
    tile: tuple[int, ...] | None = None
    pictures: tuple[tuple[bytes, Pipeline], ...] = ()
    seek: codecs.Seek | None = None


Sample = list[Item] | None  # None: missing


def prepare(tensor: Declared, value: Any) -> Sample:
    """One sample; None is missing. Errors: E_SAMPLE_*, E_FIDELITY, E_FILE_FORMAT; nothing is stored then."""
    if value is None:
        return None
    if tensor.sequence:
        values = _listed(value)
        if any(isinstance(each, EncodedFile) for each in values):
            return [_item(tensor, each) for each in values]
        arrays = htypes.encode_sample(tensor, values, name_id=namer(tensor))
        return [_encoded(tensor, array) for array in arrays]
    return [_item(tensor, value)]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, dict, EncodedFile)) or not isinstance(value, Iterable):
        raise error("E_SAMPLE_SHAPE", "sample.sequence", f"a sequence takes a list, not {type(value).__name__}")
    return list(value)


def _item(tensor: Declared, value: Any) -> Item:
    if isinstance(value, EncodedFile):
        return _file(tensor, value)
    if tensor.sequence:
        value = htypes.encode_sample(tensor, [value], name_id=namer(tensor))[0]
    else:
        value = htypes.encode_sample(tensor, value, name_id=namer(tensor))
    return _encoded(tensor, value)


def namer(tensor: Declared):
    """Gives a class name's id; a name that nobody listed gets the next one [htype.class_label.extend]."""
    names = tensor.attributes.get("class_names")

    def name_id(name: str) -> int:
        known = tensor.attributes.setdefault("class_names", [] if names is None else names)
        if name not in known:
            known.append(name)
        return known.index(name)

    return name_id


# --- files -----------------------------------------------------------------------------------------------------------


def _file(tensor: Declared, file: EncodedFile) -> Item:
    """Verbatim when the format is one of the tensor's; else the fidelity decides [media.verbatim]."""
    kept = codecs.kept(file.format, file.data, tensor.formats)
    if kept is None:
        return _transcoded(tensor, file)
    array, shape = _file_array(tensor, file)
    htypes.check_shape(tensor.shape, shape)
    if tensor.dtype != file.dtype and tensor.dtype not in file.also:
        detail = f"{_name(file)} holds {file.dtype}, the tensor {tensor.dtype}"
        raise error("E_SAMPLE_DTYPE", "media.dtype", detail)
    row = htypes.row_of(tensor.htype)
    if row.exact and not file.lossless:
        detail = f"{_name(file)} is lossy {file.format}; {tensor.htype} must be exact"
        raise error("E_FIDELITY_LABEL", "htype.lossless", detail)
    if row.check is not None and array is not None:
        htypes.check_sample(tensor, array.reshape(shape))
    return Item(shape, data=kept[1], pipeline=codecs.verbatim(kept[0]), seek=codecs.seek_entry(*kept))


def _file_array(tensor: Declared, file: EncodedFile) -> tuple[np.ndarray | None, tuple[int, ...]]:
    """The file decoded whole (None for video), and the shape it stands for: a grey picture has a last axis of one in a
    tensor of rank three [media.gray], an animated one all its frames in one of rank four [picture.frames]."""
    array = file.verify()
    film = codecs.film_shape(file.format, file.data) if len(tensor.shape) == 4 else None
    if film is not None:
        return file.film(film), film
    if len(file.shape) == 2 and len(tensor.shape) == 3:
        return array, (*file.shape, 1)
    return array, file.shape


def _transcoded(tensor: Declared, file: EncodedFile) -> Item:
    if tensor.fidelity.exact:
        takes = codecs.names(tensor.pipelines)
        detail = f"{_name(file)} is {file.format}; this tensor stores {takes}, and its fidelity is exact"
        raise error("E_FILE_FORMAT", "media.transcode", detail)
    array, shape = _file_array(tensor, file)
    value = htypes.encode_sample(tensor, np.array(array).reshape(shape))
    return _encoded(tensor, value)  # type: ignore[arg-type]


def _name(file: EncodedFile) -> str:
    return file.name or "the file"


# --- arrays ----------------------------------------------------------------------------------------------------------


def _encoded(tensor: Declared, array: np.ndarray) -> Item:
    tile = tile_for(tensor, array)
    if not codecs.is_media(tensor.array_pipeline) or not array.size:
        return Item(array.shape, array=array, tile=tile)  # raw where there is nothing to draw [media.empty]
    if tile is None:
        pipeline, data = picture(tensor, array)
        return Item(array.shape, data=data, pipeline=pipeline)
    made = [picture(tensor, np.ascontiguousarray(array[box])) for box in boxes(array.shape, tile)]
    return Item(array.shape, tile=tile, pictures=tuple((data, pipeline) for pipeline, data in made))


def picture(tensor: Declared, array: np.ndarray) -> tuple[Pipeline, bytes]:
    """An array (or a tile of it) as a file of the tensor's format, decoded again and judged [fidelity.verify].

    The pipeline to record has parameters, which says that the file was made here [fidelity.encoded].
    """
    step = tensor.array_pipeline[0]
    codecs.must_take(step.name, tensor.dtype, array.shape)
    if tensor.fidelity.exact and not codecs.media_exact(step.name, dict(step.params), tensor.dtype, array.shape):
        detail = f"{step.name} cannot keep a {tensor.dtype} array of shape {array.shape} bit for bit"
        raise error("E_FIDELITY", "fidelity.exact", detail)
    pipeline, data = codecs.encode_item(tensor.array_pipeline, array)
    try:
        back = codecs.decode_media(step.name, dict(step.params), data, tensor.dtype, array.shape)
    except LakebedError as cause:
        detail = f"{step.name} cannot give back a {tensor.dtype} array of shape {array.shape}: {cause.detail}"
        raise error("E_FIDELITY", "fidelity.exact", detail) from cause
    fidelity.check(array, back, tensor.fidelity, what="the picture")
    return pipeline, data


def tile_for(tensor: Declared, array: np.ndarray) -> tuple[int, ...] | None:
    """The tile shape for an item: the declared one, or one of about 1 MiB for what is too large for a unit."""
    if not array.ndim:
        return None
    if tensor.tile is not None:
        return tensor.tile
    if array.nbytes <= TILE_FROM or codecs.is_media(tensor.array_pipeline):
        return None
    sides = list(array.shape)
    while np.prod(sides, dtype=np.int64) * array.itemsize > TILE_BYTES:
        axis = int(np.argmax(sides))
        sides[axis] = -(-sides[axis] // 2)
    return tuple(sides)


def boxes(shape: Sequence[int], tile: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """The tiles of an item, in C order of the grid [unit.order]."""
    grid = [-(-n // t) for n, t in zip(shape, tile, strict=True)]
    for place in np.ndindex(*grid):
        yield tuple(slice(p * t, (p + 1) * t) for p, t in zip(place, tile, strict=True))
