"""Reading a part of each item, and a branch as it was at a time: what a port declares as read.region, read.at_time."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.valid_arrays import counting

Region = list[list[int] | None]
REGION = ("algo.read_region", "algo.region.tiles")


def cut(value: Any, region: Region) -> Any:
    """The part of one sample that a region means."""
    if value is None or isinstance(value, list):
        return value and [cut(item, region) for item in value]
    return value[tuple(slice(None) if axis is None else slice(*axis) for axis in region)]


FLAT: dict[str, Region] = {
    "inside_tile": [[0, 1], [1, 3]], "one_tile": [[2, 4], [3, 6]], "across_tiles": [[1, 4], [2, 5]],
    "edge_row": [[4, 5], [0, 3]], "edge_column": [[0, 2], [6, 7]], "edge_corner": [[3, 5], [5, 7]],
    "last_element": [[4, 5], [6, 7]], "row": [[3, 4], None], "column": [None, [6, 7]], "whole": [None, None],
}  # fmt: skip
LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {}, "tiles": {"tile": [2, 3]}, "tiles_lz4": {"tile": [2, 3], "codecs": [[{"name": "lz4"}]]},
    "units_lz4": {"k": 2, "codecs": [[{"name": "lz4"}]]},
}  # fmt: skip
for layout, how in LAYOUTS.items():
    for name, region in FLAT.items():

        @case(f"region/{layout}_{name}", *REGION,
              features=("read.region", "codec.lz4") if "lz4" in layout else ("read.region",))  # fmt: skip
        def _(b: Book, how=how, region=region, layout=layout, name=name) -> None:
            b.explain(f"A part of a 5 by 7 item in {layout.replace('_', ' ')}: {name.replace('_', ' ')}",
                      "A crop that is off by one tile or one row trains on the wrong pixels.")  # fmt: skip
            values = [counting(5, 7), counting(5, 7) + 100]
            b.reads(one(values, shape=[5, 7], dtype="uint16", **how), {}, metadata=False, checker=False)
            b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


VOLUME: dict[str, Region] = {
    "corner": [[2, 3], [4, 5], [3, 4]], "middle": [[1, 3], [1, 4], [1, 3]], "plane": [None, [2, 3], None],
    "line": [[1, 2], [4, 5], None],
}  # fmt: skip
for name, region in VOLUME.items():

    @case(f"region/volume_{name}", *REGION, features=("read.region",))
    def _(b: Book, region=region, name=name) -> None:
        b.explain(f"A part of a tiled volume: {name}",
                  "With three axes a grid that is walked in another order than C gives another block.")  # fmt: skip
        values = [counting(3, 5, 4)]
        b.reads(one(values, shape=[3, 5, 4], dtype="uint16", tile=[2, 2, 2]), {}, metadata=False, checker=False)
        b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


@case("region/line", *REGION, features=("read.region",))
def _(b: Book) -> None:
    """A part of a tiled line

    With one axis the places of tiles are plain numbers: the first thing a reader gets right.
    """
    values = [counting(7), counting(7) * 3]
    b.reads(one(values, shape=[7], dtype="uint16", tile=[3]), {}, metadata=False, checker=False)
    b.part("x", [v[2:7] for v in values], dtype="uint16", region=[[2, 7]])


@case("region/scalar", "algo.read_region", features=("read.region",))
def _(b: Book) -> None:
    """The part of an item without axes

    A scalar has one part: itself.
    """
    values = [np.array(n, "<u2") for n in (1, 2, 3)]
    b.reads(one(values, shape=[], k=2), {}, metadata=False, checker=False)
    b.part("x", values, dtype="uint16", region=[])


@case("region/ragged", *REGION, features=("read.region",))
def _(b: Book) -> None:
    """Parts of ragged tiled items

    Each item has a grid of its own, and its tiles begin after those of all items before it.
    """
    values = [counting(2, 5), counting(7, 2), counting(3, 3)]
    region: Region = [[1, 2], None]
    b.reads(one(values, shape=[None, None], dtype="uint16", tile=[2, 2]), {}, metadata=False, checker=False)
    b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


@case("region/empty", "algo.read_region", features=("read.region",))
def _(b: Book) -> None:
    """A part without elements

    A crop of no width has a shape and no bytes; it is not the whole.
    """
    values = [counting(5, 7)]
    b.reads(one(values, shape=[5, 7], dtype="uint16", tile=[2, 3]), {}, metadata=False, checker=False)
    for region in ([[2, 2], [0, 3]], [[5, 5], None], [[0, 0], [7, 7]]):
        b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


@case("region/empty_items", *REGION, features=("read.region",))
def _(b: Book) -> None:
    """Parts of items that have an axis of length zero

    Such an item has no tile, and those of the next follow without a gap.
    """
    values = [np.zeros((0, 3), "<u2"), counting(3, 3), np.zeros((0, 5), "<u2"), counting(1, 4)]
    region: Region = [None, [1, 3]]
    b.reads(one(values, shape=[None, None], dtype="uint16", tile=[2, 2]), {}, metadata=False, checker=False)
    b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


for name, how in {"sequence": {}, "sequence_tiles": {"tile": [2, 2]}}.items():

    @case(f"region/{name}", *REGION, features=("read.region",))
    def _(b: Book, how=how) -> None:
        b.explain("A part of each item of a sequence" + (", tiled" if how else ""),
                  "A clip is cropped in every frame; a sample without items stays as it is.")  # fmt: skip
        values = [[counting(3, 3), counting(2, 4)], [], None, [counting(2, 2)]]
        region: Region = [[1, 2], [0, 2]]
        dataset = one(values, shape=[None, None], dtype="uint16", sequence=True, **how)
        b.reads(dataset, {}, metadata=False, checker=False)
        b.part("x", [cut(v, region) for v in values], dtype="uint16", sequence=True, region=region)


@case("region/missing", "algo.read_region", features=("read.region",))
def _(b: Book) -> None:
    """A part of a missing sample

    What is missing has no part: it stays missing, beside its neighbours' parts.
    """
    values = [counting(3, 3), None, counting(3, 3) + 50]
    region: Region = [[0, 2], [2, 3]]
    b.reads(one(values, shape=[3, 3], dtype="uint16", tile=[2, 2]), {}, metadata=False, checker=False)
    b.part("x", [cut(v, region) for v in values], dtype="uint16", region=region)


@case("region/range_and_list", "algo.read_region", "algo.many.order", features=("read.region",))
def _(b: Book) -> None:
    """Parts of some samples, in the order asked for

    A region goes with a range and with a list.
    """
    values = [counting(4, 4) + 100 * n for n in range(6)]
    region: Region = [[1, 3], [3, 4]]
    b.reads(one(values, shape=[4, 4], dtype="uint16", k=4), {}, metadata=False, checker=False)
    b.part("x", [cut(v, region) for v in values[2:5]], dtype="uint16", first="2", count="3", region=region)
    b.part("x", [cut(values[n], region) for n in (5, 0, 5)], dtype="uint16", list=["5", "0", "5"], region=region)


@case("region/float_payloads", "algo.read_region", features=("read.region",))
def _(b: Book) -> None:
    """Parts keep every bit of a float

    NaN payloads, -0 and subnormals come out of a part as out of the whole.
    """
    words = np.array([0x7FC00001, 0xFF800001, 0x80000000, 1, 0x3F800000, 0x7F800000], "<u4")
    values = [words.view("<f4").reshape(2, 3), words[::-1].view("<f4").reshape(2, 3)]
    region: Region = [None, [1, 3]]
    b.reads(one(values, shape=[2, 3], tile=[1, 2]), {}, metadata=False, checker=False)
    b.part("x", [cut(v, region) for v in values], dtype="float32", region=region)


UNTOUCHED: dict[str, Region] = {"diagonal": [[2, 4], [3, 6]], "right": [[0, 2], [3, 7]], "below": [[2, 5], None]}
for name, region in UNTOUCHED.items():

    @case(f"region/untouched_{name}", "algo.region.tiles", "unit.crc", features=("read.region",))
    def _(b: Book, region=region, name=name) -> None:
        b.explain(f"The first tile is damaged, and the part asked for lies {name} of it",
                  "A crop that fetches every tile takes minutes, and one damaged tile hides the rest.")  # fmt: skip
        value = counting(5, 7)
        dataset = one([value], shape=[5, 7], dtype="uint16", tile=[2, 3])
        b.refuses(dataset.fault("a", "flip", (64, 3)), "E_UNIT_CRC", roles=("reader",))
        b.part("x", [cut(value, region)], dtype="uint16", region=region)
        b.ask("read", None, error="E_UNIT_CRC", tensor="x", region=[[1, 2], [2, 3]])


def timed(*times: str, branch: bool = False) -> Dataset:
    """A commit of ``main`` for each time, number n of n rows of value n; with ``branch``, ``dev`` from the first."""
    dataset = Dataset()
    for n, time in enumerate(times, 1):
        _rows(dataset, n)
        dataset.commit(time=time)
    if branch:
        _rows(dataset, 9)
        dataset.commit("dev", parent=("main", 1), time="2026-03-01T00:00:00Z")
    return dataset


def _rows(dataset: Dataset, n: int) -> None:
    dataset.chunk(f"c{n}", pack([np.array(n, np.uint8)] * n))
    dataset.tensor("x", dtype="uint8", shape=[], slices=[(f"c{n}", 0, n)])


DAYS = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z")
TIMES: dict[str, tuple[tuple[str, ...], str, int | None]] = {
    "equal": (DAYS, "2026-01-02T00:00:00Z", 2), "between": (DAYS, "2026-01-03T23:59:59Z", 3),
    "after_all": (DAYS, "2027-01-01T00:00:00Z", 4), "first": (DAYS, "2026-01-01T00:00:00Z", 1),
    "before_all": (DAYS, "2025-12-31T23:59:59.999999Z", None),
    "equal_twice": ((DAYS[0], DAYS[1], DAYS[1], DAYS[2]), DAYS[1], 3),
    "fraction": ((DAYS[0], "2026-01-02T00:00:00.5Z", DAYS[2]), "2026-01-02T00:00:00.499999Z", 1),
    "fraction_absent": ((DAYS[0], "2026-01-02T00:00:00Z", DAYS[2]), "2026-01-02T00:00:00.000000Z", 2),
    "fraction_short": ((DAYS[0], "2026-01-02T00:00:00.25Z", DAYS[2]), "2026-01-02T00:00:00.250000Z", 2),
}  # fmt: skip
for name, (times, asked, number) in TIMES.items():

    @case(f"time/{name}", "algo.open.5", "commit.time.order", features=("read.at_time",))
    def _(b: Book, times=times, asked=asked, number=number, name=name) -> None:
        b.explain(f"As it was at {asked}: {name.replace('_', ' ')}",
                  "Who asks for a dataset as it was must not get a row that came later, nor lose one.")  # fmt: skip
        b.reads(timed(*times), {}, metadata=False, checker=False)
        if number is None:
            b.ask("read", None, error="E_COMMIT_ABSENT", tensor="x", at_time=asked)
        else:
            b.part("x", [np.array(number, np.uint8)] * number, dtype="uint8", at_time=asked)


@case("time/branch", "algo.open.5", features=("read.at_time",))
def _(b: Book) -> None:
    """A time on a branch other than main

    Only commits of the branch itself count: the one that it began from lies on another.
    """
    b.reads(timed(*DAYS, branch=True), {}, metadata=False, checker=False)
    b.part("x", [np.array(9, np.uint8)] * 9, dtype="uint8", branch="dev", at_time="2026-04-01T00:00:00Z")
    b.ask("read", None, error="E_COMMIT_ABSENT", tensor="x", branch="dev", at_time=DAYS[3])


@case("time/branch_absent", "algo.open.2", "algo.open.5", features=("read.at_time",))
def _(b: Book) -> None:
    """A time on a branch that does not exist

    That the branch is absent is said, not that it was too young.
    """
    b.reads(timed(*DAYS), {}, metadata=False, checker=False)
    b.ask("read", None, error="E_BRANCH_ABSENT", tensor="x", branch="dev", at_time=DAYS[3])


@case("time/with_number", "algo.open", "algo.open.1", features=("read.at_time",))
def _(b: Book) -> None:
    """A time and a number in one request

    Which of the two was meant nobody knows; a guess opens the wrong version.
    """
    b.reads(timed(*DAYS), {}, metadata=False, checker=False)
    b.ask("read", None, error="E_ARGUMENT", tensor="x", at_time=DAYS[3], number="2")
