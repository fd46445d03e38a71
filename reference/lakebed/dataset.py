"""Floor 6. What people hold: an open dataset, for reading or for writing."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import secrets
import time as clock_module
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from . import dtypes, history, names, publish
from .compare import Change, diff
from .declare import declare, declared_of
from .draft import TensorDraft
from .encoder import Sample, prepare
from .errors import LakebedError, error
from .format import document
from .history import Hint, Loaded
from .model import Commit, CommitRef, Tag, TensorState
from .pending import Pending
from .rows import Row
from .slices import EMPTY, SliceTable, missing
from .stores import store as open_store
from .stores.store import Store
from .tensor import Chunks, Tensor, numbers_of

MAIN = "main"


class Dataset:
    """Rows across named tensors of equal length, at one commit [model.dataset].

    ``ds["images"]`` or ``ds.images`` is a :class:`~lakebed.Tensor`; ``ds[5]`` a lazy row; ``for row in ds``. Opened
    with ``mode="a"`` it also takes changes; nothing is seen by others before :meth:`commit`, which leaving a ``with``
    block does; an exception in the block leaves nothing.
    """

    _pending: Pending | None = None

    @classmethod
    def expected(cls, store: Store, branch: str, hint: Hint) -> Dataset:
        """Open for reading on what the hint says, to be confirmed before anything is handed out."""
        dataset = cls.__new__(cls)
        dataset._store, dataset._branch, dataset._chunks = store, branch, Chunks(store)
        dataset._writable = False
        dataset._pending = Pending(store, branch, hint)
        return dataset

    def _settle(self, meanwhile: Any = None) -> None:
        """The commit is confirmed: from here on this is a dataset like any other."""
        pending, chunks = self._pending, self._chunks
        if pending is not None:
            loaded = pending.confirm(meanwhile)
            self._pending = None
            self.__init__(self._store, loaded, branch=self._branch, writable=False)  # type: ignore[misc]
            self._chunks = chunks

    def _settled_tensor(self, name: str, index: Any) -> Tensor:
        pending = self._pending
        self._settle(None if pending is None else pending.first_chunk(self._chunks, name, index))
        return self._tensor(name)

    def __init__(
        self, store: Store, base: Loaded | None, *, branch: str, writable: bool, clock: Any = None, make_id: Any = None
    ) -> None:
        self._store, self._base, self._branch, self._writable = store, base, branch, writable
        self._clock = clock or clock_module.time
        self._make_id = make_id or (lambda: secrets.token_hex(16))
        self._chunks = Chunks(store)
        self._started: float | None = None
        self._uploaded: set[str] = set()
        self._reset()

    def _reset(self) -> None:
        """Forget every change and every reader: the state is the base commit's."""
        commit = None if self._base is None else self._base.commit
        self._states: dict[str, TensorState] = {} if commit is None else dict(commit.tensors)
        self._origin: dict[str, str] = {name: name for name in self._states}  # today's name -> the base's
        self._length = 0 if commit is None else commit.length
        self._attributes: dict[str, Any] = {} if commit is None else dict(commit.attributes)
        self._drafts: dict[str, TensorDraft] = {}
        self._readers: dict[str, Tensor] = {}
        self._changed = commit is None
        self._undrafted = True  # not every tensor has a draft
        self._unknown_outcome = False

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._store.url

    @property
    def store(self) -> Store:
        """The place its objects lie in."""
        return self._store

    @property
    def writable(self) -> bool:
        return self._writable

    @property
    def branch(self) -> str:
        return self._branch

    @property
    def number(self) -> int:
        """Of the commit this state comes from; 0 before the first."""
        return 0 if self._base is None else self._base.commit.number

    @property
    def commit_info(self) -> Commit | None:
        """The commit this state comes from."""
        return None if self._base is None else self._base.commit

    @property
    def changed(self) -> bool:
        """Whether there is something to commit."""
        return self._changed

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By name, in order of creation as far as the file keeps it; without those that wait for a first sample."""
        waiting = {name for name, draft in self._drafts.items() if draft.declared.pending is not None}
        return {name: self._tensor(name) for name in self._names() if name not in waiting}

    @property
    def attributes(self) -> Mapping[str, Any]:
        return dict(self._attributes)

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: object) -> bool:
        return name in self._drafts or name in self._states

    def __iter__(self) -> Iterator[Row]:
        tensors = self.tensors
        return (Row(tensors, number) for number in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """A tensor by name, a row by number, rows by slice or list."""
        if isinstance(key, str):
            if self._pending is not None:
                return Tensor.expected(key, lambda index: self._settled_tensor(key, index))
            return self._tensor(key)
        tensors = self.tensors
        if isinstance(key, (int, np.integer)):
            number = int(key) + (len(self) if key < 0 else 0)
            if not 0 <= number < len(self):
                raise error("E_SAMPLE_RANGE", "model.sample", f"row {key} of {len(self)}")
            return Row(tensors, number)
        return [Row(tensors, number) for number in self._numbers(key).tolist()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__") and self._pending is not None:
            self._settle()
            return getattr(self, name)
        if name.startswith("_") or name not in self:
            raise AttributeError(f"{type(self).__name__} has no attribute and no tensor {name!r}")
        return self._tensor(name)

    def __repr__(self) -> str:
        at = f"{self._branch} {self.number}" + (", changed" if self._changed else "")
        return f"Dataset({self.url!r}, {len(self)} rows, {len(self._names())} tensors, {at})"

    def _names(self) -> list[str]:
        return [*self._states, *(name for name in self._drafts if name not in self._states)]

    def _tensor(self, name: str) -> Tensor:
        found = self._readers.get(name)
        if found is not None:
            return found
        if name not in self:
            known = ", ".join(self._names()) or "none"
            raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")
        draft = self._drafts.get(name)
        if draft is None:
            state = self._states[name]
            table = history.table(self._store, name, state)
        else:
            if draft.declared.pending is not None:
                detail = f"tensor {name!r} takes its dtype and shape from its first sample, and has none yet"
                raise error("E_ARGUMENT", "tensor.first", detail, object=name)
            draft.seal()
            table, state = SliceTable(tuple(draft.refs), draft.runs), draft.state(None)
        kind = EditedTensor if self._writable else Tensor
        tensor = kind(name, state, table.chunks, table.runs, self._chunks)
        if isinstance(tensor, EditedTensor):
            tensor.dataset = self
        self._readers[name] = tensor
        return tensor

    # --- tensors --------------------------------------------------------------------------------------------------

    def create_tensor(
        self,
        name: str,
        *,
        htype: str = "generic",
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        sample_compression: Any = None,
        chunk_compression: Any = None,
        fidelity: Any = None,
        sequence: bool = False,
        tile: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tensor | None:
        """A new tensor; rows that are there already have no value in it, at no cost.

        htype               what the values mean: ``image``, ``class_label``, ``bbox``, ..., ``sequence[image]``
        dtype, shape        of one item; None: the htype's, or the first sample's. None in a shape: a free axis
        sample_compression  a codec for each item ("jpeg", "lz4", "shuffle+zstd"), or a list of file formats
        chunk_compression   a codec for units of many items
        fidelity            "exact", "lossy", {"max_abs_error": e}, {"max_rel_error": e}, {"psnr_db": q}; default
                            exact wherever the codec can be
        sequence            a sample is a list of items
        tile                cut items into tiles of this shape, so that parts can be read

        Errors: E_NAME, E_TENSOR_EXISTS, E_ARGUMENT, E_FIDELITY, E_FIDELITY_LABEL, E_EXTRA_MISSING.
        """
        self._must_write()
        if name in self:
            raise error("E_TENSOR_EXISTS", "tensor.name", f"there is a tensor {name!r} already")
        names.check_tensor(name, self._names())
        declared = declare(
            htype=htype,
            dtype=dtype,
            shape=shape,
            sample_compression=sample_compression,
            chunk_compression=chunk_compression,
            fidelity_=fidelity,
            sequence=sequence,
            tile=tile,
            class_names=class_names,
            attributes=attributes,
        )
        self._drafts[name] = TensorDraft(name, declared, self._store, SliceTable((), missing(self._length)))
        self._touch()
        return self._tensor(name) if declared.pending is None else None

    def delete_tensor(self, name: str) -> None:
        """It is gone from here on; earlier commits keep it. Errors: E_TENSOR_ABSENT."""
        self._must_have(name)
        draft = self._drafts.pop(name, None)
        if draft is not None:
            draft.discard()
        self._states.pop(name, None)
        self._origin.pop(name, None)
        self._touch()

    def rename_tensor(self, name: str, new: str) -> None:
        """Only the name changes; nothing is rewritten. Errors: E_TENSOR_ABSENT, E_NAME, E_TENSOR_EXISTS."""
        self._must_have(name)
        if new in self:
            raise error("E_TENSOR_EXISTS", "tensor.name", f"there is a tensor {new!r} already")
        names.check_tensor(new, [other for other in self._names() if other != name])
        if name in self._drafts:
            draft = self._drafts.pop(name)
            draft.name = new
            self._drafts[new] = draft
        if name in self._states:
            self._states[new] = self._states.pop(name)
        if name in self._origin:
            self._origin[new] = self._origin.pop(name)
        self._touch()

    def set_attributes(self, tensor: str | None = None, /, **attributes: Any) -> None:
        """Attributes of the dataset, or of the tensor named first; None removes one. Errors: E_ARGUMENT."""
        self._must_write()
        if tensor is None:
            kept = {**self._attributes, **attributes}
            self._attributes = document.plain({key: value for key, value in kept.items() if value is not None}, 2)
        else:
            self._must_have(tensor)
            self._draft(tensor).set_attributes(attributes)
        self._touch()

    # --- rows -----------------------------------------------------------------------------------------------------

    def append(self, row: Mapping[str, Any]) -> None:
        """One row; tensors it does not name get no value. It goes in whole or, with an error, not at all.

        Errors: E_TENSOR_ABSENT, E_SAMPLE_*, E_FIDELITY, E_FILE_FORMAT.
        """
        drafts = self._all_drafts()
        if not row.keys() <= drafts.keys():
            self._unknown(row, drafts)
        plain: list[tuple[TensorDraft, int]] = []
        others: list[tuple[TensorDraft, Sample]] = []
        with self._atomic() as held:
            for name, draft in drafts.items():
                value = row.get(name)
                if draft.takes_plain(value):
                    plain.append((draft, value))  # type: ignore[arg-type]
                else:
                    held.append((draft, draft.hold()))
                    others.append((draft, self._prepared(draft, value)))
            for draft, number in plain:
                draft.queue(number)
            for draft, sample in others:
                draft.append(sample)
        self._length += 1
        if self._readers or not self._changed:
            self._touch()

    @contextlib.contextmanager
    def _atomic(self) -> Iterator[list[tuple[TensorDraft, Any]]]:
        """What goes wrong inside leaves every tensor as it was [sample.atomic]; declarations that may change are put
        on the list before."""
        held: list[tuple[TensorDraft, Any]] = []
        try:
            yield held
        except BaseException:
            for draft in self._drafts.values():
                draft.shorten(self._length)
            for draft, what in held:
                draft.let_go(what)
            raise

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Many rows: a mapping of columns of one length, arrays taken whole. Errors as :meth:`append`, E_ARGUMENT."""
        drafts = self._all_drafts()
        self._unknown(columns, drafts)
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
                    draft.extend(values[name])
                else:
                    draft.append_missing(count)
        self._length += count
        self._touch()

    def insert(self, index: int, row: Mapping[str, Any]) -> None:
        """One row before row ``index``; ``len(ds)`` appends. Errors as :meth:`append`, E_SAMPLE_RANGE."""
        drafts = self._all_drafts()
        self._unknown(row, drafts)
        place = _integer(index, "a row")
        place += len(self) if place < 0 else 0
        if not 0 <= place <= len(self):
            raise error("E_SAMPLE_RANGE", "model.sample", f"row {index} of {len(self)}")
        with self._atomic() as held:
            held += [(draft, draft.hold()) for draft in drafts.values()]
            samples = [self._prepared(draft, row.get(name)) for name, draft in drafts.items()]
            new = [draft.add([sample]) for draft, sample in zip(drafts.values(), samples, strict=True)]
        for draft, runs in zip(drafts.values(), new, strict=True):
            draft.splice(place, place, runs)
        self._length += 1
        self._touch()

    def delete(self, index: int | slice | Sequence[int] | np.ndarray) -> None:
        """Rows by number, slice, list or mask; earlier commits keep them. Errors: E_SAMPLE_RANGE, E_ARGUMENT."""
        drafts = self._all_drafts()
        rows = self._numbers([index] if isinstance(index, (int, np.integer)) else index)
        for draft in drafts.values():
            draft.flush()
        for start, stop in reversed(_stretches(rows)):
            for draft in drafts.values():
                draft.splice(start, stop, EMPTY)
            self._length -= stop - start
        self._touch()

    def update(self, tensor: str, index: Any, value: Any) -> None:
        """``ds[tensor][index] = value``: a sample, several, or a part of one. Errors as :meth:`append`."""
        self._must_have(tensor)
        draft = self._draft(tensor)
        if isinstance(index, tuple):
            value, index = self._patched(tensor, index, value), index[0]
        with self._atomic() as held:
            held.append((draft, draft.hold()))
            if isinstance(index, (int, np.integer)):
                start = int(index) + (len(self) if index < 0 else 0)
                if not 0 <= start < len(self):
                    raise error("E_SAMPLE_RANGE", "model.sample", f"sample {index} of {len(self)}", object=tensor)
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

    def _patched(self, tensor: str, index: tuple[Any, ...], value: Any) -> Any:
        """The whole sample with the named part replaced; it keeps its shape."""
        number, region = index[:1], index[1:]
        if not number or not isinstance(number[0], (int, np.integer)):
            raise error("E_ARGUMENT", "model.sample", "a part is assigned in one sample at a time", object=tensor)
        if not region:
            return value
        old = self._tensor(tensor)[int(number[0])]
        if not isinstance(old, np.ndarray):
            raise error("E_SAMPLE_SHAPE", "model.sample", f"sample {number[0]} has no parts to assign", object=tensor)
        new = old.copy()
        part = dtypes.to_array(value, dtypes.dtype(self._draft(tensor).declared.dtype), what="the part")
        try:
            new[region] = part
        except (ValueError, IndexError, TypeError) as cause:
            raise error("E_SAMPLE_SHAPE", "sample.shape", str(cause), object=tensor) from cause
        return new

    def _prepared(self, draft: TensorDraft, value: Any) -> Sample:
        draft.settle(value)
        try:
            return prepare(draft.declared, value)
        except LakebedError as cause:
            cause.object = cause.object or draft.name
            raise

    def _numbers(self, index: Any) -> np.ndarray:
        return numbers_of(index, len(self), self.url)

    # --- versions -------------------------------------------------------------------------------------------------

    def commit(self, message: str = "", *, author: str = "") -> CommitRef:
        """Make everything so far the next commit of the branch, atomically [algo.commit].

        When others committed meanwhile and both sides only appended, theirs come first. Errors: E_CONFLICT,
        E_BRANCH_CLOSED, E_REQUIRES_WRITE, E_COMMIT_UNKNOWN, E_STORE.
        """
        self._must_write()
        if self._unknown_outcome:
            detail = "whether the last commit took place is unknown; another now could store its rows twice"
            raise error("E_COMMIT_UNKNOWN", "algo.unknown", detail, object=self._branch)
        mine = self._state(message, author)
        try:
            loaded = publish.publish(
                self._store,
                self._base,
                mine,
                clock=self._clock,
                make_id=self._make_id,
                upload_again=self._upload_again,
                started=self._clock() if self._started is None else self._started,
            )
        except LakebedError as cause:
            self._unknown_outcome = cause.code == "E_COMMIT_UNKNOWN"
            raise
        self._base = loaded
        self._started = None
        self._uploaded = set()
        self._reset()
        return loaded.ref

    def _state(self, message: str, author: str) -> Commit:
        """The commit to be; number, parent, id and time are filled in when it is published."""
        old = {} if self._base is None else dict(self._base.commit.tensors)
        tensors = {}
        for name in self._names():
            draft = self._drafts.get(name)
            if draft is None:
                tensors[name] = self._states[name]
                continue
            if draft.declared.pending is not None:
                detail = f"tensor {name!r} has no dtype and shape yet: give them, or append a sample first"
                raise error("E_ARGUMENT", "tensor.first", detail)
            tensors[name] = draft.state(old.get(self._origin.get(name, "")))
            self._uploaded |= draft.uploaded
        base = None if self._base is None else self._base.commit
        return Commit(
            branch=self._branch,
            number=0,
            id="",
            time="",
            author=author,
            message=message,
            length=self._length,
            attributes=self._attributes,
            tensors=tensors,
            requires_read=() if base is None else base.requires_read,
            requires_write=() if base is None else base.requires_write,
            extra={} if base is None else base.extra,
        )

    def _upload_again(self) -> None:
        """What waited longer than half the grace period is written again, byte for byte [algo.commit.grace]."""
        for name in sorted(self._uploaded):
            key = names.chunk_key(name)
            data = self._store.get(key)
            if data is None or hashlib.sha256(data).hexdigest() != name:
                said = "was collected" if data is None else "was damaged"
                raise error("E_STORE", "algo.commit.grace", f"a chunk {said} before its commit", object=key)
            self._store.put(key, data)

    def discard(self) -> None:
        """Forget every uncommitted change."""
        for draft in self._drafts.values():
            draft.discard()
        self._reset()

    def refresh(self) -> Dataset:
        """The newest commit of the branch, into this handle; uncommitted changes are an error (E_ARGUMENT)."""
        if self._changed and self._base is not None:
            raise error("E_ARGUMENT", "algo.open", "there are uncommitted changes: commit or discard them first")
        self._base = history.newest(self._store, self._branch, exact=self._writable)
        self._reset()
        return self

    def log(self) -> Iterator[Commit]:
        """Commits from this one back, newest first; ends where history was expired."""
        return iter(()) if self._base is None else (loaded.commit for loaded in history.log(self._store, self._base))

    def diff(self, other: int | str | Commit) -> dict[str, Change]:
        """What changed from ``other`` (a number on this branch, a tag's name, a commit) to this commit."""
        if self._base is None:
            return {}
        start = other if isinstance(other, Commit) else self._at(other).commit
        return diff(self._store, start, self._base.commit)

    def revert(self, to: int | str) -> None:
        """The state of an earlier commit (a number on this branch, or a tag) becomes this one's, to be committed."""
        self._must_write()
        found = self._at(to).commit
        self._started = self._clock()
        self._must_exist(found)
        self.discard()
        self._states = dict(found.tensors)
        self._origin = {}
        self._length, self._attributes = found.length, dict(found.attributes)
        self._touch()

    def _must_exist(self, commit: Commit) -> None:
        """What an old commit names is named again: it must still be there [algo.revert]. Errors: E_OBJECT_MISSING."""
        for name, state in commit.tensors.items():
            for ref in history.table(self._store, name, state).chunks:
                if not self._store.exists(names.chunk_key(ref.name)):
                    detail = f"a chunk of tensor {name!r} of commit {commit.number} is gone"
                    raise error("E_OBJECT_MISSING", "algo.revert", detail, object=names.chunk_key(ref.name))

    def branches(self) -> list[str]:
        return history.branches(self._store)

    def tags(self) -> dict[str, Tag]:
        return history.tags(self._store)

    def create_branch(self, name: str) -> Dataset:
        """A branch that starts as this commit, open for writing. Errors: E_NAME, E_BRANCH_EXISTS, E_COMMIT_ABSENT."""
        self._must_write()
        names.check_ref(name, "branch")
        loaded = publish.create_branch(
            self._store, name, self._committed(), clock=self._clock, make_id=self._make_id
        )
        return Dataset(
            self._store, loaded, branch=name, writable=True, clock=self._clock, make_id=self._make_id
        )

    def close_branch(self) -> CommitRef:
        """End this branch: a last commit that nothing may follow. Its name is never used again."""
        self._must_write()
        self._committed()
        loaded = publish.close_branch(self._store, self._branch, clock=self._clock, make_id=self._make_id)
        self._base, self._writable = loaded, False
        self._reset()
        return loaded.ref

    def create_tag(self, name: str) -> Tag:
        """A name for this commit that never moves. Errors: E_NAME, E_TAG_EXISTS."""
        self._must_write()
        names.check_ref(name, "tag")
        return publish.create_tag(self._store, name, self._committed(), clock=self._clock)

    def _committed(self) -> Loaded:
        if self._base is None or self._changed:
            raise error("E_ARGUMENT", "algo.branch", "there are uncommitted changes: commit or discard them first")
        return self._base

    def _at(self, where: int | str) -> Loaded:
        if isinstance(where, int):
            return history.load(self._store, self._branch, where)
        return history.resolve(self._store, tag=where)

    # --- life -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Forget uncommitted changes and let go of what is open."""
        self.discard()
        self._chunks = Chunks(self._store)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: Any, trace: Any) -> None:
        try:
            if kind is None and self._writable and self._changed:
                self.commit()
        finally:
            self.close()

    def _must_write(self) -> None:
        if not self._writable:
            raise error("E_READ_ONLY", "algo.open.mode", f"{self.url} is open for reading", object=self._branch)

    def _must_have(self, name: str) -> None:
        self._must_write()
        if name not in self:
            known = ", ".join(self._names()) or "none"
            raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")

    def _unknown(self, row: Iterable[str], drafts: Mapping[str, TensorDraft]) -> None:
        for name in row:
            if name not in drafts:
                known = ", ".join(drafts) or "none"
                raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")

    def _touch(self) -> None:
        """Something changed: readers made before are of the past."""
        self._readers.clear()
        self._changed = True

    def _all_drafts(self) -> dict[str, TensorDraft]:
        if not self._writable:
            self._must_write()
        if self._undrafted:
            for name in self._states:
                self._draft(name)
            self._undrafted = False
        if self._started is None:
            self._started = self._clock()
        return self._drafts

    def _draft(self, name: str) -> TensorDraft:
        if name not in self._drafts:
            state = self._states[name]
            table = history.table(self._store, name, state)
            self._drafts[name] = TensorDraft(name, declared_of(state), self._store, table)
        if self._started is None:
            self._started = self._clock()
        return self._drafts[name]


class EditedTensor(Tensor):
    """A tensor of a dataset that is open for writing: ``t[5] = value``, ``t[2:4] = values``, ``t[5, 0:8] = part``."""

    dataset: Dataset

    def __setitem__(self, index: Any, value: Any) -> None:
        self.dataset.update(self.name, index, value)


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


# --- doors ---------------------------------------------------------------------------------------------------------


def create(url: Any, *, options: Mapping[str, Any] | None = None, clock: Any = None, make_id: Any = None) -> Dataset:
    """A new dataset, open for writing on the branch ``main``; its first commit makes it exist.

    ``url`` is a path, ``memory://name``, or a URL that fsspec knows (``s3://bucket/pets.lakebed``), ``options`` what
    fsspec takes. ``clock`` (seconds since the epoch) and ``make_id`` (32 hex digits) make a writer deterministic.
    Errors: E_DATASET_EXISTS, E_EXTRA_MISSING, E_STORE.
    """
    store = open_store(url, writable=True, options=options)
    try:
        history.newest(store, MAIN)
    except LakebedError as absent:
        if absent.code not in ("E_DATASET_ABSENT", "E_BRANCH_ABSENT"):
            raise
    else:
        raise error("E_DATASET_EXISTS", "algo.create", f"there is a dataset at {store.url}")
    return Dataset(store, None, branch=MAIN, writable=True, clock=clock, make_id=make_id)


def open(
    url: Any,
    mode: str = "r",
    *,
    branch: str | None = None,
    number: int | None = None,
    tag: str | None = None,
    time: datetime | str | None = None,
    options: Mapping[str, Any] | None = None,
    clock: Any = None,
    make_id: Any = None,
) -> Dataset:
    """An existing dataset, at the newest commit of ``branch`` ("main"), or at a number, tag or time of it.

    ``mode="a"`` opens for writing, at the newest commit only. Errors: E_DATASET_ABSENT, E_BRANCH_ABSENT,
    E_COMMIT_ABSENT, E_TAG_ABSENT, E_READ_ONLY, E_BRANCH_CLOSED, and whatever is wrong with the commit (FormatError).
    """
    if mode not in ("r", "a"):
        raise error("E_ARGUMENT", "algo.open.mode", f"mode {mode!r} is neither 'r' nor 'a'")
    if mode == "a" and (number is not None or tag is not None or time is not None):
        detail = "an earlier commit opens for reading; to go on from it, use revert or create_branch"
        raise error("E_READ_ONLY", "algo.open.mode", detail)
    store = open_store(url, writable=mode == "a", options=options)
    if mode == "r" and number is None and tag is None and time is None and not history.near(store):
        hint = history.read_hint(store, branch or MAIN)
        if hint is not None:
            return Dataset.expected(store, branch or MAIN, hint)
    if mode == "a":
        loaded = history.newest(store, branch or MAIN, exact=True)  # [algo.newest.read]
    else:
        loaded = history.resolve(store, branch=branch, number=number, tag=tag, time=time)
    if mode == "a" and loaded.commit.closed:
        raise error("E_BRANCH_CLOSED", "commit.closed", f"branch {loaded.commit.branch!r} is closed")
    return Dataset(
        store, loaded, branch=loaded.commit.branch, writable=mode == "a", clock=clock, make_id=make_id
    )


__all__ = ["MAIN", "Dataset", "EditedTensor", "create", "open"]
