"""Floor 7. Collecting garbage in two passes, and expiring old commits so that there is some [algo.collect.mark].

Writers and collectors do not talk to each other. What keeps them apart is time: a writer commits within half a grace
period of its first upload or uploads again, and between "nobody names this" and its deletion lies a whole one.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from . import names
from .errors import LakebedError, error
from .format.document import MAX_BYTES
from .format.sweep import KEY, MOST, Candidate, SweepList, decode_sweep, encode_sweep, sweep_key
from .history import branches, each, instant, listed, load, loaded, manifest, need_list, newest, stamp, tagged, tags
from .model import Commit
from .publish import GRACE
from .stores import Entry, Store
from .stores import store as open_store
from .stores.store import check_writable

LEAST_GRACE = 3600.0  # seconds; below it only when no writer is at work [algo.collect.grace]
_BATCH = 64  # commits read at once
_LOOK = 1.0  # seconds that a look at the age marks is good for
_TEMPORARY = re.compile(r"(?:commits|tags|chunks|manifests)/(?:[^/]+/)*\.[^/]*\.tmp|\.probe-[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Report:
    """What a collection found and did. Keys of objects, and bytes.

    ``phase``: "clean" (no garbage), "listed" (first pass: ``candidates`` wait until ``due``), "waiting" (too early for
    the second pass, see ``due``), "swept" (second pass: ``deleted``; ``named`` by a commit again; ``renewed`` by an
    upload). ``temporary``: leftovers of killed writers, deleted in any phase. Of a dry run: what would be deleted.
    """

    phase: str
    commits: int = 0
    candidates: tuple[str, ...] = ()
    candidate_bytes: int = 0
    deleted: tuple[str, ...] = ()
    deleted_bytes: int = 0
    named: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    due: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Expired:
    """The (branch, number) of the commits deleted, oldest first, and why each branch's expiry stopped."""

    commits: tuple[tuple[str, int], ...]
    stopped: dict[str, str]
    dry_run: bool = False


def collect(
    place: Any,
    *,
    grace: float = GRACE,
    now: Callable[[], float] = time.time,
    make_id: Callable[[], str] = lambda: secrets.token_hex(16),
    alone: bool = False,
    dry_run: bool = False,
) -> Report:
    """One pass over a dataset (path, URL or store): call it ``grace`` seconds later for the second, which deletes.

    First pass: objects that no commit names and that are older than ``grace`` seconds go into a list
    [algo.collect.mark]. Second: those that still nothing names and nobody wrote again are deleted
    [algo.collect.sweep]. Below an hour ``grace`` needs ``alone``, the caller's word that no writer is at work; with 0
    both passes follow each other [algo.collect.grace].

    Errors, before anything is deleted: any of a commit, tag or manifest that cannot be read [algo.collect.invalid];
    E_DATASET_ABSENT without any commit; E_STORE where the store cannot list; E_READ_ONLY; E_ARGUMENT.
    """
    if grace < 0 or (grace < LEAST_GRACE and not alone):
        detail = f"a grace period of {grace:g} s; below {LEAST_GRACE:g} s only with alone=True: no writer is at work"
        raise error("E_ARGUMENT", "algo.collect.grace", detail)
    store = _opened(place, dry_run)
    start = now()
    dotfiles = [entry for entry in need_list(store, "") if entry.key.rpartition("/")[2].startswith(".")]
    lists = list(_lists(store, dotfiles))
    due = [sweep for sweep in lists if _due(sweep, grace, alone) <= start]
    if grace and due:
        report = _sweep(store, due, dry_run)
    elif grace and lists:
        when = min(_due(sweep, grace, alone) for sweep in lists)
        return Report("waiting", due=stamp(when), dry_run=dry_run)
    else:
        report, fresh = _mark(store, grace, start, now, make_id, dry_run)
        if not grace:
            report = _sweep(store, [fresh], dry_run)
    temporary = _temporary(store, dotfiles, start - grace, dry_run)
    return replace(report, temporary=temporary)


def _opened(place: Any, dry_run: bool) -> Store:
    """A store that is given keeps the permission it has. Errors: E_READ_ONLY."""
    store = open_store(place, writable=not dry_run) if isinstance(place, (str, os.PathLike)) else place
    if not dry_run:
        check_writable(store)
    return store


# --- what commits need -----------------------------------------------------------------------------------------------


class _Needed:
    """The names of every chunk and manifest that some commit names [algo.collect.roots]."""

    def __init__(self, store: Store) -> None:
        self.names: set[str] = set()
        self.commits = 0
        self._store = store
        for tag in tags(store).values():  # its commit is one of those below; here it is held against its hash
            tagged(store, tag)
        batch: list[str] = []
        for entry in _whole(store):
            batch.append(entry.key)
            if len(batch) == _BATCH:
                self._take(batch)
                batch = []
        self._take(batch)
        if not self.commits:
            detail = f"{store.url} holds no commit; what its chunks are worth only `recover` can tell"
            raise error("E_DATASET_ABSENT", "algo.collect.roots", detail)

    def _take(self, keys: list[str]) -> None:
        for commit in each(self._store, self._commit, keys):
            if commit is not None:
                self._names(commit)

    def _commit(self, key: str) -> Commit | None:
        """None when it was expired since the listing."""
        data = self._store.get(key, limit=MAX_BYTES)
        return None if data is None else loaded(data, key).commit

    def _names(self, commit: Commit) -> None:
        self.commits += 1
        fresh = {}
        for tensor in commit.tensors.values():
            self.names.update(ref.name for ref in tensor.own.chunks)
            fresh.update({ref.sha256: ref for ref in tensor.manifests if ref.sha256 not in self.names})
        for table in each(self._store, lambda ref: manifest(self._store, ref), list(fresh.values())):
            self.names.update(ref.name for ref in table.chunks)
        self.names.update(fresh)


def _whole(store: Store) -> Iterator[Entry]:
    """Every commit. Errors: E_STORE when a branch's folder is a link, for then its commits would not be seen."""
    for entry in need_list(store, "commits/"):
        if names.COMMIT_KEY.fullmatch(entry.key):
            yield entry
        elif entry.key.count("/") == 1:
            list(need_list(store, f"{entry.key}/"))


# --- first pass ------------------------------------------------------------------------------------------------------


def _mark(
    store: Store, grace: float, start: float, now: Callable[[], float], make_id: Callable[[], str], dry_run: bool
) -> tuple[Report, SweepList]:
    """List what nothing names; chunks and manifests are listed before commits are read [algo.collect.mark].

    Only keys of chunks and manifests are looked at [algo.collect.foreign].
    """
    old = [entry for entry in _objects(store) if entry.modified <= start - grace]
    needed = _Needed(store)
    rows = [
        Candidate(entry.key, entry.size, stamp(entry.modified)) for entry in old if _name(entry.key) not in needed.names
    ][:MOST]  # what is left over is for the next list
    sweep = SweepList(make_id(), stamp(now()), int(grace), tuple(rows))
    if rows and not dry_run:
        store.put(sweep_key(sweep.id), encode_sweep(sweep))
    report = Report(
        "listed" if rows else "clean",
        commits=needed.commits,
        candidates=tuple(row.key for row in rows),
        candidate_bytes=sum(row.bytes for row in rows),
        due=stamp(instant(sweep.time).timestamp() + grace) if rows else None,
        dry_run=dry_run,
    )
    return report, sweep


def _objects(store: Store) -> Iterator[Entry]:
    for folder, key in (("chunks/", names.CHUNK_KEY), ("manifests/", names.MANIFEST_KEY)):
        yield from (entry for entry in need_list(store, folder) if key.fullmatch(entry.key))


def _name(key: str) -> str:
    return key.rpartition("/")[2].partition(".")[0]


# --- second pass -----------------------------------------------------------------------------------------------------


def _lists(store: Store, dotfiles: list[Entry]) -> Iterator[SweepList]:
    """The lists that may be acted upon [sweep.invalid] [algo.collect.once]."""
    for entry in dotfiles:
        if not KEY.fullmatch(entry.key):
            continue
        try:
            data = store.get(entry.key, limit=MAX_BYTES)
            if data is not None:
                yield decode_sweep(data, entry.key)
        except LakebedError:
            continue


def _due(sweep: SweepList, grace: float, alone: bool) -> float:
    """When the second pass may begin, in seconds since the epoch."""
    return instant(sweep.time).timestamp() + (grace if alone else max(grace, sweep.grace))


def _sweep(store: Store, lists: Iterable[SweepList], dry_run: bool) -> Report:
    """Delete what still nothing names and nobody wrote again since it was listed [algo.collect.sweep]."""
    needed = _Needed(store)
    rows = {row.key: row for sweep in lists for row in sweep.candidates}
    named = tuple(key for key in rows if _name(key) in needed.names)
    left = sorted((row for key, row in rows.items() if _name(key) not in needed.names), key=lambda row: row.key)
    deleted, renewed = [], []
    for folder, group in groupby(left, key=lambda row: row.key.rpartition("/")[0]):
        for row, there in _looked_at(store, folder, group):
            if there == (row.bytes, row.modified):
                deleted.append(row)
                if not dry_run:
                    store.delete(row.key)
            elif there is not None:
                renewed.append(row.key)
    for sweep in lists:
        if not dry_run:
            store.delete(sweep_key(sweep.id))
    return Report(
        "swept",
        commits=needed.commits,
        candidates=tuple(rows),
        candidate_bytes=sum(row.bytes for row in rows.values()),
        deleted=tuple(row.key for row in deleted),
        deleted_bytes=sum(row.bytes for row in deleted),
        named=named,
        renewed=tuple(renewed),
        dry_run=dry_run,
    )


def _looked_at(
    store: Store, folder: str, rows: Iterable[Candidate]
) -> Iterator[tuple[Candidate, tuple[int, str] | None]]:
    """Each candidate with its length and age mark as they are now, at most a second old; None: it is gone."""
    looked = -_LOOK
    there: dict[str, tuple[int, str]] = {}
    for row in rows:
        if time.monotonic() - looked >= _LOOK:
            there = {entry.key: (entry.size, stamp(entry.modified)) for entry in need_list(store, f"{folder}/")}
            looked = time.monotonic()
        yield row, there.get(row.key)


def _temporary(store: Store, dotfiles: list[Entry], before: float, dry_run: bool) -> tuple[str, ...]:
    """Delete temporary files that were last written before the grace period [tree.dotfiles]."""
    stale = [entry.key for entry in dotfiles if _TEMPORARY.fullmatch(entry.key) and entry.modified <= before]
    for key in stale:
        if not dry_run:
            store.delete(key)
    return tuple(stale)


# --- expire ----------------------------------------------------------------------------------------------------------


def expire(
    place: Any,
    *,
    before: datetime | str | None = None,
    keep_last: int | None = None,
    branch: str | None = None,
    dry_run: bool = False,
) -> Expired:
    """Delete old commit documents of a dataset (path, URL or store), of ``branch`` or of all [algo.expire].

    Oldest first. A commit goes when its time is before ``before`` and it is not among the ``keep_last`` newest of its
    branch (at least one of the two is given; both must hold). The first that stays, is the newest, or has a tag
    [algo.expire.tag] ends it: the numbers that remain have no holes. What only a tag keeps can be kept by a branch
    instead: make one there, delete the tag. Chunks go with a later :func:`collect`.

    Errors: E_ARGUMENT, E_BRANCH_ABSENT, E_READ_ONLY, E_STORE where the store cannot list, those of tags and commits.
    """
    if (before is None and keep_last is None) or (keep_last is not None and (type(keep_last) is bool or keep_last < 1)):
        detail = "say what may go: before=time, keep_last=count (at least 1), or both"
        raise error("E_ARGUMENT", "algo.expire", detail)
    store = _opened(place, dry_run)
    limit = None if before is None else instant(before)
    gone: list[tuple[str, int]] = []
    stopped: dict[str, str] = {}
    for name in branches(store) if branch is None else [names.check_ref(branch, "branch")]:
        head = newest(store, name, exact=True).ref.number
        numbers = [n for n in listed(store, name) or [] if n < head]
        stopped[name] = "the newest commit stays"
        # the hint is refreshed and the tags are looked at just before: see [algo.expire.hint]
        fixed = {tag.target.number: tag.name for tag in tags(store).values() if tag.target.branch == name}
        if numbers and not dry_run:
            _refresh(store, name, head)
        for number in numbers:
            reason = _stays(store, name, number, head, limit, keep_last, fixed)
            if reason is not None:
                stopped[name] = reason
                break
            gone.append((name, number))
            if not dry_run:
                store.delete(names.commit_key(name, number))
    return Expired(tuple(gone), stopped, dry_run)


def _stays(
    store: Store,
    branch: str,
    number: int,
    head: int,
    limit: datetime | None,
    keep_last: int | None,
    fixed: dict[int, str],
) -> str | None:
    """Why this commit may not go; None when it may."""
    if number in fixed:
        return f"commit {number} has the tag {fixed[number]!r}"
    if keep_last is not None and number > head - keep_last:
        return f"the last {keep_last} stay"
    if limit is not None and instant(load(store, branch, number).commit.time) >= limit:
        return f"commit {number} is not before {limit.isoformat()}"
    return None


def _refresh(store: Store, branch: str, head: int) -> None:
    """Readers that cannot list must not start from a number that is about to vanish [algo.expire.hint]."""
    data = store.get(names.commit_key(branch, head), limit=MAX_BYTES)
    if data is None:
        raise error("E_COMMIT_ABSENT", "algo.expire.hint", f"commit {head} of branch {branch} vanished")
    store.put(names.hint_key(branch), data)
