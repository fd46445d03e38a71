"""The advisor keeps the guide's rules, and what it picks is what a tensor takes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed import advise, advise_plot, htypes
from lakebed.advise_plot import plot
from lakebed.errors import LakebedError

DRAW = np.random.default_rng(3)
PHOTO = np.clip(np.cumsum(DRAW.integers(-9, 10, (96, 128, 3)), axis=0) + 120, 0, 255).astype("uint8")


def taken(tmp_path, advice, samples, **declared):
    """The pick's own arguments make a tensor that takes the samples and keeps the promise."""
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("t", **declared, **advice.arguments)
        for sample in samples:
            ds.append({"t": sample})
        ds.commit("picked")
    return lakebed.open(tmp_path / "x")["t"]


def test_labels_are_only_offered_what_is_exact(tmp_path):
    samples = [np.uint32(n % 9) for n in range(3000)]
    advice = lakebed.recommend(samples, htype="class_label")
    assert {each.error for each in advice.candidates} == {"exact"} and advice.unit == "chunk"
    assert advice.pick.ratio > 5
    assert (taken(tmp_path, advice, samples, htype="class_label")[:] == np.array(samples)).all()
    with pytest.raises(LakebedError) as caught:
        lakebed.recommend(samples, htype="class_label", fidelity="lossy")
    assert caught.value.code == "E_FIDELITY_LABEL"


def test_masks_are_exact_whatever_the_candidates():
    mask = np.repeat(np.repeat(DRAW.integers(0, 9, (16, 16), "uint8"), 16, 0), 16, 1)
    advice = lakebed.recommend([mask] * 3, htype="segment_mask", dtype="uint8")
    assert {each.error for each in advice.candidates} == {"exact"}
    assert {"png", "lz4"} <= {each.name for each in advice.candidates}


def test_pictures_are_lossy_only_when_asked(tmp_path):
    exact = lakebed.recommend([PHOTO], htype="image")
    assert {each.error for each in exact.candidates} == {"exact"}
    lossy = lakebed.recommend([PHOTO], htype="image", fidelity={"psnr_db": 30.0}, bandwidth=1e6)
    assert lossy.pick.error.endswith("dB") and float(lossy.pick.error[:-3]) >= 30
    assert len(taken(tmp_path, lossy, [PHOTO], htype="image")) == 1


def test_small_pictures_are_no_files():
    digits = [DRAW.integers(0, 17, (8, 8), "uint8") for _ in range(50)]
    advice = lakebed.recommend(digits, htype="image.gray")
    assert "png" not in {each.name for each in advice.candidates} and advice.unit == "chunk"


def test_files_are_kept_as_they_are():
    out = io.BytesIO()
    Image.fromarray(PHOTO).save(out, "JPEG")
    advice = lakebed.recommend([lakebed.read(out.getvalue())])
    assert advice.arguments == {"sample_compression": "jpeg"} and "byte for byte" in advice.reason


def test_floats_are_quantized_only_under_a_bound(tmp_path):
    samples = [DRAW.standard_normal((80, 80)).cumsum(0).astype("float32") for _ in range(4)]
    assert not any("quantize" in each.name for each in lakebed.recommend(samples).candidates)
    advice = lakebed.recommend(samples, fidelity={"max_abs_error": 0.01}, bandwidth=1e6)
    assert advice.pick.name.startswith("quantize") and advice.unit == "sample"
    back = taken(tmp_path, advice, samples, dtype="float32", shape=(None, None))[:]
    assert np.abs(back - np.stack(samples)).max() <= 0.01


def test_noise_is_left_alone_and_bandwidth_counts():
    noise = [DRAW.integers(0, 256, 50_000, "uint8") for _ in range(4)]
    advice = lakebed.recommend(noise)
    assert advice.pick.name == "none" and advice.arguments == {} and "nothing saves" in advice.reason
    ramp = [np.arange(40_000, dtype="int64") for _ in range(4)]
    slow = lakebed.recommend(ramp, bandwidth=1e3)
    assert slow.pick.ratio == max(each.ratio for each in slow.candidates)


def test_every_way_it_knows_can_be_asked():
    for asked in (*advise._NUMBERS, *advise._EXACT, *advise._LOSSY):
        assert lakebed.codecs.parse_pipelines(asked)
    assert htypes.row_of("image").media == ("picture",)


def test_the_picture(tmp_path):
    plot(lakebed.recommend([PHOTO], htype="image"), tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as drawn:
        assert drawn.size == (advise_plot.WIDTH, advise_plot.HEIGHT) and len(drawn.getcolors(1 << 20)) > 3


WORDS = ["a short one", "and one that is longer " * 40, "ä" * 300] * 20


@pytest.mark.parametrize(
    ("htype", "samples"),
    [
        ("text", WORDS),
        ("json", [{"a": word, "n": [1, 2]} for word in WORDS]),
        ("list", [[word, 1, None] for word in WORDS]),
        ("tag", [["one", word] for word in WORDS]),
        ("link[image]", [lakebed.Link(f"https://host.example/{n}.jpg") for n in range(200)]),
        ("sequence[link[image]]", [[f"https://host.example/{n}.jpg"] * 3 for n in range(200)]),
        ("polygon", [[[[1, 2], [3, 4], [5, 6]], [[1, 2]]] for _ in range(200)]),
        ("sequence[generic]", [[[1, 2], [3, 4, 5]] for _ in range(200)]),
        ("bbox", [[], *([[1, 2, 3, 4], [5, 6, 7, 8]] for _ in range(200))]),
        ("class_label", ["cat", "dog", "dog"] * 200),
        ("embedding", [[0.1 * n, 0.2, 0.3] for n in range(500)]),
        ("embedding", [np.full(300, n / 7) for n in range(20)]),
        ("image", [np.full((80, 80, 3), 60000, np.uint16)]),
    ],
)
def test_what_is_stored_is_measured(tmp_path, htype, samples):
    """Every kind of sample that a tensor takes; the pick makes a tensor that takes them."""
    advice = lakebed.recommend(samples, htype=htype, bandwidth=1e4)
    assert advice.pick.asked is not None and {each.error for each in advice.candidates} == {"exact"}
    declared = {"dtype": "int64", "shape": (None,)} if "generic" in htype else {}
    assert len(taken(tmp_path, advice, samples, htype=htype, **declared)) == len(samples)


@pytest.mark.parametrize(
    ("samples", "how"),
    [
        ([], {}),
        ([None], {}),
        ([np.zeros(3), np.zeros((3, 3))], {}),
        ([np.zeros(0)], {}),
        (7, {}),
        ("text", {"htype": "text"}),
        (["no", "numbers"], {}),
        ([[1, [2, 3]]], {}),
        ([7], {"htype": "text"}),
        ([np.zeros(3)], {"htype": "image"}),
        ([[0.5, 1.5]], {"htype": "class_label"}),
        ([np.zeros(3)], {"bandwidth": 0}),
        ([np.zeros(3)], {"bandwidth": float("nan")}),
        ([np.zeros(3)], {"dtype": "nonsense"}),
        ([np.zeros(3)], {"fidelity": {"psnr_db": 30.0}}),
        ([np.zeros(3, "U4")], {"htype": "audio"}),
        ([7], {"htype": "polygon"}),
        ([[]], {"htype": "polygon"}),
        ([[]], {"htype": "bbox"}),
    ],
)
def test_what_cannot_be_judged(samples, how):
    with pytest.raises(LakebedError) as caught:
        lakebed.recommend(samples, **how)
    assert caught.value.code == "E_ARGUMENT"


def test_files_that_cannot_be_kept_so():
    out = io.BytesIO()
    Image.fromarray(PHOTO).save(out, "JPEG")
    file, broken = lakebed.read(out.getvalue()), lakebed.read(out.getvalue()[:-2000])
    for given, htype, clause in (
        ([file], "text", "htype.media"),
        ([file], "segment_mask", "htype.lossless"),
        ([file, PHOTO], "image", "tensor.create"),
        ([broken], "image", "tensor.create"),
    ):
        with pytest.raises(LakebedError) as caught:
            lakebed.recommend(given, htype=htype)
        assert (caught.value.code, caught.value.clause) == ("E_ARGUMENT", clause)


def test_the_command(tmp_path, capsys):
    pytest.importorskip("click")
    pytest.importorskip("rich")
    import json

    from lakebed.cli import main

    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("t", dtype="int64", shape=())
        ds.extend({"t": np.arange(5000) % 7})
        ds.commit("numbers")
    assert main(["recommend", str(tmp_path / "x")]) == 2
    assert "name one of its tensors" in capsys.readouterr().err
    assert main(["recommend", str(tmp_path / "x"), "t", "--json", "--plot", str(tmp_path / "x.png")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["arguments"] == {"chunk_compression": said["pick"]["asked"]}
    assert (tmp_path / "x.png").stat().st_size > 1000
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    assert main(["recommend", str(tmp_path / "a.png")]) == 0
    assert "kept byte for byte" in capsys.readouterr().out


@pytest.fixture
def command(capsys):
    pytest.importorskip("click")
    pytest.importorskip("rich")
    import json

    from lakebed.cli import main

    def asked(*words):
        assert main(["recommend", *map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


def test_a_tensor_of_files_and_one_of_words(tmp_path, command):
    """What is kept as files is advised as these: never coded again."""
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg")
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("photos", htype="image", sample_compression="jpeg")
        ds.create_tensor("words", htype="text")
        ds.create_tensor("films", htype="sequence[image]", sample_compression="png")
        for n in range(6):
            ds.append({"photos": lakebed.read(tmp_path / "a.jpg") if n else None, "words": "word " * n,
                       "films": [PHOTO] * n})  # fmt: skip
        ds.commit("files")
    said = command(tmp_path / "x", "photos")
    assert said["arguments"] == {"sample_compression": "jpeg"} and "byte for byte" in said["reason"]
    assert not {"qoi", "png"} & {each["name"] for each in said["candidates"]}
    assert {each["error"] for each in command(tmp_path / "x", "words")["candidates"]} == {"exact"}
    assert "png" in {each["name"] for each in command(tmp_path / "x", "films")["candidates"]}


def test_a_folder_with_other_things_in_it(tmp_path, command, capsys):
    from lakebed.cli import main

    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    (tmp_path / "README.txt").write_text("what this is")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:-3000])
    said = command(tmp_path)
    assert said["arguments"] == {"sample_compression": "png"}
    assert [each["name"] for each in said["skipped"]] == ["README.txt", "b.png"]
    assert main(["recommend", str(tmp_path)]) == 0
    assert "skipped README.txt" in capsys.readouterr().out
    for nothing in ("README.txt", "absent"):
        assert main(["recommend", str(tmp_path / nothing)]) == 2
        assert "E_ARGUMENT" in capsys.readouterr().err
