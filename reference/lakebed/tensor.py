"""Floor 5. A tensor, open for reading: from sample numbers to chunks, and from what chunks give to one answer."""

from __future__ import annotations

import operator
import threading
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import codecs, dtypes, htypes
from .chunkfile import ChunkFile, Held, Region, Spread
from .errors import LakebedError, error
from .fit import check_fit
from .gather import Part, of_one_shape, of_rows, share_rows, share_shape, span_of_one_shape, span_of_rows
from .model import TensorState
from .names import chunk_key
from .ragged import Ragged
from .slices import NULL, ChunkRef, Runs
from .stores.store import Store
from .threads import default_threads, spread

KEPT_CHUNKS = 256
_ZERO = np.zeros(1, np.int64)
STORE_THREADS = 16


class Places(dict[int, ChunkFile]):
    """Open chunks of one tensor by the slice that names them."""


class Chunks:
    """Open chunks of one dataset, the most recent kept; shared by its tensors and safe among threads.

    A mapped chunk holds a file descriptor: one that is let go here, no tensor keeps.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._open: OrderedDict[str, ChunkFile] = OrderedDict()
        self._places: weakref.WeakValueDictionary[int, Places] = weakref.WeakValueDictionary()
        self._held: Held = {}
        self._lock = threading.Lock()

    def places(self) -> Places:
        """An empty one, which is emptied again when chunks are let go."""
        made = Places()
        with self._lock:
            self._places[id(made)] = made
        return made

    def get(self, ref: ChunkRef) -> ChunkFile:
        found = self._open.get(ref.name)
        if found is not None and found.ref == ref:
            return found
        opened = ChunkFile(self.store, ref, self._held)
        with self._lock:
            self._open[ref.name] = opened
            full = len(self._open) > KEPT_CHUNKS
            while len(self._open) > KEPT_CHUNKS:
                self._open.popitem(last=False)
            for places in list(self._places.values()) if full else ():
                places.clear()
        return opened

    def get_many(self, refs: Sequence[ChunkRef]) -> list[ChunkFile]:
        """Opened side by side where every open is a request."""
        cold = sum(ref.name not in self._open for ref in refs)
        threads = STORE_THREADS if cold > 1 and not self.mapped(refs[0]) else 1
        return list(spread(threads, "open")(self.get, refs))

    def mapped(self, ref: ChunkRef) -> bool:
        """Whether this store maps objects: then opening is cheap and threads would only cost."""
        return self.store.view(chunk_key(ref.name)) is not None


class Tensor:
    """Samples of one name [tensor]. Index it like a sequence:

        t[5]  t[-1]           one sample; None when missing; a list of items in a sequence tensor
        t[2:9:2]  t[[4, 1]]   samples: one array (n, *shape) when shapes agree, else :class:`~lakebed.Ragged`
        t[mask]               boolean array of ``len(t)``
        t[5, 0:64, 10:20]     a part of one sample: only the tiles it touches are read
        t[:, 0]               the same part of several

    text reads as str, json as its value, list and tag as lists. Errors: E_SAMPLE_RANGE, and whatever is wrong with
    the stored bytes (FormatError), with code, clause, object and offset.
    """

    _expected: Callable[[Any], Tensor] | None = None

    @classmethod
    def expected(cls, name: str, settle: Callable[[Any], Tensor]) -> Tensor:
        """A tensor whose commit is still to be confirmed: ``settle(index)`` gives it when the first thing is asked."""
        tensor = cls.__new__(cls)
        tensor.name, tensor._expected = name, settle
        return tensor

    def _settle(self, index: Any) -> None:
        assert self._expected is not None
        self.__dict__.update(self._expected(index).__dict__)
        self._expected = None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") or self.__dict__.get("_expected") is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self._settle(None)
        return getattr(self, name)

    def __init__(self, name: str, state: TensorState, refs: Sequence[ChunkRef], runs: Runs, chunks: Chunks) -> None:
        self.name = name
        self._state, self._refs, self._runs, self._chunks = state, refs, runs, chunks
        self._starts: list[int] = runs.starts.tolist()
        self._files = chunks.places()
        self._python = htypes.row_of(state.htype).present is not None
        self._dtype = dtypes.dtype(state.dtype)

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def htype(self) -> str:
        return self._state.htype

    @property
    def dtype(self) -> np.dtype:
        """E_EXTRA_MISSING when numpy needs a library for it."""
        return self._dtype.numpy

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one item; None is free."""
        return self._state.shape

    @property
    def sequence(self) -> bool:
        return self._state.sequence

    @property
    def fidelity(self) -> Any:
        return self._state.fidelity

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self._state.attributes

    @property
    def class_names(self) -> list[str] | None:
        """None, too, where the attribute is no list of strings [htype.class_label.names]."""
        names = self._state.attributes.get("class_names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        return list(names)

    @property
    def compression(self) -> list[list[dict[str, Any]]]:
        """The pipelines new chunks are written with; an empty one is raw. None at all: the advice cannot be followed,
        which is no reader's affair [tensor.write]."""
        advised = self._state.write.get("codecs", [[]])
        good = isinstance(advised, list) and all(
            isinstance(pipeline, list)
            and all(isinstance(step, dict) and isinstance(step.get("name"), str) for step in pipeline)
            for pipeline in advised
        )
        return [list(pipeline) for pipeline in advised] if good else []

    def __len__(self) -> int:
        return self._starts[-1]

    def __repr__(self) -> str:
        shape = "×".join("?" if axis is None else str(axis) for axis in self.shape) or "scalar"
        kind = f"sequence[{self.htype}]" if self.sequence else self.htype
        return f"Tensor({self.name!r}, {len(self)} × {kind} {self._state.dtype} {shape})"

    # --- reading --------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        if self._expected is not None:
            self._settle(index)
        if index.__class__ is int:
            return self._one(index)
        return self.read(index)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), 256):
            yield from self._each(np.arange(start, min(start + 256, len(self))), spread(1))

    def read(self, index: Any = slice(None), *, threads: int | None = None) -> Any:
        """Like indexing, with a number of decoding threads (default: one for each CPU)."""
        if isinstance(index, tuple):
            return self._part(index)
        if single(index):
            return self._one(operator.index(index))
        use = spread(default_threads() if threads is None else threads)
        if isinstance(index, slice):
            start, stop, step = indices(index, len(self), self.name)
            if step == 1:
                return self._span(start, max(start, stop), use)
            return self._rows(np.arange(start, stop, step), use)
        return self._rows(self._numbers(index), use)

    def samples(self, rows: Sequence[int] | np.ndarray, *, threads: int | None = None) -> list[Any]:
        """These samples one by one, each as ``t[row]`` gives it, fetched together. Errors as for indexing."""
        use = spread(default_threads() if threads is None else threads)
        return self._each(self._numbers(rows), use)

    def _one(self, number: int) -> Any:
        starts, asked = self._starts, number
        if number < 0:
            number += starts[-1]
        if not 0 <= number < starts[-1]:
            raise self._out_of_range(asked)
        place = bisect_right(starts, number) - 1
        file = self._files.get(place) or self._file(place)
        if file is None:
            return None
        value = file.sample(int(self._runs.first[place]) + number - starts[place])
        return htypes.decode_sample(self._state.htype, value) if self._python else value

    def _file(self, place: int) -> ChunkFile | None:
        """The chunk of one slice, checked against the tensor once; None for a run of missing samples."""
        chunk = int(self._runs.chunk[place])
        if chunk == NULL:
            return None
        file = self._chunks.get(self._refs[chunk])
        first, count = int(self._runs.first[place]), int(self._runs.count[place])
        check_fit(self.name, self._state, file.geometry, first, count, file.key)
        self._files[place] = file
        return file

    def _out_of_range(self, number: int) -> LakebedError:
        return _outside(number, len(self), self.name)

    def _numbers(self, index: Any) -> np.ndarray:
        return numbers_of(index, len(self), self.name)

    def _span(self, start: int, stop: int, use: Spread) -> Any:
        """Samples [start, stop): whole runs at a time, straight into the result where all are of one shape."""
        low, high = bisect_right(self._starts, start) - 1, bisect_right(self._starts, stop - 1)
        if stop <= start or self._python:
            return self._assembled(self._each(np.arange(start, stop), use))
        files = self._run_files(low, high)
        pieces: Any = [
            (file, *self._clip(place, start, stop)) for place, file in zip(range(low, high), files, strict=True)
        ]
        if share_shape(files):
            return span_of_one_shape(pieces, self.dtype, use)
        if share_rows(files):
            return span_of_rows(pieces)
        if all(f is not None and f.flowing for f in files) and len(self.shape):
            parts = [file.run(first, count, use) for file, first, count in pieces]
            flat, shapes = zip(*parts, strict=True)
            return self._flat(
                flat[0] if len(flat) == 1 else np.concatenate(flat), np.concatenate(shapes) if shapes[1:] else shapes[0]
            )
        return self._assembled(self._each(np.arange(start, stop), use))

    def _clip(self, place: int, start: int, stop: int) -> tuple[int, int]:
        """(first sample in the chunk, count) of the part of one slice that lies in [start, stop)."""
        low, high = max(start, self._starts[place]), min(stop, self._starts[place + 1])
        return int(self._runs.first[place]) + low - self._starts[place], high - low

    def _flat(self, flat: np.ndarray, shapes: np.ndarray) -> Any:
        if (shapes[0] == shapes[-1]).all() and (shapes == shapes[:1]).all():
            return flat.reshape(len(shapes), *shapes[0].tolist())
        return Ragged(flat, shapes, np.zeros(len(shapes), bool))

    def _run_files(self, low: int, high: int) -> list[ChunkFile | None]:
        numbers = sorted({int(c) for c in self._runs.chunk[low:high]} - {NULL})
        if len(numbers) > 1:
            self._chunks.get_many([self._refs[c] for c in numbers])
        return [self._files.get(place) or self._file(place) for place in range(low, high)]

    def _rows(self, rows: np.ndarray, use: Spread) -> Any:
        """Any rows in any order."""
        if not len(rows) or self._python:
            return self._assembled(self._each(rows, use))
        places, touched = self._places(rows)
        self._open_places(touched)
        files: Any = [self._files.get(place) for place in touched]
        one_shape = share_shape(files)
        if not one_shape and not share_rows(files):
            return self._assembled(self._each(rows, use))
        if len(touched) == 1:
            parts = [Part(files[0], self._shift(touched[0]), None)]
        else:
            parts = [
                Part(file, self._shift(place), (places == place).nonzero()[0])
                for place, file in zip(touched, files, strict=True)
            ]
            parts.sort(key=lambda part: -len(part.where))  # type: ignore[arg-type]
        return of_one_shape(rows, parts, self.dtype, use) if one_shape else of_rows(rows, parts)

    def _places(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """The slice of each row, and the slices there are, in order."""
        if len(self._starts) == 2:
            return _ZERO, [0]
        places = np.searchsorted(self._runs.starts, rows, "right") - 1
        if len(self._starts) > 4 * len(rows):
            return places, np.unique(places).tolist()
        return places, np.bincount(places).nonzero()[0].tolist()

    def _shift(self, place: int) -> int:
        """What a row's number in the tensor becomes its number in the chunk by."""
        return int(self._runs.first[place]) - self._starts[place]

    def _open_places(self, places: Sequence[int]) -> None:
        if all(place in self._files for place in places):
            return
        numbers = sorted({int(self._runs.chunk[p]) for p in places if p not in self._files} - {NULL})
        if len(numbers) > 1:
            self._chunks.get_many([self._refs[c] for c in numbers])
        for place in places:
            if place not in self._files:
                self._file(place)

    def _each(self, rows: np.ndarray, use: Spread) -> list[Any]:
        """One value a row: None, an array, a list of arrays, or what the htype decodes to."""
        places = np.searchsorted(self._runs.starts, rows, "right") - 1
        self._open_places(np.unique(places).tolist())
        out: list[Any] = [None] * len(rows)
        for place in np.unique(places).tolist():
            file = self._files.get(place)
            if file is None:
                continue
            where = np.flatnonzero(places == place)
            numbers = rows[where] - self._starts[place] + int(self._runs.first[place])
            for slot, value in zip(where.tolist(), file.samples(numbers.tolist(), use), strict=True):
                out[slot] = htypes.decode_sample(self._state.htype, value) if self._python else value
        return out

    def _assembled(self, values: list[Any]) -> Any:
        """One array when shapes agree, a ragged batch otherwise; lists for sequences and text."""
        if self._python or self.sequence:
            return values
        shapes = {None if value is None else value.shape for value in values}
        if len(shapes) == 1 and None not in shapes:
            return np.stack(values)
        if not values:
            fixed = tuple(0 if axis is None else axis for axis in self.shape)
            return np.zeros((0, *fixed), self.dtype)
        rank = next((value.ndim for value in values if value is not None), len(self.shape))
        return Ragged.of(values, self.dtype, rank)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _part(self, index: tuple[Any, ...]) -> Any:
        """t[rows, region...] [algo.read_region]"""
        rows, region = index[0], index[1:]
        if not region:
            return self.read(rows)
        if single(rows):
            return self._region(operator.index(rows), region)
        every = isinstance(rows, slice)
        numbers = range(*indices(rows, len(self), self.name)) if every else self._numbers(rows).tolist()
        return self._assembled([self._region(number, region) for number in numbers])

    def _region(self, number: int, region: tuple[Any, ...]) -> Any:
        place, inside = self._locate(number)
        file = self._files.get(place) or self._file(place)
        found = None if file is None else file.geometry.items_of(inside)
        if file is None or found is None:
            return None
        if self.sequence:
            every = region[0] is Ellipsis
            items, one = _axis(slice(None) if every else region[0], found[1], "the items", self.name)
            parts = [self._cut(file, found[0] + i, region if every else region[1:]) for i in items]
            return parts[0] if one else parts
        return self._cut(file, found[0], region)

    def _cut(self, file: ChunkFile, item: int, region: tuple[Any, ...]) -> np.ndarray:
        shape = file.geometry.shape_of(item)
        box, after = box_of(region, shape, self.name)
        part = file.region(item, box)[(*after, ...)]
        return np.ascontiguousarray(part).reshape(part.shape)

    def _locate(self, number: int) -> tuple[int, int]:
        asked = number
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise self._out_of_range(asked)
        place = bisect_right(self._starts, number) - 1
        return place, int(self._runs.first[place]) + number - self._starts[place]

    # --- about samples, without decoding --------------------------------------------------------------------------

    def file(self, number: int) -> bytes:
        """The encoded file of one sample, byte for byte as it is stored. Errors: E_FILE_ABSENT, E_SAMPLE_RANGE."""
        return self.file_format(number)[1]

    def file_format(self, number: int) -> tuple[str, bytes]:
        """(codec name, bytes) of :meth:`file`."""
        place, inside = self._locate(number)
        file = self._files.get(place) or self._file(place)
        found = None if file is None else file.file(inside)
        if found is None:
            detail = f"sample {number} of tensor {self.name!r} is not stored as a file"
            raise error("E_FILE_ABSENT", "media.verbatim", detail, object=self.name)
        return codecs.given(*found)

    def files(self, index: Any = slice(None)) -> list[bytes]:
        """The encoded files of several samples (slice, list, mask). Errors: E_FILE_ABSENT, E_SAMPLE_RANGE."""
        rows = self._numbers(index)
        places, touched = self._places(rows)
        self._open_places(touched)
        out: list[Any] = [None] * len(rows)
        for place in touched:
            file = self._files.get(place)
            alone = len(touched) == 1
            where: Any = range(len(rows)) if alone else (places == place).nonzero()[0].tolist()
            inside = (rows if alone else rows[where]) + self._shift(place)
            found = [] if file is None else file.files(inside.tolist())
            for slot, one in zip(where, found):  # noqa: B905  # nothing is found in a run of missing samples
                out[slot] = None if one is None else codecs.given(*one)[1]
        absent = next((i for i, data in enumerate(out) if data is None), None)
        if absent is not None:
            detail = f"sample {rows[absent]} of tensor {self.name!r} is not stored as a file"
            raise error("E_FILE_ABSENT", "model.file", detail, object=self.name)
        return out

    @property
    def shapes(self) -> list[Any]:
        """Every sample's shape, read from indexes alone: None when missing, a list of shapes in a sequence."""
        out: list[Any] = []
        for place in range(len(self._starts) - 1):
            file = self._files.get(place) or self._file(place)
            first, count = int(self._runs.first[place]), int(self._runs.count[place])
            if file is None:
                out += [None] * count
                continue
            for inside in range(first, first + count):
                found = file.geometry.items_of(inside)
                if found is None:
                    out.append(None)
                    continue
                shapes = [file.geometry.shape_of(i) for i in range(found[0], sum(found))]
                out.append(shapes if self.sequence else shapes[0])
        return out

    @property
    def nbytes(self) -> int:
        """Bytes of the chunks this tensor uses, indexes included; chunks shared with others count in full."""
        used = {int(c) for c in np.unique(self._runs.chunk)} - {NULL}
        return sum(104 + self._refs[c].payload + self._refs[c].index for c in used)


def single(index: Any) -> bool:
    """Whether ``index`` means one place: an integer of Python or numpy. True and False are none [model.sample]."""
    if isinstance(index, np.ndarray):
        return index.ndim == 0 and index.dtype.kind in "iu"
    return isinstance(index, (int, np.integer)) and not isinstance(index, bool)


def numbers_of(index: Any, length: int, name: str) -> np.ndarray:
    """Sample numbers, int64, of a slice, a list, an integer array or a boolean mask, in the order asked for.

    Errors: E_ARGUMENT, E_SAMPLE_RANGE.
    """
    if isinstance(index, slice):
        return np.arange(*indices(index, length, name))
    try:
        rows = np.asarray(index)
    except ValueError:  # a ragged list
        rows = np.zeros((), object)
    kind = rows.dtype.kind
    if rows.ndim != 1 or (rows.size and kind not in "iub"):
        detail = f"{type(index).__name__} is no index: use an int, slice, list of ints or boolean mask"
        raise error("E_ARGUMENT", "model.sample", detail, object=name)
    if kind == "b":
        if len(rows) != length:
            raise error("E_ARGUMENT", "model.sample", f"a mask of {len(rows)} for {length} samples", object=name)
        return np.flatnonzero(rows)
    if kind == "u" and rows.size and int(rows.max()) >= length:  # before it turns negative
        raise _outside(int(rows.max()), length, name)
    rows = rows.astype(np.int64, copy=False)
    if not rows.size or int(rows.view(np.uint64).max()) < length:  # a negative one is very large then
        return rows
    rows = np.where(rows < 0, rows + length, rows)
    outside = (rows < 0) | (rows >= length)
    if outside.any():
        asked = int(rows[outside][0])
        raise _outside(asked - length if asked < 0 else asked, length, name)
    return rows


def _outside(number: int, length: int, name: str) -> LakebedError:
    return error("E_SAMPLE_RANGE", "model.sample", f"sample {number} of {length}", object=name)


def indices(part: slice, length: int, name: str) -> tuple[int, int, int]:
    """Like ``slice.indices``. Errors: E_ARGUMENT."""
    try:
        return part.indices(length)
    except (TypeError, ValueError) as cause:
        raise error("E_ARGUMENT", "model.sample", f"{part} is no slice: {cause}", object=name) from cause


def box_of(region: tuple[Any, ...], shape: Sequence[int], name: str) -> tuple[Region, tuple[Any, ...]]:
    """What numpy's basic indexing of an item asks for: the box to read, and the index to apply to it afterwards.

    Errors: E_ARGUMENT, E_SAMPLE_SHAPE (too many indexes), E_SAMPLE_RANGE.
    """
    dots = [at for at, part in enumerate(region) if part is Ellipsis]
    if len(dots) == 1:
        at = dots[0]
        region = region[:at] + (slice(None),) * (len(shape) - len(region) + 1) + region[at + 1 :]
    if len(region) > len(shape):
        detail = f"{len(region)} indexes into an item of rank {len(shape)}"
        raise error("E_SAMPLE_SHAPE", "model.sample", detail, object=name)
    box: list[slice] = []
    after: list[Any] = []
    for axis, side in enumerate(shape):
        part = region[axis] if axis < len(region) else slice(None)
        numbers, one = _axis(part, side, f"axis {axis}", name)
        low, high = (min(numbers[0], numbers[-1]), max(numbers[0], numbers[-1]) + 1) if numbers else (0, 0)
        box.append(slice(low, high))
        after.append(0 if one else slice(None, None, numbers.step))
    return tuple(box), tuple(after)


def _axis(part: Any, side: int, what: str, name: str) -> tuple[range, bool]:
    """The places on one axis that an int or a slice means, and whether it is an int."""
    if isinstance(part, slice):
        return range(*indices(part, side, name)), False
    try:
        number = operator.index(part)
    except TypeError:
        detail = f"{type(part).__name__} on {what}: a part is told by ints and slices"
        raise error("E_ARGUMENT", "model.sample", detail, object=name) from None
    if not -side <= number < side:
        raise error("E_SAMPLE_RANGE", "model.sample", f"{number} on {what} of {side}", object=name)
    return range(number % side, number % side + 1), True
