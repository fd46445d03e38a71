"""Duties that no structure shows by itself: what a request may say, what a promise means, how rows are cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, pack
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.photo import photo
from lakebed_conform.casebook.writing_rows import numbered, start, x_is

RGB = [None, None, 3]


@case("read/number_and_tag", "algo.open", "algo.open.1", features=())
def _(b: Book) -> None:
    """A number and a tag in one request

    Which of the two was meant nobody knows; a guess opens the wrong version.
    """
    dataset = start(2)
    dataset.tag("v1")
    b.reads(dataset, {"x": numbered(2)}, checker=False)
    b.ask("read", None, error="E_ARGUMENT", tensor="x", number="1", tag="v1")


@case("history/hole", "algo.expire.prefix")
def _(b: Book) -> None:
    """A commit in the middle of a branch is gone

    Expiry takes the oldest only; a hole is a loss, and whoever walks the history stops at it.
    """
    values = [np.array([1, 2], np.uint8)] * 2
    dataset = Dataset()
    dataset.chunk("a", pack(values, k=2))
    for number in range(1, 5):
        dataset.tensor("x", dtype="uint8", shape=[2], slices=[("a", 0, 2)])
        dataset.commit(parent=("main", number - 1) if number > 1 else None)
    b.refuses(dataset.fault("main/3", "absent", True), "E_COMMIT_ABSENT", roles=("checker",))


def promise(fidelity: Any, codec: dict[str, Any], value: np.ndarray, **more: Any) -> list[dict[str, Any]]:
    shape = [None] * value.ndim
    tensor = s.tensor("x", dtype=value.dtype.name, shape=shape, fidelity=fidelity, codecs=[[codec]], **more)
    return [s.create(), tensor, s.append(x=value), s.commit()]


NOISE = (np.arange(40 * 56 * 3, dtype=np.int64) * 7919 % 251).astype(np.uint8).reshape(40, 56, 3)
JPEG = {"name": "jpeg", "quality": 50}


@case("refused/abs_jpeg", "fidelity.max_abs_error", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """Noise through JPEG, promised within 1 of what was given

    What was promised is looked at before it is stored.
    """
    b.write_refused(promise({"max_abs_error": 1}, JPEG, NOISE), "E_FIDELITY")


@case("refused/rel_jpeg", "fidelity.max_rel_error", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """Noise through JPEG, promised within a thousandth

    A relative bound counts at every element, the dark ones too.
    """
    b.write_refused(promise({"max_rel_error": 0.001}, JPEG, NOISE), "E_FIDELITY")


@case("refused/lossy_array_of_files_only", "fidelity.lossy", "codec.encode", features=("codec.gif",))
def _(b: Book) -> None:
    """An array for a tensor of GIF files, lossy

    Even under "lossy" an array must come back in its dtype and shape; a palette of 256 colours is no promise.
    """
    b.write_refused(promise("lossy", {"name": "gif"}, photo(8, 9)), "E_FIDELITY", also=("E_ARGUMENT",))


@case("refused/lossy_two_channels", "fidelity.shape", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """A picture of two channels for JPEG, lossy

    JPEG has no picture of two channels: another shape would come back.
    """
    b.write_refused(promise("lossy", JPEG, photo(8, 8, 2)), "E_FIDELITY", also=("E_ARGUMENT",))


@case("write/media_between_raw", "write.unit.media", "media.empty", features=("codec.png", "write.htypes"))
def _(b: Book) -> None:
    """Pictures and a picture without pixels, in turn

    A file is a unit of its own, so that one picture is one read; what is raw beside it closes first.
    """
    values = [photo(3, 4), np.zeros((0, 4, 3), "u1"), photo(2, 2)]
    tensor = s.tensor("x", dtype="uint8", shape=RGB, htype="image", codecs=[[{"name": "png"}]])
    layout = {"x": {"codecs": [[["png"], [], ["png"]]], "units": [[1, 1, 1]]}}
    b.writes([s.create(), tensor, s.extend(x=values), s.commit()], x_is(values, "uint8") | {"layout": layout})
