"""Reading parts: ranges, lists, repeats; what is asked for and is not there."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import rows, small
from lakebed_conform.casebook.valid_slices import SLICES, B, picked, sliced

VALUES = [np.full(i % 5, i, "<u2") for i in range(23)]


def ragged() -> Dataset:
    """23 ragged rows in two chunks and three slices, some missing."""
    dataset = Dataset()
    dataset.chunk("a", pack(VALUES[:12], k=5, dtype="uint16", rank=1))
    dataset.chunk("b", pack(VALUES[12:], per_unit=[1, 4, 6], dtype="uint16", rank=1))
    dataset.tensor("x", dtype="uint16", shape=[None], slices=[("a", 0, 12), (None, 0, 2), ("b", 0, 11)])
    dataset.commit()
    return dataset


ALL = [*VALUES[:12], None, None, *VALUES[12:]]
RANGES = {"first": (0, 1), "last": (24, 1), "none": (7, 0), "none_at_end": (25, 0), "all": (0, 25),
          "over_slices": (10, 6),
          "missing": (12, 2), "inside_unit": (6, 2), "over_units": (4, 3)}  # fmt: skip
for name, (first, count) in RANGES.items():

    @case(f"read/range_{name}", "algo.read_one", "algo.read.3", "algo.read.4", "algo.read.5", "algo.read.6",
          "algo.read.9",
          "column.sum")  # fmt: skip
    def _(b: Book, first=first, count=count) -> None:
        b.explain(
            f"Rows {first} to {first + count - 1} of 25",
            "Edges of slices, units and chunks are where readers are off by one.",
        )
        b.reads(ragged(), {}, metadata=False, checker=False)
        b.part("x", ALL[first : first + count], dtype="uint16", first=str(first), count=str(count))


LISTS = {"backwards": list(range(24, -1, -1)), "repeated": [3, 3, 3, 13, 13, 3], "scattered": [20, 1, 12, 24, 0, 15],
         "interleaved": [i // 2 + (13 if i % 2 else 0) for i in range(24)], "none": []}  # fmt: skip
for name, which in LISTS.items():

    @case(f"read/list_{name}", "algo.many.order", "algo.read_one", "safety.returned")
    def _(b: Book, which=which, name=name) -> None:
        b.explain(f"A list of rows, {name}", "Results stand in the order asked for, repetitions included.")
        b.reads(ragged(), {}, metadata=False, checker=False)
        b.part("x", [ALL[i] for i in which], dtype="uint16", list=[str(i) for i in which])


OUTSIDE = {"list": {"list": ["25"]}, "list_most": {"list": [str((1 << 53) - 1)]}, "mixed": {"list": ["0", "25"]},
           "range": {"first": "20", "count": "6"}, "range_most": {"first": "1",
                                        "count": str((1 << 53) - 1)}}  # fmt: skip
for name, which in OUTSIDE.items():

    @case(f"read/outside_{name}", "model.sample", "algo.read.1")
    def _(b: Book, which=which) -> None:
        b.explain(
            f"Rows that the tensor does not have: {which}", "Clipping in silence makes short batches and wrong joins."
        )
        b.reads(ragged(), {}, metadata=False, checker=False)
        b.ask("read", None, error="E_SAMPLE_RANGE", tensor="x", **which)


@case("read/outside_empty", "model.sample", "algo.read.1")
def _(b: Book) -> None:
    """Row 0 of a tensor without rows

    The smallest tensor has no sample either.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[])
    dataset.commit()
    b.reads(dataset, {"x": []})
    b.ask("read", None, error="E_SAMPLE_RANGE", tensor="x", list=["0"])


ABSENT = {"tensor": ("read", {"tensor": "y"}, "E_TENSOR_ABSENT", "model.tensor"),
          "tensor_group": ("read", {"tensor": "x/y"}, "E_TENSOR_ABSENT", "model.tensor"),
          "tensor_path": ("read", {"tensor": "../x"}, "E_TENSOR_ABSENT", "safety.paths"),
          "branch": ("inspect", {"branch": "dev"}, "E_BRANCH_ABSENT", "algo.open.2"),
          "commit": ("inspect", {"number": "2"}, "E_COMMIT_ABSENT", "algo.open.3"),
          "commit_of_branch": ("inspect", {"branch": "dev", "number": "1"}, "E_COMMIT_ABSENT", "algo.open.3"),
          "tag": ("inspect", {"tag": "v1"}, "E_TAG_ABSENT", "algo.open.4"),
          "file": ("read_file", {"tensor": "x", "sample": "0"}, "E_FILE_ABSENT", "media.verbatim")}  # fmt: skip
for name, (op, request, code, clause) in ABSENT.items():

    @case(f"read/absent_{name}", clause, "tree.absent", "model.file")
    def _(b: Book, op=op, request=request, code=code) -> None:
        b.explain(
            f"{op} of what is not there: {request}", "Each absence has its own name, so that a caller can act on it."
        )
        b.reads(small(), {"x": rows()}, checker=False)
        b.ask(
            op,
            None,
            error=code,
            also=("E_BRANCH_ABSENT",) if "number" in request and "branch" in request else (),
            **request,
        )


@case("read/absent_dataset", "tree.absent", "algo.open.2")
def _(b: Book) -> None:
    """A folder without any commit

    An empty folder is no dataset of no rows.
    """
    dataset = Dataset()
    dataset.put("notes.txt", b"x")
    b._tree(dataset.tree(False))
    b.ask("inspect", None, error="E_DATASET_ABSENT")


@case("read/file_of_missing", "media.verbatim", "model.file")
def _(b: Book) -> None:
    """The file of a missing sample

    A sample without value has no file, empty or other.
    """
    b.reads(one([None, rows()[0]], shape=[3]), {"x": [None, rows()[0]]})
    b.ask("read_file", None, error="E_FILE_ABSENT", tensor="x", sample="0")


for name in ("two_chunks", "null_between", "overlapping"):

    @case(f"read/slices_{name}", "algo.read.3", "slice.any")
    def _(b: Book, name=name) -> None:
        b.explain(
            f"Single rows over slices that are {name.replace('_', ' ')}",
            "A row is found by sums, whatever the slices hold.",
        )
        dataset = sliced()
        dataset.manifest("m", SLICES[name])
        dataset.tensor("x", dtype="uint8", shape=[3], slices=[("b", 0, 2)], manifests=["m"])
        dataset.commit()
        want = [*picked(SLICES[name]), *B]
        b.reads(dataset, {"x": want})
        for i in range(len(want)):
            b.part("x", [want[i]], dtype="uint8", list=[str(i)])


@case("read/sequence_parts", "algo.read.9", "model.sequence")
def _(b: Book) -> None:
    """Parts of a sequence: empty, missing, then a long one

    The items of a sample begin after those of all before it.
    """
    a = np.array([1], np.uint8)
    values = [[a] * 3, [], None, [a + 1] * 4, [a + 2]]
    b.reads(one(values, shape=[1], sequence=True, k=2), {"x": values})
    b.part("x", [values[4], values[1], values[2], values[3]], dtype="uint8", sequence=True, list=["4", "1", "2", "3"])
