"""Datasets for torch.utils.data: workers forked and spawned, ranks, resuming, damage, death."""

from __future__ import annotations

import os
import signal
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="NO TORCH: pip install 'lakebed[torch]' to test its datasets")
from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

import lakebed  # noqa: E402
from lakebed.errors import LakebedError  # noqa: E402
from lakebed.loaders import Skipped  # noqa: E402
from lakebed.loaders.torch import IterableDataset, MapDataset, _joined, collate, in_turn  # noqa: E402
from lakebed.names import chunk_key  # noqa: E402

ROWS = 500


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> lakebed.Dataset:
    path = str(tmp_path_factory.mktemp("torch") / "ds")
    rng = np.random.default_rng(0)
    with lakebed.create(path) as made:
        made.create_tensor("id", dtype="int64", shape=())
        made.create_tensor("picture", htype="image", sample_compression="png")
        made.create_tensor("text", htype="text")
        pictures = [rng.integers(0, 255, (4 + i % 3, 5, 3)).astype(np.uint8) for i in range(ROWS)]
        made.extend({"id": np.arange(ROWS), "picture": pictures, "text": [f"row {i}" for i in range(ROWS)]})
    return lakebed.open(path)


def ids(batches: Any) -> list[int]:
    return [int(i) for batch in batches for i in batch["id"]]


def killed(row: dict[str, Any]) -> dict[str, Any]:
    if row["id"] == 300:
        os.kill(os.getpid(), signal.SIGKILL)
    return row


def test_a_row_and_a_batch(ds: lakebed.Dataset) -> None:
    rows = MapDataset(ds)
    assert len(rows) == ROWS and rows[7]["text"] == "row 7"
    assert torch.equal(rows[-1]["picture"], torch.from_numpy(ds["picture"][ROWS - 1].copy()))
    with pytest.raises(IndexError):
        rows[ROWS]
    batch = next(iter(DataLoader(rows, batch_size=6, collate_fn=collate)))
    assert batch["id"].tolist() == list(range(6)) and batch["id"].dtype == torch.int64
    assert [p.shape[0] for p in batch["picture"]] == [4, 5, 6, 4, 5, 6]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(DataLoader(MapDataset(ds, ["id"]), batch_size=4)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_and_distributed_sampler(ds: lakebed.Dataset, method: str) -> None:
    rows = MapDataset(ds, ["id", "picture"])
    rows[0]  # open in the parent, too
    seen: list[int] = []
    for rank in range(2):
        sampler = DistributedSampler(rows, num_replicas=2, rank=rank, shuffle=True, seed=1)
        made = DataLoader(
            rows, batch_size=32, sampler=sampler, num_workers=2, collate_fn=collate, multiprocessing_context=method
        )
        seen += ids(made)
    assert sorted(seen) == list(range(ROWS))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tensors_of_many_shapes_travel_as_one(ds: lakebed.Dataset, method: str) -> None:
    batches = IterableDataset(ds, tensors=["picture"], batch_size=100, drop_last=True)
    made = DataLoader(batches, batch_size=None, num_workers=1, multiprocessing_context=method)
    due = iter(ds["picture"])
    for batch in made:
        pictures = batch["picture"]
        assert type(pictures) is list and len(pictures) == 100
        assert len({picture.untyped_storage().data_ptr() for picture in pictures}) == 1
        assert all(torch.equal(picture, torch.from_numpy(next(due).copy())) for picture in pictures)


def test_what_cannot_be_joined_travels_as_it_is() -> None:
    one, other = torch.ones(2, 3), torch.ones(3, 3)
    assert type(_joined([one, other])) is not list and _joined([one, other]) == [one, other]
    for value in ([one, other.long()], [one, None], [], ["a", "b"], [torch.ones(0, 2), torch.ones(0, 3)], "text", one):
        assert _joined(value) is value


def test_uneven_ranks(ds: lakebed.Dataset) -> None:
    """500 rows over 3 ranks: the sampler makes them equal by giving one row twice, the iterable dataset need not."""
    rows = MapDataset(ds, ["id"])
    padded: list[int] = []
    exact: list[int] = []
    for rank in range(3):
        sampler = DistributedSampler(rows, num_replicas=3, rank=rank)
        padded += ids(DataLoader(rows, batch_size=32, sampler=sampler, collate_fn=collate))
        batches = IterableDataset(ds, tensors=["id"], shuffle=True, batch_size=32, rank=rank, world_size=3)
        exact += ids(DataLoader(batches, batch_size=None, num_workers=2))
    assert len(padded) == 501 and set(padded) == set(range(ROWS))
    assert sorted(exact) == list(range(ROWS))


def test_spawned_workers_and_the_iterable_dataset(ds: lakebed.Dataset) -> None:
    batches = IterableDataset(ds, tensors=["id", "picture"], shuffle="full", batch_size=32)
    made = DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert sorted(ids(made)) == list(range(ROWS))


def test_pinned_memory(ds: lakebed.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor of a batch is pinned, in lists too, and what is no tensor comes through. Without an accelerator
    torch pins nothing, so here a copy takes the place of the pinned memory."""
    from torch.utils.data._utils.pin_memory import pin_memory

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = IterableDataset(ds, batch_size=16)
        batch = next(iter(DataLoader(batches, batch_size=None, num_workers=1, pin_memory=True)))
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self.clone())
    pinned = pin_memory(batch)
    assert pinned["text"] == [f"row {i}" for i in range(16)]
    pairs = [(batch["id"], pinned["id"]), *zip(batch["picture"], pinned["picture"], strict=True)]
    assert len(pairs) == 17
    for before, after in pairs:
        assert torch.equal(before, after) and before.data_ptr() != after.data_ptr()


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_iterable_gives_every_row_once_over_ranks_and_workers(ds: lakebed.Dataset, workers: int) -> None:
    seen: list[int] = []
    for rank in range(2):
        batches = IterableDataset(ds, tensors=["id", "text"], shuffle=True, batch_size=16, rank=rank, world_size=2)
        made = DataLoader(batches, batch_size=None, num_workers=workers)
        first, second = list(made), list(made)
        assert isinstance(first[0]["id"], torch.Tensor) and first[0]["text"][0] == f"row {int(first[0]['id'][0])}"
        assert sorted(ids(first)) == sorted(ids(second)) or workers == 0 or len(ids(first)) == len(ids(second))
        seen += ids(first)
    assert sorted(seen) == list(range(ROWS))


def test_epochs_reshuffle_with_workers(ds: lakebed.Dataset) -> None:
    batches = IterableDataset(ds, tensors=["id"], shuffle=True, batch_size=16)
    kept = DataLoader(batches, batch_size=None, num_workers=2, persistent_workers=True)
    first, second = ids(kept), ids(kept)
    assert first != second and sorted(first) == sorted(second) == list(range(ROWS))
    new = DataLoader(batches, batch_size=None, num_workers=2)
    batches.set_epoch(1)
    assert ids(new) == second


@pytest.mark.parametrize(("workers", "stop"), [(0, 9), (2, 1), (3, 20), (3, 31)])
def test_resume_with_workers(ds: lakebed.Dataset, workers: int, stop: int) -> None:
    def made(batches: IterableDataset) -> Any:
        return iter(DataLoader(batches, batch_size=None, num_workers=workers))

    def new() -> IterableDataset:
        return IterableDataset(ds, tensors=["id"], shuffle=True, batch_size=16, seed=4)

    whole = [batch["id"].tolist() for batch in made(new())]
    first = new()
    running = made(first)
    before = [next(running)["id"].tolist() for _ in range(stop)]
    state = first.state_dict(stop, workers, epoch=0)
    del running
    second = new()
    second.load_state_dict(state)
    rest = [batch["id"].tolist() for batch in made(second)]
    assert sorted(before + rest) == sorted(whole)
    assert workers > 0 or before + rest == whole


def test_turns() -> None:
    assert in_turn([3, 3, 2], 0) == [0, 0, 0]
    assert in_turn([3, 3, 2], 4) == [2, 1, 1]
    assert in_turn([3, 3, 2], 7) == [3, 2, 2]
    assert in_turn([3, 3, 2], 8) == [3, 3, 2] == in_turn([3, 3, 2], 99)


@pytest.fixture(scope="module")
def bad(ds: lakebed.Dataset, tmp_path_factory: pytest.TempPathFactory) -> lakebed.Dataset:
    """One picture is damaged."""
    (ref,) = ds.commit_info.tensors["picture"].own.chunks
    copy = tmp_path_factory.mktemp("bad") / "ds"
    for entry in ds.store.list(""):
        (copy / entry.key).parent.mkdir(parents=True, exist_ok=True)
        (copy / entry.key).write_bytes(ds.store.get(entry.key))
    data = bytearray((copy / chunk_key(ref.name)).read_bytes())
    data[64 + ref.payload // 2] ^= 255
    (copy / chunk_key(ref.name)).write_bytes(data)
    return lakebed.open(str(copy))


def test_an_error_in_a_worker_keeps_its_code(bad: lakebed.Dataset) -> None:
    for made in (
        DataLoader(MapDataset(bad), batch_size=16, num_workers=2, collate_fn=collate),
        DataLoader(IterableDataset(bad, batch_size=16), batch_size=None, num_workers=2),
    ):
        with pytest.raises(RuntimeError, match=r"row \d+ of tensor 'picture'.*E_UNIT_CRC"):
            list(made)
    with pytest.raises(LakebedError, match="E_UNIT_CRC"):
        list(DataLoader(MapDataset(bad), batch_size=16, collate_fn=collate))


def write_down(path: str, skipped: Skipped) -> None:
    with open(path, "a") as file:
        file.write(f"{skipped.row} {skipped.tensor} {skipped.error.code}\n")


def test_rows_that_workers_skip_are_told(bad: lakebed.Dataset, tmp_path: Path, capfd: Any) -> None:
    """By a warning of the process that skipped it, or by a function of one's own."""
    told = tmp_path / "told"
    batches = IterableDataset(bad, batch_size=16, shuffle=True, on_error=partial(write_down, str(told)))
    found = ids(DataLoader(batches, batch_size=None, num_workers=2))
    (lost,) = set(range(ROWS)) - set(found)
    assert len(found) == ROWS - 1 and told.read_text() == f"{lost} picture E_UNIT_CRC\n"
    batches = IterableDataset(bad, batch_size=16, on_error="skip")
    with pytest.warns(RuntimeWarning, match=f"row {lost} was left out"):
        assert len(ids(DataLoader(batches, batch_size=None))) == ROWS - 1
    made = DataLoader(batches, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert sorted(ids(made)) == sorted(found)
    warned = capfd.readouterr().err
    assert f"row {lost} was left out, its 'picture' cannot be read" in warned and "[E_UNIT_CRC unit.crc]" in warned


def test_a_worker_that_dies_is_an_error_and_no_hang(ds: lakebed.Dataset) -> None:
    batches = IterableDataset(ds, tensors=["id"], batch_size=16, transform=killed)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="worker"):
        list(DataLoader(batches, batch_size=None, num_workers=2))
    assert time.monotonic() - begin < 15
