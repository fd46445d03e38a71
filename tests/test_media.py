"""Sound, video, scans, points and meshes: files come back byte for byte, parts equal the whole, arrays are exact."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest

import lakebed
from lakebed import codecs
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError
from lakebed.extras import installed

DRAW = np.random.default_rng(11)


def needs(*modules):
    return pytest.mark.skipif(not all(map(installed, modules)), reason=f"needs {', '.join(modules)}")


def stored(tmp_path, sample, **declared):
    """A tensor with this one sample, committed and read again."""
    with lakebed.create(tmp_path / "x.lakebed") as ds:
        ds.create_tensor("t", **declared)
        ds.append({"t": sample})
        ds.commit("one sample")
    return lakebed.open(tmp_path / "x.lakebed")["t"]


def waves(dtype, shape):
    if np.dtype(dtype).kind == "f":
        return DRAW.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return DRAW.integers(info.min, info.max, shape, dtype, endpoint=True)


# --- sound ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1001, 1), (1000, 2), (7, 5)])
def test_wav_arrays_come_back_and_parts_equal_the_whole(tmp_path, dtype, shape):
    array = waves(dtype, shape)
    tensor = stored(tmp_path, array, htype="audio", dtype=dtype, sample_compression={"name": "wav", "rate": 8000})
    assert tensor[0].tobytes() == array.tobytes()
    assert tensor[0, 3:6].tobytes() == array[3:6].tobytes()
    assert (tensor[0, 5:1:-2, 0] == array[5:1:-2, 0]).all()
    file = lakebed.read(tensor.file(0))
    assert (file.format, file.dtype, file.shape, file.attributes["rate"]) == ("wav", dtype, shape, 8000)


def test_wav_is_what_the_standard_library_reads():
    array = waves("int16", (300, 2))
    data = codecs.encode_media("wav", {"rate": 22050}, array)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 22050, 300)
        assert file.readframes(300) == array.tobytes()


def test_24_bits_are_moved_up():
    raw = bytes([1, 0, 0, 255, 255, 127, 0, 0, 128])
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 3, 48000, 3, "NONE", ""))
        file.writeframes(raw)
    assert lakebed.read(out.getvalue()).array().ravel().tolist() == [256, 0x7FFFFF00, -(1 << 31)]


def test_wav_that_is_cut_or_of_another_kind_is_refused():
    data = codecs.encode_media("wav", {}, waves("int16", (300, 2)))
    for bad in (data[:-3], data[:20], data.replace(b"fmt \x10\0\0\0\x01", b"fmt \x10\0\0\0\x06")):
        with pytest.raises(LakebedError) as caught:
            lakebed.read(bad).verify()
        assert caught.value.code == "E_SAMPLE_FILE"


@needs("soundfile")
def test_flac_arrays_and_slices_are_exact(tmp_path):
    array = (waves("int16", (50_000, 2)) // 64).astype("int16")
    tensor = stored(tmp_path, array, htype="audio", sample_compression="flac")
    assert (tensor[0] == array).all() and tensor.dtype == "int16"
    for start, stop in [(0, 1), (4095, 4097), (12_345, 23_456), (49_999, 50_000), (7, 7)]:
        assert (tensor[0, start:stop] == array[start:stop]).all()


@needs("soundfile")
def test_flac_files_of_24_bits_are_kept_in_int32(tmp_path):
    """[audio.scale]: moved up to full scale; arrays of int32 are refused, for not all of them fit in 24 bits."""
    import soundfile

    array = (waves("int32", (9_000, 2)) >> 8) << 8
    out = io.BytesIO()
    soundfile.write(out, array, 48000, format="FLAC", subtype="PCM_24")
    tensor = stored(tmp_path, lakebed.read(out.getvalue()), htype="audio", sample_compression="flac")
    assert tensor.dtype == "int32" and tensor.file(0) == out.getvalue()
    assert (tensor[0] == array).all() and (tensor[0, 4000:4100] == array[4000:4100]).all()
    with lakebed.open(tmp_path / "x.lakebed", "a") as ds, pytest.raises(LakebedError) as caught:
        ds.append({"t": array})
    assert caught.value.code == "E_FIDELITY"


@needs("soundfile")
@pytest.mark.parametrize(("name", "form", "subtype"), [("mp3", "MP3", "MPEG_LAYER_III"), ("ogg", "OGG", "VORBIS")])
def test_slices_of_lossy_sound_equal_the_whole(tmp_path, name, form, subtype):
    import soundfile

    out = io.BytesIO()
    tone = np.sin(np.arange(60_000)[:, None] / np.array([9.0, 31.0])) * 0.4
    soundfile.write(out, tone.astype("float32"), 44100, format=form, subtype=subtype)
    file = lakebed.read(out.getvalue())
    assert (file.format, file.dtype, file.shape[1], file.lossless) == (name, "float32", 2, False)
    tensor = stored(tmp_path, file, htype="audio", sample_compression=name)
    whole = tensor[0]
    assert tensor.file(0) == out.getvalue() and len(whole) == file.shape[0]
    for start, stop in [(0, 10), (30_000, 31_000), (len(whole) - 5, len(whole))]:
        assert np.abs(tensor[0, start:stop] - whole[start:stop]).max() < 2**-14


def test_sound_is_no_picture(tmp_path):
    for htype, name in [("image", "wav"), ("audio", "png"), ("text", "png"), ("class_label", "wav"), ("nifti", "stl")]:
        with pytest.raises(LakebedError) as caught:
            stored(
                tmp_path / htype,
                None,
                htype=htype,
                sample_compression=name,
                dtype={"audio": "int16", "nifti": "float32"}.get(htype),
            )
            pytest.fail(f"{name} in {htype}")
        assert caught.value.clause in ("htype.media", "codec.takes", "htype.lossless"), (htype, name)


# --- video ------------------------------------------------------------------------------------------------------------


def film(form, codec="libx264", frames=40, **options):
    """Every frame's number as brightness, key frames every 12, B frames between where the codec has them."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", **options})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = np.full((48, 64, 3), 20 + 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def played(data, form):
    """Every frame in the order in which a player shows them: no seeking, no counting."""
    import av

    with av.open(io.BytesIO(data), format=form) as container:
        flags = 2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
        return np.stack(
            [f.reformat(format="rgb24", interpolation=flags).to_ndarray() for f in container.decode(video=0)]
        )


FILMS = [
    ("mp4", "mp4", "libx264", {"bf": "2"}),
    ("mkv", "matroska", "libx264", {"bf": "2"}),
    ("avi", "avi", "mpeg4", {}),
    ("webm", "webm", "libvpx-vp9", {}),
    ("mp4", "mov", "libx264", {"bf": "0"}),
]


@needs("av")
@pytest.mark.parametrize(("name", "form", "codec", "options"), FILMS)
def test_frames_are_exact_in_every_container(tmp_path, name, form, codec, options):
    data = film(form, codec, **options)
    file = lakebed.read(data)
    assert (file.format, file.dtype, file.shape, file.frames) == (name, "uint8", (40, 48, 64, 3), 40)
    tensor = stored(tmp_path, file, htype="video", sample_compression=name)
    assert tensor.file(0) == data
    whole = tensor[0]
    assert max(abs((frame.mean() - 20) / 5 - number) for number, frame in enumerate(whole)) < 1
    assert (whole == played(data, form)).all()
    for start, stop in [(0, 1), (11, 13), (5, 30), (39, 40), (12, 12)]:
        assert (tensor[0, start:stop] == whole[start:stop]).all(), (start, stop)
    assert (tensor[0, 17, 3:9] == whole[17, 3:9]).all()
    assert file.attributes["keys"][0] == 0 and len(file.attributes["keys"]) >= 3
    assert file.attributes["times"]["step"] > 0 and file.attributes["rotation"] == 0


@needs("av")
def test_a_video_that_is_cut_or_damaged_is_refused_or_whole():
    data = film("mp4", bf="2")
    for cut in (100, len(data) // 2, len(data) - 200):
        with pytest.raises(LakebedError) as caught:
            lakebed.read(data[:cut]).verify()
        assert caught.value.code == "E_SAMPLE_FILE"
    for place in DRAW.integers(0, len(data), 40):
        bad = bytearray(data)
        bad[place] ^= 0xFF
        try:
            lakebed.read(bytes(bad)).verify()
        except LakebedError as problem:
            assert problem.code in ("E_SAMPLE_FILE", "E_SAMPLE_LIMIT")


def test_arrays_are_no_video(tmp_path):
    with pytest.raises(LakebedError):
        stored(tmp_path, np.zeros((2, 4, 4, 3), "u1"), htype="video", sample_compression="mp4")


# --- scans, points, meshes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nii", "nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint16", "float32", "float64", "complex64", "int64"])
def test_volumes_are_exact(tmp_path, name, dtype):
    array = waves("uint8", (3, 4, 5 * np.dtype(dtype).itemsize)).view(dtype)
    tensor = stored(tmp_path, array, htype="nifti", dtype=dtype, sample_compression={"name": name, "slope": 2.0})
    assert tensor[0].tobytes() == array.tobytes()
    file = lakebed.read(tensor.file(0))
    assert (file.format, file.shape, file.attributes["slope"]) == (name, array.shape, 2.0)


def test_a_big_endian_volume_of_nifti_2():
    head = bytearray(544)
    struct.pack_into(">I", head, 0, 540)
    head[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into(">h", head, 12, 4)
    struct.pack_into(">8q", head, 16, 3, 2, 3, 1, 1, 1, 1, 1)
    struct.pack_into(">q", head, 168, 544)
    array = lakebed.read(bytes(head) + np.arange(6, dtype=">i2").tobytes()).array()
    assert array.dtype == np.dtype("int16") and array[:, :, 0].tolist() == [[0, 2, 4], [1, 3, 5]]


def test_a_gzip_bomb_is_refused():
    import gzip

    head = codecs.encode_media("nii", {}, np.zeros((4, 4, 4), "u1"))
    bomb = gzip.compress(head + bytes(50 << 20))
    with pytest.raises(LakebedError) as caught:
        lakebed.read(bomb).verify()
    assert caught.value.code == "E_SAMPLE_FILE"


def las(points, form=0, record=20):
    """A LAS 1.2 file of these grid numbers."""
    head = bytearray(227)
    head[:4], head[24], head[25] = b"LASF", 1, 2
    struct.pack_into("<HI", head, 94, 227, 227)
    struct.pack_into("<BHI", head, 104, form, record, len(points))
    struct.pack_into("<6d", head, 131, 0.01, 0.01, 0.001, 500.0, -20.0, 0.0)
    rows = np.zeros((len(points), record), np.uint8)
    rows[:, :12] = np.ascontiguousarray(points, "<i4").view(np.uint8).reshape(len(points), 12)
    return bytes(head) + rows.tobytes()


def test_las_points_are_scaled_grid_numbers(tmp_path):
    grid = DRAW.integers(-(2**31), 2**31, (100, 3))
    file = lakebed.read(las(grid))
    tensor = stored(tmp_path, file, htype="point_cloud", sample_compression="las")
    wanted = grid * np.array([0.01, 0.01, 0.001]) + np.array([500.0, -20.0, 0.0])
    assert (tensor[0] == wanted).all() and tensor.file(0) == file.data
    assert (tensor[0, 10:12] == wanted[10:12]).all()
    assert file.attributes["scale"] == [0.01, 0.01, 0.001]
    with pytest.raises(LakebedError):
        lakebed.read(file.data[:-1]).verify()


@needs("laspy", "lazrs")
def test_laz_equals_las():
    import laspy

    grid = DRAW.integers(-1000, 1000, (100, 3))
    out = io.BytesIO()
    laspy.read(io.BytesIO(las(grid))).write(out, do_compress=True)
    file = lakebed.read(out.getvalue())
    assert file.format == "laz" and (file.verify() == lakebed.read(las(grid)).array()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ply_vertices(tmp_path, dtype):
    array = waves(dtype, (50, 3))
    tensor = stored(tmp_path, array, htype="mesh", dtype=dtype, sample_compression="ply")
    assert tensor[0].tobytes() == array.tobytes()
    text = (
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty uchar red\nproperty float y\nproperty "
        "float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n1 9 2 3\n4 9 5 6.5\n3 0 1 1\n"
    )
    file = lakebed.read(text.encode())
    assert file.array().tolist() == [[1, 2, 3], [4, 5, 6.5]] and file.attributes["elements"] == {"vertex": 2, "face": 1}


def test_stl_triangles(tmp_path):
    array = waves("float32", (20, 3, 3))
    tensor = stored(tmp_path, array, htype="mesh", dtype="float32", shape=(None, 3, 3), sample_compression="stl")
    assert tensor[0].tobytes() == array.tobytes()
    text = b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1e-3 0\n"
    text += b"endloop\nendfacet\nendsolid\n"
    assert lakebed.read(text).array().tolist() == [[[0, 0, 0], [1, 0, 0], [0, np.float32(1e-3), 0]]]


@needs("pydicom")
def test_dicom_keeps_its_numbers_and_tags(tmp_path, corpus):
    entry = next(e for e in corpus.files if e["path"].endswith("pydicom/MR_small.dcm"))
    file = lakebed.read(corpus.path(entry))
    tensor = stored(tmp_path, file, htype="dicom", sample_compression="dcm")
    assert (file.format, file.dtype, file.shape) == ("dcm", "int16", (64, 64))
    assert tensor.file(0) == file.data and tensor[0].shape == (64, 64)
    assert lakebed.read(tensor.file(0)).attributes["Modality"] == "MR"


def test_whole_numbers_of_sound_agree_with_two_other_decoders(corpus):
    import hashlib

    checked = 0
    for entry in corpus.kinds("audio"):
        if entry["hostile"] or "pcm_consensus" not in entry:
            continue
        try:
            array = lakebed.read(corpus.path(entry)).verify()
        except LakebedError as problem:
            assert problem.code in ("E_SAMPLE_FILE", "E_EXTRA_MISSING"), entry["path"]
            continue
        if array.dtype.kind == "f":
            continue
        wide = array.astype("<i4")
        wide = wide << 16 if array.dtype == "int16" else (wide - 128) << 24 if array.dtype == "uint8" else wide
        assert hashlib.sha256(wide.tobytes()).hexdigest() == entry["pcm_consensus"]["sha256"], entry["path"]
        checked += 1
    assert checked >= 10


def test_hostile_files_are_refused_by_name_or_fine(corpus):
    seen = 0
    for entry in corpus.kinds("audio", "video", "dicom", "nifti", "pointcloud", "mesh"):
        if not entry["hostile"]:
            continue
        seen += 1
        try:
            lakebed.read(corpus.path(entry)).verify(pixels=1 << 25)
        except LakebedError as problem:
            assert problem.code in ("E_SAMPLE_FILE", "E_SAMPLE_LIMIT", "E_EXTRA_MISSING"), entry["path"]
        else:
            assert entry["expect"] != "reject", entry["path"]
    assert seen > 30


@pytest.mark.parametrize(
    "name", [name for name, row in CODECS.items() if row.extra is not None and row.kind == "media"]
)
def test_a_missing_library_names_its_extra_and_leaves_the_bytes(name, monkeypatch):
    monkeypatch.setattr("lakebed.codecs.pipeline.installed", lambda module: False)
    row = CODECS[name]
    dtype = next(d for d in ("uint8", "uint16", "float32", "float64", "int16") if row.takes(d, None) is None)
    with pytest.raises(LakebedError) as caught:
        codecs.resolve(codecs.verbatim(name), dtype, None)
    assert caught.value.code == "E_EXTRA_MISSING" and f"lakebed[{row.extra}]" in str(caught.value)
