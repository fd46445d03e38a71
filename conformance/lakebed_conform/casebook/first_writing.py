"""First writing scripts."""

from __future__ import annotations

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case


@case("write/append", "write.unit", "tensor.length")
def _(b: Book) -> None:
    """Two tensors, three rows, one sample missing

    The smallest thing a writer does; everything else builds on it.
    """
    xs = [np.array([[1, 2], [3, 4]], "<u2"), np.array([[5, 6]], "<u2"), np.zeros((0, 2), "<u2")]
    ys = [np.array(-1.5, "<f8"), None, np.array(np.nan, "<f8")]
    script = [
        s.create(),
        s.tensor("x", dtype="uint16", shape=[None, 2]),
        s.tensor("y", dtype="float64", shape=[]),
        *[s.append(x=x, y=y) for x, y in zip(xs, ys, strict=True)],
        s.commit("three rows"),
    ]
    tensors = {"x": {"values": xs, "dtype": "uint16"}, "y": {"values": ys, "dtype": "float64"}}
    b.writes(script, {"length": 3, "number": 1, "members": {"message": "three rows"}, "tensors": tensors})


@case("write/label_lossy", "htype.lossless", features=("codec.jpeg",))
def _(b: Book) -> None:
    """A mask tensor with a JPEG codec is refused

    JPEG changes one class id in ten; the mask looks right and trains wrong.
    """
    script = [
        s.create(),
        s.tensor(
            "m", dtype="uint8", shape=[None, None], htype="segment_mask", codecs=[[{"name": "jpeg", "quality": 95}]]
        ),
    ]
    b.write_refused(script, "E_FIDELITY_LABEL")
