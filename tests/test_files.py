"""Encoded files: sniffed, judged by their header, refused when not whole; the corpus's pictures, hostile ones too."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from lakebed import files
from lakebed.errors import LakebedError

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]
KINDS = ("jpeg", "png", "apng", "webp", "tiff", "bmp", "gif")


def photo(height=37, width=53):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4 % 256, y * 6 % 256, (x * y) % 256], axis=-1).astype(np.uint8)


def saved(form, array=None, **options):
    out = io.BytesIO()
    Image.fromarray(photo() if array is None else array).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_is_known_by_its_bytes(form, tmp_path):
    data = saved(form)
    path = tmp_path / "picture.xyz"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data)):
        file = files.read(source)
        assert (file.format, file.dtype, file.shape) == (form.lower(), "uint8", (37, 53, 3))
        assert file.data == data
    assert files.read(path).name == "picture.xyz"
    assert files.read(data).verify().shape == (37, 53, 3)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"%PDF-1.7\n", bytes(100), b"RIFF\0\0\0\0ACONanih", b"BMxxxxxxxxxxxxxxxxxxxx"]
)
def test_unknown_bytes_are_refused_by_name(data):
    with pytest.raises(LakebedError) as caught:
        files.read(data)
    assert caught.value.code == "E_SAMPLE_FILE"
    assert "jpeg" in str(caught.value) and "png" in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
def test_no_truncation_gets_through(form):
    data = saved(form)
    for cut in sorted({1, 2, 5, 20, 50, 100, len(data) // 2, len(data) * 9 // 10, len(data) - 60, len(data) - 1}):
        if not 0 < cut < len(data):
            continue
        with pytest.raises(LakebedError) as caught:
            files.read(data[:cut]).verify()
        assert caught.value.code == "E_SAMPLE_FILE", (form, cut)


def test_bytes_after_the_end_belong_to_the_file():
    data = saved("JPEG") + b"appended by a camera"
    assert files.read(data).verify().shape == (37, 53, 3)


def test_a_picture_over_the_limit_is_refused_unread():
    file = files.read(saved("PNG"))
    with pytest.raises(LakebedError) as caught:
        file.verify(pixels=1000)
    assert caught.value.code == "E_SAMPLE_LIMIT"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP"])
def test_a_header_that_promises_too_much_costs_nothing(form):
    import resource

    small = saved(form, np.zeros((16, 16, 3), np.uint8))
    for old, new in (
        (b"\x00\x10\x00\x10\x03", b"\xff\xdc\x0f\xdc\x03"),  # SOF
        (b"\x00\x00\x00\x10\x00\x00\x00\x10\x08", b"\x00\x00\x7f\xff\x00\x00\x0f\xff\x08"),  # IHDR
        (b"\x10\x00\x00\x00\x10\x00\x00\x00", b"\xff\x7f\x00\x00\xff\x0f\x00\x00"),  # BMP
        (b"\x04\x00\x01\x00\x00\x00\x10\x00\x00\x00", b"\x04\x00\x01\x00\x00\x00\xff\x0f\x00\x00"),  # TIFF
    ):
        small = small.replace(old, new)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LakebedError) as caught:
        files.read(small).verify()
    assert caught.value.code == "E_SAMPLE_FILE"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_an_animation_tells_its_frames_and_gives_the_first():
    frames = [Image.fromarray(np.full((6, 5, 3), shade, np.uint8)) for shade in (0, 90, 250)]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        out = io.BytesIO()
        options = {"lossless": True} if form == "WEBP" else {}
        frames[0].save(out, form, save_all=True, append_images=frames[1:], **options)
        file = files.read(out.getvalue())
        assert file.frames == 3, form
        assert int(file.verify().max()) == 0, form


def test_a_colour_profile_is_told():
    file = files.read(saved("JPEG", icc_profile=b"not a profile"))
    assert file.attributes["icc"] is True


# --- the corpus -------------------------------------------------------------------------------------------------------

EXPLAINED = {
    "palette": "the manifest keeps indices, here they are expanded",
    "small grey": "2 and 4 bits are scaled to 8 here, the manifest keeps them",
    "white is zero": "turned here, kept in the manifest",
    "planar": "the manifest has channels first",
}


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def explained(entry, array):
    """Which of the known differences of definition makes ``array`` the manifest's, or None."""
    wanted, shape = entry["pixels"]["sha256"], tuple(entry["pixels"]["shape"])
    form = np.dtype(entry["pixels"]["dtype"])
    if array.ndim == 3 and array.shape[:2] == shape:
        return "palette"
    if array.ndim == 3 and shape == (array.shape[2], *array.shape[:2]) and digest(np.moveaxis(array, 2, 0)) == wanted:
        return "planar"
    if array.shape != shape:
        return None
    for scale in (85, 17):
        if digest((array // scale).astype(form)) == wanted:
            return "small grey"
    if digest(array == 0) == wanted:
        return "white is zero"
    for bits in range(1, 33) if array.dtype.kind == "u" else ():
        if digest((np.uint64((1 << bits) - 1) - array.astype(np.uint64)).astype(form)) == wanted:
            return "white is zero"
    return None


def agrees(entry, array):
    pixels = entry["pixels"]
    if pixels["layout"] == "rgba":
        return True  # expanded and keyed by other rules; the formats' own tests cover that
    if pixels["dtype"] == "|b1" and array.dtype == np.uint8 and array.ndim == 2:
        array = array != 0
    if digest(array) == pixels["sha256"] and list(array.shape) == pixels["shape"]:
        return True
    if not entry.get("bit_exact"):
        return list(array.shape) == pixels["shape"] and np.dtype(pixels["dtype"]) == array.dtype
    reason = explained(entry, array)
    return reason in EXPLAINED


def test_honest_pictures_decode_as_independent_decoders_say(corpus):
    checked, refused = 0, []
    for entry in corpus.kinds(*KINDS):
        if entry["hostile"] or entry["expect"] != "decode":
            continue
        try:
            array = files.read(corpus.path(entry)).verify()
        except LakebedError as problem:
            assert problem.code == "E_SAMPLE_FILE", entry["path"]
            refused.append((entry["path"], problem.detail))
            continue
        if "pixels" in entry:
            checked += 1
            assert agrees(entry, array), entry["path"]
    assert checked > 440
    whys = ("is not decoded here", "16-bit colour PNG", "bitfields layout", "with 0 bits", "end marker", "not enough")
    odd = [(path, detail) for path, detail in refused if not any(why in detail for why in whys)]
    assert odd == []
    assert sum(path.startswith("tiff/") for path, _ in refused) <= 11
    assert len(refused) <= 35


def test_hostile_pictures_are_refused_by_name_or_fine(corpus):
    seen = 0
    for entry in corpus.kinds(*KINDS, "jp2", "avif", "jxl", "exr", "misc-image"):
        if not entry["hostile"]:
            continue
        seen += 1
        try:
            array = files.read(corpus.path(entry)).verify(pixels=1 << 26)
        except LakebedError as problem:
            assert problem.code in ("E_SAMPLE_FILE", "E_SAMPLE_LIMIT", "E_EXTRA_MISSING"), entry["path"]
        else:
            assert entry["expect"] != "reject", entry["path"]
            assert array.size > 0
    assert seen > 200


def test_files_of_every_kind_are_read_or_refused(corpus):
    for entry in corpus.files:
        if entry["bytes"] > 200_000:
            continue
        try:
            files.read(corpus.path(entry))
        except LakebedError as problem:
            assert problem.code == "E_SAMPLE_FILE", entry["path"]


def test_a_file_tells_whether_its_coding_is_lossless():
    assert not files.read(saved("JPEG")).lossless
    assert not files.read(saved("WEBP")).lossless
    assert files.read(saved("WEBP", lossless=True)).lossless
    assert files.read(saved("PNG")).lossless
    assert files.read(saved("TIFF")).lossless
    assert not files.read(saved("TIFF", compression="jpeg")).lossless
