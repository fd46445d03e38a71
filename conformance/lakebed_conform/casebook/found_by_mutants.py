"""Cases that a surviving mutant asked for: each is what told the mutant from the implementation."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import DROP, Dataset, one, pack, wide
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.lossy_bounds import promised_psnr
from lakebed_conform.casebook.lossy_travel import quantized
from lakebed_conform.casebook.photo import photo
from lakebed_conform.casebook.pictures import png
from lakebed_conform.casebook.writing_rows import numbered, x_is
from lakebed_conform.pen import crc32, lz4_literals, u8, u32

LZ4 = {"name": "lz4"}


@case("stream/delta_rest_kept", "codec.delta", features=("codec.delta",))
def _(b: Book) -> None:
    """delta of 4-byte elements over 11 bytes: the last three are copied

    A decoder that leaves them out returns zeros at the end of every unit.
    """
    data = bytes([1, 0, 0, 0, 3, 0, 0, 0, 9, 8, 7])
    stored = bytes([1, 0, 0, 0, 2, 0, 0, 0, 9, 8, 7])
    values = [np.frombuffer(data, "u1")]
    dataset = one(values, shape=[None], codecs=[[{"name": "delta", "size": 4}]], encode=[lambda _: stored])
    b.reads(dataset, {"x": values})


@case("values/bool_2_in_lz4", "value.bool", features=("codec.lz4",))
def _(b: Book) -> None:
    """A boolean of 2 that comes out of a codec

    A reader that looks at raw units only hands it on.
    """
    right, wrong = (lz4_literals(bytes([1, n, 1])) for n in (0, 2))
    dataset = one([np.array([1, 0, 1], bool)], shape=[3], codecs=[[LZ4]], encode=[lambda _: right])
    dataset.fault("a", "payload", wrong).fault("a", "index.crc", crc32(wrong))
    b.refuses(dataset, "E_VALUE_BOOL", why="the unit's checksum follows from its bytes")


@case("index/stored_sum_wraps_64", "column.sum", "column.values", features=("codec.lz4",))
def _(b: Book) -> None:
    """Stored lengths of 2^53-1 each that sum to the payload modulo 2^64

    A sum that wraps agrees with the payload, and every unit lies outside the chunk.
    """
    twin = one([np.array([i % 251], "u1") for i in range(2050)], shape=[1], codecs=[[LZ4]])
    payload = 2 * 2050
    entries = [2**53 - 1] * 2048 + [2048 + payload - 1, 1]
    assert sum(entries) % 2**64 == payload
    b.refuses(twin.fault("a", "index.stored", wide(entries, 8)), "E_INDEX_LIMIT", also=("E_INDEX_STORED",))


@case("index/unit_sum_wraps_32", "column.sum", "chunk.index.unit_sum")
def _(b: Book) -> None:
    """Units of 2^31, 2^31 and 3 items where three are due

    A sum of 32 bits is 3.
    """
    values = [np.array(i, "u1") for i in range(3)]
    dataset = one(values, shape=[], k=1)
    dataset.fault("a", "index.unit", wide([1 << 31, 1 << 31, 3], 4))
    b.refuses(dataset, "E_INDEX_UNIT", also=("E_INDEX_STORED", "E_INDEX_LIMIT"))


@case("index/many_unknown_keys", "chunk.index.unknown", "index.entries")
def _(b: Book) -> None:
    """Thirty keys that 1.0 does not know

    A later minor may add as many as it likes.
    """
    values = numbered(3)
    dataset = one(values, shape=[2], k=1).change("a", "trailer.minor", 1)
    for n in range(30):
        dataset.change("a", f"index.+later_{n}", n)
    b.reads(dataset, {"x": values})


@case("index/samples_most_missing", "chunk.index.samples")
def _(b: Book) -> None:
    """2^26 + 1 samples, all missing

    Samples are limited whether or not they have items.
    """
    dataset = Dataset()
    dataset.chunk("a", pack([None, None], dtype="uint8", rank=1))
    dataset.tensor("x", dtype="uint8", shape=[1], slices=[("a", 0, 2)])
    dataset.commit()
    b.refuses(dataset.fault("a", "index.samples", (1 << 26) + 1), "E_INDEX_LIMIT")


@case("index/unit_0_of_one", "chunk.index.unit_sum")
def _(b: Book) -> None:
    """A unit of no items in a chunk of one sample

    Dividing by it ends the reader.
    """
    b.refuses(one([np.array([4, 5], "u1")], shape=[2], k=1).fault("a", "index.unit", 0), "E_INDEX_UNIT")


@case("index/media_two_items_one_unit", "unit.media", features=("codec.png",))
def _(b: Book) -> None:
    """One picture that stands for two items

    A reader without the rule returns the same picture twice.
    """
    picture = np.arange(4, dtype=np.uint8).reshape(2, 2)
    dataset = one([picture, None], shape=[2, 2], codecs=[[{"name": "png"}]], encode=[lambda _: png(picture)])
    dataset.fault("a", "index.missing", DROP).fault("a", "index.unit", 2)
    b.refuses(dataset, "E_INDEX_UNIT", why="two items in one unit need a second item and a unit of two")


@case("hostile/tiles_2_40_of_nothing", "chunk.index.tile_count", features=("codec.lz4",))
def _(b: Book) -> None:
    """2^40 tiles, each stored in no bytes: nothing but their number is wrong

    Whoever makes a list of them is gone.
    """
    dataset = one([np.zeros((2, 2), "u1")], shape=[None, None], tile=[2, 2], codecs=[[LZ4]])
    dataset.fault("a", "index.shape", [1 << 21, 1 << 21]).fault("a", "index.stored", 0).fault("a", "payload", b"")
    dataset.fault("a", "index.crc", 0)
    b.refuses(dataset, "E_INDEX_LIMIT", why="stored lengths and checksums follow from tiles of no bytes")
    b.limits(seconds=5, memory=64 << 20)


@case("index/bytes_2_54", "model.integers", features=("codec.lz4",))
def _(b: Book) -> None:
    """An item of 2^54 bytes in a unit of five

    The product passes 2^53-1; languages whose numbers are floats would round it.
    """
    dataset = one([np.zeros((2, 2), "u1")], shape=[None, None], codecs=[[LZ4]])
    dataset.fault("a", "index.shape", [1 << 27, 1 << 27])
    b.refuses(dataset, "E_INDEX_LIMIT")


@case("slice/count_zero_beside", "table.slice.count")
def _(b: Book) -> None:
    """A slice of no samples beside one of three

    The sum is right; a bisection over the counts is not.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(3), k=1))
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, 1), ("a", 1, 2)])
    dataset.commit()
    dataset.fault("main/1", "/tensors/x/slices/count", [0, 3]).fault("main/1", "/tensors/x/slices/first", [0, 0])
    b.refuses(dataset, "E_SLICE", why="the slices still name the same three samples")


def _mantissa(words: np.ndarray, drop: int) -> bytes:
    """A `quantize` stream of mode 2 and width 4 whose codes are ``words`` >> drop."""
    return u8(2) + u8(4) + u8(drop) + u8(0) + u32(0) + bytes(24) + (words >> drop).astype("<u4").tobytes()


@case("stream/quantize_other_mode", "codec.quantize.mode", features=("codec.quantize",))
def _(b: Book) -> None:
    """A whole, sound stream of mode 2 under a pipeline of max_abs_error

    The bound that the pipeline states is not the one that was kept.
    """
    values = [np.array([1, 2, 4, 8], "<f4")]
    chain = [{"name": "quantize", "dtype": "float32", "max_abs_error": 0.5}]
    right = quantized(np.array([2, 3, 5, 9]), 0.0, 1.0)
    wrong = _mantissa(values[0].view("<u4"), 8)
    dataset = one(
        values, shape=[4], codecs=[chain], encode=[lambda _: right], members={"fidelity": {"max_abs_error": 0.5}}
    )
    dataset.fault("a", "payload", wrong).fault("a", "index.crc", crc32(wrong))
    if len(wrong) != len(right):
        dataset.fault("a", "index.stored", len(wrong))
    b.refuses(dataset, "E_CODEC_DATA", why="checksum and length follow from the stream")


@case("stream/quantize_rounding", "codec.quantize.linear", features=("codec.quantize",))
def _(b: Book) -> None:
    """Codes whose value single precision gets wrong: product exact, one rounding to 64 bits, one to 32

    A port that computes in float32 differs in the last bit of every fourth value.
    """
    codes, lo, step = np.arange(1, 256), 0.1, 0.3
    mantissa = int(step * 2**21)  # 20 significant bits
    step = mantissa / 2**21
    values = [(lo + (codes - 1).astype("<f8") * step).astype("<f4")]
    chain = [{"name": "quantize", "dtype": "float32", "max_abs_error": 0.2}]
    dataset = one(
        values,
        shape=[255],
        codecs=[chain],
        encode=[lambda _: quantized(codes, lo, step)],
        members={"fidelity": {"max_abs_error": 0.2}},
    )
    b.reads(dataset, {"x": values})


@case(
    "lossy/rel_just_beyond",
    "fidelity.max_rel_error",
    "codec.quantize.verified",
    features=("codec.quantize", "codec.lz4"),
)
def _(b: Book) -> None:
    """Subnormals whose rounding misses the bound by half a percent

    "About a tenth" is not a tenth.
    """
    words = np.concatenate([np.full(30, 1_165_737, "<u4"), np.arange(1, 400, dtype="<u4") * 2_000_003])
    values = [words.view("<f4")]
    chain = [{"name": "quantize", "dtype": "float32", "max_rel_error": 0.1}, LZ4]
    script = [
        s.create(),
        s.tensor("x", dtype="float32", shape=[None], codecs=[chain], fidelity={"max_rel_error": 0.1}),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(script, x_is(values, "float32", rule={"max_rel_error": 0.1}))


@case("lossy/psnr_nearly", "fidelity.psnr_db", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """psnr_db 45 with JPEG quality 50, which gives about 32: refused

    A promise is kept or refused, not approached.
    """
    b.write_refused(promised_psnr(45, [photo()], quality=50), "E_FIDELITY")


@case("lossy/encoded_is_recorded", "fidelity.encoded", features=("codec.png",))
def _(b: Book) -> None:
    """An array encoded here is recorded with a parameter, a file as given without

    Otherwise nobody can tell an original from a picture of it.
    """
    given = png(photo(5, 6))
    values = [photo(7, 8), photo(5, 6)]
    script = [
        s.create(),
        s.tensor("x", dtype="uint8", shape=[None, None, 3], htype="image", codecs=[[{"name": "png"}]]),
        s.append(x=values[0]),
        s.append(x=given),
        s.commit(),
    ]
    files = [{"tensor": "x", "sample": 1, "data": given}]
    b.writes(script, x_is(values, "uint8") | {"files": files, "layout": {"x": {"encoded": [[True, False]]}}})


@case("write/nan_one_by_one", "dtype.bits", "algo.append")
def _(b: Book) -> None:
    """NaNs with payloads and both zeros, appended one at a time

    The way of single values is another one than that of arrays.
    """
    words = [0x7FC12345, 0xFFC00001, 0x7F800001, 0x80000000, 0]
    values = [np.array([w], "<u4").view("<f4").reshape(()) for w in words]
    script = [s.create(), s.tensor("x", dtype="float32", shape=[]), *[s.append(x=v) for v in values], s.commit()]
    b.writes(script, x_is(values, "float32"))


@case("write/update_inside_missing", "slice.null", "algo.edit.update", "table.slice.first", features=("write.edit",))
def _(b: Book) -> None:
    """A value in the middle of a run of missing samples

    The rest of the run begins nowhere: its first is 0, not 3.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[(None, 0, 5)])
    dataset.commit()
    value = numbered(1)[0]
    want = x_is([None, None, value, None, None])
    want |= {"layout": {"x": {"slices": [[None, 0, 2], [0, 0, 1], [None, 0, 2]]}}}
    b.writes([s.open_(), s.update(2, x=value), s.commit()], want, start=dataset)


@case("write/table_without_unused", "tensor.chunks.used", level="should", features=("write.edit",))
def _(b: Book) -> None:
    """After every row was replaced the old chunk is not listed

    A table that names what nothing uses keeps it from being collected.
    """
    values = [np.array([i], "<u2") for i in range(3)]
    dataset = one([v + 10 for v in values], shape=[1])
    script = [s.open_(), *[s.update(i, x=v) for i, v in enumerate(values)], s.commit()]
    b.writes(script, x_is(values) | {"layout": {"x": {"listed": 1}}}, start=dataset)


@case("write/unit_advice_kept", "write.unit_advice", "write.unit")
def _(b: Book) -> None:
    """Three items a unit, and again after the dataset was opened anew

    Advice that only the first session follows makes two layouts.
    """
    values = [np.full((4,), i, "u1") for i in range(9)]
    script = [s.create(), s.tensor("x", dtype="uint8", shape=[4], unit={"items": 3}), s.extend(x=values[:4])]
    script += [s.commit(), s.open_(), s.extend(x=values[4:]), s.commit()]
    b.writes(script, x_is(values, "uint8") | {"layout": {"x": {"units": [[3, 1], [3, 2]]}}})


@case("write/chunk_closes", "write.chunk", "write.tile_advice", level="should")
def _(b: Book) -> None:
    """Advice of 1,000 bytes: a chunk closes with the row that reaches it

    Three rows of 400 bytes, three, one.
    """
    values = [np.full((400,), i, "u1") for i in range(7)]
    script = [s.create(), s.tensor("x", dtype="uint8", shape=[400], chunk={"bytes": 1000}, unit={"items": 1})]
    script += [*[s.append(x=v) for v in values], s.commit()]
    b.writes(script, x_is(values, "uint8") | {"layout": {"x": {"chunks": 3}}})


@case("refused/atomic_columns", "sample.atomic", features=("write.refused",))
def _(b: Book) -> None:
    """Two columns, the second of which is refused: the first is not kept either

    The next batch would pair its rows with those of the refused one.
    """
    bad = s.extend(x=numbered(3), y=[np.array([1, 2, 3], "<u2")] * 3)
    script = [s.create(), s.tensor("x", dtype="uint16", shape=[2]), s.tensor("y", dtype="uint16", shape=[2])]
    script += [s.extend(x=numbered(1), y=numbered(1)), s.refused("E_SAMPLE_SHAPE", bad)]
    script += [s.extend(x=numbered(2), y=numbered(2)), s.commit()]
    column = {"values": [*numbered(1), *numbered(2)], "dtype": "uint16"}
    b.writes(script, {"length": 3, "tensors": {"x": column, "y": column}})


@case("write/revert_attributes", "algo.revert", features=("write.edit",))
def _(b: Book) -> None:
    """A revert takes the attributes back too

    Tensors of one state under the attributes of another.
    """
    dataset = one(numbered(2), shape=[2], commit={"attributes": {"split": "train"}})
    script = [s.open_(), s.simple("attributes", attributes={"split": "test", "more": 1}), s.append(x=numbered(1)[0])]
    script += [s.commit(), s.simple("revert", number="1"), s.commit()]
    b.writes(script, x_is(numbered(2)) | {"number": 3, "members": {"attributes": {"split": "train"}}}, start=dataset)


@case("write/manifest_last_row", "algo.edit.manifests", "algo.edit.update", features=("write.edit",))
def _(b: Book) -> None:
    """The last row of a manifest is replaced, and nothing else

    A manifest that is kept whole brings the old value back.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(4), k=2))
    dataset.manifest("m", [("a", 0, 3)])
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 3, 1)], manifests=["m"])
    dataset.commit()
    new = np.array([99, 98], "<u2")
    values = [*numbered(2), new, numbered(4)[3]]
    b.writes([s.open_(), s.update(2, x=new), s.commit()], x_is(values), start=dataset)
