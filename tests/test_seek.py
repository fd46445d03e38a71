"""Seek entries: a part of a film or of sound equals the same part of the whole, and costs the MiBs that it needs."""

from __future__ import annotations

import io

import numpy as np
import pytest

import lakebed
from films import FILMS, made, played
from lakebed import codecs, writer
from lakebed.check import check
from lakebed.checksum import crc32
from lakebed.codecs import seek as seeks
from lakebed.codecs.film import frames
from lakebed.compact import compact
from lakebed.errors import LakebedError
from lakebed.extras import installed
from lakebed.pieces import SPAN, Pieces
from servers import RangeServer, folder

DRAW = np.random.default_rng(3)
video = pytest.mark.skipif(not installed("av"), reason="needs av")
audio = pytest.mark.skipif(not installed("soundfile"), reason="needs soundfile")


def stored(root, *files, name="d.lakebed"):
    first = lakebed.read(files[0])
    with lakebed.create(root / name) as ds:
        htype = "video" if len(first.shape) == 4 else "audio"
        ds.create_tensor("t", htype=htype, dtype=first.dtype, sample_compression=first.format)
        for file in files:
            ds.append({"t": lakebed.read(file)})
        ds.commit("files")
    return root / name


def chunk_of(tensor, sample=0):
    place, inside = tensor._locate(sample)
    file = tensor._files.get(place) or tensor._file(place)
    return file, file.geometry.unit(file.geometry.unit_of(inside))


@pytest.fixture
def fell(monkeypatch):
    """How often a part was made of the whole file."""
    calls = []
    decode = codecs.decode_part
    monkeypatch.setattr(codecs, "decode_part", lambda *a: (calls.append(a[0]), decode(*a))[1])
    return calls


def parts(length, count=12):
    yield from [(0, 1), (length - 1, length), (0, length - 1), (length // 2, length // 2 + 7)]
    for low, high in np.sort(DRAW.integers(0, length + 1, (count, 2)), axis=1).tolist():
        if low < high:
            yield low, high


# --- film -------------------------------------------------------------------------------------------------------------


@video
@pytest.mark.parametrize("name", FILMS)
def test_parts_of_a_film_equal_the_whole(tmp_path, name, fell):
    data = made(FILMS[name])
    whole = played(data)
    tensor = lakebed.open(stored(tmp_path, data))["t"]
    assert tensor.file(0) == data and len(whole) == tensor.shapes[0][0]
    for low, high in parts(len(whole)):
        assert (tensor[0, low:high] == whole[low:high]).all(), (low, high)
    assert (tensor[0, 70, 3:9] == whole[70, 3:9]).all()
    assert not fell, "the entry was not followed"
    assert not check(tmp_path / "d.lakebed").findings


@video
@pytest.mark.parametrize("name", ["mp4", "mkv", "webm", "avi_b", "mp4_refresh"])
def test_without_an_entry_it_is_the_same(tmp_path, name, fell, monkeypatch):
    data = made(FILMS[name])
    monkeypatch.setattr(codecs, "seek_entry", lambda *a: None)
    tensor = lakebed.open(stored(tmp_path, data))["t"]
    whole = played(data)
    for low, high in parts(len(whole), 6):
        assert (tensor[0, low:high] == whole[low:high]).all(), (low, high)
    assert fell


@video
def test_what_an_entry_tells(tmp_path):
    steps = np.cumsum([0, *DRAW.integers(1, 4, 119)])
    film = FILMS["mkv"]
    data = made(film, steps=steps.tolist())
    tensor = lakebed.open(stored(tmp_path, made(FILMS["mp4"]), name="a"))["t"]
    file, unit = chunk_of(tensor)
    even = file.seek(unit)
    assert (even.codec, even.start, even.step) == ("h264", 0, even.base[1] // 25)
    assert even.at.tolist() == [0, 25, 50, 75, 100] and even.size < 60
    tensor = lakebed.open(stored(tmp_path, data, name="b"))["t"]
    file, unit = chunk_of(tensor)
    uneven = file.seek(unit)
    assert (uneven.times(0, 120) == np.round(steps * 1000 / 25)).all() and uneven.step.dtype.itemsize == 1
    assert (tensor[0, 60:80] == played(data)[60:80]).all()


@video
def test_rotation_and_colours_are_kept(tmp_path):
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1
        stream.set_display_rotation(-90)
        for number in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, "u1"))))
        container.mux(stream.encode())
    file = lakebed.read(out.getvalue())
    assert file.attributes["rotation"] in (90, 270)
    entry = codecs.seek_entry("mp4", file.data)
    assert entry.rotation == file.attributes["rotation"] and entry.colour == (1, 1, 1, 1)


@video
def test_key_frames_that_are_none_are_not_listed():
    """A film with gradual refresh: the container marks recovery points, from which the first frames are not whole."""
    data = made(FILMS["mp4_refresh"])
    entry = codecs.seek_entry("mp4", data)
    assert len(frames(data, "mp4").keys) > 3 and entry.points == 1


@video
def test_every_listed_point_gives_the_frames_up_to_the_next():
    from lakebed.codecs.film import Recorder, from_point, rgb

    for name in ("mp4_open", "avi_b", "webm"):
        film = FILMS[name]
        data = made(film)
        whole = played(data)
        entry = codecs.seek_entry(film.name, data)
        assert entry.points >= 4, name
        form = "matroska" if film.name in ("mkv", "webm") else film.form
        for point in range(entry.points):
            start = entry.place(point)[0]
            stop = entry.place(point + 1)[0] if point + 1 < entry.points else len(whole)
            found = [rgb(frame) for frame in from_point(Recorder(data), form, entry, start, stop, (64, 96))]
            assert (np.stack(found) == whole[start:stop]).all(), (name, point)


LIES = {
    "start": lambda e: {"start": int(e.times(1, 2)[0])},
    "start_of_next_key": lambda e: {"start": int(e.times(25, 26)[0])},
    "step": lambda e: {"step": e.step + 1},
    "base": lambda e: {"base": (1, e.base[1] + 1)},
    "at": lambda e: {"at": np.array([0, 24, 50, 75, 100], "u1")},
    "offset": lambda e: {"offset": np.roll(e.offset, 1), "bytes": 10},
    "bytes": lambda e: {"bytes": 1},
    "head": lambda e: {"head": (0, 1)},
    "codec": lambda e: {"codec": "vp8"},
    "no_points": lambda e: {"points": 0, "at": 0, "offset": 0, "bytes": 0},
    "broken": lambda e: {"rotation": 17},
}


@video
@pytest.mark.parametrize("lie", LIES)
def test_a_lying_entry_changes_no_frame(tmp_path, lie, monkeypatch):
    from dataclasses import replace

    data = made(FILMS["mp4"])
    lay = seeks.index_entry
    monkeypatch.setattr(writer, "index_entry", lambda e, unit: lay(replace(e, **LIES[lie](e)), unit))
    root = stored(tmp_path, data)
    whole, tensor = played(data), lakebed.open(root)["t"]
    for low, high in parts(len(whole), 6):
        assert (tensor[0, low:high] == whole[low:high]).all(), (low, high)
    found = {fault.code for fault in check(root).findings}
    honest = ("bytes", "head", "codec", "no_points")  # they lead no one astray about a frame
    assert found == (set() if lie in honest else {"E_INDEX_SEEK"})


# --- bytes ------------------------------------------------------------------------------------------------------------


@video
@pytest.mark.parametrize("name", ["mp4", "mkv", "avi_mjpeg"])
def test_a_part_of_a_long_film_costs_few_bytes(tmp_path, name, fell):
    data = made(FILMS[name], 240, (480, 360), noise=120)
    assert len(data) > 3 * SPAN
    root = stored(tmp_path, data)
    with RangeServer(folder(root)) as server:
        tensor = lakebed.open(server.url)["t"]
        assert tensor.shapes[0]  # the index is at hand
        server.reset()
        found = tensor[0, 110:120]
        assert server.requests <= 3 and server.bytes < min(4 * SPAN, 0.75 * len(data))
        server.reset()
        tensor[0, 112:118]
        assert server.bytes == 0, "what was verified is kept for the next part"
    assert (found == played(data)[110:120]).all() and not fell


@video
def test_only_what_is_used_is_verified(tmp_path):
    data = made(FILMS["mp4"], 240, (480, 360), noise=120)
    root = stored(tmp_path, data)
    key = next((root / "chunks").glob("*/*.chunk"))
    clean = key.read_bytes()
    offset = 64 + 2 * SPAN + 1000  # in the third MiB of the film, which the frames about 85 need
    for place in (root, None):
        bad = bytearray(clean)
        bad[offset] ^= 1
        key.write_bytes(bytes(bad))
        if place is not None:
            tensor = lakebed.open(place)["t"]
            assert (tensor[0, 10:20] == played(data)[10:20]).all()
            with pytest.raises(LakebedError) as caught:
                tensor[0, 60:130]
        else:
            with RangeServer(folder(root)) as server:
                tensor = lakebed.open(server.url)["t"]
                assert (tensor[0, 10:20] == played(data)[10:20]).all()
                with pytest.raises(LakebedError) as caught:
                    tensor[0, 60:130]
        assert (caught.value.code, caught.value.offset) == ("E_UNIT_CRC", 64 + 2 * SPAN)


@pytest.mark.parametrize("ahead", [1, 3, 70])
def test_pieces_read_as_a_file_does(ahead):
    data = DRAW.integers(0, 256, 3 * SPAN + 77, np.uint8).tobytes() * ahead
    data = data[: 40 * SPAN + 5]
    asked = []

    def fetch(runs):
        asked.extend(runs)
        return [data[first * SPAN : (first + count) * SPAN] for first, count in runs]

    file, plain = Pieces(len(data), fetch, {}), io.BytesIO(data)
    file.want([(0, 10), (len(data) - 5, 5)])
    assert len(asked) == min(2, -(-len(data) // SPAN))
    for _ in range(200):
        whence = int(DRAW.integers(0, 3))
        at = int(DRAW.integers(0, len(data))) if whence == 0 else -int(DRAW.integers(0, min(plain.tell() + 1, 1 << 20)))
        size = int(DRAW.choice([0, 1, 4096, SPAN + 3]))
        assert file.seek(at, whence) == plain.seek(at, whence) and file.tell() == plain.tell()
        assert file.read(size) == plain.read(size)
    assert crc32(file.seek(0) or file.read()) == crc32(data)


# --- sound ------------------------------------------------------------------------------------------------------------


def sound(form, subtype, seconds=20, rate=44100, channels=2, **how):
    import soundfile

    count = np.arange(seconds * rate)[:, None]
    tone = np.sin(count / np.array([9.0, 31.0])) * (0.3 + 0.2 * np.sin(count / 20000))
    tone = (tone + np.random.default_rng(1).normal(0, 0.02, tone.shape))[:, :channels]
    out = io.BytesIO()
    if form == "OGG":  # libsndfile overflows its stack when it is given all at once
        with soundfile.SoundFile(out, "w", rate, channels, subtype=subtype, format=form, **how) as file:
            for at in range(0, len(tone), 8192):
                file.write(tone[at : at + 8192].astype("f4"))
    else:
        soundfile.write(out, tone.astype("f4"), rate, format=form, subtype=subtype, **how)
    return out.getvalue()


SOUNDS = {
    "mp3": ("MP3", "MPEG_LAYER_III", {}),
    "mp3_variable": ("MP3", "MPEG_LAYER_III", {"bitrate_mode": "VARIABLE", "compression_level": 0.5}),
    "mp3_mono": ("MP3", "MPEG_LAYER_III", {"channels": 1}),
    "mp3_22050": ("MP3", "MPEG_LAYER_III", {"rate": 22050}),
    "mp3_8000": ("MP3", "MPEG_LAYER_III", {"rate": 8000, "seconds": 60}),
    "ogg": ("OGG", "VORBIS", {"seconds": 30, "compression_level": 0.0}),
    "opus": ("OGG", "OPUS", {"rate": 48000, "seconds": 70, "compression_level": 0.0}),
    "flac": ("FLAC", "PCM_16", {}),
    "wav": ("WAV", "PCM_24", {}),
    "wav_float": ("WAV", "FLOAT", {}),
}


@audio
@pytest.mark.parametrize("name", SOUNDS)
def test_slices_of_sound_are_the_whole_to_the_bit(tmp_path, name, fell):
    form, subtype, how = SOUNDS[name]
    data = sound(form, subtype, **how)
    tensor = lakebed.open(stored(tmp_path, data))["t"]
    whole = lakebed.read(data).array()
    for low, high in parts(len(whole), 4 if name == "opus" else 20):
        assert tensor[0, low:high].tobytes() == whole[low:high].tobytes(), (low, high)
    assert not fell
    assert not check(tmp_path / "d.lakebed").findings


@audio
def test_slices_of_real_mp3_files(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr("lakebed.codecs.mp3_seek.LEAST", 0)
    seen = 0
    for entry in corpus.kinds("audio"):
        if entry["hostile"] or not entry["path"].endswith(".mp3"):
            continue
        data = corpus.path(entry).read_bytes()
        try:
            whole = lakebed.read(data).verify()
        except LakebedError:
            continue
        tensor = lakebed.open(stored(tmp_path, data, name=f"{seen}"))["t"]
        file, unit = chunk_of(tensor)
        assert file.seek(unit).points > 1, entry["path"]
        for low in range(0, len(whole), 1000):
            assert tensor[0, low : low + 500].tobytes() == whole[low : low + 500].tobytes(), (entry["path"], low)
        seen += 1
    assert seen >= 3


@audio
def test_an_mp3_entry_tells_what_is_cut_off():
    data = sound("MP3", "MPEG_LAYER_III")
    entry = codecs.seek_entry("mp3", data)
    assert (entry.codec, entry.base, entry.trim[0], entry.before) == ("mp3", (1, 44100), 576 + 529, 11520)
    assert (sum(entry.trim) + 20 * 44100) % 1152 == 0 and entry.points > 20 and entry.size <= 10 * entry.points
    assert codecs.seek_entry("mp3", sound("MP3", "MPEG_LAYER_III", seconds=2)) is None, "too short to be worth it"


@audio
@pytest.mark.parametrize("lie", ["at", "offset", "before", "trim", "base"])
def test_a_lying_mp3_entry_is_found_by_a_checker(tmp_path, lie, monkeypatch):
    from dataclasses import replace

    lies = {
        "at": lambda e: {"at": (e.at.astype("i8") + (np.arange(e.points) > 0)).astype("u4")},
        "offset": lambda e: {"offset": e.offset + 1, "bytes": 10},
        "before": lambda e: {"before": 0},
        "trim": lambda e: {"trim": (0, 0)},
        "base": lambda e: {"base": (1, 8000)},
    }
    data = sound("MP3", "MPEG_LAYER_III")
    lay = seeks.index_entry
    monkeypatch.setattr(writer, "index_entry", lambda e, unit: lay(replace(e, **lies[lie](e)), unit))
    found = [fault.code for fault in check(stored(tmp_path, data)).findings]
    assert found == ([] if lie in ("before", "trim") else ["E_INDEX_SEEK"])


@audio
def test_a_damaged_mib_of_sound_is_an_error_and_not_silence(tmp_path):
    for name, form, subtype, how in [
        ("mp3", "MP3", "MPEG_LAYER_III", {"seconds": 40, "compression_level": 0.0}),
        ("ogg", "OGG", "VORBIS", {"seconds": 40, "compression_level": 0.0}),
        ("flac", "FLAC", "PCM_16", {}),
        ("wav", "WAV", "PCM_24", {}),
    ]:
        data = sound(form, subtype, **how)
        root = stored(tmp_path, data, name=name)
        assert len(data) > SPAN + 1000, name
        key = next((root / "chunks").glob("*/*.chunk"))
        bad = bytearray(key.read_bytes())
        bad[64 + SPAN + 500] ^= 4
        key.write_bytes(bytes(bad))
        tensor = lakebed.open(root)["t"]
        length = tensor.shapes[0][0]
        with pytest.raises(LakebedError) as caught:
            for low in range(0, length - 1000, length // 20):
                tensor[0, low : low + 1000]
        assert (caught.value.code, caught.value.offset) == ("E_UNIT_CRC", 64 + SPAN), name


# --- entries ----------------------------------------------------------------------------------------------------------


@video
def test_entries_travel_with_their_units(tmp_path):
    films = [made(FILMS["mp4"], n) for n in (40, 50, 60)]
    root = stored(tmp_path, films[0])
    for film in films[1:]:
        with lakebed.open(root, mode="a") as ds:
            ds.append({"t": lakebed.read(film)})
            ds.commit("one more")
    assert compact(root).tensors
    tensor = lakebed.open(root)["t"]
    file, _ = chunk_of(tensor)
    assert [row["unit"] for row in file.index.seek] == [0, 1, 2]
    for number, film in enumerate(films):
        assert (tensor[number, 30:39] == played(film)[30:39]).all()
        place = file.seek(file.geometry.unit(number)).place(0)
        assert sum(place[1:]) <= len(film)
    assert not check(root).findings


GOOD = {"unit": 0, "codec": "vp9", "base": [1, 25], "points": 2, "at": np.array([0, 9], "u1"), "offset": 5, "bytes": 6}
WRONG = [
    ("codec", "VP9"), ("codec", 1), ("base", [0, 1]), ("base", [1]), ("start", "a"), ("step", 0), ("trim", [1]),
    ("step", np.array([1], "u1")), ("colour", [0, 3, 0, 0]), ("rotation", 1), ("head", [1]), ("head", [99, 2]),
    ("points", 11), ("points", -1), ("at", 0), ("at", np.array([0, 10], "u1")), ("at", np.array([1, 2], "u1")),
    ("offset", 100), ("bytes", 0), ("bytes", 96), ("before", 11), ("bytes", [6]), ("at", True),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda v: str(v)[:20])
def test_every_rule_of_an_entry(key, value):
    assert seeks.judged(GOOD, 10, 100).place(1) == (9, 5, 6)
    with pytest.raises(LakebedError) as caught:
        seeks.judged({**GOOD, key: value}, 10, 100)
    assert (caught.value.code, caught.value.clause) == ("E_INDEX_SEEK", f"seek.{key}")


def test_an_entry_and_its_map():
    entry = seeks.judged(GOOD, 10, 100)
    again = seeks.index_entry(entry, 0)
    assert list(again) == list(GOOD) and again["at"].tolist() == [0, 9]
    assert entry.times(3, 5).tolist() == [3, 4] and [entry.last(n) for n in (0, 8, 9)] == [0, 0, 1]
    assert seeks.index_entry(seeks.judged({"unit": 3, "codec": "a", "base": [1, 2], "step": 7}, 1, 9), 3) == {
        "unit": 3, "codec": "a", "base": [1, 2]
    }  # fmt: skip


def test_a_claim_of_many_frames_costs_nothing(tmp_path):
    """2^40 frames by the index, and an entry that agrees: no table is made of it."""
    huge = seeks.judged({**GOOD, "step": 1}, 1 << 40, 100)

    class File:
        size = 100

        def want(self, parts):
            raise AssertionError("read")

    reach = codecs.CODECS["mp4"].reach
    assert reach(File(), "uint8", (1 << 40, 2, 2, 3), (1 << 39), (1 << 39) + 1, huge) is None


def test_entries_stay_within_the_index(monkeypatch):
    """Left out rather than pass a limit [seek.write]."""
    from lakebed.stores.memory import MemoryStore

    monkeypatch.setattr(writer, "SEEK_BYTES", 400)
    made_ = writer.ChunkWriter(
        MemoryStore(), tensor="t", row=0, dtype="uint8", itemsize=1, rank=4, sequence=False, pipeline=(),
        rule=writer.UnitRule(),
    )  # fmt: skip
    entry = seeks.judged(GOOD, 10, 100)
    for _ in range(9):
        made_.add_encoded(bytes(100), codecs.verbatim("mp4"), (10, 2, 2, 3), entry)
    made_.add_samples(9)
    assert 1 <= len(made_.index().seek) < 9


@video
def test_a_checker_holds_no_film(tmp_path):
    """Every frame is decoded and none kept, so what a check costs does not grow with the film."""
    import tracemalloc

    data = made(FILMS["avi_mjpeg"], 240, (480, 360), noise=120)
    root = stored(tmp_path, data)
    tracemalloc.start()
    assert not check(root).findings
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(data) < 240 * 480 * 360 * 3


@video
def test_inspect_names_the_parts_of_an_entry(tmp_path):
    from lakebed.inspect import inspect

    root = stored(tmp_path, made(FILMS["mp4"]))
    key = next((root / "chunks").glob("*/*.chunk")).relative_to(root).as_posix()
    spans = {span.name: span for span in inspect(root, key)}
    assert spans["index.seek[0].offset"].clause == "seek.offset"
    assert spans["index.seek"].clause == "chunk.index.seek"
