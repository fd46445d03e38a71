"""Writing scripts: rows in, rows out."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case

EDIT = ("write.edit",)


def u16(*values: int) -> np.ndarray:
    return np.array(values, "<u2")


def x_is(values: list[Any], dtype: str = "uint16", **more: Any) -> dict[str, Any]:
    """What must stand in the tree: tensor x with these samples."""
    return {"length": len(values), "tensors": {"x": {"values": values, "dtype": dtype, **more}}}


def numbered(n: int) -> list[np.ndarray]:
    return [u16(10 * i, 10 * i + 1) for i in range(n)]


def start(n: int = 6, k: int = 2) -> Any:
    """main/1 with tensor x of n pairs, two items a unit."""
    return one(numbered(n), shape=[2], k=k)


def new(*steps: Any, dtype: str = "uint16", shape: tuple[int | None, ...] = (2,), **members: Any) -> list[Any]:
    more = [x for step in steps for x in (step if isinstance(step, list) else [step])]
    return [s.create(), s.tensor("x", dtype=dtype, shape=list(shape), **members), *more, s.commit()]


@case("write/empty_dataset", "algo.create", "commit.tensors")
def _(b: Book) -> None:
    """A commit without tensors

    Metadata first, tensors later: a writer that needs a tensor cannot start a dataset.
    """
    b.writes([s.create(), s.commit("nothing yet")], {"length": 0, "number": 1, "members": {"tensors": {}}})


@case("write/empty_tensor", "tensor.slices", "algo.edit.tensor")
def _(b: Book) -> None:
    """A tensor without samples has no slice

    A slice of no samples, or a chunk of none, breaks every reader that trusts count >= 1.
    """
    b.writes(new(), x_is([]) | {"layout": {"x": {"slices": [], "chunks": 0}}})


@case("write/one_scalar", "model.item", "dtype.float")
def _(b: Book) -> None:
    """One scalar

    Rank 0 is where writers that count axes fail first.
    """
    values = [np.array(-0.0, "<f8")]
    b.writes(new(s.append(x=values[0]), dtype="float64", shape=()), x_is(values, "float64"))


@case("write/empty_items", "model.item", "chunk.index.shape")
def _(b: Book) -> None:
    """Items with an axis of length 0

    Images without boxes: a lost zero-length axis turns "no box" into "one box of nothing".
    """
    values = [np.zeros((0, 4), "<f4"), np.ones((2, 4), "<f4"), np.zeros((0, 4), "<f4")]
    script = new(*[s.append(x=v) for v in values], dtype="float32", shape=(None, 4))
    b.writes(script, x_is(values, "float32"))


@case("write/all_empty", "unit.empty", "unit.crc_entries")
def _(b: Book) -> None:
    """Nothing but empty items: a chunk without payload

    Its units have the checksum 0 and the chunk still counts its samples.
    """
    values = [np.zeros((0,), "u1")] * 3
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(None,)), x_is(values, "uint8"))


@case("write/missing_middle", "model.missing", "chunk.index.missing")
def _(b: Book) -> None:
    """A missing sample between two values

    A writer that stores zeros for it makes a label out of nothing.
    """
    values = [u16(1, 2), None, u16(3, 4)]
    b.writes(new(*[s.append(x=v) for v in values]), x_is(values))


@case("write/missing_only", "slice.null", "algo.edit.lengths")
def _(b: Book) -> None:
    """A tensor that is never given is missing in every row

    The rows were appended for another tensor; both must have the same length.
    """
    script = [s.create(), s.tensor("x", dtype="uint16", shape=[2]), s.tensor("y", dtype="uint8", shape=[])]
    script += [s.append(y=np.array(i, "u1")) for i in range(3)] + [s.commit()]
    ys = [np.array(i, "u1") for i in range(3)]
    want = {
        "length": 3,
        "tensors": {"x": {"values": [None] * 3, "dtype": "uint16"}, "y": {"values": ys, "dtype": "uint8"}},
    }
    b.writes(script, want | {"layout": {"x": {"chunks": 0}}})


@case("write/missing_edges", "model.missing", "slice.null")
def _(b: Book) -> None:
    """Missing first and last

    The first and the last place are where runs are cut one short.
    """
    values = [None, None, u16(7, 8), None]
    b.writes(new(*[s.append(x=v) for v in values]), x_is(values))


@case("write/extend", "algo.append")
def _(b: Book) -> None:
    """Rows by column

    extend and append must give the same dataset.
    """
    b.writes(new(s.extend(x=numbered(7))), x_is(numbered(7)))


@case("write/extend_none", "algo.append", "algo.edit.lengths")
def _(b: Book) -> None:
    """Extending by no rows changes nothing

    An empty batch is the last of many loaders.
    """
    b.writes(new(s.extend(x=numbered(2)), s.extend(x=[])), x_is(numbered(2)))


@case("write/extend_one_of_two", "algo.edit.lengths")
def _(b: Book) -> None:
    """Extending one tensor lengthens all

    The other is missing there; a writer that leaves it short makes an unreadable commit.
    """
    script = [
        s.create(),
        s.tensor("x", dtype="uint16", shape=[2]),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.extend(x=numbered(3)),
        s.extend(y=numbered(2)),
        s.commit(),
    ]
    tensors = {
        "x": {"values": [*numbered(3), None, None], "dtype": "uint16"},
        "y": {"values": [None, None, None, *numbered(2)], "dtype": "uint16"},
    }
    b.writes(script, {"length": 5, "tensors": tensors})


@case("write/free_shapes", "chunk.index.shape", "write.unit")
def _(b: Book) -> None:
    """Every item of another shape

    Shapes live in the index; a writer that keeps the first one garbles all that follow.
    """
    values = [np.arange(r * c, dtype="<i4").reshape(r, c) for r, c in ((1, 5), (3, 2), (0, 4), (2, 2), (4, 1))]
    b.writes(new(*[s.append(x=v) for v in values], dtype="int32", shape=(None, None)), x_is(values, "int32"))


@case("write/rank_6", "model.rank", "chunk.index.shape")
def _(b: Book) -> None:
    """Rank 6, mixed fixed and free axes

    Axis order is lost by writers that special-case images.
    """
    values = [np.arange(2 * 3 * n, dtype="<u4").reshape(1, 2, 1, n, 3, 1) for n in (1, 2)]
    b.writes(new(s.extend(x=values), dtype="uint32", shape=(1, 2, None, None, 3, 1)), x_is(values, "uint32"))


@case("write/sequence", "model.sequence", "chunk.index.items")
def _(b: Book) -> None:
    """Sequences of 2, 0 and 1 items, and one missing

    An empty list is a value; a missing sample is none. Whoever mixes them up invents or loses samples.
    """
    values: list[Any] = [[u16(1, 2), u16(3, 4)], [], None, [u16(5, 6)]]
    b.writes(new(*[s.append(x=v) for v in values], sequence=True), x_is(values, sequence=True))


@case("write/sequence_free", "model.sequence", "unit.items")
def _(b: Book) -> None:
    """Sequence items of different shapes

    A unit may cross the border between samples; counting samples instead of items shifts everything.
    """
    values: list[Any] = [[np.arange(n, dtype="u1") for n in range(k)] for k in (3, 0, 4, 1)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(None,), sequence=True), x_is(values, "uint8", sequence=True))


@case("write/sequence_only_empty", "chunk.index.items", "model.sequence")
def _(b: Book) -> None:
    """Only empty lists

    The chunk has samples and no items: a division by the number of items fails here.
    """
    values: list[Any] = [[], [], []]
    b.writes(new(s.extend(x=values), sequence=True), x_is(values, sequence=True))


@case("write/update", "algo.edit.update", features=EDIT)
def _(b: Book) -> None:
    """One row replaced in the middle of a unit

    The chunk stays as it is; the slice list is split around the row.
    """
    values = numbered(6)
    values[3] = u16(900, 901)
    want = x_is(values) | {"number": 2, "layout": {"x": {"slices": [[0, 0, 3], [1, 0, 1], [0, 4, 2]]}}}
    b.writes([s.open_(), s.update(3, x=u16(900, 901)), s.commit()], want, start=start())


@case("write/update_ends", "algo.edit.update", features=EDIT)
def _(b: Book) -> None:
    """The first and the last row replaced

    A slice of no samples must not be left at either end.
    """
    values = numbered(6)
    values[0], values[5] = u16(1, 1), u16(5, 5)
    script = [s.open_(), s.update(0, x=values[0]), s.update(5, x=values[5]), s.commit()]
    b.writes(script, x_is(values), start=start())


@case("write/update_to_missing", "algo.edit.update", "slice.null", features=EDIT)
def _(b: Book) -> None:
    """A value taken away

    Missing is no value of any kind: not zeros, not an empty array.
    """
    values: list[Any] = numbered(4)
    values[2] = None
    b.writes([s.open_(), s.update(2, x=None), s.commit()], x_is(values), start=start(4))


@case("write/update_from_missing", "algo.edit.update", features=EDIT)
def _(b: Book) -> None:
    """A missing row gets its value

    Labels arrive later than images.
    """
    given = one([None, u16(1, 2), None], shape=[2], dtype="uint16")
    want = x_is([u16(8, 9), u16(1, 2), None])
    b.writes([s.open_(), s.update(0, x=u16(8, 9)), s.commit()], want, start=given)


@case("write/update_twice", "algo.edit.update", features=EDIT)
def _(b: Book) -> None:
    """A row replaced twice in one commit

    The last value counts, wherever the first was put.
    """
    values = numbered(6)
    values[2] = u16(4, 4)
    script = [s.open_(), s.update(2, x=u16(3, 3)), s.update(2, x=u16(4, 4)), s.commit()]
    b.writes(script, x_is(values), start=start())


@case("write/update_every", "algo.edit.update", "tensor.chunks.used", features=EDIT)
def _(b: Book) -> None:
    """Every row replaced: the old chunk is no longer named

    A table that goes on naming what nothing uses keeps garbage alive for ever.
    """
    values = [u16(i, i) for i in range(4)]
    want = x_is(values) | {"layout": {"x": {"chunks": 1}}}
    b.writes([s.open_(), *[s.update(i, x=v) for i, v in enumerate(values)], s.commit()], want, start=start(4))


@case("write/update_other_shape", "algo.edit.update", "chunk.index.shape", features=EDIT)
def _(b: Book) -> None:
    """A replacement of another shape

    Free axes are free in updates too.
    """
    given = one([np.zeros((2, 3), "u1"), np.ones((1, 1), "u1")], shape=[None, None])
    value = np.arange(20, dtype="u1").reshape(4, 5)
    b.writes([s.open_(), s.update(0, x=value), s.commit()], x_is([value, np.ones((1, 1), "u1")], "uint8"), start=given)


@case("write/update_sequence", "algo.edit.update", "model.sequence", features=EDIT)
def _(b: Book) -> None:
    """A list replaced by a longer one

    All items of the sample are replaced, not its first.
    """
    given = one([[u16(1)], [u16(2), u16(3)], []], shape=[1], sequence=True, dtype="uint16")
    new_list = [u16(7), u16(8), u16(9)]
    want = x_is([[u16(1)], new_list, []], sequence=True)
    b.writes([s.open_(), s.update(1, x=new_list), s.commit()], want, start=given)


@case("write/insert_first", "algo.edit.insert", features=EDIT)
def _(b: Book) -> None:
    """A row before the first

    Every old row moves by one; row hints in chunks do not.
    """
    b.writes([s.open_(), s.insert(0, x=u16(1, 1)), s.commit()], x_is([u16(1, 1), *numbered(4)]), start=start(4))


@case("write/insert_middle", "algo.edit.insert", features=EDIT)
def _(b: Book) -> None:
    """A row in the middle of a unit

    The unit is not rewritten: two slices of the old chunk, one of the new.
    """
    rows = numbered(4)
    want = x_is([*rows[:1], u16(1, 1), *rows[1:]]) | {"layout": {"x": {"slices": [[0, 0, 1], [1, 0, 1], [0, 1, 3]]}}}
    b.writes([s.open_(), s.insert(1, x=u16(1, 1)), s.commit()], want, start=start(4))


@case("write/insert_end", "algo.edit.insert", features=EDIT)
def _(b: Book) -> None:
    """Inserting at the end appends

    Row `length` is a place, row `length` + 1 is not.
    """
    b.writes([s.open_(), s.insert(4, x=u16(1, 1)), s.commit()], x_is([*numbered(4), u16(1, 1)]), start=start(4))


@case("write/insert_two_tensors", "algo.edit.insert", "algo.edit.lengths", features=EDIT)
def _(b: Book) -> None:
    """Inserting for one tensor inserts a missing sample in the other

    Rows belong together: a tensor that is not told to move shifts against the others.
    """
    script = [
        s.create(),
        s.tensor("x", dtype="uint16", shape=[2]),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.extend(x=numbered(3), y=numbered(3)),
        s.commit(),
        s.insert(1, y=u16(5, 5)),
        s.commit(),
    ]
    r = numbered(3)
    tensors = {
        "x": {"values": [r[0], None, r[1], r[2]], "dtype": "uint16"},
        "y": {"values": [r[0], u16(5, 5), r[1], r[2]], "dtype": "uint16"},
    }
    b.writes(script, {"length": 4, "number": 2, "tensors": tensors})


@case("write/delete_middle", "algo.edit.delete", features=EDIT)
def _(b: Book) -> None:
    """Rows taken out of the middle

    What is left keeps its order and its bytes; the chunk is not touched.
    """
    rows = numbered(6)
    want = x_is([rows[0], rows[3], rows[5]]) | {"layout": {"x": {"slices": [[0, 0, 1], [0, 3, 1], [0, 5, 1]]}}}
    b.writes([s.open_(), s.delete(1, 2, 4), s.commit()], want, start=start())


@case("write/delete_all", "algo.edit.delete", "tensor.chunks.used", features=EDIT)
def _(b: Book) -> None:
    """Every row taken out

    A dataset of length 0 with its tensors: no slices, no chunks, still a dataset.
    """
    want = x_is([]) | {"layout": {"x": {"slices": [], "chunks": 0}}}
    b.writes([s.open_(), s.delete(0, 1, 2, 3), s.commit()], want, start=start(4))


@case("write/delete_two_tensors", "algo.edit.delete", features=EDIT)
def _(b: Book) -> None:
    """Deleting a row deletes it in every tensor

    Else labels slip against their images by one.
    """
    script = [
        s.create(),
        s.tensor("x", dtype="uint16", shape=[2]),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.extend(x=numbered(3), y=numbered(3)),
        s.commit(),
        s.delete(1),
        s.commit(),
    ]
    rows = numbered(3)
    one_ = {"values": [rows[0], rows[2]], "dtype": "uint16"}
    b.writes(script, {"length": 2, "number": 2, "tensors": {"x": one_, "y": one_}})


@case("write/delete_then_append", "algo.edit.delete", "algo.append", features=EDIT)
def _(b: Book) -> None:
    """Delete the last row, append another

    The chunk's own end is not the tensor's end any more.
    """
    rows = numbered(4)
    b.writes([s.open_(), s.delete(3), s.append(x=u16(6, 6)), s.commit()], x_is([*rows[:3], u16(6, 6)]), start=start(4))


@case("write/edits_mixed", "algo.edit.update", "algo.edit.insert", "algo.edit.delete", "algo.append", features=EDIT)
def _(b: Book) -> None:
    """Append, insert, update, delete in one commit

    Each step sees the rows as the steps before left them.
    """
    rows: list[Any] = numbered(6)
    script = [
        s.open_(),
        s.append(x=u16(60, 60)),
        s.insert(2, x=u16(20, 20)),
        s.update(0, x=None),
        s.delete(3, 7),
        s.insert(0, x=u16(0, 9)),
        s.commit(),
    ]
    rows.append(u16(60, 60))
    rows.insert(2, u16(20, 20))
    rows[0] = None
    for at in (7, 3):
        del rows[at]
    rows.insert(0, u16(0, 9))
    b.writes(script, x_is(rows), start=start())


@case("write/edit_unsaved", "algo.edit.update", "algo.edit.delete", features=EDIT)
def _(b: Book) -> None:
    """Rows edited before they were ever committed

    The samples wait in an open chunk; an edit must not find the place they will have later.
    """
    script = new(s.extend(x=numbered(5)), s.update(1, x=u16(7, 7)), s.delete(0), s.append(x=u16(8, 8)))
    rows = numbered(5)
    b.writes(script, x_is([u16(7, 7), *rows[2:], u16(8, 8)]))


@case("write/append_second", "algo.append", "commit.parent")
def _(b: Book) -> None:
    """Appending to a dataset that somebody else wrote

    The old chunk keeps its name and its place; the new samples come behind.
    """
    want = x_is([*numbered(4), u16(3, 3)]) | {"number": 2, "layout": {"x": {"slices": [[0, 0, 4], [1, 0, 1]]}}}
    b.writes([s.open_(), s.append(x=u16(3, 3)), s.commit("more")], want, start=start(4))


@case("write/two_commits", "algo.commit.make", "commit.parent.hash")
def _(b: Book) -> None:
    """Two commits by one writer

    The older ones stay as they were; each names the one before by its hash.
    """
    b.writes(
        [s.open_(), s.append(x=u16(1, 1)), s.commit("one"), s.append(x=u16(2, 2)), s.commit("two")],
        x_is([*numbered(4), u16(1, 1), u16(2, 2)]) | {"number": 3, "states": [x_is(numbered(4)) | {"number": 1}]},
        start=start(4),
    )
