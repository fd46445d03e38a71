"""Variants of media files that most libraries refuse or convert, against arrays made by hand or by other libraries."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct

import numpy as np
import pytest

import lakebed
from lakebed import codecs, files
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError
from lakebed.extras import installed


def wave(data: bytes, channels: int, bits: int, form: int = 1, kind: bytes = b"RIFF") -> bytes:
    order = ">" if kind == b"RIFX" else "<"
    block = channels * ((bits + 7) // 8)
    head = struct.pack(order + "HHIIHH", form, channels, 8000, 8000 * block, block, bits)
    long = kind == b"RF64"
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, len(data), 0, 0) if long else b""
    size = 0xFFFFFFFF if long else len(data)
    body = b"WAVE" + ds64 + b"fmt " + struct.pack(order + "I", 16) + head + b"data" + struct.pack(order + "I", size)
    body += data
    return kind + struct.pack(order + "I", 0xFFFFFFFF if long else len(body)) + body


SAMPLES = np.array([[1, -1], [32767, -32768], [0, 7]], "i2")


@pytest.mark.parametrize("kind", [b"RIFF", b"RIFX", b"RF64"])
def test_wav_signatures(kind: bytes) -> None:
    order = ">" if kind == b"RIFX" else "<"
    file = files.read(wave(SAMPLES.astype(order + "i2").tobytes(), 2, 16, kind=kind))
    assert (file.format, file.dtype, file.verify().tolist()) == ("wav", "int16", SAMPLES.tolist())
    wide = SAMPLES.astype("i4") * 65536 + 256
    packed = b"".join((v.to_bytes(4, "little", signed=True)[1:] if order == "<" else
                       v.to_bytes(4, "big", signed=True)[:3]) for v in wide.ravel().tolist())  # fmt: skip
    assert (files.read(wave(packed, 2, 24, kind=kind)).verify() == wide).all()
    assert (files.read(wave(packed, 2, 20, kind=kind)).verify() == wide).all()
    part = CODECS["wav"].part
    data = wave(packed, 2, 24, kind=kind)
    assert (part(data, codecs.media_header("wav", data), 1, 3) == wide[1:]).all()


@pytest.mark.skipif(not installed("soundfile"), reason="soundfile is not installed")
@pytest.mark.parametrize("law", ["ALAW", "ULAW"])
def test_laws_are_those_of_another_library(law: str) -> None:
    import soundfile

    every = np.arange(256, dtype=np.uint8).tobytes()
    data = wave(every, 1, 8, 6 if law == "ALAW" else 7)
    wanted, _ = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert (files.read(data).verify() == wanted).all()


def test_corpus_sound_is_what_independent_decoders_agree_on(corpus) -> None:
    widen = {"uint8": lambda a: (a.astype("i4") - 128) << 24, "int16": lambda a: a.astype("i4") << 16}
    seen = 0
    for entry in corpus.kinds("audio"):
        said = entry.get("pcm_consensus")
        if not said or entry["hostile"] or not entry["path"].endswith(".wav"):
            continue
        array = files.read(corpus.path(entry)).verify()
        if array.dtype.kind == "f":
            continue
        wide = widen.get(array.dtype.name, lambda a: a)(array)
        assert hashlib.sha256(np.ascontiguousarray(wide, "<i4").tobytes()).hexdigest() == said["sha256"], entry["path"]
        seen += 1
    assert seen >= 12


@pytest.mark.skipif(not installed("pydicom") or not installed("imagecodecs"), reason="extras are not installed")
@pytest.mark.parametrize(
    ("packed", "plain"),
    [("pydicom/MR_small_jpeg_ls_lossless.dcm", "pydicom/MR_small.dcm"),
     ("pylibjpeg-data/emri_small_jpeg_ls_lossless.dcm", "pylibjpeg-data/emri_small_RLE.dcm")],
)  # fmt: skip
def test_dicom_of_jpeg_ls_is_its_plain_twin(corpus, packed: str, plain: str) -> None:
    one, other = (files.read(corpus.root / "dicom" / path) for path in (packed, plain))
    assert one.dtype == other.dtype and (one.verify() == other.verify()).all()


@pytest.mark.skipif(not installed("imagecodecs"), reason="imagecodecs is not installed")
@pytest.mark.parametrize("bits", [10, 12])
def test_avif_of_many_bits_is_not_cut(bits: int, monkeypatch) -> None:
    import imagecodecs

    array = np.random.default_rng(bits).integers(0, 1 << bits, (20, 30, 3), np.uint16)
    data = imagecodecs.avif_encode(array, level=100, bitspersample=bits, speed=8)
    file = files.read(data)
    assert (file.dtype, file.shape) == ("uint16", array.shape)
    assert (file.verify() == array).all()
    monkeypatch.setattr("lakebed.codecs.avif.installed", lambda name: False)
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media("avif", {}, data, "uint16", array.shape)
    assert (caught.value.code, caught.value.clause) == ("E_EXTRA_MISSING", "picture.rgb16")


@pytest.mark.parametrize(
    ("bits", "masks"),
    [(16, (0xF00, 0xF0, 0xF, 0xF000)), (16, (0x7C00, 0x3E0, 0x1F, 0x8000)), (16, (0x3F, 0x1C0, 0xE00, 0)),
     (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)), (32, (0xFF, 0xFF00, 0xFF0000, 0))],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_bmp_bit_fields(bits: int, masks: tuple[int, ...], turned: bool) -> None:
    height, width = 5, 7
    values = np.random.default_rng(bits).integers(0, 1 << bits, (height, width), np.uint64)
    rows = [row.astype(f"<u{bits // 8}").tobytes() for row in values]
    rows = [row.ljust((len(row) + 3) // 4 * 4, b"\0") for row in (rows if turned else rows[::-1])]
    head = struct.pack("<IiiHHIIiiII", 56, width, -height if turned else height, 1, bits, 3, 0, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 70 + len(b"".join(rows)), 0, 0, 70) + head + struct.pack("<4I", *masks)
    array = files.read(data + b"".join(rows)).verify()
    for channel, mask in enumerate(mask for mask in masks if mask):
        low = (mask & -mask).bit_length() - 1
        wanted = (values & np.uint64(mask)) >> np.uint64(low)
        assert (array[:, :, channel] == wanted * np.uint64(255) // np.uint64(mask >> low)).all()
    assert array.shape == (height, width, 4 if masks[3] else 3)


@pytest.mark.parametrize("dtype", ["uint32", "int16", "float16", "float64", "complex64", "uint64"])
def test_tensors_of_any_dtype_keep_tiff_files(tmp_path, dtype: str) -> None:
    """Files are kept and read; arrays of what is not written are refused when they come, never cut."""
    array = np.arange(12).reshape(3, 4).astype(dtype)
    form = {"u": 1, "i": 2, "f": 3, "c": 6}[array.dtype.kind]
    tags = ((256, 4), (257, 3), (258, 8 * array.itemsize), (259, 1), (262, 1), (273, 134), (277, 1), (278, 3),
            (279, array.nbytes), (339, form))  # fmt: skip
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags))
    data += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + bytes(4) + array.tobytes()
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("x", dtype=dtype, shape=[None, None], sample_compression="tiff", fidelity="exact")
        ds.append({"x": files.read(data)})
        with pytest.raises(LakebedError) as caught:
            ds.append({"x": array})
        assert caught.value.code == "E_FIDELITY"
    tensor = lakebed.open(tmp_path / "x")["x"]
    assert tensor[0].tobytes() == array.tobytes() and tensor.file(0) == data


@pytest.mark.parametrize(
    ("bits", "masks", "alpha"),
    [(16, (0xF00, 0xF0, 0xF), False), (16, (0x7C00, 0x3E0, 0x1F, 0x8000), True),
     (32, (0x3FF00000, 0xFFC00, 0x3FF), False), (32, (0xFF, 0xFF00, 0xFF0000), False)],
)  # fmt: skip
@pytest.mark.parametrize("size", [40, 56])
def test_dib_bit_fields_are_those_of_bmp(bits: int, masks: tuple[int, ...], alpha: bool, size: int) -> None:
    """Its bit fields lie behind a header of 40 bytes and in one of 56; the colours behind them are not pixels."""
    height, width, colours = 4, 6, 3
    fields = struct.pack("<4I", *masks, *([0] if not alpha else []))[: 12 if size == 40 else 16]
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, 3, 0, 0, 0, colours, 0) + fields
    values = np.random.default_rng(bits).integers(0, 1 << bits, (height, width), np.uint64)
    rows = values[::-1].astype(f"<u{bits // 8}").tobytes()
    data = head + b"\xee" * (4 * colours) + rows
    array = files.read(data).verify()
    used = masks if size == 56 else masks[:3]
    assert array.shape == (height, width, len(used))
    for channel, mask in enumerate(used):
        low = (mask & -mask).bit_length() - 1
        wanted = ((values & np.uint64(mask)) >> np.uint64(low)) * np.uint64(255) // np.uint64(mask >> low)
        assert (array[:, :, channel] == wanted).all()


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "words"),
    [("bmp", "uint8", (16, 17, 4), "it holds 1, 3"), ("hdr", "float32", (4, 4, 3), "verbatim only"),
     ("stl", "float32", (5, 3), "shape=[None, 3, 3]"), ("stl", "float64", (5, 3, 3), "float32, not float64")],
)  # fmt: skip
def test_what_a_format_cannot_take_is_said(name: str, dtype: str, shape: tuple[int, ...], words: str) -> None:
    for attempt in (lambda: codecs.must_take(name, dtype, shape),
                    lambda: codecs.encode_media(name, {}, np.zeros(shape, dtype))):  # fmt: skip
        with pytest.raises(LakebedError) as caught:
            attempt()
        assert (caught.value.code, caught.value.clause) == ("E_FIDELITY", "codec.takes")
        assert words in caught.value.detail


def _wav(bits: int, block: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 8000 * block, block, bits)
    return b"RIFF" + struct.pack("<I", 44) + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data\x08\0\0\0" + bytes(8)


def _dib(colours: int) -> bytes:
    return struct.pack("<IiiHHIIiiII", 40, 6, 8, 1, 24, 0, 160, 0, 0, colours, 0) + bytes(160)


def _tiff(tag: int) -> bytes:
    """The tag has no value."""
    tags = ((256, 4), (257, 3), (258, 8), (259, 1), (262, 1), (273, 122), (277, 1), (278, 3), (279, 12))
    rows = b"".join(struct.pack("<HHII", one, 4, int(one != tag), value) for one, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4) + bytes(12)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("wav", _wav(8, 1), _wav(0, 0)), ("dib", _dib(0), _dib(0x7FFFFFFF)), ("dib", _dib(0), _dib(0xFFFFFFFF)),
     ("tiff", _tiff(0), _tiff(256)), ("tiff", _tiff(0), _tiff(257))],
)  # fmt: skip
def test_headers_of_nothing_are_damage(name: str, good: bytes, bad: bytes) -> None:
    head = CODECS[name].header(good)
    with pytest.raises(LakebedError) as caught:
        CODECS[name].header(bad)
    assert (caught.value.code, caught.value.clause) == ("E_CODEC_DATA", "media.corrupt")
    with pytest.raises(LakebedError) as caught:
        files.read(bad)
    assert caught.value.code == "E_SAMPLE_FILE"
    with pytest.raises(LakebedError) as caught:
        codecs.decode_media(name, {}, bad, head.dtype, head.shape)
    assert caught.value.code == "E_CODEC_DATA"


@pytest.mark.parametrize("fault", [IndexError, KeyError, ZeroDivisionError, OverflowError, struct.error, MemoryError])
@pytest.mark.parametrize("parser", ["header", "describe"])
def test_what_a_parser_did_not_foresee_is_damage(monkeypatch, fault: type[Exception], parser: str) -> None:
    def broken(data: bytes) -> None:
        raise fault("not foreseen")

    data = _wav(8, 1)
    monkeypatch.setitem(CODECS, "wav", dataclasses.replace(CODECS["wav"], **{parser: broken}))
    with pytest.raises(LakebedError) as caught:
        files.read(data)
    assert caught.value.code == "E_SAMPLE_FILE" and "not foreseen" in caught.value.detail
    if parser == "header":
        with pytest.raises(LakebedError) as caught:
            codecs.decode_media("wav", {}, data, "uint8", (8, 1))
        assert caught.value.code == "E_CODEC_DATA"


def test_an_exact_tensor_says_why_its_exact_format_refuses(tmp_path) -> None:
    """BMP is lossless: that it has no alpha is the reason, not its fidelity."""
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("x", htype="image", sample_compression="bmp", fidelity="exact")
        with pytest.raises(LakebedError) as caught:
            ds.append({"x": np.zeros((16, 17, 4), np.uint8)})
    assert (caught.value.code, caught.value.clause) == ("E_FIDELITY", "codec.takes")
    assert "4 channels of uint8; it holds 1, 3" in caught.value.detail
