"""The demo tells the truth, and what it leaves behind is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed.demo import free_folder, run
from lakebed.demo.story import DATA


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "here"
    steps = []
    return folder, steps, run(folder, steps.append)


def test_every_step_is_told_once_and_in_order(told):
    _, steps, _ = told
    names = "write change read travel check damage recover export table"
    assert [step.name for step in steps] == names.split()
    damage = next(step for step in steps if step.name == "damage")
    assert "E_UNIT_CRC [unit.crc]" in damage.facts[0] and damage.facts[1] == "the other 6 pictures still read"
    assert [row["stored"] for row in steps[-1].rows] == ["jpeg", "png", "tiff", "webp", "png", "png", "jpeg"]


def test_what_it_leaves_behind(told):
    folder, _, made = told
    assert {Path(path).name for path in made.values()} == {path.name for path in folder.iterdir()}
    ds = lakebed.open(made["dataset"])
    pictures = json.loads((DATA / "annotations.json").read_text("utf-8"))["pictures"]
    assert ds["names"][:] == [picture["file"] for picture in pictures]
    for number, picture in enumerate(pictures):
        data = (DATA / picture["file"]).read_bytes()
        assert ds["images"].file(number) == data == (Path(made["exported"]) / picture["file"]).read_bytes()
        label = ds["labels"].class_names[int(ds["labels"][number])]
        assert label == picture.get("correct", picture["label"])
    assert len(ds["boxes"][5]) == 24 and ds["masks"][0] is None
    assert 0.2 < ds["masks"][1].mean() < 0.6 and ds["masks"][1].dtype == np.bool_
    assert [commit.number for commit in ds.log()] == [2, 1] and list(ds.tags()) == ["v1"]


def test_boxes_lie_in_their_pictures():
    for picture in json.loads((DATA / "annotations.json").read_text("utf-8"))["pictures"]:
        width, height = Image.open(DATA / picture["file"]).size
        for x, y, wide, high in picture["boxes"]:
            assert 0 <= x < x + wide <= width and 0 <= y < y + high <= height, picture["file"]


def test_the_contact_sheet_shows_every_picture(told):
    _, _, made = told
    sheet = np.asarray(Image.open(made["sheet"]).convert("RGB"))
    assert sheet.shape[1] > 1200 and sheet.shape[0] > 600
    heights, widths = [84, 84 + 310], [32 + column * 316 for column in range(4)]
    cards = [sheet[y + 12 : y + 224, x + 12 : x + 288] for y in heights for x in widths][:7]
    assert all(len(np.unique(card.reshape(-1, 3), axis=0)) > 30 for card in cards)


def test_pictures_are_small_and_have_licences():
    text = (DATA / "LICENSES.md").read_text("utf-8")
    files = [path for path in DATA.iterdir() if path.suffix not in (".md", ".json")]
    assert sum(path.stat().st_size for path in files) < 300_000
    assert all(path.name in text for path in files)


def test_it_never_writes_into_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert free_folder() == Path("lakebed-demo")
    (tmp_path / "lakebed-demo").mkdir()
    assert free_folder() == Path("lakebed-demo")
    (tmp_path / "lakebed-demo" / "mine").write_text("x")
    assert free_folder() == Path("lakebed-demo-2")
    with pytest.raises(lakebed.InputError, match="not empty"):
        run(Path("lakebed-demo"), lambda step: None)
    assert [path.name for path in (tmp_path / "lakebed-demo").iterdir()] == ["mine"]
