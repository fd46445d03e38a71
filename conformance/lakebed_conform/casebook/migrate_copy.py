"""Migration: history, chunks and every sample survive; what a newer version adds is met as the spec says."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import numbered, start, u16, x_is


def grown() -> Dataset:
    """main with three commits, a manifest in the last, a branch and a tag."""
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(4), k=2))
    dataset.chunk("b", pack([u16(7, 7), None], dtype="uint16", rank=1))
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 2)])
    dataset.commit(message="one")
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 4)])
    dataset.commit(message="two")
    dataset.commit("dev", parent=("main", 2))
    dataset.manifest("m", [("a", 0, 4)])
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("b", 0, 2)], manifests=["m"])
    dataset.commit(message="three")
    dataset.tag("v1", "main", 2)
    return dataset


@case("migrate/same_version", "algo.migrate", "version.chunk")
def _(b: Book) -> None:
    """To the version it has: samples, branches and tags stay

    A migration that keeps only the newest state loses what papers cite.
    """
    values: list[Any] = [*numbered(4), u16(7, 7), None]
    b.moves("migrate", grown(), x_is(values) | {"keys": ["tags/v1.json", "commits/dev/0000000001.json"]}, to="1.0")


@case("migrate/history", "algo.migrate", "version.mixed")
def _(b: Book) -> None:
    """History before the migration still opens

    Commit 2 is read at the new place, with its own message.
    """
    want = x_is(numbered(4)) | {"number": 2, "members": {"message": "two"}}
    b.moves("migrate", grown(), want, to="1.0")


@case("migrate/unknown_target", "version.write", "version.major")
def _(b: Book) -> None:
    """To a version that nobody knows

    Refused by name, nothing written.
    """
    b.moves("migrate", start(2), None, error="E_VERSION", to="9.0")


@case("migrate/damaged", "algo.migrate", "manifest.hash")
def _(b: Book) -> None:
    """A damaged manifest is not carried along

    Copying damage under a fresh name makes it look sound.
    """
    dataset = grown()
    dataset.fault("m", "crc32", "00000000")
    b.moves("migrate", dataset, None, error="E_JSON_CRC", faulty=True, to="1.0")


@case("migrate/next_minor", "version.minor", "version.unknown.key")
def _(b: Book) -> None:
    """Read 1.9: unknown members, a chunk minor of 3, unknown keys in the index

    What a later minor adds, an older reader ignores.
    """
    values = numbered(3)
    dataset = one(values, shape=[2], k=2)
    dataset.change("main/1", "/lakebed", "1.9").change("main/1", "/lineage", {"from": ["a"]})
    dataset.change("main/1", "/tensors/x/stats", [1, 2.5]).change("a", "trailer.minor", 3)
    dataset.change("a", "index.+bloom", 7)
    b.reads(dataset, {"x": values})


@case("migrate/mixed_versions", "version.mixed", "json.version")
def _(b: Book) -> None:
    """A branch of 1.0, 1.4 and 1.0 again

    Each document is read by its own version, whatever stands before or behind it.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(4), k=2))
    for n in (1, 2, 4):
        dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, n)])
        dataset.commit()
    dataset.change("main/2", "/lakebed", "1.4")
    b.reads(dataset, {"x": numbered(4)})
    b.part("x", numbered(2), dtype="uint16", number="2")


@case("migrate/feature_read", "version.requires", "commit.requires.read")
def _(b: Book) -> None:
    """A later version says that readers must know "slices2"

    An older reader would show other samples; it refuses by name.
    """
    dataset = one(numbered(2), shape=[2]).change("main/1", "/lakebed", "1.3")
    b.refuses(dataset.fault("main/1", "/requires/read", ["slices2"]), "E_REQUIRES_READ")


@case("migrate/feature_write", "version.requires")
def _(b: Book) -> None:
    """A later version says that only writers must know "stats"

    Reading stays allowed.
    """
    values = numbered(2)
    dataset = one(values, shape=[2]).change("main/1", "/lakebed", "1.3").change("main/1", "/requires/write", ["stats"])
    b.reads(dataset, {"x": values})


@case("migrate/new_column", "version.unknown.column", "json.columns_closed")
def _(b: Book) -> None:
    """A table with a column of the future

    A writer that splits a row could not split what it does not know: refused, not ignored.
    """
    dataset = one(numbered(2), shape=[2])
    b.refuses(dataset.fault("main/1", "/tensors/x/slices/step", [1]), "E_TABLE_COLUMNS")


@case("migrate/new_dtype", "version.unknown.dtype", "dtype.unknown")
def _(b: Book) -> None:
    """A tensor of dtype int128 beside one of uint16

    That tensor fails; the others open.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(2), k=2))
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 2)])
    dataset.tensor("y", dtype="int128", shape=[2], slices=[(None, 0, 2)])
    dataset.commit()
    b.reads(dataset, {"x": numbered(2)}, metadata=False, checker=False)
    b.ask("read", None, error="E_DTYPE_UNSUPPORTED", tensor="y")


@case("migrate/new_htype", "version.unknown.htype", "htype.unknown")
def _(b: Book) -> None:
    """An htype of the future is read as generic

    Its name is kept for whoever knows it.
    """
    values = numbered(2)
    b.reads(one(values, shape=[2], htype="lidar.sweep"), {"x": values})


@case("migrate/new_codec", "version.unknown.codec", "codec.unknown")
def _(b: Book) -> None:
    """A unit under a codec of the future between two raw ones

    Only its samples fail; the others are read.
    """
    values = [np.full(4, i, "u1") for i in range(3)]
    dataset = one(
        values,
        shape=[4],
        k=1,
        codecs=[[], [{"name": "neural7"}]],
        encode=[bytes, lambda raw: b"?" + raw],
        codec=[0, 1, 0],
    )
    b.ask("read", b.want("want.0.raw", values[:1], "uint8"), tensor="x", list=["0"])
    b.ask("read", b.want("want.2.raw", values[2:], "uint8"), tensor="x", list=["2"])
    b.ask("read", None, error="E_CODEC_UNSUPPORTED", tensor="x", list=["1"])
    b.files |= {f"dataset/{k}": v for k, v in dataset.tree(False).items()}
