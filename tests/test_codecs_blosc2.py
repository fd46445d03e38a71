"""Blosc2 chunks: read what the C library writes and the other way round; hostile ones end in one error."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest

from lakebed import codecs
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError
from lakebed.extras import installed

ROW = CODECS["blosc2"]
needs_library = pytest.mark.skipif(not installed("blosc2"), reason="the C library is not installed")


def arrays() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [
        np.arange(100_003, dtype="i4"), np.cumsum(draw.normal(size=70_001)).astype("f4"),
        draw.integers(0, 9, 300_001, "u1"), draw.integers(0, 255, 1001, "u1"), np.full(300_000, 0x0101010101010101),
        np.arange(3, dtype="i8"), np.arange(40_000, dtype="f8").repeat(3), np.zeros(70_000, "i8"),
    ]  # fmt: skip


@pytest.mark.parametrize("codec", ["lz4", "zstd", "deflate"])
@pytest.mark.parametrize("kind", ["none", "shuffle", "bitshuffle"])
def test_what_is_written_comes_back(codec: str, kind: str) -> None:
    for array in arrays():
        for level in (1, 5, 9):
            asked = {"name": "blosc2", "codec": codec, "filter": kind, "level": level}
            pipeline = codecs.resolve(codecs.parse_pipelines(asked)[0], array.dtype.name, array.shape)
            stored = codecs.encode(pipeline, array.tobytes())
            assert bytes(codecs.decode(pipeline, stored, array.nbytes)) == array.tobytes()


@needs_library
def test_the_library_reads_it() -> None:
    import blosc2

    for array in arrays():
        for codec in ("lz4", "zstd", "deflate"):
            for kind in ("none", "shuffle", "bitshuffle"):
                stored = ROW.encode(array.tobytes(), {"size": array.itemsize, "codec": codec, "filter": kind})
                assert blosc2.decompress2(stored) == array.tobytes()


@needs_library
def test_what_the_library_writes_is_read() -> None:
    import blosc2

    names = ("LZ4", "LZ4HC", "ZSTD", "ZLIB")
    for array in arrays()[:-1]:  # a chunk of zeros only is a special one, which is refused
        for codec in (getattr(blosc2.Codec, name) for name in names):
            for kind in (blosc2.Filter.NOFILTER, blosc2.Filter.SHUFFLE, blosc2.Filter.BITSHUFFLE):
                for split in (blosc2.SplitMode.ALWAYS_SPLIT, blosc2.SplitMode.NEVER_SPLIT):
                    for block in (0, 1000 * array.itemsize):
                        stored = blosc2.compress2(
                            array, codec=codec, filters=[kind], typesize=array.itemsize, splitmode=split,
                            blocksize=block, nthreads=1,
                        )  # fmt: skip
                        back = ROW.decode(stored, {"size": array.itemsize}, array.nbytes)
                        assert bytes(back) == array.tobytes(), (array.dtype, codec, kind, split, block)


@pytest.mark.parametrize("seed", range(4))
def test_damage_ends_in_one_error_or_in_the_length_due(seed: int) -> None:
    """Every field of the header with every kind of number, and flips anywhere; quickly, and no other exception."""
    draw = np.random.default_rng(seed)
    array = draw.integers(0, 50, 4000, "i4")
    inner = ["lz4", "zstd", "deflate", "lz4"][seed]
    params = {"size": 4, "codec": inner, "filter": ["shuffle", "bitshuffle", "none", "none"][seed]}
    whole = ROW.encode(array.tobytes(), params)
    numbers = [0, 1, 2, 3, 7, 31, 32, 36, 4000, 15999, 16001, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
    bad = [whole[:at] + struct.pack("<I", n) + whole[at + 4 :] for at in range(44) for n in numbers]
    for _ in range(2500):
        damaged = bytearray(whole)
        for _ in range(draw.integers(1, 4)):
            damaged[draw.integers(len(damaged) if draw.random() < 0.5 else 60)] = draw.integers(256)
        bad.append(bytes(damaged))
    bad += [whole[:cut] for cut in (*range(70), len(whole) - 1)]
    start, refused = time.perf_counter(), 0
    pipeline = codecs.resolve(codecs.parse_pipelines({"name": "blosc2"})[0], "int32")
    for stored in bad:
        try:
            assert len(codecs.decode(pipeline, stored, array.nbytes)) == array.nbytes
        except LakebedError as problem:
            assert problem.code == "E_CODEC_DATA" and problem.clause.startswith("codec."), problem
            refused += 1
    assert refused > 500
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("place", [4, 8, 12])
def test_numbers_from_2_31_on_are_refused(place: int) -> None:
    """Whatever is due: the length, the block and the stored size are below it."""
    whole = ROW.encode(bytes(100), {"size": 1})
    for number in (1 << 31, (1 << 32) - 1):
        with pytest.raises(LakebedError) as caught:
            ROW.decode(whole[:place] + struct.pack("<I", number) + whole[place + 4 :], {"size": 1}, 1 << 33)
        assert (caught.value.code, caught.value.clause) == ("E_CODEC_DATA", "codec.blosc2.length")


def test_a_chunk_is_no_larger_than_the_unit_and_its_header() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 300_000, "u1").tobytes()
    assert len(ROW.encode(noise, {"size": 1})) == 300_032
    assert bytes(ROW.decode(ROW.encode(b"", {"size": 8}), {"size": 8}, 0)) == b""


def test_it_stands_behind_a_filter_and_quantize() -> None:
    values = np.linspace(0, 1, 5000, dtype="f4")
    for asked in (
        [{"name": "delta"}, {"name": "blosc2", "filter": "none"}],
        [{"name": "quantize", "max_abs_error": 1e-3}, {"name": "blosc2"}],
    ):
        pipeline = codecs.resolve(codecs.from_json(asked), "float32", (5000,))
        recorded, stored = codecs.encode_unit(pipeline, values.tobytes())
        back = np.frombuffer(codecs.decode(recorded, stored, values.nbytes), "f4")
        assert np.abs(back - values).max() <= 1e-3 and recorded[-1].name == "blosc2"
