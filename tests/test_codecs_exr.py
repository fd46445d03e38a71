"""OpenEXR: exact for halfs, floats and integers; the corpus's files as the library itself reads them; damaged ones."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from lakebed import codecs, files
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError
from lakebed.extras import installed

pytestmark = pytest.mark.skipif(not installed("OpenEXR"), reason="OpenEXR is not installed")
SHAPES = [(37, 21), (37, 21, 1), (5, 9, 2), (40, 7, 3), (1, 1, 4), (33, 64, 4)]


def noise(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Every kind of bit pattern, NaN with payloads too."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.random.default_rng(count).integers(0, 256, count, np.uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint32"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("packing", ["zip", "none"])
def test_every_bit_comes_back_and_no_cut_gets_through(dtype: str, shape: tuple[int, ...], packing: str) -> None:
    array = noise(dtype, shape)
    data = codecs.encode_media("exr", {"compression": packing}, array)
    assert codecs.decode_media("exr", {}, data, dtype, shape).tobytes() == array.tobytes()
    assert CODECS["exr"].header(data).agrees(dtype, shape)
    for cut in {1, 100, len(data) // 2, len(data) * 3 // 4, len(data) - 1}:
        with pytest.raises(LakebedError) as caught:
            codecs.decode_media("exr", {}, data[:cut], dtype, shape)
        assert caught.value.code == "E_CODEC_DATA"


def test_smooth_pictures_become_smaller() -> None:
    array = np.linspace(0, 1, 64 * 64 * 3, dtype="f4").reshape(64, 64, 3)
    assert len(codecs.encode_media("exr", {}, array)) < array.nbytes / 2


def test_the_corpus_is_as_its_own_library_reads_it(corpus) -> None:
    seen = 0
    for entry in corpus.kinds("exr"):
        if entry["hostile"]:
            continue
        file = files.read(corpus.path(entry))
        array = file.verify()
        (part,) = next(iter(entry["decoders"].values()))["parts"]
        names = file.attributes["channels"] if array.ndim == 2 else "RGBA"[: array.shape[2]]
        for place, name in enumerate(names):
            plane = array if array.ndim == 2 else array[:, :, place]
            assert hashlib.sha256(np.ascontiguousarray(plane).tobytes()).hexdigest() == part["channels"][name]["sha256"]
        assert file.lossless == ("PXR24" not in part["compression"])
        seen += 1
    assert seen >= 8


def test_what_has_no_array_is_refused_by_name() -> None:
    data = codecs.encode_media("exr", {}, np.zeros((4, 5, 3), "f2"))
    deep = data[:5] + b"\x08" + data[6:]
    parts = data[:5] + b"\x10" + data[6:]
    odd = data.replace(b"B\0" + struct.pack("<i", 1), b"Z\0" + struct.pack("<i", 1), 1)
    mixed = data.replace(b"R\0" + struct.pack("<i", 1), b"R\0" + struct.pack("<i", 2), 1)
    sampled = data.replace(struct.pack("<iIii", 1, 0, 1, 1), struct.pack("<iIii", 1, 0, 2, 2), 1)
    for bad in (deep, parts, odd, mixed, sampled):
        file = files.read(bad)
        assert file.format == "exr" and "is not decoded here" in (file.refuse or "")
        with pytest.raises(LakebedError) as caught:
            file.verify()
        assert caught.value.code == "E_SAMPLE_FILE"
