"""The order of an epoch: every row once, over ranks, and how far from uniform. Pure numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lakebed.loaders.order import Plan, layout, quality, share


def plan(rows: int = 5000, shuffle: str = "chunk-buffer", window: int = 60_000, seed: int = 3, rank=0, world=1) -> Plan:
    cost = np.random.default_rng(0).integers(50, 150, rows)
    return Plan(layout(cost, None, 500), shuffle, seed, rank, world, window)


@pytest.mark.parametrize("shuffle", ["none", "chunk-buffer", "full"])
@pytest.mark.parametrize("world", [1, 3, 7, 40])
@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_all_ranks_together_give_every_row_once(shuffle: str, world: int, rows: int) -> None:
    parts = [plan(rows, shuffle, rank=rank, world=world).epoch(2) for rank in range(world)]
    sizes = [part.rows_in_all for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate([part.order() for part in parts]).tolist()) == list(range(rows))


def test_share_has_no_holes() -> None:
    for count in (0, 1, 10, 101):
        cuts = [share(count, rank, 8) for rank in range(8)]
        assert cuts[0][0] == 0 and cuts[-1][1] == count
        assert all(a[1] == b[0] for a, b in itertools.pairwise(cuts))


def test_windows_stay_within_their_bytes_and_start_small() -> None:
    one = plan()
    epoch = one.epoch(0)
    costs = np.diff(one.layout.row_costs)
    sizes = [int(costs[epoch.rows(window)].sum()) for window in range(len(epoch))]
    assert max(sizes) <= one.window_bytes
    assert sizes[0] <= one.window_bytes / 16
    assert np.array_equal(np.cumsum([0] + [len(epoch.rows(w)) for w in range(len(epoch))]), epoch.starts)


def test_epochs_and_seeds_differ_and_repeat() -> None:
    first = plan().epoch(0).order()
    assert np.array_equal(first, plan().epoch(0).order())
    assert not np.array_equal(first, plan().epoch(1).order())
    assert not np.array_equal(first, plan(seed=4).epoch(0).order())
    assert np.array_equal(plan(shuffle="none").epoch(5).order(), np.arange(5000))


def test_blocks_end_at_borders() -> None:
    borders = np.array([0, 7, 100, 101, 350, 1000])
    starts = layout(np.full(1000, 10), borders, 900).starts
    assert set(starts.tolist()) <= set(borders.tolist()) and starts[0] == 0 and starts[-1] == 1000
    assert len(starts) > 2


def test_quality_knows_uniform_from_not() -> None:
    uniform = quality(np.random.default_rng(5).permutation(20_000))
    assert uniform.displacement == pytest.approx(1, abs=0.02)
    assert uniform.neighbours == pytest.approx(1, abs=0.02)
    assert uniform.autocorrelation == pytest.approx(0, abs=0.03)
    assert uniform.spread == pytest.approx(1, abs=0.1)
    stored = quality(np.arange(20_000))
    assert stored.displacement == 0 and stored.autocorrelation == pytest.approx(1) and stored.spread > 5


def test_chunk_buffer_is_near_uniform_where_it_matters() -> None:
    """With a fiftieth of the dataset in memory, batches look like uniform draws."""
    rows = 50_000
    cost = np.full(rows, 1000)
    window = rows * 1000 // 50 // 2
    one = Plan(layout(cost, None, window // 128), "chunk-buffer", 0, 0, 1, window)
    found = quality(one.epoch(0).order())
    assert found.displacement > 0.95
    assert abs(found.autocorrelation) < 0.05
    assert found.spread < 1.25
