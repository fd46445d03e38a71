"""Random sessions against a model made of lists: whatever is done, every read gives what was put in, to the bit."""

from __future__ import annotations

import copy
import itertools
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import lakebed
from kinds import KINDS, Distant, Kind, check_batch, same
from lakebed.errors import LakebedError
from lakebed.stores import LocalStore, MemoryStore

SEEDS = st.integers(0, 2**32 - 1)


class Model:
    """What a dataset should be: kinds and rows by tensor name, attributes, length."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self.rows: dict[str, list[Any]] = {}
        self.length = 0
        self.attributes: dict[str, Any] = {}

    def copy(self) -> Model:
        other = copy.copy(self)
        other.kinds, other.attributes = dict(self.kinds), dict(self.attributes)
        other.rows = {name: list(rows) for name, rows in self.rows.items()}
        return other


class Session(RuleBasedStateMachine):
    """One writer on one branch at a time, readers of every commit."""

    local = False

    @initialize(seed=SEEDS)
    def start(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory() if self.local else None
        near = LocalStore(self.folder.name, writable=True) if self.folder else MemoryStore()
        self.store = Distant() if seed % 3 == 0 and not self.folder else near
        self.fresh = itertools.count(1)
        self.ds = lakebed.create(self.store)
        self.model = Model()
        self.branch = "main"
        self.commits: dict[str, list[Model]] = {"main": []}
        self.tags: dict[str, Model] = {}
        rng = np.random.default_rng(seed)
        for name in rng.choice(list(KINDS), 3, replace=False):
            self.create(KINDS[str(name)])

    def teardown(self) -> None:
        if not hasattr(self, "ds"):
            return
        self.read_everything(self.ds, self.model)
        if self.ds.changed:
            self.commit()
        for branch, models in self.commits.items():
            for number, model in enumerate(models, 1):
                self.read_everything(lakebed.open(self.store, branch=branch, number=number), model)
        for name, model in self.tags.items():
            self.read_everything(lakebed.open(self.store, tag=name), model)
        if self.folder:
            self.folder.cleanup()

    # --- helpers --------------------------------------------------------------------------------------------------

    def create(self, kind: Kind) -> None:
        name = f"{kind.name}{next(self.fresh)}"
        self.ds.create_tensor(name, **kind.options)
        self.model.kinds[name] = kind
        self.model.rows[name] = [None] * self.model.length

    def row(self, rng: np.random.Generator) -> dict[str, Any]:
        return {name: kind.make(rng) for name, kind in self.model.kinds.items() if rng.random() < 0.85}

    def pick(self, rng: np.random.Generator) -> tuple[str, Kind]:
        name = str(rng.choice(list(self.model.kinds)))
        return name, self.model.kinds[name]

    def read_everything(self, ds: lakebed.Dataset, model: Model) -> None:
        assert len(ds) == model.length
        assert set(ds.tensors) == set(model.kinds)
        assert ds.attributes == model.attributes
        for name, kind in model.kinds.items():
            due = model.rows[name]
            assert len(due) == model.length
            check_batch(kind, ds[name][:], due)
            assert same(list(ds[name]), due)

    # --- tensors --------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(sorted(KINDS)))
    def add_tensor(self, name: str) -> None:
        if len(self.model.kinds) < 6:
            self.create(KINDS[name])

    @precondition(lambda self: len(self.model.kinds) > 1)
    @rule(seed=SEEDS)
    def delete_tensor(self, seed: int) -> None:
        name, _ = self.pick(np.random.default_rng(seed))
        self.ds.delete_tensor(name)
        del self.model.kinds[name], self.model.rows[name]

    @rule(seed=SEEDS)
    def rename_tensor(self, seed: int) -> None:
        name, kind = self.pick(np.random.default_rng(seed))
        new = f"g{next(self.fresh)}/{kind.name}"
        self.ds.rename_tensor(name, new)
        self.model.kinds[new] = self.model.kinds.pop(name)
        self.model.rows[new] = self.model.rows.pop(name)

    @rule(seed=SEEDS)
    def attribute(self, seed: int) -> None:
        self.ds.set_attributes(seed=seed)
        self.model.attributes["seed"] = seed

    # --- rows -----------------------------------------------------------------------------------------------------

    @rule(seed=SEEDS, count=st.integers(1, 4))
    def append(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(count):
            row = self.row(rng)
            self.ds.append(row)
            for name, rows in self.model.rows.items():
                rows.append(row.get(name))
            self.model.length += 1

    @rule(seed=SEEDS, count=st.integers(0, 9))
    def extend(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        columns: dict[str, Any] = {}
        for name, kind in self.model.kinds.items():
            if rng.random() < 0.2:
                continue
            values = [kind.make(rng) for _ in range(count)]
            stack = kind.fixed and not kind.python and count and rng.random() < 0.7
            if not stack and rng.random() < 0.3:
                values = [None if rng.random() < 0.3 else each for each in values]
            columns[name] = np.stack(values) if stack else values
        if not columns:
            return
        self.ds.extend(columns)
        for name, rows in self.model.rows.items():
            rows += list(columns[name]) if name in columns else [None] * count
            rows[:] = [np.asarray(each) if isinstance(each, np.generic) else each for each in rows]
        self.model.length += count

    @rule(seed=SEEDS)
    def update(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        if not self.model.length:
            return
        name, kind = self.pick(rng)
        at = int(rng.integers(-self.model.length, self.model.length))
        value = None if rng.random() < 0.15 else kind.make(rng)
        self.ds[name][at] = value
        self.model.rows[name][at] = value

    @rule(seed=SEEDS)
    def update_many(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name, kind = self.pick(rng)
        index, numbers = random_index(rng, self.model.length)
        values = [kind.make(rng) for _ in numbers]
        self.ds[name][index] = values
        for number, value in zip(numbers, values, strict=True):
            self.model.rows[name][number] = value

    @rule(seed=SEEDS)
    def update_part(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name, kind = self.pick(rng)
        parts = [i for i, each in enumerate(self.model.rows[name]) if isinstance(each, np.ndarray) and each.ndim]
        if not parts or kind.sequence:
            return
        at = int(rng.choice(parts))
        new = self.model.rows[name][at].copy()
        region = tuple(random_slice(rng, side) for side in new.shape)
        part = new[region]
        part = part if not part.size else np.flip(part, axis=0).copy()
        new[region] = part
        self.ds[name][(at, *region)] = part
        self.model.rows[name][at] = new

    @rule(seed=SEEDS)
    def insert(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        at = int(rng.integers(0, self.model.length + 1))
        row = self.row(rng)
        self.ds.insert(at, row)
        for name, rows in self.model.rows.items():
            rows.insert(at, row.get(name))
        self.model.length += 1

    @rule(seed=SEEDS)
    def delete(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        index, numbers = random_index(rng, self.model.length)
        if len(set(numbers)) > 4:
            return
        self.ds.delete(index)
        for rows in self.model.rows.values():
            rows[:] = [each for i, each in enumerate(rows) if i not in set(numbers)]
        self.model.length -= len(set(numbers))

    @rule(seed=SEEDS)
    def refused(self, seed: int) -> None:
        """A row whose last value is refused changes nothing."""
        rng = np.random.default_rng(seed)
        row = self.row(rng)
        bad = str(rng.choice(list(self.model.kinds)))
        row[bad] = object()
        which = rng.integers(4)
        with pytest.raises(LakebedError):
            if which == 0:
                self.ds.append(row)
            elif which == 1:
                self.ds.extend({name: [each, each] for name, each in row.items()})
            elif which == 2:
                self.ds.insert(self.model.length // 2, row)
            else:
                self.ds[bad][:1] = [object()] * (2 - bool(self.model.length))

    # --- reading --------------------------------------------------------------------------------------------------

    @rule(seed=SEEDS)
    def read(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name, kind = self.pick(rng)
        tensor, due = self.ds[name], self.model.rows[name]
        index, numbers = random_index(rng, len(due))
        check_batch(kind, tensor[index], [due[i] for i in numbers])
        if due:
            at = int(rng.integers(-len(due), len(due)))
            assert same(tensor[at], due[at])
            assert same(self.ds[at][name], due[at])
        with pytest.raises(IndexError):
            tensor[len(due)]
        shapes = (
            [None if each is None else [part.shape for part in each] if kind.sequence else each.shape for each in due]
            if not kind.python
            else tensor.shapes
        )
        assert tensor.shapes == shapes

    @rule(seed=SEEDS)
    def read_part(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name, kind = self.pick(rng)
        due = self.model.rows[name]
        if kind.python or not due:
            return
        at = int(rng.integers(len(due)))
        whole = due[at]
        if whole is None:
            assert self.ds[name][at, 0] is None
            return
        if kind.sequence:
            if whole:
                which = int(rng.integers(-len(whole), len(whole)))
                assert same(self.ds[name][at, which], whole[which])
                assert same(self.ds[name][at, 0:2], whole[0:2])
            return
        region = tuple(
            int(rng.integers(-side, side)) if side and rng.random() < 0.3 else random_slice(rng, side)
            for side in whole.shape[: rng.integers(0, whole.ndim + 1)]
        )
        assert same(self.ds[name][(at, *region)], np.array(whole[(*region, ...)]))
        assert same(self.ds[name][(at, ..., *region[:0])], whole)

    # --- versions -------------------------------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        self.ds.commit("step")
        self.commits[self.branch].append(self.model.copy())
        assert self.ds.number == len(self.commits[self.branch])

    @precondition(lambda self: self.commits[self.branch])
    @rule()
    def reopen(self) -> None:
        """Uncommitted changes are gone."""
        self.ds.close()
        self.ds = lakebed.open(self.store, "a", branch=self.branch)
        self.model = self.commits[self.branch][-1].copy()

    @precondition(lambda self: self.commits[self.branch])
    @rule(seed=SEEDS)
    def revert(self, seed: int) -> None:
        number = 1 + seed % len(self.commits[self.branch])
        self.ds.revert(number)
        self.model = self.commits[self.branch][number - 1].copy()

    @precondition(lambda self: self.commits[self.branch] and not self.ds.changed and len(self.commits) < 4)
    @rule()
    def make_branch(self) -> None:
        name = f"b{next(self.fresh)}"
        self.ds = self.ds.create_branch(name)
        self.commits[name] = [self.model.copy()]
        self.branch = name

    @precondition(lambda self: self.commits[self.branch] and not self.ds.changed)
    @rule()
    def make_tag(self) -> None:
        name = f"t{next(self.fresh)}"
        self.ds.create_tag(name)
        self.tags[name] = self.model.copy()

    @precondition(lambda self: self.commits[self.branch])
    @rule(seed=SEEDS)
    def open_old(self, seed: int) -> None:
        models = self.commits[self.branch]
        number = 1 + seed % len(models)
        old = lakebed.open(self.store, branch=self.branch, number=number)
        self.read_everything(old, models[number - 1])
        head = lakebed.open(self.store, branch=self.branch)
        for name, change in head.diff(number).items():
            was = models[number - 1].length if name in models[number - 1].kinds and change.state == "changed" else 0
            if change.state == "changed":
                grew = sum(b - a for a, b in change.added) - sum(b - a for a, b in change.deleted)
                assert was + grew == models[-1].length


def random_slice(rng: np.random.Generator, length: int) -> slice:
    ends = [None, *range(-length - 1, length + 2)]
    step = int(rng.choice([1, 1, 1, 2, 3, -1, -2]))
    a, b = (ends[rng.integers(len(ends))] for _ in range(2))
    return slice(a, b, step)


def random_index(rng: np.random.Generator, length: int) -> tuple[Any, list[int]]:
    """An index of any form, and the numbers it means."""
    which = rng.integers(4)
    if which == 0 or not length:
        index = random_slice(rng, length)
        return index, list(range(length))[index]
    if which == 1:
        mask = rng.random(length) < 0.4
        return mask, np.flatnonzero(mask).tolist()
    numbers = rng.integers(-length, length, rng.integers(0, 6))
    index = numbers.tolist() if which == 2 else numbers.astype(rng.choice(["i8", "i4", "i2"]))
    return index, [int(n) % length for n in numbers]


class LocalSession(Session):
    local = True


def _run(machine: type[Session], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sessions_in_memory() -> None:
    _run(Session, 300, 40)


def test_sessions_in_a_folder() -> None:
    _run(LocalSession, 8, 20)
