"""Recovery: what can be read is saved elsewhere; what is lost is missing and said."""

from __future__ import annotations

from typing import Any

from lakebed_conform.builders import Dataset, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import numbered, x_is


def two_chunks() -> Dataset:
    """Six rows of x in two chunks of three."""
    dataset = Dataset()
    rows = numbered(6)
    dataset.chunk("a", pack(rows[:3], k=1, tensor="x"))
    dataset.chunk("b", pack(rows[3:], k=1, tensor="x", row=3))
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 3)])
    dataset.commit()
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 3), ("b", 0, 3)])
    dataset.commit()
    return dataset


@case("recover/sound", "algo.recover.copy")
def _(b: Book) -> None:
    """Nothing is broken: everything is there

    The old place is not touched.
    """
    b.moves("recover", two_chunks(), x_is(numbered(6)))


@case("recover/chunk_absent", "algo.recover.commits", "algo.recover.copy")
def _(b: Book) -> None:
    """A chunk is gone: its three samples are missing, the others are there

    Dropping the rows would shift every other tensor.
    """
    values: list[Any] = [*numbered(3), None, None, None]
    b.moves("recover", two_chunks().fault("b", "absent", True), x_is(values), faulty=True)


@case("recover/unit_damaged", "algo.recover.commits", "unit.crc")
def _(b: Book) -> None:
    """One bit of one unit: one sample is missing, its neighbours are there

    Whoever throws away the chunk loses what was sound.
    """
    values: list[Any] = numbered(6)
    values[1] = None
    b.moves("recover", two_chunks().fault("a", "flip", (64 + 4 + 1, 3)), x_is(values), faulty=True)


@case("recover/index_damaged", "algo.recover.commits", "chunk.trailer.crc")
def _(b: Book) -> None:
    """An index is damaged: nothing of its chunk can be believed

    The units may be whole; which samples they are nobody can prove.
    """
    values: list[Any] = [*numbered(3), None, None, None]
    b.moves("recover", two_chunks().fault("b", "trailer.crc", 1), x_is(values), faulty=True)


@case("recover/head_damaged", "algo.recover.commits")
def _(b: Book) -> None:
    """The newest commit is damaged: the one before is taken

    A reader must not do this; a recoverer says that it did.
    """
    b.moves("recover", two_chunks().fault("main/2", "crc32", "00000000"), x_is(numbered(3)), faulty=True)


@case("recover/no_commits", "algo.recover.chunks", "algo.recover.candidates")
def _(b: Book) -> None:
    """All commits are gone: tensors from the hints in the chunks

    Hints are candidates: names and rows as the writer had them.
    """
    dataset = two_chunks().fault("main/1", "absent", True).fault("main/2", "absent", True)
    b.moves("recover", dataset, x_is(numbered(6)), faulty=True)


@case("recover/nothing", "algo.recover.copy", "tree.absent")
def _(b: Book) -> None:
    """Nothing is left

    An empty dataset would look like success.
    """
    dataset = Dataset()
    dataset.put("README", b"nothing here")
    b.moves("recover", dataset, None, error="E_DATASET_ABSENT")
