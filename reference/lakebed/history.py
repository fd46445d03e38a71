"""Floor 5. Finding and reading commits: the newest, one by number, tag or time, and the history behind it.

The head of a branch is found from the hint by doubling steps and bisection, because the numbers of a branch are one
range without holes: writers add at the end, expire takes away at the beginning [algo.newest] [algo.expire].
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from . import names
from .errors import LakebedError, NotFoundError, error
from .format.commit import decode_commit, decode_manifest, decode_tag
from .format.document import MAX_BYTES
from .model import Commit, CommitRef, ManifestRef, Tag, TensorState
from .slices import SliceTable, concatenate
from .stores import LocalStore, MemoryStore, Store

MAIN = "main"
_WORKERS = 8
_ATTEMPTS = 4  # a head that vanishes while it is looked for was expired meanwhile: look again
_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Loaded(NamedTuple):
    """A commit, the name that proves its bytes, and the length of its document in bytes."""

    commit: Commit
    ref: CommitRef
    size: int


def loaded(data: bytes, key: str) -> Loaded:
    """The valid commit whose document is ``data``. Errors: those of ``decode_commit``."""
    commit = decode_commit(data, key)
    return Loaded(commit, CommitRef(commit.branch, commit.number, hashlib.sha256(data).hexdigest()), len(data))


def load(store: Store, branch: str, number: int, *, expect: str | None = None) -> Loaded:
    """Commit ``number`` of ``branch``; ``expect`` is the SHA-256 that a child names [commit.parent.hash].

    Errors: E_COMMIT_ABSENT, E_COMMIT_PARENT (another SHA-256), and those of ``decode_commit``.
    """
    key = names.commit_key(names.check_ref(branch, "branch"), _number(number))
    data = store.get(key, limit=MAX_BYTES)
    if data is None:
        raise error("E_COMMIT_ABSENT", "tree.absent", f"there is no commit {number} on branch {branch}", object=key)
    if expect is not None and hashlib.sha256(data).hexdigest() != expect:
        detail = f"commit {number} of branch {branch} has other bytes than those its child names ({expect[:12]}…)"
        raise error("E_COMMIT_PARENT", "commit.parent.hash", detail, object=key)
    return loaded(data, key)


def _number(number: Any) -> int:
    if type(number) is not int or not 1 <= number <= names.MAX_NUMBER:
        raise error("E_COMMIT_ABSENT", "tree.number", f"{number!r} is no commit's number: they run from 1")
    return number


# --- the newest commit -----------------------------------------------------------------------------------------------


class Hint(NamedTuple):
    """What the hint holds, when it is a valid commit of its branch; to be confirmed by :func:`newest`."""

    loaded: Loaded
    data: bytes


def read_hint(store: Store, branch: str) -> Hint | None:
    """The hint of ``branch``; None when it is absent, invalid or of another branch [hint.ignore]."""
    key = names.hint_key(names.check_ref(branch, "branch"))
    try:
        data = store.get(key, limit=MAX_BYTES)
        return None if data is None else Hint(loaded(data, key), data)
    except LakebedError:  # what matters comes again when the commits themselves are looked at
        return None


def newest(store: Store, branch: str, *, hint: Hint | None = None, exact: bool = False) -> Loaded:
    """The newest commit of ``branch`` [algo.newest].

    The hint says where to begin [algo.newest.hint]. Commits n and n+1 are probed together: one dependent round trip
    when the hint is right. A newest commit that is invalid is an error, never its predecessor [algo.newest.invalid].
    Pass ``hint`` to confirm one that was read before, say while the first index is on its way. ``exact``: read the
    commit itself even when the hint would do, as writers must [algo.newest.read].

    Errors: E_DATASET_ABSENT, E_BRANCH_ABSENT, E_NAME, and those of ``decode_commit``.
    """
    hint = hint or read_hint(store, branch)
    for _ in range(_ATTEMPTS):
        found = _newest(store, branch, hint, exact)
        if found is not None:
            return found
        hint = read_hint(store, branch)
    raise error("E_BRANCH_ABSENT", "algo.newest", f"the newest commit of branch {branch} vanishes again and again")


def _newest(store: Store, branch: str, hint: Hint | None, exact: bool) -> Loaded | None:
    """None when the commit vanished between the probe and the read."""
    low = 0
    if hint is not None:
        number = hint.loaded.commit.number
        here, after = both(store, lambda: _here(store, hint), lambda: _exists(store, branch, number + 1))
        if here and not after:
            return hint.loaded if here == "same" and not exact else _get(store, branch, number)
        low = number + 1 if after else 0
    if not low:  # no hint, or one that names what is expired or never was [algo.newest.list]
        numbers = listed(store, branch)
        head = _gallop(store, branch, 0) if numbers is None else max(numbers, default=0)
        if not head:
            raise absent(store, branch)
        return _get(store, branch, head)
    return _get(store, branch, _gallop(store, branch, low))


def _here(store: Store, hint: Hint) -> str:
    """Whether the commit that the hint copies is there: "", "same" or "other".

    Where reading costs nothing its bytes are compared. Elsewhere the length must do: names and numbers are never
    reused, so only a forger can make a hint with a right checksum, a right place and other bytes.
    """
    key = names.commit_key(hint.loaded.commit.branch, hint.loaded.commit.number)
    if near(store):
        data = store.get(key, limit=MAX_BYTES)
        return "" if data is None else "same" if data == hint.data else "other"
    size = store.size(key)
    return "" if size is None else "same" if size == len(hint.data) else "other"


def _gallop(store: Store, branch: str, low: int) -> int:
    """The last number that exists, from ``low`` that does (0: none known) [algo.newest.gallop]."""
    step = 1
    while _exists(store, branch, low + step):
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if _exists(store, branch, middle):
            low = middle
        else:
            high = middle
    return low


def _exists(store: Store, branch: str, number: int) -> bool:
    return number <= names.MAX_NUMBER and store.exists(names.commit_key(branch, number))


def _get(store: Store, branch: str, number: int) -> Loaded | None:
    key = names.commit_key(branch, number)
    data = store.get(key, limit=MAX_BYTES)
    return None if data is None else loaded(data, key)


def listed(store: Store, branch: str) -> list[int] | None:
    """The numbers of the commits of ``branch``, ascending; None where the store cannot list."""
    rows = store.list(f"commits/{branch}/")
    if rows is None:
        return None
    matches = (names.COMMIT_KEY.fullmatch(row.key) for row in rows)
    return sorted(number for m in matches if m and m[1] == branch and (number := int(m[2])))


def absent(store: Store, branch: str) -> LakebedError:
    """The error for a branch without commits: is there a dataset at all [tree.absent]?"""
    try:
        others = branches(store)
    except LakebedError:  # cannot list: look for the branch that nearly every dataset has
        keys = (names.hint_key(MAIN), names.commit_key(MAIN, 1))
        others = [MAIN] if branch != MAIN and any(store.exists(key) for key in keys) else []
    if not others:
        return error("E_DATASET_ABSENT", "tree.absent", f"{store.url} holds no commit of a dataset")
    said = f"there is no branch {branch!r}; there are {', '.join(others[:10])}"
    return error("E_BRANCH_ABSENT", "tree.absent", said)


# --- one commit ------------------------------------------------------------------------------------------------------


def resolve(
    store: Store,
    *,
    branch: str | None = None,
    number: int | None = None,
    tag: str | None = None,
    time: datetime | str | None = None,
) -> Loaded:
    """The commit meant by at most one of ``number``, ``tag`` and ``time``; else the newest of ``branch`` [algo.open.1].

    ``time``: the newest commit of the branch not after it: a datetime with a time zone, or RFC 3339 text.
    Errors: E_DATASET_ABSENT, E_BRANCH_ABSENT, E_COMMIT_ABSENT, E_TAG_ABSENT, E_TAG_TARGET, E_ARGUMENT.
    """
    if sum(x is not None for x in (number, tag, time)) > 1 or (tag is not None and branch is not None):
        raise error("E_ARGUMENT", "algo.open.1", "give one of number, tag and time; a tag needs no branch")
    if tag is not None:
        return tagged(store, read_tag(store, tag))
    branch = names.check_ref(MAIN if branch is None else branch, "branch")
    if time is not None:
        return _at_time(store, branch, instant(time))
    if number is None:
        return newest(store, branch)
    try:
        return load(store, branch, number)
    except NotFoundError as cause:
        head = newest(store, branch).commit.number  # or that there is no such branch
        cause.detail += f"; its newest is {head}"
        cause.args = (cause.detail,)
        raise


def _at_time(store: Store, branch: str, when: datetime) -> Loaded:
    """Bisection: time never runs backwards along a branch, and what is expired lies before [commit.time.order]."""
    head = newest(store, branch)
    if instant(head.commit.time) <= when:
        return head
    best = None
    low, high = 0, head.commit.number  # low: expired or not after; high: after
    while high - low > 1:
        middle = (low + high) // 2
        found = _get(store, branch, middle)
        if found is None or instant(found.commit.time) <= when:
            low, best = middle, found
        else:
            high = middle
    if best is None:
        detail = f"branch {branch} has no commit at or before {when.isoformat()}"
        raise error("E_COMMIT_ABSENT", "algo.open.5", detail)
    return best


def instant(time: datetime | str) -> datetime:
    """A moment with its time zone. Errors: E_ARGUMENT."""
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            raise error("E_ARGUMENT", "algo.open.5", f"{time!r} is no time such as 2026-01-31T12:00:00Z") from None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise error("E_ARGUMENT", "algo.open.5", f"{time!r} needs a time zone: 2026-01-31T12:00:00Z")
    return time


def stamp(seconds: float) -> str:
    """``seconds`` since the epoch as the text of a commit's time [commit.time]."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00").removesuffix(".000000") + "Z"


def log(store: Store, start: Loaded) -> Iterator[Loaded]:
    """``start`` and its ancestors, newest first; ends where the parent is none or expired.

    [commit.parent.expired] [algo.expire.dangling]. Every parent has the SHA-256 that its child names, so no chain leads
    back to itself unless SHA-256 is broken; a place that comes twice is refused all the same. Errors: E_COMMIT_PARENT
    and those of ``decode_commit``.
    """
    seen = set()
    while True:
        yield start
        seen.add((start.ref.branch, start.ref.number))
        parent = start.commit.parent
        if parent is None:
            return
        key = names.commit_key(parent.branch, parent.number)
        if (parent.branch, parent.number) in seen:
            raise error("E_COMMIT_PARENT", "commit.parent.hash", "the history leads back to itself", object=key)
        try:
            found = load(store, parent.branch, parent.number, expect=parent.sha256)
        except NotFoundError:
            return
        if found.commit.closed and start.commit.number != 1:
            detail = f"a closed commit is followed by number {start.commit.number}"
            raise error("E_COMMIT_PARENT", "commit.parent.hash", detail, object=key)
        start = found


# --- branches and tags -----------------------------------------------------------------------------------------------


def branches(store: Store) -> list[str]:
    """The names of all branches that have a commit. Errors: E_STORE where the store cannot list."""
    found = set()
    for row in need_list(store, "commits/"):
        match = names.COMMIT_KEY.fullmatch(row.key)
        if match and names.REF.fullmatch(match[1]) and int(match[2]):
            found.add(match[1])
    return sorted(found)


def tags(store: Store) -> dict[str, Tag]:
    """Every tag by name. Errors: E_STORE where the store cannot list, E_TAG, E_JSON_*."""
    matches = [names.TAG_KEY.fullmatch(row.key) for row in need_list(store, "tags/")]
    found = [m[1] for m in matches if m and names.REF.fullmatch(m[1])]
    read = each(store, lambda name: _tag(store, name), found)
    return {tag.name: tag for tag in read if tag is not None}  # None: deleted since the listing


def read_tag(store: Store, name: str) -> Tag:
    """Errors: E_TAG_ABSENT, E_NAME, E_TAG, E_JSON_*."""
    found = _tag(store, names.check_ref(name, "tag"))
    if found is None:
        raise error("E_TAG_ABSENT", "tree.absent", f"there is no tag {name!r}", object=names.tag_key(name))
    return found


def tagged(store: Store, tag: Tag) -> Loaded:
    """The commit that ``tag`` names [tag.target]. Errors: E_TAG_TARGET and those of ``decode_commit``."""
    target = tag.target
    key = names.commit_key(target.branch, target.number)
    data = store.get(key, limit=MAX_BYTES)
    if data is None or hashlib.sha256(data).hexdigest() != target.sha256:
        said = "is not there" if data is None else "has other bytes than those that were tagged"
        detail = f"commit {target.number} of branch {target.branch} {said}"
        raise error("E_TAG_TARGET", "tag.target", detail, object=names.tag_key(tag.name))
    return loaded(data, key)


def _tag(store: Store, name: str) -> Tag | None:
    key = names.tag_key(name)
    data = store.get(key, limit=MAX_BYTES)
    return None if data is None else decode_tag(data, key)


def need_list(store: Store, prefix: str) -> Iterator[Any]:
    """What the store lists. Errors: E_STORE where it cannot [store.contract]."""
    rows = store.list(prefix)
    if rows is None:
        detail = f"{store.url} cannot list its objects, which this needs; name the branch, number or tag instead"
        raise error("E_STORE", "store.contract", detail)
    return rows


# --- slice tables ----------------------------------------------------------------------------------------------------


def table(store: Store, name: str, tensor: TensorState, *, skip: int = 0) -> SliceTable:
    """All slices of ``tensor``: those of its manifests after the first ``skip``, then its own [tensor.order].

    Errors: E_OBJECT_MISSING, E_MANIFEST, and those of ``decode_manifest``.
    """
    refs = tensor.manifests[skip:]
    return concatenate([*each(store, lambda ref: manifest(store, ref), refs), tensor.own])


def manifest(store: Store, ref: ManifestRef) -> SliceTable:
    """One sealed table, its length and hash checked before anything else [manifest.hash]. Errors: as :func:`table`."""
    key = names.manifest_key(ref.sha256)
    size = store.size(key) if ref.bytes > MAX_BYTES else None
    try:
        data = store.get(key, limit=ref.bytes) if size is None else b""
    except LakebedError as cause:
        if cause.code != "E_JSON_LIMIT":
            raise
        data = b""  # longer than the commit says: not the one that was sealed
    if data is None:
        raise error("E_OBJECT_MISSING", "tree.needed", "a manifest that the commit names is not there", object=key)
    if len(data) != ref.bytes or hashlib.sha256(data).hexdigest() != ref.sha256:
        raise error("E_MANIFEST", "manifest.hash", f"not the {ref.bytes} bytes that the commit names", object=key)
    return decode_manifest(data, ref, key)


# --- several requests at once ----------------------------------------------------------------------------------------


def near(store: Store) -> bool:
    """Whether a request costs no round trip, so that threads would only be in the way."""
    return isinstance(store, LocalStore | MemoryStore)


def each(store: Store, read: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
    """``read`` of every item, in order; several at once where a request costs a round trip."""
    if near(store) or len(items) < 2:
        return [read(item) for item in items]
    with ThreadPoolExecutor(min(_WORKERS, len(items)), "lakebed-history") as pool:
        return list(pool.map(read, items))


def both(store: Store, one: Callable[[], _In], other: Callable[[], _Out]) -> tuple[_In, _Out]:
    """Two requests at once where a request costs a round trip."""
    if near(store):
        return one(), other()
    with ThreadPoolExecutor(1, "lakebed-history") as pool:
        second = pool.submit(other)
        return one(), second.result()
