"""Floor 7. Datasets for ``torch.utils.data.DataLoader`` (extra ``torch``).

    rows = MapDataset(ds, ["images", "labels"])
    DataLoader(rows, batch_size=64, sampler=DistributedSampler(rows), num_workers=4, collate_fn=collate)

    batches = IterableDataset(ds, batch_size=64, shuffle=True, seed=7)
    DataLoader(batches, batch_size=None, num_workers=4, pin_memory=True)

Both are small when pickled and open the dataset where they are used, so they work with forked and spawned workers
(not on ``memory://``). Values are tensors; text, lists and missing samples (None) stay what they are.

Every row once is what :class:`IterableDataset` does for any number of rows, ranks and workers. ``DistributedSampler``
makes its ranks' parts equal: where they are not, it gives rows twice, or with ``drop_last`` leaves some out.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..dataset import Dataset
from ..errors import error
from ..extras import optional
from . import Skipped, loader
from .source import Opened, source
from .values import collate as collate_rows
from .values import values

torch: Any = optional("torch", "torch")
_data: Any = optional("torch.utils.data", "torch")


def to_torch(value: Any) -> Any:
    """Arrays as tensors, within lists and dictionaries too; what torch has no dtype for, and all else, as it is."""
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(value if value.flags.writeable else value.copy())
        except TypeError:
            return value
    if isinstance(value, np.generic):
        return torch.as_tensor(value.item())
    if isinstance(value, dict):
        return {name: to_torch(part) for name, part in value.items()}
    return [to_torch(part) for part in value] if isinstance(value, list) else value


class _Together(list):
    """Tensors of one dtype that go to another process as one: each by itself would cost a file and a connection."""

    def __copy__(self) -> _Together:
        return _Together(self)

    def __reduce__(self) -> Any:
        sizes = [value.numel() for value in self]
        shared = self[0]._typed_storage()._new_shared(sum(sizes), device=self[0].device)
        whole = self[0].new(shared)
        torch.cat([value.reshape(-1) for value in self], out=whole)
        return _apart, (whole, [value.shape for value in self])


def _apart(whole: Any, shapes: Sequence[Any]) -> list[Any]:
    parts = whole.split([shape.numel() for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _to_travel(batch: Any) -> Any:
    """:func:`to_torch` for a batch that a worker hands over."""
    value = to_torch(batch)
    return {name: _joined(part) for name, part in value.items()} if isinstance(value, dict) else _joined(value)


def _joined(value: Any) -> Any:
    kinds = {part.dtype if isinstance(part, torch.Tensor) else None for part in value} if type(value) is list else {}
    one = len(kinds) == 1 and None not in kinds and any(part.numel() for part in value)
    return _Together(value) if one else value


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``collate_fn`` for rows of any shapes: one tensor when all shapes agree, else a list."""
    plain = [{name: v.numpy() if isinstance(v, torch.Tensor) else v for name, v in row.items()} for row in rows]
    return to_torch(collate_rows(plain))


class MapDataset(_data.Dataset):
    """``dataset[i]`` is row ``i`` as ``{tensor: value}``; a batch of rows is read together, each unit decoded once.

    ``transform`` takes a row of numpy values. Errors: those of reading, which name tensor and row.
    """

    def __init__(self, ds: Dataset, tensors: Sequence[str] | None = None, *, transform: Any = None) -> None:
        self.source, self.transform = source(ds, tensors), transform
        self._opened: tuple[int, Opened] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> Any:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[Any]:
        """What ``DataLoader`` asks for, a batch at a time."""
        numbers = np.asarray(rows, np.int64)
        numbers = np.where(numbers < 0, numbers + len(self), numbers)
        for row in numbers[(numbers < 0) | (numbers >= len(self))].tolist():
            raise error("E_SAMPLE_RANGE", "model.sample", f"row {row} of {len(self)}")
        columns = {name: values(tensor, numbers) for name, tensor in self._open().tensors.items()}
        out = []
        for place in range(len(numbers)):
            row = {name: column[place] for name, column in columns.items()}
            out.append(to_torch(row if self.transform is None else self.transform(row)))
        return out

    def _open(self) -> Opened:
        if self._opened is None or self._opened[0] != os.getpid():  # after a fork: the parent's locks
            self._opened = os.getpid(), self.source.open()
        return self._opened[1]


class IterableDataset(_data.IterableDataset):
    """Batches of :func:`lakebed.loaders.loader`, split among this rank's workers; give ``batch_size=None`` to
    ``DataLoader``. Arguments as there; ``rank`` and ``world_size`` default to those of ``torch.distributed``, and
    ``threads`` to one in a worker. Each worker makes batches of its own part: every row once, over all ranks and
    workers.

    Each ``iter`` begins the next epoch where the dataset lives on: without workers, or with ``persistent_workers``.
    Workers that are started anew begin with :meth:`set_epoch`'s, so call it before every epoch.

    ``on_error="skip"`` warns of each row that is left out, in the process that met it; a function of your own (one that
    travels, for spawned workers) is called there instead. A list of tensors comes out of a worker as parts of one
    block of memory, which lives as long as any of them.
    """

    def __init__(
        self,
        ds: Dataset,
        *,
        rank: int | None = None,
        world_size: int | None = None,
        threads: int | None = None,
        **arguments: Any,
    ) -> None:
        spread = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.rank = rank if rank is not None else torch.distributed.get_rank() if spread else 0
        self.world_size = (
            world_size if world_size is not None else torch.distributed.get_world_size() if spread else 1
        )
        self.threads = threads
        if arguments.get("on_error") == "skip":
            arguments["on_error"] = _warn
        self._loader = loader(ds, rank=self.rank, world_size=self.world_size, threads=threads, **arguments)
        self._epoch, self._skip, self._workers = self._loader.epoch, 0, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch, self._skip = epoch, 0

    def state_dict(self, batches: int, workers: int, *, epoch: int) -> dict[str, Any]:
        """Where training stands when ``batches`` of ``epoch`` came out of a ``DataLoader`` with so many workers: only
        the caller knows, for workers run ahead. JSON values only.
        """
        return {**self._loader.state_dict(), "epoch": epoch, "batches": batches, "workers": workers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next epoch is the rest of that one, with as many workers. Errors: E_ARGUMENT: another order."""
        self._loader.load_state_dict({name: value for name, value in state.items() if name != "workers"})
        self._epoch, self._skip = int(state["epoch"]), int(state["batches"])
        self._workers = int(state["workers"])

    def __iter__(self) -> Iterator[Any]:
        worker = _data.get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if self._skip and workers != max(1, self._workers):
            detail = f"the state was saved with {self._workers} workers, there are {workers}"
            raise error("E_ARGUMENT", "algo.many.order", detail)
        mine = self._part(number, workers, threaded=worker is None)
        parts = [len(self._part(other, workers, threaded=False)) for other in range(workers)]
        given = in_turn(parts, self._skip)[number]
        mine.epoch = self._epoch
        mine.load_state_dict({**mine.state_dict(), "batches": given})
        self._epoch, self._skip = self._epoch + 1, 0
        return map(to_torch if worker is None else _to_travel, mine)

    def _part(self, number: int, workers: int, *, threaded: bool) -> Any:
        """The loader of one worker in this epoch; it opens the dataset anew, for workers may be new too."""
        settings = self._loader.settings
        rank, world = settings.rank * workers + number, settings.world_size * workers
        threads = self.threads if self.threads is not None or threaded else 1
        return type(self._loader)(
            self._loader.source, replace(settings, rank=rank, world_size=world, threads=threads), self._epoch
        )


def _warn(skipped: Skipped) -> None:
    warnings.warn(str(skipped), RuntimeWarning, stacklevel=2)


def in_turn(parts: Sequence[int], batches: int) -> list[int]:
    """Batches that each worker gave when ``batches`` came out: they take turns, those that ended are passed over."""
    given = [0] * len(parts)
    while batches:
        turn = [worker for worker, count in enumerate(parts) if given[worker] < count]
        if not turn:
            break
        rounds = min(batches // len(turn), min(parts[worker] - given[worker] for worker in turn))
        for place, worker in enumerate(turn):
            given[worker] += rounds or int(place < batches)
        batches -= rounds * len(turn) or min(batches, len(turn))
    return given
