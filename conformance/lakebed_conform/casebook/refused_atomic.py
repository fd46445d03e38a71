"""A refused step in the middle of a script: everything stays as it was, and the script goes on."""

from __future__ import annotations

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_refused import REFUSED, made
from lakebed_conform.casebook.writing_rows import EDIT, numbered, start, u16, x_is


@case("refused/atomic_row", "sample.atomic", features=REFUSED)
def _(b: Book) -> None:
    """A row of which one value is refused leaves every tensor as it was

    Half a row shifts one tensor against the other for ever.
    """
    bad = s.append(x=u16(9, 9), y=u16(9, 9, 9))
    script = [
        *made(),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.append(x=u16(1, 1), y=u16(1, 1)),
        s.refused("E_SAMPLE_SHAPE", bad),
        s.append(x=u16(2, 2), y=u16(2, 2)),
        s.commit(),
    ]
    one_ = {"values": [u16(1, 1), u16(2, 2)], "dtype": "uint16"}
    b.writes(script, {"length": 2, "tensors": {"x": one_, "y": one_}})


@case("refused/atomic_batch", "sample.atomic", features=REFUSED)
def _(b: Book) -> None:
    """A batch whose last value is refused is refused whole

    Whoever repeats the batch after repairing it must not store its beginning twice.
    """
    bad = s.extend(x=[u16(8, 8), u16(9, 9), u16(1, 2, 3)])
    script = [*made(), s.extend(x=numbered(2)), s.refused("E_SAMPLE_SHAPE", bad), s.extend(x=numbered(1)), s.commit()]
    b.writes(script, x_is([*numbered(2), *numbered(1)]))


@case("refused/atomic_update", "sample.atomic", "algo.edit.update", features=(*REFUSED, *EDIT))
def _(b: Book) -> None:
    """A refused update changes nothing

    The row is not half replaced and not missing.
    """
    bad = s.update(1, x=np.array([1.5, 2], "<f4"))
    b.writes(
        [s.open_(), s.refused("E_SAMPLE_DTYPE", bad), s.append(x=u16(7, 7)), s.commit()],
        x_is([*numbered(3), u16(7, 7)]),
        start=start(3),
    )


@case("refused/atomic_insert", "sample.atomic", "algo.edit.insert", features=(*REFUSED, *EDIT))
def _(b: Book) -> None:
    """A refused insert moves nothing

    A place is made for the value only when it fits.
    """
    bad = s.insert(1, x=u16(1, 2, 3))
    script = [s.open_(), s.refused("E_SAMPLE_SHAPE", bad), s.append(x=u16(7, 7)), s.commit()]
    b.writes(script, x_is([*numbered(3), u16(7, 7)]), start=start(3))


@case("refused/atomic_tensor", "tensor.create", features=REFUSED)
def _(b: Book) -> None:
    """A refused tensor is not there

    Its name stays free for the right one.
    """
    bad = s.tensor("y", dtype="uint16", shape=[2], tile=[1, 1])
    script = [
        *made(),
        s.refused("E_ARGUMENT", bad),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.append(x=u16(1, 1), y=u16(2, 2)),
        s.commit(),
    ]
    tensors = {n: {"values": [u16(v, v)], "dtype": "uint16"} for n, v in (("x", 1), ("y", 2))}
    b.writes(script, {"length": 1, "tensors": tensors})


@case("refused/atomic_first_value", "sample.atomic", features=(*REFUSED, "codec.png"))
def _(b: Book) -> None:
    """A refused file among rows of arrays

    The rows around it stay together.
    """
    bad = s.append(x=u16(5, 5), y=b"\x89PNG\r\n\x1a\n" + bytes(20))
    script = [
        *made(),
        s.tensor("y", dtype="uint8", shape=[None, None], codecs=[[{"name": "png"}]]),
        s.append(x=u16(1, 1), y=None),
        s.refused("E_SAMPLE_FILE", bad),
        s.append(x=u16(2, 2), y=None),
        s.commit(),
    ]
    tensors = {
        "x": {"values": [u16(1, 1), u16(2, 2)], "dtype": "uint16"},
        "y": {"values": [None, None], "dtype": "uint8"},
    }
    b.writes(script, {"length": 2, "tensors": tensors})
