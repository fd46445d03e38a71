"""Writing scripts: how units and chunks must be laid, where the spec leaves no choice."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import new, x_is

LZ4 = [[{"name": "lz4"}]]


def noise(n: int, seed: int) -> np.ndarray:
    """n bytes that no byte codec makes smaller."""
    return np.random.default_rng(seed).integers(0, 256, n, dtype=np.uint8)


def laid(values: list[Any], layout: dict[str, Any], dtype: str = "uint8", **more: Any) -> dict[str, Any]:
    return x_is(values, dtype, **more) | {"layout": {"x": layout}}


@case("write/unit_fixed", "write.unit", "chunk.index.unit_form")
def _(b: Book) -> None:
    """Fixed shapes: 65,536 bytes divided by the item's

    30,000-byte items: two a unit, the last unit one. Other sizes cost readers of one sample many times its bytes.
    """
    values = [np.full((30000,), i, "u1") for i in range(5)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(30000,)), laid(values, {"units": [[2, 2, 1]]}))


@case("write/unit_exact_fit", "write.unit")
def _(b: Book) -> None:
    """Items that divide 65,536 exactly

    A unit is full at 65,536, not after it.
    """
    values = [np.full((16384,), i, "u1") for i in range(9)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(16384,)), laid(values, {"units": [[4, 4, 1]]}))


@case("write/unit_large_items", "write.unit")
def _(b: Book) -> None:
    """Items larger than a unit: one each

    65,536 divided by more gives 0, and 0 items a unit is no unit.
    """
    values = [np.full((70000,), i, "u1") for i in range(2)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(70000,)), laid(values, {"units": [[1, 1]]}))


@case("write/unit_free", "write.unit", "chunk.index.unit")
def _(b: Book) -> None:
    """Free shapes: a unit closes with the item that brings it to 65,536

    40,000 + 30,000 bytes close a unit, 65,536 alone closes one, the small rest is the last.
    """
    values = [np.full((n,), i, "u1") for i, n in enumerate((40000, 30000, 65536, 10, 20))]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(None,)), laid(values, {"units": [[2, 1, 2]]}))


@case("write/unit_free_one_by_one", "write.unit", "algo.append")
def _(b: Book) -> None:
    """The same units whether rows come alone or together

    How a caller batches must not show in the bytes.
    """
    values = [np.full((n,), i, "u1") for i, n in enumerate((40000, 30000, 65536, 10, 20))]
    script = new(*[s.append(x=v) for v in values], dtype="uint8", shape=(None,))
    b.writes(script, laid(values, {"units": [[2, 1, 2]]}))


@case("write/unit_no_bytes", "write.unit", "unit.empty")
def _(b: Book) -> None:
    """Items of no bytes count as one byte when units are filled

    Otherwise a unit of empty items never closes.
    """
    values = [np.zeros((0, 3), "u1")] * 4
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(0, 3)), laid(values, {"units": [[4]]}))


@case("write/unit_items_advice", "write.unit", "write.unit_advice")
def _(b: Book) -> None:
    """Advice: three items a unit

    Advice is for the next writer too: it stays in the commit.
    """
    values = [np.full((4,), i, "u1") for i in range(8)]
    script = new(s.extend(x=values), dtype="uint8", shape=(4,), unit={"items": 3})
    b.writes(script, laid(values, {"units": [[3, 3, 2]]}))


@case("write/unit_bytes_advice", "write.unit", "write.unit_advice")
def _(b: Book) -> None:
    """Advice: units of 100 bytes

    Four items of 25 bytes make a unit; the fifth begins another.
    """
    values = [np.full((25,), i, "u1") for i in range(6)]
    script = new(s.extend(x=values), dtype="uint8", shape=(25,), unit={"bytes": 100})
    b.writes(script, laid(values, {"units": [[4, 2]]}))


@case("write/unit_bytes_free", "write.unit", "write.unit_advice")
def _(b: Book) -> None:
    """Advice in bytes with free shapes

    Closed by the first item that reaches the advised bytes.
    """
    values = [np.full((n,), n, "u1") for n in (60, 60, 100, 1, 98, 2)]
    script = new(s.extend(x=values), dtype="uint8", shape=(None,), unit={"bytes": 100})
    b.writes(script, laid(values, {"units": [[2, 1, 3]]}))


@case("write/unit_from_stored_advice", "write.unit_advice", "write.codecs")
def _(b: Book) -> None:
    """A writer follows the advice it finds in the commit

    Otherwise a tensor's layout depends on who wrote last.
    """
    values = [np.full((4,), i, "u1") for i in range(5)]
    given = one(values[:1], shape=[4], members={"write": {"codecs": [[]], "unit": {"items": 2}}})
    script = [s.open_(), s.extend(x=values[1:]), s.commit()]
    b.writes(script, laid(values, {"units": [[1], [2, 2]]}), start=given)


@case("write/sample_units", "write.unit", features=("codec.lz4",))
def _(b: Book) -> None:
    """Sample compression: one item a unit

    Random access to one sample must not decode its neighbours.
    """
    values = [np.full((400,), i, "u1") for i in range(3)]
    script = new(s.extend(x=values), dtype="uint8", shape=(400,), codecs=LZ4, unit={"items": 1})
    b.writes(script, laid(values, {"units": [[1, 1, 1]], "codecs": [[["lz4"]] * 3]}))


@case("write/raw_when_larger", "write.unit.raw", "chunk.index.codecs_canonical", features=("codec.lz4",))
def _(b: Book) -> None:
    """Noise stays raw, zeros are compressed, each unit for itself

    A unit that would grow is stored raw under the empty pipeline; pipelines stand in order of first use.
    """
    values = [noise(1000, 1), np.zeros(1000, "u1"), noise(1000, 2)]
    script = new(s.extend(x=values), dtype="uint8", shape=(1000,), codecs=LZ4, unit={"items": 1})
    b.writes(script, laid(values, {"raw": [[True, False, True]]}))


@case(
    "write/all_raw_no_codec", "write.unit.raw", "chunk.index.codecs_canonical", "index.present", features=("codec.lz4",)
)
def _(b: Book) -> None:
    """All units raw: no codec is listed

    A pipeline that no unit uses is against the one encoding of an index.
    """
    values = [noise(500, n) for n in range(3)]
    script = new(s.extend(x=values), dtype="uint8", shape=(500,), codecs=LZ4, unit={"items": 1})
    b.writes(script, laid(values, {"raw": [[True] * 3]}))


@case("write/empty_units_raw", "write.unit.raw", "unit.empty", features=("codec.lz4",))
def _(b: Book) -> None:
    """A unit of no bytes is raw under any codec

    An lz4 block of nothing has one byte: more than nothing.
    """
    values = [np.zeros(0, "u1"), np.zeros(900, "u1"), np.zeros(0, "u1")]
    script = new(s.extend(x=values), dtype="uint8", shape=(None,), codecs=LZ4, unit={"items": 1})
    b.writes(script, laid(values, {"raw": [[True, False, True]]}))


@case("write/one_by_two_mib", "unit.crc_entries", "unit.crc")
def _(b: Book) -> None:
    """A unit of more than one MiB has one checksum per started MiB

    Checksums shifted by one entry make every later unit unreadable.
    """
    values = [np.full(270_000, 7, "<u4"), np.arange(10, dtype="<u4"), np.full(262_144, 9, "<u4")]
    script = new(s.extend(x=values), dtype="uint32", shape=(None,), unit={"items": 1})
    b.writes(script, laid(values, {"units": [[1, 1, 1]]}, "uint32"))


@case("write/tile", "write.tile", "tile.edge", "write.tile_advice")
def _(b: Book) -> None:
    """Tiles of 4 x 3 over 10 x 7

    Tiles at the edge are smaller, never padded.
    """
    values = [np.arange(70, dtype="u1").reshape(10, 7), np.arange(12, dtype="u1").reshape(4, 3)]
    script = new(s.extend(x=values), dtype="uint8", shape=(None, None), tile=[4, 3])
    b.writes(script, laid(values, {"tile": [[4, 3]]}))


@case("write/tile_lz4", "write.tile", "write.unit.raw", features=("codec.lz4",))
def _(b: Book) -> None:
    """Compressed tiles

    Each tile is a unit of its own, raw where that is smaller.
    """
    item = np.zeros((64, 64), "u1")
    item[:32, :32] = noise(1024, 3).reshape(32, 32)
    script = new(s.append(x=item), dtype="uint8", shape=(None, None), tile=[32, 32], codecs=LZ4)
    b.writes(script, laid([item], {"tile": [[32, 32]], "raw": [[True, False, False, False]]}))


@case("write/tile_empty_axis", "write.tile", "tile.edge")
def _(b: Book) -> None:
    """An item with an empty axis has no tiles

    Its samples keep their place between tiled ones.
    """
    values = [np.ones((5, 5), "u1"), np.zeros((0, 9), "u1"), np.ones((1, 6), "u1")]
    script = new(s.extend(x=values), dtype="uint8", shape=(None, None), tile=[4, 4])
    b.writes(script, x_is(values, "uint8"))


@case("write/columns_narrowest", "column.canonical", "index.shortest")
def _(b: Book) -> None:
    """Lengths that need one, two and four bytes

    A column takes the narrowest width that holds its largest entry; 255 and 256, 65,535 and 65,536 are the borders.
    """
    values = [np.zeros((n,), "u1") for n in (255, 1, 256, 65535, 65536, 0)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(None,)), x_is(values, "uint8"))


@case("write/columns_equal", "column.canonical", "index.present")
def _(b: Book) -> None:
    """Free axes that happen to be equal

    A column of equal entries is one integer: 300 images of one size cost no 300 entries.
    """
    values = [np.full((3, 5), i, "u1") for i in range(7)]
    b.writes(new(s.extend(x=values), dtype="uint8", shape=(None, None)), x_is(values, "uint8"))


@case("write/chunk_bytes", "write.chunk", "write.tile_advice", level="should")
def _(b: Book) -> None:
    """Advice: chunks of 1,000 bytes

    A chunk closes when its payload reaches the advised bytes.
    """
    values = [np.full((400,), i, "u1") for i in range(7)]
    script = new(
        s.extend(x=values[:4]),
        s.extend(x=values[4:]),
        dtype="uint8",
        shape=(400,),
        chunk={"bytes": 1000},
        unit={"items": 1},
    )
    b.writes(script, x_is(values, "uint8"))


@case("write/slices_merge", "slice.merge", level="should", features=("write.edit",))
def _(b: Book) -> None:
    """A row inserted and taken out again: one slice

    Neighbouring slices of one chunk are written as one; otherwise tables grow with every edit.
    """
    values = [np.array([i], "<u2") for i in range(4)]
    given = one(values, shape=[1])
    script = [s.open_(), s.insert(2, x=np.array([9], "<u2")), s.delete(2), s.commit()]
    b.writes(script, laid(values, {"slices": [[0, 0, 4]]}, "uint16"), start=given)


@case("write/hint", "hint.copy", "hint.refresh", level="should")
def _(b: Book) -> None:
    """The hint is there after a commit

    Readers far away find the newest commit in one request.
    """
    b.writes(new(s.append(x=np.zeros(2, "<u2"))), x_is([np.zeros(2, "<u2")]) | {"keys": ["commits/main/latest.json"]})


SAME = "write.same"


@case("write/same_bytes", SAME, "chunk.index.tensor", "chunk.index.row", level="should")
def _(b: Book) -> None:
    """Raw samples give exactly this chunk

    Two conforming writers given the same samples write the same bytes, so their chunks share one name.
    """
    from lakebed_conform.builders import Dataset, pack

    values = [np.array([[i, 1000 * i]], "<u2") for i in range(5)]
    dataset = Dataset()
    dataset.chunk("a", pack(values, k=16384, tensor="x"))
    dataset.tensor("x", dtype="uint16", shape=[1, 2], slices=[("a", 0, 5)])
    dataset.commit()
    keys = [k for k in dataset.tree(False) if k.startswith("chunks/")]
    b.writes(new(s.extend(x=values), shape=(1, 2)), x_is(values) | {"keys": keys})
