"""Floor 5. Sealing: slice tables that outgrew their commit move into manifests [manifest.seal] [manifest.merge]."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np

from . import names
from .format.commit import encode_manifest, table_members
from .history import manifest
from .model import Commit, ManifestRef, TensorState
from .slices import SliceTable, concatenate
from .stores import Store

BUDGET = 512 << 10  # bytes of JSON that the slice tables of one commit may take [manifest.seal]
LARGEST = 32 << 20  # bytes of a manifest that is still merged, half of what a document may have
PIECE = 200_000  # slices of one manifest: 150 bytes each at most with their chunks, so below LARGEST
_ROW = 170  # more than any slice and its chunk take


def seal(store: Store, commit: Commit) -> Commit:
    """``commit`` with tables within the budget; the manifests this needs are in the store afterwards.

    The tensors with the largest tables are sealed, until half of the budget is free, so that not every commit seals.
    Errors: E_STORE, E_READ_ONLY, and those of :func:`lakebed.history.manifest`.
    """
    rows = sum(len(tensor.own.runs.count) + len(tensor.own.chunks) for tensor in commit.tensors.values())
    if rows * _ROW <= BUDGET:
        return commit
    sizes = {name: _size(tensor.own) for name, tensor in commit.tensors.items()}
    total = sum(sizes.values())
    if total <= BUDGET:
        return commit
    tensors = dict(commit.tensors)
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= BUDGET // 2 or not len(tensors[name].own.runs):
            break
        tensors[name] = _sealed(store, tensors[name])
        total -= sizes[name]
    return replace(commit, tensors=tensors)


def _size(table: SliceTable) -> int:
    return len(json.dumps(table_members(table), separators=(",", ":")))


def _sealed(store: Store, tensor: TensorState) -> TensorState:
    """``tensor`` with its own slices in a manifest, merged while the last two are within a factor of two in bytes."""
    held: list[tuple[ManifestRef, SliceTable | None, bytes]] = [(ref, None, b"") for ref in tensor.manifests]
    for piece in _pieces(tensor.own):
        held.append(_document(piece))
        while len(held) > 1 and _alike(held[-2][0].bytes, held[-1][0].bytes):
            tables = [manifest(store, ref) if table is None else table for ref, table, _ in held[-2:]]
            held[-2:] = [_document(concatenate(tables).used())]
    for ref, _, data in held:
        if data:
            store.put(names.manifest_key(ref.sha256), data)
    return replace(tensor, own=SliceTable((), tensor.own.runs.cut(0, 0)), manifests=tuple(ref for ref, _, _ in held))


def _alike(a: int, b: int) -> bool:
    return max(a, b) <= 2 * min(a, b) and a + b <= LARGEST


def _pieces(table: SliceTable) -> list[SliceTable]:
    count = len(table.runs.count)
    edges = [*range(0, count, PIECE), count]
    rows = table.runs.starts[np.array(edges)].tolist()
    parts = [table.runs.cut(start, stop) for start, stop in pairwise(rows)]
    return [SliceTable(table.chunks, part).used() for part in parts]


def _document(table: SliceTable) -> tuple[ManifestRef, SliceTable, bytes]:
    data = encode_manifest(table)
    return ManifestRef(hashlib.sha256(data).hexdigest(), len(data), len(table.runs)), table, data
