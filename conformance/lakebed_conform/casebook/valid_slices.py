"""Valid slices and manifests: any order, repeats, runs of missing samples, chunks shared by tensors."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import Dataset, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import rows
from lakebed_conform.casebook.invalid_object import two_chunks
from lakebed_conform.casebook.valid_trees import MOST

SLICES: dict[str, list[tuple[str | None, int, int]]] = {
    "reversed": [("a", 4, 1), ("a", 3, 1), ("a", 2, 1), ("a", 1, 1), ("a", 0, 1)], "repeated": [("a", 1, 2)] * 4,
    "overlapping": [("a", 0, 3), ("a", 1, 3), ("a", 2, 3)], "hole": [("a", 0, 1), ("a", 4, 1)], "last": [("a", 4, 1)],
    "null_first": [(None, 0, 3), ("a", 0, 2)], "null_last": [("a", 0, 2), (None, 0, 3)], "null_only": [(None, 0, 4)],
    "null_between": [("a", 0, 1), (None, 0, 1), ("a", 1, 1), (None, 0, 2), ("b", 0, 1)],
    "unmerged": [("a", 0, 2), ("a", 2, 2), ("a", 4, 1)], "two_chunks": [("b", 1, 1), ("a", 0, 5), ("b", 0, 1)],
}  # fmt: skip
B = [np.array([200 + i, 1, 2], np.uint8) for i in range(2)]


def picked(slices: list[tuple[str | None, int, int]]) -> list[np.ndarray | None]:
    held = {"a": rows(), "b": B}
    return [None if c is None else held[c][first + i] for c, first, count in slices for i in range(count)]


def sliced() -> Dataset:
    dataset = Dataset()
    dataset.chunk("a", pack(rows(), k=2))
    dataset.chunk("b", pack(B))
    return dataset


for name, slices in SLICES.items():

    @case(f"slice/{name}", "slice.any", "slice.null", "tensor.order", "algo.read.3", "table.slice.first",
          "table.slice.count",
          "table.slice.chunk")  # fmt: skip
    def _(b: Book, name=name, slices=slices) -> None:
        b.explain(f"Slices: {name.replace('_', ' ')}", "The slice list is the whole story of edits: read in its order.")
        dataset = sliced()
        dataset.tensor("x", dtype="uint8", shape=[3], slices=slices)
        dataset.commit()
        b.reads(dataset, {"x": picked(slices)})

    @case(f"manifest/{name}", "algo.read.2", "tensor.order", "manifest.ref", "manifest.hash", "manifest.samples",
          "table.chunk.once")  # fmt: skip
    def _(b: Book, name=name, slices=slices) -> None:
        b.explain(f"Two manifests, then own slices: {name.replace('_', ' ')}",
                  "Sealed rows come first, in the order of their manifests; each has its own chunk table.")  # fmt: skip
        dataset = sliced()
        dataset.manifest("m", slices)
        dataset.manifest("n", [("b", 0, 2)])
        dataset.tensor("x", dtype="uint8", shape=[3], slices=slices[:1], manifests=["m", "n"])
        dataset.commit()
        b.reads(dataset, {"x": [*picked(slices), *B, *picked(slices[:1])]})


@case("slice/shared_chunk", "table.chunk.once", "chunk.tensor.hints", "chunk.index.tensor", "chunk.index.row")
def _(b: Book) -> None:
    """One chunk in two tensors, with the name and row of a third

    Hints for salvage are compared by nobody: chunks outlive renames and insertions.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(rows(), k=2, tensor="long/gone", row=MOST))
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5)])
    dataset.tensor("y", dtype="uint8", shape=[None], slices=[("a", 3, 2), ("a", 0, 3)])
    dataset.commit()
    b.reads(dataset, {"x": rows(), "y": [*rows()[3:], *rows()[:3]]})


@case("slice/unused_chunk", "slice.any", "tensor.chunks")
def _(b: Book) -> None:
    """The table lists a chunk that no slice uses

    A note for checkers, no fault for readers.
    """
    dataset = sliced()
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5)], unused=["b"])
    dataset.commit()
    b.reads(dataset, {"x": rows()})


@case(
    "slice/table_forms", "json.column", "table.chunk.payload", "table.chunk.index", "table.chunk.name", "tensor.slices"
)
def _(b: Book) -> None:
    """Columns as arrays where one integer would do

    Both forms mean the same.
    """
    dataset = two_chunks()
    dataset.change("main/1", "/tensors/x/slices/first", [0, 0])
    b.reads(dataset, {"x": [*rows(), *[r + 100 for r in rows(2)]]})
