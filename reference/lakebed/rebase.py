"""Floor 5. Rebase: the same change again, on top of what another writer committed first [algo.rebase.append].

What a side changed is decided sample for sample on the expanded lists, so it does not matter that the other side has
sealed slices into manifests or merged neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import names
from .compare import Expanded, differs, exact, expand, moved, unequal
from .errors import error
from .model import Commit, TensorState
from .slices import NULL, SliceTable, concatenate, missing
from .stores import Store

_MINE, _THEIRS = 1, 2  # places in the triple (base, mine, theirs)
_DEFINING = ("htype", "dtype", "shape", "sequence", "fidelity")


def rebase(store: Store, base: Commit, mine: Commit, theirs: Commit) -> Commit:
    """``mine``, which was made on ``base``, made again on ``theirs``; number, parent, id and time are the caller's.

    Both must have kept the base's samples at their rows; then the result has the base's rows, their added rows, our
    added rows, in this order [algo.rebase.append], and
    - a tensor that one side added is missing in the rows that the other side added,
    - rows of the base that one side updated in place stay updated, if the other left that tensor's rows of the base
      alone [algo.rebase.disjoint],
    - a tensor that one side removed (or renamed) is gone, if the other side gave it nothing but missing samples,
    - metadata (attributes key by key) that one side changed stay changed, if the other did not change them otherwise;
      a new htype, dtype, shape, sequence or fidelity only if the other side added no samples to that tensor.
    A side that deleted, inserted or moved rows goes only with one that changed no rows at all [algo.rebase.moved].
    Everything else is a
    conflict that names what both changed [algo.rebase.conflict].

    Errors: E_CONFLICT, E_BRANCH_CLOSED, and those of :func:`lakebed.history.table`.
    """
    if theirs.closed:
        detail = f"branch {theirs.branch} was closed by commit {theirs.number}"
        raise error("E_BRANCH_CLOSED", "commit.closed.end", detail)
    lengths = (base.length, mine.length, theirs.length)
    every = dict.fromkeys([*theirs.tensors, *mine.tensors, *base.tensors])
    all_views = [_view(store, name, lengths, base, mine, theirs) for name in every]
    views = [view for view in all_views if view is not None]
    conflicts = _Conflicts()
    moving = _moving(views, lengths, conflicts)
    tensors = {}
    for view in views:
        merged = _tensor(view, lengths, moving, conflicts)
        if merged is not None:
            tensors[view.name] = merged
    attributes = _map(base.attributes, mine.attributes, theirs.attributes, conflicts, "attribute")
    extra = _map(base.extra, mine.extra, theirs.extra, conflicts, "member")
    conflicts.clashes(tensors)
    conflicts.refuse(theirs)
    length = lengths[moving] if moving else theirs.length + mine.length - base.length
    return replace(
        mine,
        length=length,
        tensors=tensors,
        attributes=attributes,
        extra=extra,
        requires_read=_union(theirs.requires_read, mine.requires_read),
        requires_write=_union(theirs.requires_write, mine.requires_write),
    )


class _Conflicts:
    """What both sides changed, in words."""

    def __init__(self) -> None:
        self.tensors: dict[str, list[str]] = {}
        self.others: list[str] = []

    def tensor(self, name: str, what: str) -> None:
        self.tensors.setdefault(name, []).append(what)

    def clashes(self, tensors: Mapping[str, TensorState]) -> None:
        groups = {name[:i]: name for name in tensors for i, letter in enumerate(name) if letter == "/"}
        for name in sorted(tensors.keys() & groups.keys()):
            self.tensor(name, f"would be the group of {groups[name]!r}")

    def refuse(self, theirs: Commit) -> None:
        if not self.tensors and not self.others:
            return
        said = [f"tensor {name!r} ({', '.join(dict.fromkeys(what))})" for name, what in sorted(self.tensors.items())]
        said += sorted(self.others)
        detail = f"commit {theirs.number} of branch {theirs.branch} came first and changed the same: {'; '.join(said)}"
        key = names.commit_key(theirs.branch, theirs.number)
        raise error("E_CONFLICT", "algo.rebase.conflict", detail, object=key)


# --- what each side did to one tensor --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _View:
    """One tensor in base, mine and theirs; where it is absent it stands as a run of missing samples.

    Of each side (index 1 and 2): ``changed`` rows of the base, ``moved`` samples of the base, ``grew`` by samples
    that are not missing.
    """

    name: str
    there: tuple[bool, ...]
    states: tuple[TensorState, ...]
    expanded: Expanded
    changed: tuple[bool, ...]
    moved: tuple[bool, ...]
    grew: tuple[bool, ...]

    def rows_changed(self, side: int) -> bool:
        return self.changed[side] or self.moved[side] or self.grew[side]

    def tail(self, side: int, lengths: tuple[int, int, int]) -> SliceTable:
        """The samples that ``side`` added behind the base's."""
        table, offset = self.expanded.tables[side], self.expanded.offset
        return SliceTable(table.chunks, table.runs.cut(lengths[0] - offset, lengths[side] - offset)).used()


def _view(store: Store, name: str, lengths: tuple[int, int, int], *commits: Commit) -> _View | None:
    """None when both sides removed the tensor."""
    found = [commit.tensors.get(name) for commit in commits]
    some = next((state for state in found[1:] if state is not None), None)
    if some is None:
        return None
    states = [
        replace(some, own=SliceTable((), missing(length)), manifests=()) if state is None else state
        for state, length in zip(found, lengths, strict=True)
    ]
    expanded = expand(store, name, *states)
    base, *sides = expanded.runs
    kept = len(base)
    spans = [unequal(base, rows, min(kept, len(rows))) for rows in sides]
    return _View(
        name,
        tuple(state is not None for state in found),
        tuple(states),
        expanded,
        (False, *(bool(len(span)) for span in spans)),
        (False, *(len(rows) < kept or moved(base, rows, span) for rows, span in zip(sides, spans, strict=True))),
        (False, *(bool((rows.cut(kept, len(rows)).chunk != NULL).any()) for rows in sides)),
    )


def _moving(views: list[_View], lengths: tuple[int, int, int], conflicts: _Conflicts) -> int:
    """The side that deleted, inserted or moved rows (0: none); a conflict when the other changed rows as well."""
    moving = [side for side in (_MINE, _THEIRS) if lengths[side] < lengths[0] or any(v.moved[side] for v in views)]
    quiet = [
        side
        for side in (_MINE, _THEIRS)
        if lengths[side] == lengths[0] and not any(view.rows_changed(side) for view in views)
    ]
    if not moving or (len(moving) == 1 and _other(moving[0]) in quiet):
        return moving[0] if moving else 0
    touched = [view for view in views if view.rows_changed(_MINE) and view.rows_changed(_THEIRS)]
    for view in touched or [view for view in views if view.rows_changed(_MINE) or view.rows_changed(_THEIRS)]:
        conflicts.tensor(view.name, "rows")
    if not conflicts.tensors:
        conflicts.others.append("the number of rows")
    return moving[0]


def _other(side: int) -> int:
    return _MINE + _THEIRS - side


# --- one tensor ------------------------------------------------------------------------------------------------------


def _tensor(view: _View, lengths: tuple[int, int, int], moving: int, conflicts: _Conflicts) -> TensorState | None:
    """The merged tensor; None when it is removed."""
    base, mine, theirs = view.states
    for side in (_MINE, _THEIRS):
        if view.there[0] and not view.there[side]:
            other = view.states[_other(side)]
            if view.rows_changed(_other(side)) or _meta(other) != _meta(base):
                conflicts.tensor(view.name, "removed on one side, changed on the other")
            return None
    merged = theirs
    if not view.there[0]:
        if view.there[_MINE] and view.there[_THEIRS] and _meta(mine) != _meta(theirs):
            conflicts.tensor(view.name, "added on both sides, not alike")
    else:
        merged = _metadata(view, conflicts)
    if view.changed[_MINE] and view.changed[_THEIRS]:
        conflicts.tensor(view.name, "rows")
    if conflicts.tensors:
        return merged  # there is no result; go on to name the other conflicts
    manifests, own = _rows(view, lengths, moving)
    return replace(merged, manifests=manifests, own=own)


def _rows(view: _View, lengths: tuple[int, int, int], moving: int) -> tuple[Any, SliceTable]:
    """Manifests and own slices of the merged tensor."""
    _, mine, theirs = view.states
    if moving:
        state = view.states[moving]
        return state.manifests, state.own
    added = view.tail(_MINE, lengths)
    if not view.changed[_MINE]:
        own = concatenate([theirs.own, added]) if len(added.runs) else theirs.own
        return theirs.manifests, own
    manifests, table = mine.manifests, mine.own
    sealed = sum(ref.samples for ref in manifests)
    if sealed > lengths[0]:  # added rows lie in a manifest: keep those that all three share, unseal the rest
        manifests, table, sealed = manifests[: view.expanded.skip], view.expanded.tables[_MINE], view.expanded.offset
    head = SliceTable(table.chunks, table.runs.cut(0, lengths[0] - sealed)).used()
    return manifests, concatenate([head, view.tail(_THEIRS, lengths), added]).used()


# --- metadata --------------------------------------------------------------------------------------------------------


def _meta(state: TensorState) -> Any:
    return exact([*(getattr(state, m) for m in _DEFINING), state.attributes, state.write, state.extra])


def _metadata(view: _View, conflicts: _Conflicts) -> TensorState:
    """Three-way, member by member; attributes and unknown members key by key."""
    values: dict[str, Any] = {}
    for member in (*_DEFINING, "write"):
        old, ours, other = (getattr(state, member) for state in view.states)
        ours_new, theirs_new = exact(ours) != exact(old), exact(other) != exact(old)
        if ours_new and theirs_new and exact(ours) != exact(other):
            conflicts.tensor(view.name, member)
        for side, new in ((_MINE, ours_new), (_THEIRS, theirs_new)):
            if new and member in _DEFINING and view.rows_changed(_other(side)):
                conflicts.tensor(view.name, f"{member} on one side, rows on the other")
        values[member] = ours if ours_new else other
    for member in ("attributes", "extra"):
        inner = _Conflicts()
        old, ours, other = (getattr(state, member) for state in view.states)
        values[member] = _map(old, ours, other, inner, "attribute" if member == "attributes" else "member")
        for what in inner.others:
            conflicts.tensor(view.name, what)
    return replace(view.states[_THEIRS], **values)


def _map(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any], conflicts: _Conflicts, what: str
) -> dict[str, Any]:
    """Their map with our changes; a key that both changed, and not alike, is a conflict."""
    out = dict(theirs)
    for key in dict.fromkeys([*base, *mine]):
        if not differs(base, mine, key):
            continue
        if differs(base, theirs, key) and differs(mine, theirs, key):
            conflicts.others.append(f"{what} {key!r}")
        elif key in mine:
            out[key] = mine[key]
        else:
            out.pop(key, None)
    return out


def _union(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(first + second))


__all__ = ["rebase"]
