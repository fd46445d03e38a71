"""Floor 6. The doors: a new dataset, an existing one, a new branch of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from . import history, names
from .dataset import Dataset
from .errors import LakebedError, error
from .stores import store as open_store

MAIN = "main"


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
        detail = "an earlier commit opens for reading; to go on from it, use revert or lakebed.create_branch"
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
        detail = f"branch {loaded.commit.branch!r} is closed; lakebed.create_branch can go on from it under a new name"
        raise error("E_BRANCH_CLOSED", "commit.closed.end", detail)
    return Dataset(
        store, loaded, branch=loaded.commit.branch, writable=mode == "a", clock=clock, make_id=make_id
    )


def create_branch(
    url: Any,
    name: str,
    *,
    branch: str | None = None,
    number: int | None = None,
    tag: str | None = None,
    time: datetime | str | None = None,
    options: Mapping[str, Any] | None = None,
    clock: Any = None,
    make_id: Any = None,
) -> Dataset:
    """A new branch, open for writing, that starts as a commit: the newest of ``branch`` ("main"), or one by number,
    tag or time, also of a closed branch [algo.branch].

    Errors: E_BRANCH_EXISTS, E_NAME, E_REQUIRES_WRITE, and those of :func:`open`.
    """
    store = open_store(url, writable=True, options=options)
    names.check_ref(name, "branch")
    at = history.resolve(store, branch=branch, number=number, tag=tag, time=time)
    start = Dataset(store, at, branch=at.commit.branch, writable=True, clock=clock, make_id=make_id)
    return start.create_branch(name)
