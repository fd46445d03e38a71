"""Animated pictures as arrays of rank 4: all frames as they are shown, and arrays of frames as animated PNG."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed import codecs, files
from lakebed.check import check
from lakebed.errors import LakebedError


def clip(channels: int, count: int = 5) -> np.ndarray:
    """Frames that overlap, two of them equal; the first rows never change."""
    frames = np.random.default_rng(channels).integers(0, 256, (count, 9, 7, channels), np.uint8)
    frames[:, :3] = frames[0, :3]
    frames[3] = frames[2]
    return frames


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_arrays_of_frames_are_exact_as_animated_png(tmp_path, channels: int, count: int) -> None:
    frames = clip(channels, 5)[:count]
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("clips", dtype="uint8", shape=[None] * 4, sample_compression="png")
        ds.extend({"clips": [frames, frames[::-1]]})
    tensor = lakebed.open(tmp_path / "x")["clips"]
    assert tensor.fidelity == "exact"
    assert tensor[0].tobytes() == frames.tobytes() and tensor[1].tobytes() == frames[::-1].tobytes()
    assert tensor[0, 0:1].tobytes() == frames[:1].tobytes()
    with Image.open(io.BytesIO(tensor.file(0))) as image:
        assert getattr(image, "n_frames", 1) == count


@pytest.mark.parametrize(("form", "name"), [("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")])
def test_files_stand_for_all_their_frames_in_rank_4_and_for_the_first_in_rank_3(tmp_path, form: str, name: str) -> None:
    frames = clip(3)
    if form == "GIF":
        frames = frames // 128 * 255  # eight colours: a palette holds them
    frames[3] = 255 - frames[2]
    out = io.BytesIO()
    options = {"lossless": True, "minimize_size": True} if form == "WEBP" else {}
    first, *rest = map(Image.fromarray, frames)
    first.save(out, form, save_all=True, append_images=rest, duration=100, **options)
    file = files.read(out.getvalue())
    assert file.frames == 5
    opaque = np.full((5, 9, 7, 1), 255, np.uint8)
    wanted = frames if form == "PNG" else np.concatenate([frames, opaque], axis=3)  # Pillow marks WebP as with alpha
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("all", dtype="uint8", shape=[None] * 4, sample_compression=name, fidelity="lossy")
        ds.create_tensor("first", dtype="uint8", shape=[None] * 3, sample_compression=name, fidelity="lossy")
        ds.create_tensor("raw", dtype="uint8", shape=[None] * 4, fidelity="lossy")
        ds.append({"all": file, "first": file, "raw": file})
    ds = lakebed.open(tmp_path / "x")
    assert ds["all"][0].shape == wanted.shape and (ds["all"][0] == wanted).all()
    assert (ds["raw"][0] == wanted).all()
    assert ds["all"].file(0) == ds["first"].file(0) == file.data
    assert (ds["first"][0][..., :3] == frames[0]).all() and ds["first"][0].ndim == 3
    assert not [finding for finding in check(tmp_path / "x").findings if finding.level == "error"]


@pytest.mark.parametrize("name", ["webp", "gif"])
def test_arrays_of_frames_are_not_written_in_other_formats(tmp_path, name: str) -> None:
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("clips", dtype="uint8", shape=[None] * 4, sample_compression=name, fidelity="lossy")
        with pytest.raises(LakebedError) as caught:
            ds.append({"clips": clip(3)})
        assert caught.value.code == "E_FIDELITY"


def test_other_numbers_of_frames_are_refused() -> None:
    data = codecs.encode_media("png", {}, clip(3))
    for shape in ((4, 9, 7, 3), (6, 9, 7, 3), (5, 9, 7, 4), (5, 7, 9, 3), (1, 9, 7, 3)):
        with pytest.raises(LakebedError) as caught:
            codecs.decode_media("png", {}, data, "uint8", shape)
        assert caught.value.code == "E_MEDIA_SHAPE"
    assert codecs.decode_media("png", {}, data, "uint8", (9, 7, 3)).tobytes() == clip(3)[0].tobytes()
    told = data.replace(b"acTL\0\0\0\5", b"acTL\0\0\0\7")
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("png", {}, told, "uint8", (7, 9, 7, 3))
    assert caught.value.code == "E_CODEC_DATA"


def test_many_frames_of_a_large_canvas_are_not_believed() -> None:
    """Twenty bytes a frame on a canvas of 16 million pixels [media.plausible]."""
    screen = b"GIF89a" + (4096).to_bytes(2, "little") * 2 + b"\x80\0\0" + bytes(6)
    frame = b"\x2c" + bytes(4) + b"\1\0\1\0\0" + b"\x02\x02\x4c\x01\x00"
    data = screen + frame * 500 + b"\x3b"
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("gif", {}, data, "uint8", (500, 4096, 4096, 4))
    assert (caught.value.code, caught.value.clause) == ("E_CODEC_DATA", "media.plausible")
