"""First cases over JSON documents: checksum, version, places, lengths, history."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import DROP, Dataset, one
from lakebed_conform.casebook.book import Book, case


def small() -> Dataset:
    return one([np.array([i, -i], "<i4") for i in range(3)], shape=[2])


@case("commit/crc_capitals", "json.crc")
def _(b: Book) -> None:
    """The checksum's digits are in capitals

    The last 20 bytes have one form only; a lenient parser opens documents that others refuse.
    """
    twin = small()
    digits = twin.tree(False)[f"commits/main/{1:010d}.json"][-10:-2].decode().upper()
    b.refuses(small().fault("main/1", "crc32", digits), "E_JSON_CRC", op="inspect")


@case("commit/name_bit_flip", "json.crc")
def _(b: Book) -> None:
    """One bit of a class name is flipped

    Without a checksum over the document this is another valid dataset with another label.
    """
    dataset = one([np.array(0, "<u4")], shape=[], htype="class_label", members={"attributes": {"class_names": ["cat"]}})
    dataset.fault("main/1", "bytes", lambda data: data.replace(b'"cat"', b'"cau"'))
    b.refuses(dataset, "E_JSON_CRC", op="inspect")


@case("commit/version_2", "json.version", "commit.requires.checks")
def _(b: Book) -> None:
    """Format 2.0, and a member that 1.0 would refuse

    A document of the future is refused by its own words, with a hint to upgrade, and not as damage.
    """
    dataset = small().fault("main/1", "/lakebed", "2.0").fault("main/1", "/length", "three")
    b.refuses(dataset, "E_VERSION", op="inspect", why="the version is judged before the member that it changed")


@case("commit/requires_read", "commit.requires.read")
def _(b: Book) -> None:
    """An unknown name in requires.read

    Reading on would return wrong values without a word.
    """
    b.refuses(small().fault("main/1", "/requires/read", ["rows.sorted"]), "E_REQUIRES_READ", op="inspect")


@case("commit/unknown_member", "json.unknown")
def _(b: Book) -> None:
    """Unknown members of the root and of a tensor are ignored

    Minor versions add members; a reader that refuses them is stuck at 1.0.
    """
    values = [np.array([i, -i], "<i4") for i in range(3)]
    dataset = one(values, shape=[2], members={"hue": [1, {"a": None}]}, commit={"mood": 1.5})
    b.reads(dataset, {"x": values})


@case("commit/length", "tensor.length")
def _(b: Book) -> None:
    """The commit's length is one more than the tensor's samples

    Tensors of unequal length pair pictures with the labels of their neighbours.
    """
    b.refuses(small().fault("main/1", "/length", 4), "E_LENGTH")


@case("commit/shape_absent", "tensor.shape")
def _(b: Book) -> None:
    """A tensor without shape

    A reader that guesses the rank returns arrays of another form than the writer meant.
    """
    b.refuses(small().fault("main/1", "/tensors/x/shape", DROP), "E_TENSOR_FIELD")


@case("commit/place", "commit.place")
def _(b: Book) -> None:
    """The commit says another branch than its key

    A copy that was put in the wrong place would bring back deleted rows.
    """
    b.refuses(small().fault("main/1", "/branch", "other"), "E_COMMIT_PLACE", op="inspect")


@case("tag/target", "tag.target", features=("reader.sha256",))
def _(b: Book) -> None:
    """A tag whose commit has another hash

    The tag promises one dataset for good; a rewritten commit under it is another.
    """
    dataset = small()
    dataset.tag("v1")
    dataset.fault("tag:v1", "/sha256", "0" * 64)
    b.refuses(dataset, "E_TAG_TARGET", op="inspect", tag="v1")
