"""Every codec against every kind of array, through a whole dataset: exact, within the bound, or refused with a reason.

Nothing may be accepted and come back otherwise, and nothing may be accepted and be unreadable.
"""

from __future__ import annotations

import numpy as np
import pytest

import lakebed
from lakebed import codecs, fidelity
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError
from lakebed.extras import installed

DTYPES = ["uint8", "bool", "uint16", "int32", "uint32", "float32", "int64"]
SHAPES = [(24, 20), (24, 20, 1), (24, 20, 2), (24, 20, 3), (24, 20, 4), (1, 1), (300,), (17, 3), (6, 3, 3), (0, 5, 3)]
FIDELITIES = ["exact", "lossy", {"max_abs_error": 3.0}, {"psnr_db": 30.0}]
REASONS = {
    "E_ARGUMENT", "E_FIDELITY", "E_FIDELITY_LABEL", "E_EXTRA_MISSING", "E_SAMPLE_SHAPE", "E_SAMPLE_DTYPE",
}  # fmt: skip
HERE = [name for name, row in CODECS.items() if row.extra is None or installed(row.library)]


def values(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Noise over the whole range, NaN and infinities included; the hardest case."""
    draw = np.random.default_rng(23)
    raw = draw.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return (raw % 2).view(bool).reshape(shape) if dtype == "bool" else raw.view(dtype).reshape(shape)


def smooth(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A ramp, which lossy codecs like; floats are finite."""
    top = 1 if dtype == "bool" else 200
    return np.linspace(0, top, int(np.prod(shape))).astype(dtype).reshape(shape)


def asked(name: str, dtype: str) -> dict:
    return {"name": name, "max_abs_error": 2.0} if name == "quantize" else {"name": name}


def outcome(tmp_path, name: str, array: np.ndarray, promise) -> str:
    """ "refused", or what the array is after a commit and a new opening."""
    store = "memory://damage" if tmp_path is None else tmp_path
    try:
        with lakebed.create(store) as ds:
            ds.create_tensor(
                "t", dtype=array.dtype.name, shape=(None,) * array.ndim,
                sample_compression=asked(name, array.dtype.name), fidelity=promise,
            )  # fmt: skip
            ds.append({"t": array})
            ds.commit("one")
    except LakebedError as problem:
        assert problem.code in REASONS, problem
        assert len(problem.detail) > 15, "a reason in words"
        return "refused"
    back = lakebed.open(store)["t"][0]
    assert (back.dtype, back.shape) == (array.dtype, array.shape), (name, array.dtype, array.shape)
    fidelity.check(array, back, fidelity.parse(promise))
    return "exact" if back.tobytes() == array.tobytes() else "lossy"


@pytest.mark.parametrize("name", HERE)
def test_exact_tensors_give_back_every_bit_or_refuse(tmp_path, name):
    for number, (dtype, shape) in enumerate((d, s) for d in DTYPES for s in SHAPES):
        found = outcome(tmp_path / str(number), name, values(dtype, shape), "exact")
        assert found in ("exact", "refused"), (name, dtype, shape)
        row = CODECS[name]
        if row.exact == "always" and row.takes(dtype, shape) is None and (row.kind != "media" or row.write):
            assert found == "exact", (name, dtype, shape)


LOSSY = [name for name in HERE if CODECS[name].exact != "always" and (CODECS[name].write or name == "quantize")]


@pytest.mark.parametrize("promise", FIDELITIES[1:], ids=str)
@pytest.mark.parametrize("name", [*LOSSY, "png", "lz4"])
def test_lossy_tensors_keep_their_bound_or_refuse(tmp_path, name, promise):
    kept = 0
    for number, (dtype, shape) in enumerate((d, s) for d in DTYPES for s in SHAPES):
        for made in (values, smooth):
            found = outcome(tmp_path / f"{number}{made.__name__}", name, made(dtype, shape), promise)
            kept += found != "refused"
    assert kept or (name == "quantize" and "psnr_db" in promise), "something is taken"


@pytest.mark.parametrize("htype", ["class_label", "segment_mask", "binary_mask", "instance_label", "bbox"])
@pytest.mark.parametrize("name", ["jpeg", "quantize", "mp3", "mp4"])
def test_labels_take_no_lossy_codec(tmp_path, htype, name):
    if name not in HERE:
        pytest.skip(f"{name} is not installed")
    with lakebed.create(tmp_path / "x") as ds, pytest.raises(LakebedError) as caught:
        ds.create_tensor("t", htype=htype, dtype={"binary_mask": "bool", "bbox": "float32"}.get(htype, "uint8"),
                         sample_compression=asked(name, ""))  # fmt: skip
    assert caught.value.code in ("E_ARGUMENT", "E_FIDELITY", "E_FIDELITY_LABEL")


@pytest.mark.parametrize("name", [name for name in HERE if CODECS[name].kind == "media" and CODECS[name].write])
def test_flipped_and_cut_files_raise_one_error_or_give_the_shape(name):
    row = CODECS[name]
    dtype, shape = next(
        (d, s) for d in [*DTYPES, "int16", "float64"] for s in SHAPES if 0 not in s and row.takes(d, s) is None
    )
    data = codecs.encode_media(name, {}, values(dtype, shape))
    draw = np.random.default_rng(4)
    bad = [data[:cut] for cut in (0, 1, 4, 11, 30, len(data) // 2, len(data) - 1)]
    for place in draw.integers(0, min(len(data), 600) * 8, 200):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        bad.append(bytes(flipped))
    for stream in bad:
        try:
            back = codecs.decode_media(name, {}, stream, dtype, shape)
            assert (back.dtype.name, back.shape) == (dtype, shape)
        except LakebedError as problem:
            assert problem.code in ("E_CODEC_DATA", "E_MEDIA_SHAPE", "E_CODEC_UNSUPPORTED", "E_EXTRA_MISSING")
