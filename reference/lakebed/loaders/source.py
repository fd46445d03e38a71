"""Floor 7. What a loader reads: a committed state and the names of its tensors; small, and the same in any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import history
from ..dataset import Dataset
from ..errors import error
from ..model import Commit
from ..slices import SliceTable
from ..stores.store import Store
from ..tensor import Chunks, Tensor


class Opened(NamedTuple):
    """Tensors and their slice tables by name, and the open chunks they share."""

    tensors: dict[str, Tensor]
    tables: dict[str, SliceTable]
    chunks: Chunks


@dataclass(frozen=True, slots=True)
class Source:
    """Picklable wherever its store is (all but ``memory://``); files and connections are opened where it is used."""

    store: Store
    commit: Commit
    names: tuple[str, ...]

    def __len__(self) -> int:
        return self.commit.length

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this source from any other."""
        commit = self.commit
        return {"branch": commit.branch, "number": commit.number, "id": commit.id, "tensors": list(self.names)}

    def open(self, store: Store | None = None) -> Opened:
        """Through another ``store`` if one is given. Errors: those of manifests."""
        chunks = Chunks(store or self.store)
        tables = {name: history.table(chunks.store, name, self.commit.tensors[name]) for name in self.names}
        tensors = {
            name: Tensor(name, self.commit.tensors[name], table.chunks, table.runs, chunks)
            for name, table in tables.items()
        }
        return Opened(tensors, tables, chunks)


def source(ds: Dataset, tensors: Sequence[str] | None = None) -> Source:
    """Of the commit that ``ds`` stands at. Errors: E_ARGUMENT (uncommitted changes, no tensor), E_TENSOR_ABSENT."""
    commit = ds.commit_info
    if commit is None or ds.changed:
        raise error("E_ARGUMENT", "algo.open", "a loader reads what is committed: commit or discard the changes first")
    names = tuple(commit.tensors if tensors is None else ([tensors] if isinstance(tensors, str) else tensors))
    for name in names:
        if name not in commit.tensors:
            known = ", ".join(commit.tensors) or "none"
            raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}; there are: {known}")
    if not names:
        raise error("E_ARGUMENT", "model.tensor", "a loader needs at least one tensor")
    return Source(ds.store, commit, names)
