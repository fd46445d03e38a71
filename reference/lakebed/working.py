"""Floor 6. The uncommitted state of a dataset: rows and tensors that change, and the commit they will make.

What is written goes into open chunks at once; what is seen by others is nothing, until a commit names it.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import dtypes, history, names
from .declare import Declared, declared_of
from .draft import TensorDraft
from .encoder import Sample, prepare
from .errors import LakebedError, error
from .format import document
from .model import Commit, TensorState
from .slices import EMPTY, SliceTable, missing
from .stores.store import Store
from .tensor import numbers_of, single


class WorkingCopy:
    """Begins as ``base`` (None: nothing yet). ``changes`` counts, so that readers know when they are of the past."""

    def __init__(self, store: Store, base: Commit | None, clock: Callable[[], float], place: str) -> None:
        self._store, self._base, self._clock, self._place = store, base, clock, place
        self.states: dict[str, TensorState] = {} if base is None else dict(base.tensors)
        self._origin: dict[str, str] = {name: name for name in self.states}  # today's name -> the base's
        self.length = 0 if base is None else base.length
        self.attributes: dict[str, Any] = {} if base is None else dict(base.attributes)
        self.drafts: dict[str, TensorDraft] = {}
        self.changes = 0
        self.changed = base is None
        self.started: float | None = None  # when the first object was written [algo.commit.grace]
        self._uploaded: set[str] = set()
        self._undrafted = True  # not every tensor has a draft

    @property
    def names(self) -> list[str]:
        return [*self.states, *(name for name in self.drafts if name not in self.states)]

    def __contains__(self, name: object) -> bool:
        return name in self.drafts or name in self.states

    def absent(self, name: str) -> LakebedError:
        known = ", ".join(self.names) or "none"
        return error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")

    def table(self, name: str) -> tuple[TensorState, SliceTable]:
        """What a reader of a tensor needs; open chunks are closed for it. Errors: E_TENSOR_ABSENT, E_ARGUMENT."""
        if name not in self:
            raise self.absent(name)
        draft = self.drafts.get(name)
        if draft is None:
            return self.states[name], history.table(self._store, name, self.states[name])
        if draft.declared.pending is not None:
            detail = f"tensor {name!r} takes its dtype and shape from its first sample, and has none yet"
            raise error("E_ARGUMENT", "tensor.first", detail, object=name)
        draft.seal()
        return draft.state(None), SliceTable(tuple(draft.refs), draft.runs)

    # --- tensors --------------------------------------------------------------------------------------------------

    def create_tensor(self, name: str, declared: Declared) -> None:
        """Rows that are there already have no value in it, at no cost [algo.edit.tensor]."""
        self.check_new(name)
        self.drafts[name] = TensorDraft(name, declared, self._store, SliceTable((), missing(self.length)))
        self._touch()

    def check_new(self, name: str) -> None:
        """Errors: E_TENSOR_EXISTS, E_NAME."""
        if name in self:
            raise error("E_TENSOR_EXISTS", "tensor.name", f"there is a tensor {name!r} already")
        names.check_tensor(name, self.names)

    def delete_tensor(self, name: str) -> None:
        draft = self.drafts.pop(name, None)
        if draft is not None:
            draft.discard()
        elif name not in self.states:
            raise self.absent(name)
        self.states.pop(name, None)
        self._origin.pop(name, None)
        self._touch()

    def rename_tensor(self, name: str, new: str) -> None:
        if name not in self:
            raise self.absent(name)
        if new in self:
            raise error("E_TENSOR_EXISTS", "tensor.name", f"there is a tensor {new!r} already")
        names.check_tensor(new, [other for other in self.names if other != name])
        if name in self.drafts:
            self.drafts[new] = self.drafts.pop(name)
            self.drafts[new].name = new
        for kept in (self.states, self._origin):
            if name in kept:
                kept[new] = kept.pop(name)  # type: ignore[assignment]
        self._touch()

    def set_attributes(self, tensor: str | None, members: Mapping[str, Any]) -> None:
        """None as a value removes a member."""
        if tensor is None:
            kept = {**self.attributes, **members}
            self.attributes = document.plain({key: value for key, value in kept.items() if value is not None}, 2)
        else:
            self.draft(tensor).set_attributes(dict(members))
        self._touch()

    def take_over(self, commit: Commit) -> None:
        """The state of another commit [algo.revert]: what it names is named again, so it must still be there."""
        self.started = self._clock()
        for name, state in commit.tensors.items():
            for ref in history.table(self._store, name, state).chunks:
                if not self._store.exists(names.chunk_key(ref.name)):
                    detail = f"a chunk of tensor {name!r} of commit {commit.number} is gone"
                    raise error("E_OBJECT_MISSING", "algo.revert", detail, object=names.chunk_key(ref.name))
        self.discard()
        self.drafts, self.states, self._origin, self._undrafted = {}, dict(commit.tensors), {}, True
        self.length, self.attributes = commit.length, dict(commit.attributes)
        self._touch()

    # --- rows -----------------------------------------------------------------------------------------------------

    def append(self, row: Mapping[str, Any]) -> None:
        """One row; tensors it does not name get no value. It goes in whole or, with an error, not at all.

        Errors: E_TENSOR_ABSENT, E_SAMPLE_*, E_FIDELITY, E_FILE_FORMAT.
        """
        drafts = self.all_drafts()
        if not isinstance(row, dict) or not row.keys() <= drafts.keys():
            self._check_known(row)
        plain: list[tuple[TensorDraft, Any]] = []
        others: list[tuple[TensorDraft, Any]] = []
        for name, draft in drafts.items():
            value = row.get(name)
            pairs: list[tuple[TensorDraft, Any]] = plain if draft.takes_plain(value) else others
            pairs.append((draft, value))
        held: list[tuple[TensorDraft, Any]] = []
        try:  # not a `with`: this is the path of a million plain numbers
            if others:
                held = [(draft, draft.hold()) for draft, _ in others]
                samples = [self._prepared(draft, value) for draft, value in others]
            for draft, number in plain:
                draft.queue(number)
            for i, (draft, _) in enumerate(others):
                draft.append(samples[i])
        except BaseException:
            self._restore(held)
            raise
        self.length += 1
        self.changes += 1
        self.changed = True

    def _restore(self, held: list[tuple[TensorDraft, Any]]) -> None:
        """Every tensor as it was before a change that failed [sample.atomic]."""
        for draft in self.drafts.values():
            draft.shorten(self.length)
        for draft, what in held:
            draft.let_go(what)

    @contextlib.contextmanager
    def _atomic(self) -> Iterator[list[tuple[TensorDraft, Any]]]:
        """What goes wrong inside leaves every tensor as it was; declarations that may change are put on the list
        before."""
        held: list[tuple[TensorDraft, Any]] = []
        try:
            yield held
        except BaseException:
            self._restore(held)
            raise

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Many rows: a mapping of columns of one length, arrays taken whole. Errors as :meth:`append`, E_ARGUMENT."""
        drafts = self.all_drafts()
        self._check_known(columns)
        values = {name: _column(column) for name, column in columns.items()}
        lengths = {len(column) for column in values.values()}
        if len(lengths) > 1:
            said = ", ".join(f"{name}: {len(column)}" for name, column in values.items())
            raise error("E_ARGUMENT", "model.length", f"columns of different lengths: {said}")
        count = lengths.pop() if lengths else 0
        if not count:
            return
        with self._atomic() as held:
            held += [(draft, draft.hold()) for draft in drafts.values()]
            for name, draft in drafts.items():
                if name in values:
                    with _named(draft):
                        draft.extend(values[name])
                else:
                    draft.append_missing(count)
        self.length += count
        self._touch()

    def insert(self, index: int, row: Mapping[str, Any]) -> None:
        """One row before row ``index``; ``len(ds)`` appends. Errors as :meth:`append`, E_SAMPLE_RANGE."""
        drafts = self.all_drafts()
        self._check_known(row)
        place = _integer(index, "a row")
        place += self.length if place < 0 else 0
        if not 0 <= place <= self.length:
            raise error("E_SAMPLE_RANGE", "model.sample", f"row {index} of {self.length}")
        with self._atomic() as held:
            held += [(draft, draft.hold()) for draft in drafts.values()]
            samples = [self._prepared(draft, row.get(name)) for name, draft in drafts.items()]
            new = [draft.add([sample]) for draft, sample in zip(drafts.values(), samples, strict=True)]
        for draft, runs in zip(drafts.values(), new, strict=True):
            draft.splice(place, place, runs)
        self.length += 1
        self._touch()

    def delete(self, index: int | slice | Sequence[int] | np.ndarray) -> None:
        """Rows by number, slice, list or mask; earlier commits keep them. Errors: E_SAMPLE_RANGE, E_ARGUMENT."""
        drafts = self.all_drafts()
        rows = self._numbers([index] if single(index) else index)
        for draft in drafts.values():
            draft.flush()
        for start, stop in reversed(_stretches(rows)):
            for draft in drafts.values():
                draft.splice(start, stop, EMPTY)
            self.length -= stop - start
        self._touch()

    def update(self, tensor: str, index: Any, value: Any, read: Callable[[int], Any]) -> None:
        """A sample, several, or a part of one; ``read`` gives the sample whose part is replaced."""
        draft = self.draft(tensor)
        if isinstance(index, tuple):
            value, index = self._patched(tensor, index, value, read), index[0]
        with self._atomic() as held:
            held.append((draft, draft.hold()))
            if single(index):
                start = int(index) + (self.length if index < 0 else 0)
                if not 0 <= start < self.length:
                    raise error("E_SAMPLE_RANGE", "model.sample", f"sample {index} of {self.length}", object=tensor)
                draft.splice(start, start + 1, draft.add([self._prepared(draft, value)]))
            else:
                self._update_many(draft, self._numbers(index), _column(value))
        self._touch()

    def _update_many(self, draft: TensorDraft, rows: np.ndarray, values: Any) -> None:
        """Of a row that is named twice the last value stays."""
        if len(values) != len(rows):
            detail = f"{len(values)} values for {len(rows)} samples"
            raise error("E_ARGUMENT", "model.length", detail, object=draft.name)
        last = {row: at for at, row in enumerate(rows.tolist())}
        samples = [self._prepared(draft, values[last[row]]) for row in sorted(last)]
        new = draft.add(samples)
        at = 0
        for start, stop in _stretches(rows):
            draft.splice(start, stop, new.cut(at, at + stop - start))
            at += stop - start

    def _patched(self, tensor: str, index: tuple[Any, ...], value: Any, read: Callable[[int], Any]) -> Any:
        """The whole sample with the named part replaced; it keeps its shape."""
        number, region = index[:1], index[1:]
        if not number or not single(number[0]):
            raise error("E_ARGUMENT", "model.sample", "a part is assigned in one sample at a time", object=tensor)
        if not region:
            return value
        old = read(int(number[0]))
        if not isinstance(old, np.ndarray):
            raise error("E_SAMPLE_SHAPE", "model.sample", f"sample {number[0]} has no parts to assign", object=tensor)
        new = old.copy()
        part = dtypes.to_array(value, dtypes.dtype(self.draft(tensor).declared.dtype), what="the part")
        try:
            new[region] = part
        except (ValueError, IndexError, TypeError) as cause:
            raise error("E_SAMPLE_SHAPE", "sample.shape", str(cause), object=tensor) from cause
        return new

    def _prepared(self, draft: TensorDraft, value: Any) -> Sample:
        with _named(draft):
            draft.settle(value)
            return prepare(draft.declared, value)

    def _numbers(self, index: Any) -> np.ndarray:
        return numbers_of(index, self.length, self._place)

    # --- the commit to be -----------------------------------------------------------------------------------------

    def commit(self, branch: str, message: str, author: str) -> Commit:
        """The commit to be; number, parent, id and time are filled in when it is published."""
        old = {} if self._base is None else self._base.tensors
        tensors = {}
        for name in self.names:
            draft = self.drafts.get(name)
            if draft is None:
                tensors[name] = self.states[name]
                continue
            if draft.declared.pending is not None:
                detail = f"tensor {name!r} has no dtype and shape yet: give them, or append a sample first"
                raise error("E_ARGUMENT", "tensor.first", detail)
            tensors[name] = draft.state(old.get(self._origin.get(name, "")))
            self._uploaded |= draft.uploaded
        base = self._base
        return Commit(
            branch=branch,
            number=0,
            id="",
            time="",
            author=author,
            message=message,
            length=self.length,
            attributes=self.attributes,
            tensors=tensors,
            requires_read=() if base is None else base.requires_read,
            requires_write=() if base is None else base.requires_write,
            extra={} if base is None else base.extra,
        )

    def upload_again(self) -> None:
        """What waited longer than half the grace period is written again, byte for byte [algo.commit.grace]."""
        for name in sorted(self._uploaded):
            key = names.chunk_key(name)
            data = self._store.get(key)
            if data is None or hashlib.sha256(data).hexdigest() != name:
                said = "was collected" if data is None else "was damaged"
                raise error("E_STORE", "algo.commit.grace", f"a chunk {said} before its commit", object=key)
            self._store.put(key, data)

    def discard(self) -> None:
        """Leave nothing open."""
        for draft in self.drafts.values():
            draft.discard()

    # --- inside ---------------------------------------------------------------------------------------------------

    def _check_known(self, row: Mapping[str, Any]) -> None:
        if not isinstance(row, Mapping):
            detail = f"a {type(row).__name__} where a mapping of tensor names is due"
            raise error("E_ARGUMENT", "model.tensor", detail)
        for name in row:
            if name not in self:
                raise self.absent(name)

    def _touch(self) -> None:
        self.changes += 1
        self.changed = True

    def all_drafts(self) -> dict[str, TensorDraft]:
        """Every tensor's draft: a change of rows concerns all."""
        if self._undrafted:
            for name in self.states:
                self.draft(name)
            self._undrafted = False
        if self.started is None:
            self.started = self._clock()
        return self.drafts

    def draft(self, name: str) -> TensorDraft:
        """Errors: E_TENSOR_ABSENT."""
        if name not in self.drafts:
            if name not in self.states:
                raise self.absent(name)
            state = self.states[name]
            table = history.table(self._store, name, state)
            self.drafts[name] = TensorDraft(name, declared_of(state), self._store, table)
        if self.started is None:
            self.started = self._clock()
        return self.drafts[name]


@contextlib.contextmanager
def _named(draft: TensorDraft) -> Iterator[None]:
    """What is refused inside is refused by this tensor."""
    try:
        yield
    except LakebedError as cause:
        cause.object = cause.object or draft.name
        raise


def _integer(value: Any, what: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise error("E_ARGUMENT", "model.sample", f"{what} is told by an int, not {type(value).__name__}") from None


def _column(values: Any) -> Any:
    """A column of values: arrays as they are, anything else as a list."""
    if isinstance(values, np.ndarray) and values.ndim:
        return values
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise error("E_ARGUMENT", "model.length", f"a column is an array or a list, not {type(values).__name__}")
    return values if isinstance(values, list) else list(values)


def _stretches(rows: np.ndarray) -> list[tuple[int, int]]:
    """Sorted distinct row numbers as (start, stop) runs."""
    rows = np.unique(rows)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(rows, cuts)]
