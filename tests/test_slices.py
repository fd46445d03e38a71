"""Slice lists against plain lists of samples."""

from __future__ import annotations

import numpy as np

from lakebed.slices import EMPTY, NULL, ChunkRef, Runs, SliceTable, concatenate, join, missing, runs

REFS = tuple(ChunkRef(f"{i:064x}", i, i + 1) for i in range(4))


def samples(part: Runs) -> list[tuple[int, int]]:
    """Each sample's (chunk, place)."""
    return [(c, 0 if c == NULL else f + i) for c, f, n in part.rows() for i in range(n)]


def random(rng: np.random.Generator) -> Runs:
    count = int(rng.integers(0, 6))
    chunk = rng.integers(-1, 4, count)
    return runs(chunk, np.where(chunk == NULL, 0, rng.integers(0, 9, count)), rng.integers(1, 5, count))


def test_cut_and_join() -> None:
    """[slice.any] [algo.edit.update] [algo.edit.insert] [algo.edit.delete]: every edit is a cut and a join."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        a, b = random(rng), random(rng)
        plain = samples(a)
        assert len(a) == len(plain)
        start, stop = sorted(rng.integers(0, len(a) + 1, 2).tolist())
        assert samples(a.cut(start, stop)) == plain[start:stop]
        whole = join(a.cut(0, start), b, a.cut(stop, len(a)))
        assert samples(whole) == plain[:start] + samples(b) + plain[stop:]
        assert (whole.count > 0).all()


def test_neighbours_are_merged() -> None:
    """[slice.merge]"""
    assert list(join(runs([0], [3], [2]), runs([0], [5], [4])).rows()) == [(0, 3, 6)]
    assert list(join(missing(2), missing(3)).rows()) == [(NULL, 0, 5)]
    assert len(join(runs([0], [3], [2]), runs([0], [6], [4])).count) == 2
    assert join() is EMPTY and len(missing(0)) == 0


def test_missing_is_no_object() -> None:
    """[slice.null]"""
    assert SliceTable((), missing(9)).used().chunks == ()


def test_used() -> None:
    """[tensor.chunks.used] [table.chunk.once]: only chunks in use, in order of first use, each once."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        part = random(rng)
        refs = tuple(REFS[i] for i in rng.integers(0, 4, 4))  # the same chunk may come under two numbers
        table = SliceTable(refs, part)
        used = table.used()
        assert len(set(used.chunks)) == len(used.chunks)
        named = [(NULL if c == NULL else refs[c], p) for c, p in samples(part)]
        assert [(NULL if c == NULL else used.chunks[c], p) for c, p in samples(used.runs)] == named
        assert list(used.chunks) == list(dict.fromkeys(ref for ref, _ in named if ref != NULL))


def test_concatenate() -> None:
    """[tensor.order]"""
    rng = np.random.default_rng(2)
    for _ in range(200):
        tables = [SliceTable(tuple(rng.permutation(4)), random(rng)) for _ in range(3)]
        tables = [SliceTable(tuple(REFS[i] for i in table.chunks), table.runs) for table in tables]
        whole = concatenate(tables)
        due = [(NULL if c == NULL else t.chunks[c], p) for t in tables for c, p in samples(t.runs)]
        assert [(NULL if c == NULL else whole.chunks[c], p) for c, p in samples(whole.runs)] == due
        assert len(set(whole.chunks)) == len(whole.chunks)
