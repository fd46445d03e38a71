"""Floor 6. What people hold: an open dataset, for reading or for writing."""

from __future__ import annotations

import secrets
import time as clock_module
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import history, names, publish
from .compare import Change, diff
from .declare import declare
from .errors import LakebedError, error
from .history import Hint, Loaded
from .model import Commit, CommitRef, Tag
from .pending import Pending
from .rows import Row
from .stores.store import Store
from .tensor import Chunks, Tensor, numbers_of, single
from .working import WorkingCopy


class Dataset:
    """Rows across named tensors of equal length, at one commit [model.dataset].

    ``ds["images"]`` or ``ds.images`` is a :class:`~lakebed.Tensor`; ``ds[5]`` a lazy row; ``for row in ds``. Opened
    with ``mode="a"`` it also takes changes; nothing is seen by others before :meth:`commit`, which leaving a ``with``
    block does; an exception in the block leaves nothing.
    """

    _pending: Pending | None = None
    _closed = False
    _ended = False  # its branch was closed through this handle
    _chunks: Chunks

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
        self._reset()

    def _reset(self) -> None:
        """Forget every change and every reader: the state is the base commit's."""
        commit = None if self._base is None else self._base.commit
        self._work = WorkingCopy(self._store, commit, self._clock, self.url)
        self._readers: dict[str, Tensor] = {}
        self._seen = 0
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
        return self._work.changed

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By name, in order of creation as far as the file keeps it; without those that wait for a first sample."""
        waiting = {name for name, draft in self._work.drafts.items() if draft.declared.pending is not None}
        return {name: self._tensor(name) for name in self._work.names if name not in waiting}

    @property
    def attributes(self) -> Mapping[str, Any]:
        return dict(self._work.attributes)

    def __len__(self) -> int:
        return self._work.length

    def __contains__(self, name: object) -> bool:
        return name in self._work

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
        if single(key):
            number = int(key) + (len(self) if key < 0 else 0)
            if not 0 <= number < len(self):
                raise error("E_SAMPLE_RANGE", "model.sample", f"row {key} of {len(self)}")
            return Row(tensors, number)
        return [Row(tensors, number) for number in numbers_of(key, len(self), self.url).tolist()]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and not name.startswith("__") and self._pending is not None:
            self._settle()
            return getattr(self, name)
        if name.startswith("_") or name not in self:
            raise AttributeError(f"{type(self).__name__} has no attribute and no tensor {name!r}")
        return self._tensor(name)

    def __reduce__(self) -> Any:
        """Opened for reading, it travels to other processes as its place and its commit, and opens there.

        Errors: E_ARGUMENT when it is open for writing (two writers of one state), on ``memory://``, or empty.
        """
        self._settle()
        if self._writable or self._base is None:
            raise error("E_ARGUMENT", "algo.open.mode", "a dataset travels to another process only opened for reading")
        return _reopened, (self._store, self._branch, self._base)

    def __repr__(self) -> str:
        at = f"{self._branch} {self.number}" + (", changed" if self.changed else "")
        return f"Dataset({self.url!r}, {len(self)} rows, {len(self._work.names)} tensors, {at})"

    def _tensor(self, name: str) -> Tensor:
        """The reader of a tensor as it is now; made anew after a change."""
        if self._seen != self._work.changes:
            self._readers.clear()
            self._seen = self._work.changes
        found = self._readers.get(name)
        if found is not None:
            return found
        state, table = self._work.table(name)
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
        htype: str | None = "generic",
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        sample_compression: Any = None,
        chunk_compression: Any = None,
        fidelity: Any = None,
        sequence: bool = False,
        tile: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
        attributes: Mapping[str, Any] | None = None,
        unit_items: int | None = None,
        unit_bytes: int | None = None,
        chunk_bytes: int | None = None,
    ) -> Tensor | None:
        """A new tensor; rows that are there already have no value in it, at no cost.

        htype               what the values mean: ``image``, ``class_label``, ``bbox``, ..., ``sequence[image]``;
                            None: ``generic``
        dtype, shape        of one item; None: the htype's (dtype of ``generic``: float64), or the first sample's.
                            None in a shape: a free axis
        sample_compression  a codec for each item ("jpeg", "lz4", "shuffle+zstd"), or a list of file formats
        chunk_compression   a codec for units of many items
        fidelity            "exact", "lossy", {"max_abs_error": e}, {"max_rel_error": e}, {"psnr_db": q}; default
                            exact wherever the codec can be
        sequence            a sample is a list of items
        class_names         of ``class_label`` and ``segment_mask``: name i is that of value i
        attributes          all others of the htype: ``{"coords": {"type": "pixel", "mode": "LTRB"}}`` of ``bbox``,
                            ``{"keypoints": [...], "connections": [...]}``, ``{"schema": ...}`` of ``json``; and yours
        tile                cut items into tiles of this shape, so that parts can be read
        unit_items, unit_bytes  what is compressed and checksummed together: so many items, or about so many bytes
                            of them (default 65,536); one or the other
        chunk_bytes         close a chunk when its payload reaches this (default 268,435,456)

        None is given back while the first sample has yet to tell dtype or shape.

        Errors: E_NAME, E_TENSOR_EXISTS, E_ARGUMENT, E_FIDELITY, E_FIDELITY_LABEL, E_EXTRA_MISSING.
        """
        self._must_write()
        self._work.check_new(name)
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
            unit_items=unit_items,
            unit_bytes=unit_bytes,
            chunk_bytes=chunk_bytes,
        )
        self._work.create_tensor(name, declared)
        return self._tensor(name) if declared.pending is None else None

    def delete_tensor(self, name: str) -> None:
        """It is gone from here on; earlier commits keep it. Errors: E_TENSOR_ABSENT."""
        self._must_write()
        self._work.delete_tensor(name)

    def rename_tensor(self, name: str, new: str) -> None:
        """Only the name changes; nothing is rewritten. Errors: E_TENSOR_ABSENT, E_NAME, E_TENSOR_EXISTS."""
        self._must_write()
        self._work.rename_tensor(name, new)

    def set_attributes(self, tensor: str | None = None, /, **attributes: Any) -> None:
        """Attributes of the dataset, or of the tensor named first; None removes one. Errors: E_ARGUMENT."""
        self._must_write()
        self._work.set_attributes(tensor, attributes)

    # --- rows -----------------------------------------------------------------------------------------------------

    def append(self, row: Mapping[str, Any]) -> None:
        """One row; tensors it does not name get no value. It goes in whole or, with an error, not at all.

        Errors: E_TENSOR_ABSENT, E_SAMPLE_*, E_FIDELITY, E_FILE_FORMAT, E_READ_ONLY.
        """
        if not self._writable:
            self._must_write()
        self._work.append(row)

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Many rows: a mapping of columns of one length, arrays taken whole. Errors as :meth:`append`, E_ARGUMENT."""
        self._must_write()
        self._work.extend(columns)

    def insert(self, index: int, row: Mapping[str, Any]) -> None:
        """One row before row ``index``; ``len(ds)`` appends. Errors as :meth:`append`, E_SAMPLE_RANGE."""
        self._must_write()
        self._work.insert(index, row)

    def delete(self, index: int | slice | Sequence[int] | np.ndarray) -> None:
        """Rows by number, slice, list or mask; earlier commits keep them. Errors: E_SAMPLE_RANGE, E_ARGUMENT."""
        self._must_write()
        self._work.delete(index)

    def update(self, tensor: str, index: Any, value: Any) -> None:
        """``ds[tensor][index] = value``: a sample, several, or a part of one. Errors as :meth:`append`."""
        self._must_write()
        self._work.update(tensor, index, value, lambda number: self._tensor(tensor)[number])

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
        mine = self._work.commit(self._branch, message, author)
        try:
            loaded = publish.publish(
                self._store,
                self._base,
                mine,
                clock=self._clock,
                make_id=self._make_id,
                upload_again=self._work.upload_again,
                started=self._clock() if self._work.started is None else self._work.started,
            )
        except LakebedError as cause:
            self._unknown_outcome = cause.code == "E_COMMIT_UNKNOWN"
            raise
        self._base = loaded
        self._reset()
        return loaded.ref

    def discard(self) -> None:
        """Forget every uncommitted change."""
        self._work.discard()
        self._reset()

    def refresh(self) -> Dataset:
        """The newest commit of the branch, into this handle; uncommitted changes are an error (E_ARGUMENT)."""
        if self.changed and self._base is not None:
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
        self._work.take_over(self._at(to).commit)

    def branches(self) -> list[str]:
        return history.branches(self._store)

    def tags(self) -> dict[str, Tag]:
        return history.tags(self._store)

    def create_branch(self, name: str) -> Dataset:
        """A branch that starts as this commit, open for writing; also after :meth:`close_branch` [algo.branch].

        ``lakebed.create_branch`` starts one from any commit. Errors: E_NAME, E_BRANCH_EXISTS, E_COMMIT_ABSENT.
        """
        if not self._ended:
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
        self._base, self._writable, self._ended = loaded, False, True
        self._reset()
        return loaded.ref

    def create_tag(self, name: str) -> Tag:
        """A name for this commit that never moves. Errors: E_NAME, E_TAG_EXISTS."""
        self._must_write()
        names.check_ref(name, "tag")
        return publish.create_tag(self._store, name, self._committed(), clock=self._clock)

    def _committed(self) -> Loaded:
        if self._base is None or self.changed:
            raise error("E_ARGUMENT", "algo.branch", "there are uncommitted changes: commit or discard them first")
        return self._base

    def _at(self, where: int | str) -> Loaded:
        if isinstance(where, int):
            return history.load(self._store, self._branch, where)
        return history.resolve(self._store, tag=where)

    # --- life -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Forget uncommitted changes and let go of what is open. It can still be read, and no longer be changed."""
        self.discard()
        self._chunks = Chunks(self._store)
        self._closed = self._closed or self._writable or self._ended
        self._writable = self._ended = False

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: Any, trace: Any) -> None:
        try:
            if kind is None and self._writable and self.changed:
                self.commit()
        finally:
            self.close()

    def _must_write(self) -> None:
        if not self._writable:
            state = "was closed" if self._closed else "is open for reading"
            raise error("E_READ_ONLY", "algo.open.mode", f"{self.url} {state}", object=self._branch)


def _reopened(store: Store, branch: str, base: Loaded) -> Dataset:
    return Dataset(store, base, branch=branch, writable=False)


class EditedTensor(Tensor):
    """A tensor of a dataset that is open for writing: ``t[5] = value``, ``t[2:4] = values``, ``t[5, 0:8] = part``."""

    dataset: Dataset

    def __setitem__(self, index: Any, value: Any) -> None:
        self.dataset.update(self.name, index, value)
