"""Section 5.8: seek entries, right, broken and lying.

They stand for a WAV file laid by hand; where a reader may follow them, for a film of a real encoder (eight frames, a
key frame every four)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack, wide
from lakebed_conform.casebook import pictures
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.golden_files import FIRST, array_of, features, file_of
from lakebed_conform.casebook.valid_media import wav
from lakebed_conform.pen import Pairs

SOUND = np.arange(24, dtype="<i2").reshape(12, 2)
FILE = wav(SOUND.tobytes(), 2, 16)  # 44 bytes, then 48 of samples
VALUES = [SOUND, None, SOUND]
WAV = [[{"name": "wav"}]]
CODE = "E_INDEX_SEEK"
FULL: dict[str, Any] = {
    "unit": 0, "codec": "pcm_s16le", "base": [1, 44100], "start": 5, "step": wide([1] * 10 + [2], 1), "trim": [3, 4],
    "colour": [1, 2, 1, 1], "rotation": 90, "head": [0, 20, 30, 14], "points": 3, "at": wide([0, 4, 8], 1),
    "offset": wide([44, 60, 76], 1), "bytes": 16, "before": 2,
}  # fmt: skip
SMALL: dict[str, Any] = {"unit": 1, "codec": "pcm_s16le", "base": [1, 44100]}
MOST = (1 << 53) - 1


def sound(**how: Any) -> Dataset:
    return one(VALUES, shape=[None, 2], codecs=WAV, encode=[lambda d: FILE], htype="audio", **how)


def entries(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return list(rows)


def read(b: Book) -> None:
    """The sound is read all the same, and each part of it."""
    b.ask("read", b.want("want.x.raw", VALUES, "int16"), tensor="x")
    for low, high in ((0, 1), (2, 5), (9, 12)):
        cut = [None if v is None else v[low:high] for v in VALUES]
        b.part("x", cut, dtype="int16", region=[[low, high], None])


GOOD: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "smallest": ("only what is required", entries(SMALL)),
    "full": ("every key", entries(FULL)),
    "two": ("two units", entries(FULL, SMALL)),
    "one_point": ("one point, whose columns are numbers", entries(SMALL | {"points": 1, "offset": 44, "bytes": 48})),
    "before_zero": ("times that begin below 0", entries(SMALL | {"start": -1105})),
    "all_points": ("a point for every sample",
                   entries(SMALL | {"points": 12, "at": wide(list(range(12)), 1),
                                    "offset": wide(list(range(44, 92, 4)), 1), "bytes": 4})),
}  # fmt: skip
CLAUSES = ("chunk.index.seek", "seek.entries", "seek.canonical", *(f"seek.{k}" for k in FULL), "seek.advice")
for name, (what, rows) in GOOD.items():

    @case(f"seek/{name}", *CLAUSES, features=("codec.wav",))
    def _(b: Book, what=what, rows=rows) -> None:
        b.explain(f"Seek entries: {what}", "A reader that trips over advice it does not need cannot read the sound.")
        b.reads(sound().change("a", "index.seek", rows), {"x": VALUES})
        b.file("x", 2, FILE)


@case("seek/of_later_version", "seek.advice", "seek.entries", features=("codec.wav",))
def _(b: Book) -> None:
    """An entry with a key of a later version

    A reader of 1.0 that refuses it loses every file that a newer writer adds.
    """
    row = SMALL | {"waveform": wide([1, 2], 1)}
    b.reads(sound().change("a", "trailer.minor", 1).change("a", "index.seek", entries(row)), {"x": VALUES})


BROKEN: dict[str, tuple[str, Any]] = {
    "number": ("entries", 5), "none": ("entries", []), "of_numbers": ("entries", [1]),
    "descending": ("entries", entries(SMALL, FULL)), "twice": ("entries", entries(SMALL, SMALL)),
    "no_unit": ("entries", entries({"codec": "mp3", "base": [1, 1]})),
    "unit_text": ("entries", entries(SMALL | {"unit": "1"})),
    "unit_beyond": ("unit", entries(SMALL | {"unit": 2})), "unit_huge": ("unit", entries(SMALL | {"unit": MOST})),
}  # fmt: skip
FIELDS: dict[str, tuple[str, Any]] = {
    "codec_number": ("codec", 3), "codec_upper": ("codec", "H264"), "codec_empty": ("codec", ""),
    "codec_long": ("codec", "a" * 33), "base_short": ("base", [1]), "base_zero": ("base", [1, 0]),
    "base_number": ("base", 1), "base_large": ("base", [1, 1 << 31]), "start_text": ("start", "0"),
    "start_least": ("step", {"start": -MOST, "step": MOST}), "start_most": ("step", {"start": MOST}),
    "step_zero": ("step", 0), "step_zero_inside": ("step", wide([1] * 10 + [0], 1)),
    "step_few": ("step", wide([1, 2], 1)),
    "step_list": ("step", [1] * 11), "trim_short": ("trim", [0]), "trim_negative": ("trim", [0, -1]),
    "colour_short": ("colour", [1, 1, 1]), "colour_large": ("colour", [256, 0, 2, 2]),
    "colour_range": ("colour", [2, 3, 2, 2]), "rotation_45": ("rotation", 45), "rotation_360": ("rotation", 360),
    "head_odd": ("head", [0, 20, 30]), "head_empty_part": ("head", [0, 0]), "head_overlap": ("head", [0, 20, 19, 2]),
    "head_descends": ("head", [30, 2, 0, 20]), "head_beyond": ("head", [90, 3]),
    "head_many": ("head", [n for i in range(17) for n in (2 * i, 1)]), "head_number": ("head", 0),
    "points_many": ("points", 65537), "points_text": ("points", "3"), "at_late": ("at", wide([1, 4, 8], 1)),
    "at_twice": ("at", wide([0, 4, 4], 1)), "at_back": ("at", wide([0, 8, 4], 1)),
    "at_beyond": ("at", wide([0, 4, 12], 1)),
    "at_few": ("at", wide([0, 4], 1)), "at_constant": ("at", 0),
    "offset_beyond": ("offset", wide([44, 60, 92], 1)), "offset_many": ("offset", wide([44, 60, 76, 80], 1)),
    "bytes_zero": ("bytes", 0), "bytes_beyond": ("bytes", 17), "bytes_huge": ("bytes", MOST),
    "bytes_absent": ("bytes", None), "before_beyond": ("before", 13), "before_negative": ("before", -1),
}  # fmt: skip
for name, (key, value) in FIELDS.items():
    changed = value if isinstance(value, dict) else {key: value}
    row = {k: v for k, v in (FULL | changed).items() if v is not None}
    BROKEN[name] = (key, entries(row))
BROKEN["codec_absent"] = ("codec", entries({"unit": 0, "base": [1, 1]}))
BROKEN["base_absent"] = ("base", entries({"unit": 0, "codec": "mp3"}))
for name, (key, rows) in BROKEN.items():

    @case(f"seek/broken_{name}", f"seek.{key}", "chunk.index.seek")
    def _(b: Book, name=name, rows=rows) -> None:
        b.explain(f"A broken seek entry: {name.replace('_', ' ')}",
                  "What goes to a wrong place shows another moment, or asks for memory that nobody has.")  # fmt: skip
        good = sound().change("a", "index.seek", entries(FULL))
        b.refuses(good.fault("a", "index.seek", rows), CODE, roles=("checker",))


for name in ("number", "of_numbers", "unit_text", "unit_huge", "codec_absent", "base_zero", "step_few", "at_beyond"):

    @case(f"seek/ignored_{name}", "seek.advice", features=("codec.wav", "read.region"))
    def _(b: Book, name=name) -> None:
        b.explain(f"Read past a broken seek entry: {name.replace('_', ' ')}",
                  "Advice that cannot be followed must not cost the sound, which is whole.")  # fmt: skip
        good = sound().change("a", "index.seek", entries(FULL))
        b.refuses(good.fault("a", "index.seek", BROKEN[name][1]), CODE, roles=("checker",))
        read(b)


@case("seek/broken_raw_unit", "seek.unit")
def _(b: Book) -> None:
    """A seek entry of a raw unit

    There is no stream in it to seek in; who tries reads numbers as a file.
    """
    dataset = one([SOUND, SOUND], shape=[None, 2], dtype="int16")
    b.refuses(dataset.fault("a", "index.seek", entries(SMALL)), CODE, roles=("checker",))


@case("seek/broken_picture", "seek.unit")
def _(b: Book) -> None:
    """A seek entry of a picture

    A picture has no time; who follows the entry hands it to a decoder of sound.
    """
    array = np.array([[1, 2], [3, 4]], np.uint8)
    png = [[{"name": "png"}]]
    dataset = one([array, array], shape=[None, None], codecs=png, encode=[lambda d: pictures.png(array)])
    b.refuses(dataset.fault("a", "index.seek", entries(SMALL)), CODE, roles=("checker",))


@case("seek/broken_tiles", "seek.entries")
def _(b: Book) -> None:
    """Seek entries beside tiles

    A tile is a picture; an entry of its number is of something else.
    """
    dataset = one([np.zeros((4, 4), np.uint8)], shape=[4, 4], tile=[2, 2])
    b.refuses(dataset.fault("a", "index.seek", entries(SMALL)), CODE, roles=("checker",))


LONGER: dict[str, dict[str, Any]] = {
    "keys_moved": {"codec": "pcm_s16le", "unit": 1, "base": [1, 44100]}, "start_stated": SMALL | {"start": 0},
    "step_stated": SMALL | {"step": 1}, "step_column": SMALL | {"step": wide([2] * 11, 1)},
    "step_wide": SMALL | {"step": wide([1] * 10 + [2], 2)}, "trim_stated": SMALL | {"trim": [0, 0]},
    "colour_stated": SMALL | {"colour": [2, 0, 2, 2]}, "rotation_stated": SMALL | {"rotation": 0},
    "head_stated": SMALL | {"head": []}, "points_stated": SMALL | {"points": 0}, "at_stated": SMALL | {"at": 0},
    "offset_unused": SMALL | {"offset": 44}, "bytes_column": FULL | {"bytes": wide([16] * 3, 1)},
    "before_stated": SMALL | {"before": 0}, "unknown_key": SMALL | {"waveform": 1},
}  # fmt: skip
for name, row in LONGER.items():

    @case(f"seek/longer_{name}", "seek.canonical", "index.canonical")
    def _(b: Book, name=name, row=row) -> None:
        b.explain(f"A seek entry in a longer form: {name.replace('_', ' ')}",
                  "Two encodings of one content give one chunk two names.")  # fmt: skip
        good = sound().change("a", "index.seek", entries(FULL if "column" in name and "bytes" in name else SMALL))
        b.refuses(good.fault("a", "index.seek", entries(row)), "E_INDEX_CANONICAL", roles=("checker",))


# a film, read by way of entries that lie

FILM: dict[str, Any] = FIRST.get("mp4", {})
TRUE: dict[str, Any] = {
    "unit": 0, "codec": "h264", "base": [1, 10240], "step": 1024, "points": 2, "at": wide([0, 4], 1),
    "offset": wide([48, 1422], 2), "bytes": wide([1374, 836], 2),
}  # fmt: skip
LIES: dict[str, dict[str, Any]] = {
    "none": {}, "start": {"start": 1024}, "start_before": {"start": -1024}, "start_of_next_key": {"start": 4096},
    "step": {"step": 2048}, "step_once": {"step": wide([1024, 1024, 2048, 1024, 1024, 1024, 1024], 2)},
    "step_twice": {"step": wide([1024, 512, 1536, 1024, 1024, 1024, 1024], 2)}, "base": {"base": [1, 20480]},
    "at": {"at": wide([0, 3], 1)}, "at_next": {"at": wide([0, 5], 1)},
    "offsets_swapped": {"offset": wide([1422, 48], 2), "bytes": 100},
    "offset_first": {"offset": 48, "bytes": wide([1374, 100], 2)}, "head": {"head": [1, 1]},
    "rotation": {"rotation": 180}, "codec": {"codec": "mp3"}, "before": {"before": 8},
    "every_frame": {"points": 8, "at": wide(list(range(8)), 1), "bytes": 1, "offset": 48},
}  # fmt: skip


def film(lie: dict[str, Any]) -> tuple[Dataset, np.ndarray]:
    array, data, row = array_of(FILM), file_of(FILM), TRUE | lie
    order = [key for key in FULL if key in row]
    how: dict[str, Any] = {"codecs": [[{"name": "mp4"}]], "encode": [lambda d: data], "htype": "video"}
    dataset = one([array], shape=[None, None, None, 3], **how)
    return dataset.change("a", "index.seek", [Pairs(tuple((key, row[key]) for key in order))]), array


if FILM:
    for name, lie in LIES.items():

        @case(f"seek/lie_{name}", "seek.advice", "algo.region.media", "media.part", "video.frames",
              features=("read.region", *features(FILM)), origin="library")  # fmt: skip
        def _(b: Book, name=name, lie=lie) -> None:
            b.explain(f"Frames by way of a seek entry that lies: {name.replace('_', ' ')}",
                      "The wrong frame under the right number is damage that nobody sees.")  # fmt: skip
            dataset, array = film(lie)
            b.reads(dataset, {}, metadata=False, checker=False)
            for low, high in ((0, 1), (2, 6), (4, 5), (7, 8)):
                region = [[low, high], None, None, None]
                b.part("x", [array[low:high]], dtype="uint8", rule="B", region=region)


    for name in ("start", "step", "base", "at"):

        @case(f"seek/untrue_{name}", "seek.true", "chunk.index.seek", features=features(FILM), origin="library")
        def _(b: Book, name=name) -> None:
            b.explain(f"A seek entry that is not true: {name}",
                      "Who follows it gets another frame or none; only who decodes can tell.")  # fmt: skip
            good, _ = film({})
            lie = {"start": -1024, "step": 512, "base": [1, 90000], "at": wide([0, 5], 1)}[name]
            row = TRUE | {name: lie}
            rows = [Pairs(tuple((key, row[key]) for key in FULL if key in row))]
            b.refuses(good.fault("a", "index.seek", rows), CODE, roles=("checker",))


@case("seek/huge_claims", "seek.advice", "safety.bounded", features=("codec.wav", "read.region"))
def _(b: Book) -> None:
    """A seek entry of 65,536 points and times that fill the range of numbers, for twelve samples

    A reader that makes tables from these numbers before it has judged them runs out of memory.
    """
    row = FULL | {"points": 65536, "at": wide(list(range(65536)), 4), "offset": 0, "bytes": MOST, "step": MOST}
    b.limits(seconds=10, memory=64 << 20)
    good = sound().change("a", "index.seek", entries(FULL))
    b.refuses(good.fault("a", "index.seek", entries(row)), CODE, roles=("checker",))
    read(b)


@case("seek/copied", "seek.travel", "fidelity.travel", features=("codec.wav",))
def _(b: Book) -> None:
    """Units with seek entries in two chunks

    The entry is of the unit in its own chunk; who numbers units over both seeks in another file.
    """
    dataset = Dataset()
    for label in "ab":
        chunk = pack([SOUND], rank=2, codecs=WAV, encode=[lambda d: FILE])
        dataset.chunk(label, chunk)
        dataset.change(label, "index.seek", entries(SMALL | {"unit": 0, "start": ord(label)}))
    slices = [("a", 0, 1), ("b", 0, 1)]
    dataset.tensor("x", dtype="int16", shape=[None, 2], htype="audio", slices=slices)
    dataset.commit()
    b.reads(dataset, {"x": [SOUND, SOUND]})
