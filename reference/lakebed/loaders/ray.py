"""Floor 7. Ray Data, for work that outgrows one machine (extra ``ray``).

    rows = ray.data.read_datasource(DatasetSource(ds, ["images", "labels"]))
    rows.map(...).write_datasink(DatasetSink(lakebed.open(url, mode="a")))

Reading: every task reads a stretch of neighbouring rows. Writing: tasks write chunks, the driver commits once when all
have succeeded; when one fails for good nothing is committed. The store must be one that every machine reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dataset import Dataset
from ..extras import optional
from ..parts import Part, commit_parts, spot, write_part
from .order import share
from .sizes import measure
from .source import Source, source
from .values import values

_source: Any = optional("ray.data.datasource", "ray")
_block: Any = optional("ray.data.block", "ray")

BLOCK_ROWS = 4096  # rows of one Ray block at most, so that a task need not hold all that it reads


class DatasetSource(_source.Datasource):
    """The rows of the commit that ``ds`` stands at; columns are tensors. Errors as :func:`lakebed.loaders.loader`."""

    def __init__(self, ds: Dataset, tensors: Sequence[str] | None = None) -> None:
        super().__init__()
        self.source = source(ds, tensors)
        opened = self.source.open()
        self._bytes = sum(int(measure(table, opened.chunks).rows.sum()) for table in opened.tables.values())

    def get_name(self) -> str:
        return "Lakebed"

    def estimate_inmemory_data_size(self) -> int:
        """Bytes; of files the encoded ones."""
        return self._bytes

    def get_read_tasks(self, parallelism: int, per_task_row_limit: int | None = None, *_: Any, **__: Any) -> list[Any]:
        count = len(self.source)
        tasks = min(parallelism, count)
        stretches = (share(count, task, tasks) for task in range(tasks))
        return [self._task(start, stop, per_task_row_limit) for start, stop in stretches]

    def _task(self, start: int, stop: int, limit: int | None) -> Any:
        rows = stop - start
        size = self._bytes * rows // max(1, len(self.source))
        about = _block.BlockMetadata(num_rows=rows, size_bytes=size, input_files=None, exec_stats=None)
        return _source.ReadTask(_reading(self.source, start, stop), about, per_task_row_limit=limit)


def _reading(what: Source, start: int, stop: int) -> Callable[[], Iterable[Any]]:
    def read() -> Iterable[Any]:
        tensors = what.open().tensors
        for first in range(start, stop, BLOCK_ROWS):
            rows = np.arange(first, min(first + BLOCK_ROWS, stop))
            columns: dict[str, Any] = {name: values(tensor, rows) for name, tensor in tensors.items()}
            yield _block.BlockAccessor.batch_to_block(columns)

    return read


class DatasetSink(_source.Datasink):
    """Appends to ``ds``, which is open for writing and has its tensors committed; ``ref`` is the commit afterwards."""

    def __init__(self, ds: Dataset, message: str = "") -> None:
        self._ds: Dataset | None = ds
        self._spot, self._message = spot(ds), message
        self.ref: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ds": None}  # tasks have no business with it

    def get_name(self) -> str:
        return "Lakebed"

    def write(self, blocks: Iterable[Any], ctx: Any) -> list[tuple[int, int, Part]]:
        """In a task: one part for each block, with its place."""
        parts = []
        for number, block in enumerate(blocks):
            batch = _block.BlockAccessor.for_block(block).to_batch_format("numpy")
            if batch and len(next(iter(batch.values()))):
                parts.append((ctx.task_idx, number, write_part(self._spot, _columns(batch))))
        return parts

    def on_write_complete(self, write_result: Any) -> None:
        """In the driver, when every task has succeeded."""
        found = [entry for task in write_result.write_returns for entry in task]
        parts = [part for *_, part in sorted(found, key=lambda entry: entry[:2])]
        assert self._ds is not None
        self.ref = commit_parts(self._ds, parts, self._message)


def _columns(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Ray holds samples of different shapes, and text, in arrays of objects."""
    return {name: list(column) if column.dtype == object else column for name, column in batch.items()}
