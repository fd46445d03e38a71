"""Floor 7. Writing with many tasks and one commit: tasks write chunks, the driver makes them visible at once.

    base = lakebed.open(url, mode="a")                # its tensors are created and committed
    part = write_part(spot(base), {"x": ..., "y": ...})  # in any process; stores chunks, commits nothing
    commit_parts(base, [part, ...])                   # in one: all of them or none

Chunks of a task that failed or ran twice are named by no commit; collecting removes them [algo.collect].
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import history, names, publish
from .dataset import Dataset
from .declare import declared_of
from .draft import TensorDraft
from .errors import error
from .model import Commit, CommitRef, TensorState
from .slices import NO_SLICES, SliceTable, concatenate, missing
from .stores.store import Store


@dataclass(frozen=True, slots=True)
class Spot:
    """Where parts are written: a store and the commit whose tensors they continue. Picklable as its store is."""

    store: Store
    commit: Commit


@dataclass(frozen=True, slots=True)
class Part:
    """``rows`` rows that are stored and not yet visible: slices by tensor, and what each tensor was when they were
    written. ``started``: seconds since the epoch.
    """

    rows: int
    tables: Mapping[str, SliceTable]
    kinds: Mapping[str, tuple[Any, ...]]
    started: float


def spot(ds: Dataset) -> Spot:
    """Of the commit that ``ds`` stands at. Errors: E_READ_ONLY, E_ARGUMENT when there are uncommitted changes."""
    commit = ds.commit_info
    if not ds.writable:
        raise error("E_READ_ONLY", "algo.open.mode", f"{ds.url} is open for reading", object=ds.branch)
    if commit is None or ds.changed:
        raise error("E_ARGUMENT", "algo.commit.base", "create the tensors and commit them before writing parts")
    return Spot(ds.store, commit)


def write_part(place: Spot, columns: Mapping[str, Any]) -> Part:
    """Store these rows, the columns as :meth:`Dataset.extend` takes them; tensors not named get missing samples.

    Errors: E_TENSOR_ABSENT, E_ARGUMENT (columns of different lengths), and those of :meth:`Dataset.append`.
    """
    started = time.time()
    values = {
        name: column if isinstance(column, np.ndarray) and column.ndim else list(column)
        for name, column in columns.items()
    }
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise error("E_ARGUMENT", "model.length", f"columns of different lengths: {lengths}")
    tables = {}
    for name, column in values.items():
        state = place.commit.tensors.get(name)
        if state is None:
            known = ", ".join(place.commit.tensors) or "none"
            raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")
        tables[name] = _written(place.store, name, state, column)
    kinds = {name: _kind(place.commit.tensors[name]) for name in tables}
    return Part(next(iter(lengths.values()), 0), tables, kinds, started)


def _kind(state: TensorState) -> tuple[Any, ...]:
    """What samples must fit."""
    return state.htype, state.dtype, state.shape, state.sequence, state.fidelity


def _written(store: Store, name: str, state: TensorState, column: Any) -> SliceTable:
    draft = TensorDraft(name, declared_of(state), store, NO_SLICES)
    try:
        draft.extend(column)
        draft.seal()
    except BaseException:
        draft.discard()
        raise
    return SliceTable(tuple(draft.refs), draft.runs)


def commit_parts(ds: Dataset, parts: Sequence[Part], message: str = "", *, author: str = "") -> CommitRef:
    """All parts, in this order, behind the rows that are there, as one commit; then ``ds`` stands at it.

    Others may have appended meanwhile: theirs come first. Errors: those of :meth:`Dataset.commit`; E_CONFLICT when a
    tensor is gone or not what it was.
    """
    place = spot(ds)
    for name, kind in (entry for part in parts for entry in part.kinds.items()):
        state = place.commit.tensors.get(name)
        if state is None or _kind(state) != kind:
            raise error("E_CONFLICT", "algo.rebase.conflict", "it is not what the parts were written for", object=name)
    base = history.load(place.store, place.commit.branch, place.commit.number)
    rows = sum(part.rows for part in parts)
    tensors = {name: _grown(state, name, parts) for name, state in base.commit.tensors.items()}
    mine = replace(base.commit, length=base.commit.length + rows, tensors=tensors, message=message, author=author)
    loaded = publish.publish(
        place.store,
        base,
        mine,
        clock=time.time,
        make_id=lambda: secrets.token_hex(16),
        upload_again=lambda: _upload_again(place.store, parts),
        started=min([part.started for part in parts], default=time.time()),
    )
    ds.refresh()
    return loaded.ref


def _grown(state: TensorState, name: str, parts: Sequence[Part]) -> TensorState:
    added = [part.tables.get(name) or SliceTable((), missing(part.rows)) for part in parts if part.rows]
    return replace(state, own=concatenate([state.own, *added]).used())


def _upload_again(store: Store, parts: Sequence[Part]) -> None:
    """What waited longer than half the grace period is made young again [algo.commit.grace]."""
    for name in sorted({ref.name for part in parts for table in part.tables.values() for ref in table.chunks}):
        key = names.chunk_key(name)
        data = store.get(key)
        if data is None or hashlib.sha256(data).hexdigest() != name:
            said = "was collected" if data is None else "was damaged"
            raise error("E_STORE", "algo.commit.grace", f"a chunk {said} before its commit", object=key)
        store.put(key, data)
