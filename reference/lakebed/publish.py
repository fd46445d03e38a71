"""Floor 5. Publishing: one exclusive create makes a commit; before it sealing, after it the hint [algo.commit.create].

Chunks are the caller's to write, before; manifests are written here. Nothing is ever skipped because its name exists:
the object may be torn or about to be swept [algo.commit.upload].
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from . import names
from .errors import LakebedError, NotFoundError, error
from .format.commit import KNOWN_READ, KNOWN_WRITE, encode_commit, encode_tag
from .format.document import MAX_BYTES
from .history import Loaded, instant, loaded, newest, stamp
from .model import Commit, CommitRef, Tag
from .rebase import rebase as _rebase
from .seal import seal
from .stores import ObjectExists, Store

rebase = _rebase
GRACE = 24 * 3600.0  # seconds that a collector leaves unnamed objects alone, unless agreed otherwise [algo.commit.age]
ROUNDS = 64  # other writers may come first this often
_TRIES = 3  # puts of the same bytes at the same number before the outcome is called unknown [algo.unknown]


def publish(
    store: Store,
    base: Loaded | None,
    mine: Commit,
    *,
    clock: Callable[[], float],
    make_id: Callable[[], str],
    upload_again: Callable[[], object] | None = None,
    started: float,
    rebase: bool = True,
    grace: float = GRACE,
) -> Loaded:
    """Commit ``mine`` on top of ``base``; its number, parent, id and time are filled in here [algo.commit.make].

    ``base``: the commit ``mine`` was made from: of the same branch; of another for a branch's number 1; None for a
    first commit without parent. ``clock`` and ``started`` (the first upload) in seconds since the epoch. When half of
    ``grace`` has passed since, ``upload_again`` writes all chunks once more before the commit [algo.commit.age].

    Errors: E_CONFLICT (names the tensors; always when ``rebase`` is False and another came first), E_BRANCH_CLOSED,
    E_BRANCH_EXISTS, E_REQUIRES_WRITE, E_COMMIT_UNKNOWN, E_STORE, E_STORE_EXCLUSIVE, E_READ_ONLY, and those of
    ``decode_commit`` when ``mine`` is not a valid commit (no commit is written then).
    """
    writable(base, mine.branch)
    first = base is None or base.commit.branch != mine.branch
    if first and _taken(store, mine.branch):
        raise _exists(mine.branch)
    onto, made = base, mine
    identity = make_id()
    for _ in range(ROUNDS):
        if upload_again is not None and clock() - started > grace / 2:
            now = clock()
            upload_again()
            started = now
        data, done = _document(store, onto, made, clock, identity)
        if create(store, names.commit_key(mine.branch, done.ref.number), data):
            with contextlib.suppress(LakebedError):  # only a hint [hint.refresh]
                store.put(names.hint_key(mine.branch), data)
            return done
        if first or base is None:
            raise _exists(mine.branch)
        onto = newest(store, mine.branch, exact=True)
        writable(onto, mine.branch)
        if not rebase:
            detail = f"commit {onto.ref.number} of branch {mine.branch} came first, and this change is not rebased"
            raise error("E_CONFLICT", "algo.rebase.conflict", detail)
        made = _rebase(store, base.commit, mine, onto.commit)
    raise error("E_CONFLICT", "algo.rebase.refresh", f"other writers came first {ROUNDS} times in a row; try again")


def writable(base: Loaded | None, branch: str) -> None:
    """Refuse a base that is closed or needs what this writer lacks [algo.commit.base].

    Errors: E_BRANCH_CLOSED, E_REQUIRES_WRITE.
    """
    if base is None:
        return
    commit = base.commit
    if commit.closed and commit.branch == branch:
        detail = f"branch {branch} was closed by commit {commit.number}"
        raise error("E_BRANCH_CLOSED", "commit.closed.end", detail)
    unknown = (set(commit.requires_write) - KNOWN_WRITE) | (set(commit.requires_read) - KNOWN_READ)
    if unknown:
        key = names.commit_key(commit.branch, commit.number)
        detail = f"writing needs {', '.join(sorted(unknown))}"
        raise error("E_REQUIRES_WRITE", "commit.requires.write", detail, object=key)


def _document(
    store: Store, base: Loaded | None, made: Commit, clock: Callable[[], float], identity: str
) -> tuple[bytes, Loaded]:
    """The document for the number after ``base``, its manifests sealed and stored [algo.commit.make].

    It is read once before it is written: what no reader would open is refused.
    """
    time = stamp(clock())
    number, parent = 1, None
    if base is not None:
        parent = base.ref
        number = base.ref.number + 1 if base.commit.branch == made.branch else 1
        if instant(base.commit.time) > instant(time):
            time = base.commit.time  # time never runs backwards [commit.time.order]
    whole = replace(made, number=number, parent=parent, time=time, id=identity)
    data = encode_commit(seal(store, whole))
    return data, loaded(data, names.commit_key(whole.branch, number))


def create(store: Store, key: str, data: bytes) -> bool:
    """Exclusive create; True when the object is ours, False when another's bytes stand there [algo.commit.exists].

    Equal bytes are ours: a reply was lost. An unclear outcome is read back, and the same bytes are put again.
    Errors: E_COMMIT_UNKNOWN, and what the store reports as refused.
    """
    unclear: LakebedError | None = None
    for _ in range(_TRIES):
        try:
            store.put_new(key, data)
            return True
        except ObjectExists:
            pass
        except LakebedError as cause:
            if cause.code != "E_COMMIT_UNKNOWN" and unclear is None:
                raise  # refused at the first try: nothing is under way
            unclear = cause
        try:
            there = store.get(key, limit=MAX_BYTES)
        except LakebedError as cause:
            if cause.code == "E_JSON_LIMIT":
                return False  # too long to be ours
            unclear = cause
            continue
        if there is not None:
            return there == data
    detail = "it is there and not there" if unclear is None else f"the store gave no clear answer: {unclear.detail}"
    raise error("E_COMMIT_UNKNOWN", "algo.unknown", detail, object=key) from unclear


# --- branches --------------------------------------------------------------------------------------------------------


def create_branch(
    store: Store,
    name: str,
    at: Loaded,
    *,
    clock: Callable[[], float],
    make_id: Callable[[], str],
    author: str = "",
    message: str = "",
) -> Loaded:
    """Number 1 of a new branch: the content of ``at``, its parent [algo.branch].

    Errors: E_BRANCH_EXISTS, E_NAME, E_COMMIT_ABSENT (``at`` was expired meanwhile), and those of :func:`publish`.
    """
    names.check_ref(name, "branch")
    if at.commit.branch == name:
        raise _exists(name)
    started = clock()
    still_there(store, at.ref)
    mine = replace(at.commit, branch=name, closed=False, author=author, message=message)
    return publish(store, at, mine, clock=clock, make_id=make_id, started=started)


def close_branch(
    store: Store,
    branch: str,
    *,
    clock: Callable[[], float],
    make_id: Callable[[], str],
    author: str = "",
    message: str = "",
) -> Loaded:
    """The last commit of ``branch``, equal in content to its newest; its name stays taken [algo.close].

    Errors: E_BRANCH_CLOSED, E_BRANCH_ABSENT, and those of :func:`publish`.
    """
    head = newest(store, branch, exact=True)
    mine = replace(head.commit, closed=True, author=author, message=message)
    return publish(store, head, mine, clock=clock, make_id=make_id, started=clock())


def still_there(store: Store, ref: CommitRef) -> None:
    """Errors: E_COMMIT_ABSENT when the commit was expired since it was read."""
    key = names.commit_key(ref.branch, ref.number)
    if not store.exists(key):
        detail = f"commit {ref.number} of branch {ref.branch} is gone: it was expired"
        raise error("E_COMMIT_ABSENT", "algo.expire", detail, object=key)


def _taken(store: Store, branch: str) -> bool:
    """Whether the branch has commits but no longer its number 1: exclusive create would not see it [algo.expire]."""
    if store.exists(names.commit_key(branch, 1)):
        return False  # the create will find out, and tell a lost reply from another's commit
    try:
        newest(store, branch)
    except NotFoundError:
        return False
    return True


def _exists(branch: str) -> LakebedError:
    return error("E_BRANCH_EXISTS", "algo.branch", f"there is a branch {branch!r} already; names are never reused")


# --- tags ------------------------------------------------------------------------------------------------------------


def create_tag(store: Store, name: str, at: Loaded, *, clock: Callable[[], float]) -> Tag:
    """A name for ``at`` that never moves [algo.tag].

    Errors: E_TAG_EXISTS, E_NAME, E_COMMIT_ABSENT (``at`` was expired), E_COMMIT_UNKNOWN, E_STORE.
    """
    tag = Tag(names.check_ref(name, "tag"), at.ref, stamp(clock()))
    still_there(store, at.ref)
    key = names.tag_key(name)
    if not create(store, key, encode_tag(tag)):
        raise error("E_TAG_EXISTS", "tag.fixed", f"there is a tag {name!r} already", object=key)
    try:
        still_there(store, at.ref)
    except NotFoundError:  # expired between the look and the create: leave no tag of nothing behind
        store.delete(key)
        raise
    return tag


def delete_tag(store: Store, name: str) -> None:
    """Forget the name; the commit stays [tag.fixed]. Errors: E_TAG_ABSENT, E_NAME."""
    key = names.tag_key(names.check_ref(name, "tag"))
    if not store.exists(key):
        raise error("E_TAG_ABSENT", "tree.absent", f"there is no tag {name!r}", object=key)
    store.delete(key)
