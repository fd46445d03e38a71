"""Pictures: exact where the registry says so, refused where they cannot be, judged by their header first."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from lakebed import codecs
from lakebed.codecs import CODECS, Step, jpeg
from lakebed.errors import LakebedError
from lakebed.extras import installed

DTYPES = ["uint8", "uint16", "bool", "int8", "int16", "uint32", "int32", "float16", "float32", "float64", "int64"]
SHAPES = [
    (7, 5),
    (7, 5, 1),
    (7, 5, 2),
    (7, 5, 3),
    (7, 5, 4),
    (7, 5, 5),
    (7,),
    (2, 7, 5, 3),
    (1, 1),
    (1, 9, 3),
    (0, 5, 3),
]
MEDIA = [name for name, row in CODECS.items() if row.kind == "media" and (row.extra is None or installed(row.library))]
COLOUR = [name for name in MEDIA if CODECS[name].write and CODECS[name].takes("uint8", (9, 6, 3)) is None]
"""Those that encode RGB."""
WAYS = [(name, {}) for name in MEDIA] + [
    *((name, {"lossless": True}) for name in ("webp", "avif", "jxl")),
    ("jpeg2000", {"lossless": False}),
    ("tiff", {"compression": "lzw"}),
    ("tiff", {"compression": "none"}),
    ("png", {"level": 0}),
    ("jpeg", {"quality": 100, "subsampling": "4:4:4"}),
]


def values(dtype, shape):
    draw = np.random.default_rng(7)
    raw = draw.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return (raw % 2).view(bool).reshape(shape) if dtype == "bool" else raw.view(dtype).reshape(shape)


@pytest.mark.parametrize(("name", "params"), WAYS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_array_is_exact_or_declared_lossy_or_refused(name, params, dtype):
    row = CODECS[name]
    for shape in SHAPES:
        array = values(dtype, shape)
        wanted = None if row.write is None else row.takes(dtype, shape)
        if len(shape) == 4 and row.frames is not None and not row.animates:
            wanted = "files of frames are kept, arrays of them are not written"
        try:
            data = codecs.encode_media(name, params, array)
        except LakebedError as problem:
            assert (problem.code, problem.clause) == ("E_FIDELITY", "codec.takes")
            assert row.write is None or wanted is not None
            assert not codecs.media_exact(name, params, dtype, shape)
            continue
        back = codecs.decode_media(name, params, data, dtype, shape)
        assert (back.dtype, back.shape) == (array.dtype, shape)
        if codecs.media_exact(name, params, dtype, shape):
            assert back.tobytes() == array.tobytes(), (name, dtype, shape)
        else:
            assert row.exact != "always"


def test_transparent_pixels_keep_their_colour():
    array = values("uint8", (40, 30, 4))
    array[..., 3] = 0
    data = codecs.encode_media("webp", {"lossless": True}, array)
    assert codecs.decode_media("webp", {}, data, "uint8", array.shape).tobytes() == array.tobytes()


@pytest.mark.parametrize(("name", "params"), [way for way in WAYS if CODECS[way[0]].takes("uint8", (6, 4, 3)) is None])
def test_an_encoded_item_says_that_it_was_encoded_here(name, params):
    if CODECS[name].write is None:
        return
    array = values("uint8", (6, 4, 3))
    (asked,) = codecs.parse_pipelines({"name": name, **params})
    recorded, data = codecs.encode_item(asked, array)
    assert recorded[0].name == name and recorded[0].params
    assert codecs.pipeline_from_index(codecs.to_json(recorded)) == recorded
    assert codecs.verbatim(name) == (Step(name),)
    assert codecs.media_header(name, data).shape == (6, 4, 3)


@pytest.mark.parametrize("name", COLOUR)
def test_a_header_that_disagrees_is_refused_before_pixels(name):
    array = values("uint8", (9, 6, 3))
    data = codecs.encode_media(name, {}, array)
    for dtype, shape in [("uint8", (9, 6)), ("uint8", (6, 9, 3)), ("uint8", (9, 6, 4)), ("uint16", (9, 6, 3)),
                         ("bool", (9, 6, 3)), ("uint8", (9, 6, 3, 1)), ("uint8", (162,)), ("uint8", ())]:  # fmt: skip
        with pytest.raises(LakebedError) as caught:
            codecs.decode_media(name, {}, data, dtype, shape, object="chunks/x", offset=64)
        assert (caught.value.code, caught.value.clause, caught.value.offset) == ("E_MEDIA_SHAPE", "media.header", 64)


@pytest.mark.parametrize("name", COLOUR)
def test_a_giant_header_costs_nothing(name):
    small = codecs.encode_media(name, {}, values("uint8", (9, 6, 3)))
    start = time.perf_counter()
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media(name, {}, small, "uint8", (60000, 60000, 3))
    assert caught.value.code == "E_MEDIA_SHAPE"
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("name", COLOUR)
def test_truncated_and_flipped_files_raise_one_error_or_give_the_shape(name):
    array = values("uint8", (33, 21, 3))
    data = codecs.encode_media(name, {}, array)
    draw = np.random.default_rng(8)
    bad = [data[:cut] for cut in (0, 1, 3, 10, 25, 40, len(data) // 2)] + [b"", bytes(200), b"P6\n1 1\n255\nabc"]
    for place in draw.integers(0, min(len(data), 700) * 8, 250):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << (place % 8)
        bad.append(bytes(flipped))
    for stream in bad:
        try:
            assert codecs.decode_media(name, {}, stream, "uint8", array.shape).shape == array.shape
        except LakebedError as problem:
            assert problem.code in ("E_CODEC_DATA", "E_MEDIA_SHAPE", "E_CODEC_UNSUPPORTED", "E_EXTRA_MISSING")
    for cut in (0, 10, 40):
        with pytest.raises(LakebedError):
            codecs.decode_media(name, {}, data[:cut], "uint8", array.shape)


def png(width, height, depth, colour, rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_sixteen_bit_colour_never_comes_back_as_eight(monkeypatch):
    data = png(2, 1, 16, 2, [bytes(range(12))])
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("png", {}, data, "uint8", (1, 2, 3))
    assert caught.value.code == "E_MEDIA_SHAPE"
    if installed("imagecodecs"):
        wanted = np.frombuffer(bytes(range(12)), ">u2").reshape(1, 2, 3)
        assert (codecs.decode_media("png", {}, data, "uint16", (1, 2, 3)) == wanted).all()
    monkeypatch.setattr("lakebed.codecs.png.installed", lambda name: False)
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("png", {}, data, "uint16", (1, 2, 3))
    assert (caught.value.code, caught.value.clause) == ("E_EXTRA_MISSING", "picture.rgb16")


def test_small_grey_is_scaled_and_one_bit_may_be_bool():
    data = png(4, 1, 2, 0, [bytes([0b00011011])])
    assert codecs.decode_media("png", {}, data, "uint8", (1, 4)).tolist() == [[0, 85, 170, 255]]
    data = png(4, 1, 1, 0, [bytes([0b01010000])])
    assert codecs.decode_media("png", {}, data, "uint8", (1, 4)).tolist() == [[0, 255, 0, 255]]
    assert codecs.decode_media("png", {}, data, "bool", (1, 4, 1)).tolist() == [[[False], [True], [False], [True]]]


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def test_palettes_are_expanded():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    wanted = [[[10, 20, 30], [40, 50, 60]]]
    for form in ("PNG", "GIF", "TIFF", "BMP"):
        name = form.lower()
        data = saved(image, form)
        assert codecs.decode_media(name, {}, data, "uint8", (1, 2, 3)).tolist() == wanted
    data = saved(image, "PNG", transparency=b"\x07\xff")
    assert codecs.decode_media("png", {}, data, "uint8", (1, 2, 4)).tolist() == [[[10, 20, 30, 7], [40, 50, 60, 255]]]
    data = saved(image, "GIF", transparency=1)
    assert codecs.decode_media("gif", {}, data, "uint8", (1, 2, 4))[..., 3].tolist() == [[255, 0]]


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_told_but_never_applied(form, turn):
    from lakebed import files

    exif = Image.Exif()
    exif[274] = turn
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    array = np.zeros((8, 16, 3), np.uint8)
    array[0, 0] = array[1, 1] = array[0, 1] = array[1, 0] = 255
    file = files.read(saved(Image.fromarray(array), form, exif=exif, **options))
    assert file.shape == (8, 16, 3)
    assert file.attributes["orientation"] == turn
    back = file.array()
    assert back[0, 0, 0] > 200 and back[7, 15, 0] < 50 and back[0, 15, 0] < 50 and back[7, 0, 0] < 50


def test_adobe_cmyk_is_turned_as_the_format_says():
    image = Image.new("CMYK", (8, 8), (10, 20, 30, 40))
    data = saved(image, "JPEG", quality=100)
    back = codecs.decode_media("jpeg", {}, data, "uint8", (8, 8, 4))
    assert np.abs(back.reshape(-1, 4).mean(axis=0) - [10, 20, 30, 40]).max() < 3


def test_only_the_named_format_is_tried():
    data = codecs.encode_media("png", {}, values("uint8", (4, 4, 3)))
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("jpeg", {}, data, "uint8", (4, 4, 3))
    assert caught.value.code == "E_CODEC_DATA"
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("heic9", {}, data, "uint8", (4, 4, 3))
    assert caught.value.code == "E_CODEC_UNSUPPORTED"


@pytest.mark.skipif(not installed("simplejpeg"), reason="simplejpeg is not installed")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_ends_early_is_no_grey_picture(progressive):
    jpeg._turbo.cache_clear()  # another test may have looked while it was said to be absent
    data = saved(Image.fromarray(values("uint8", (64, 64, 3))), "JPEG", progressive=progressive)
    for cut in (len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(LakebedError) as caught:
            codecs.decode_media("jpeg", {}, data[:cut] + b"\xff\xd9", "uint8", (64, 64, 3))
        assert (caught.value.code, caught.value.clause) == ("E_CODEC_DATA", "media.corrupt")
