"""Folders of pictures in and out again: byte for byte, nothing dropped in silence, nothing written outside."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed.errors import CODES
from lakebed.export import export, inside, segment
from lakebed.importers import import_folder
from lakebed.importers.folder import formats
from lakebed.importers.walk import Walk, shown

KINDS = ("png", "jpeg", "webp", "tiff", "bmp", "gif")


def picture(form: str = "png", size: tuple[int, int] = (7, 5), mode: str = "RGB") -> bytes:
    held = io.BytesIO()
    value = {"RGB": (9, 90, 200), "L": 40, "I;16": 40000, "F": 0.25}[mode]
    Image.new(mode, size, value).save(held, form)
    return held.getvalue()


def fill(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return root


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_files_are_kept_without_the_libraries_that_would_encode_such(tmp_path, monkeypatch):
    """The base install: a format that could not be written here is still kept in the tensor beside the others."""
    for place in ("lakebed.codecs.pipeline", "lakebed.importers.folder", "lakebed.codecs.png", "lakebed.codecs.jpeg"):
        monkeypatch.setattr(f"{place}.installed", lambda module: module == "PIL")
    source = fill(tmp_path / "in", {"a/x.png": picture(), "a/y.jpg": picture("jpeg"), "b/z.avif": picture("avif")})
    done = import_folder(source, tmp_path / "ds")
    assert (done.rows, done.refused) == (3, []) and "avif" in formats("uint8")
    export(lakebed.open(tmp_path / "ds"), tmp_path / "back")
    assert tree(tmp_path / "back") == tree(source)
    with lakebed.create(tmp_path / "other") as ds, pytest.raises(lakebed.UnsupportedError) as caught:
        ds.create_tensor("images", htype="image", sample_compression="avif", fidelity="exact")
    assert caught.value.code == "E_EXTRA_MISSING" and "lakebed[image]" in str(caught.value)


# --- the corpus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_corpus_comes_back_byte_for_byte(corpus, tmp_path, kind):
    source = corpus.root / kind
    done = import_folder(source, tmp_path / "ds")
    files = tree(source)
    refused = {each.path for each in done.refused}
    assert all(each.code in CODES and each.reason for each in done.refused)
    assert len(refused) == len(done.refused) and refused <= files.keys()

    back = export(lakebed.open(tmp_path / "ds"), tmp_path / "back")
    assert tree(tmp_path / "back") == {name: data for name, data in files.items() if name not in refused}
    assert (back.files, back.verbatim, back.renamed, back.empty) == (done.rows, done.rows, [], 0)
    assert done.rows + len(refused) == len(files)


ODD = {  # sound by the manifest; cut short or of a variant that Pillow does not read
    "bmp/bmpsuite/rgb16-231.bmp",
    "bmp/bmpsuite/rgb24jpeg.bmp",
    "bmp/bmpsuite/rgb32bf.bmp",
    "bmp/image-rs/pal4rlecut.bmp",
    "jpeg/pillow/ultrahdr.jpg",
}


def test_corpus_keeps_all_sound_files_of_usual_variants(corpus):
    """A variant that nothing here decodes exactly is refused by that reason; what hostile files give is open."""
    taken, odd = 0, set()
    for kind in KINDS:
        done = import_folder(corpus.root / kind, f"memory://kept-{kind}")
        reasons = {f"{kind}/{each.path}": each.reason for each in done.refused}
        for entry in corpus.kinds(kind):
            reason = reasons.get(entry["path"])
            taken += reason is None
            usual = reason and "not decoded here" not in reason and "16-bit colour PNG" not in reason
            if usual and not entry["hostile"]:
                odd.add(entry["path"])
    assert odd <= ODD and taken > 450


# --- what becomes of a folder ----------------------------------------------------------------------------------------


def test_labels_are_the_first_folder_names(tmp_path):
    source = fill(tmp_path / "in", {name: picture() for name in ("b/2.png", "a/x/1.png", "top.png", "b/1.png")})
    done = import_folder(source, tmp_path / "ds")
    ds = lakebed.open(tmp_path / "ds")
    assert ds["paths"][:] == ["a/x/1.png", "b/1.png", "b/2.png", "top.png"]
    assert ds["labels"].class_names == done.classes == ["a", "b"]
    assert [None if v is None else int(v) for v in ds["labels"]] == [0, 1, 1, None]
    assert ds.commit_info.message == "import 4 files from in" and done.commit.number == 1
    assert list(ds.tensors) == ["images", "labels", "paths"]


def test_no_sub_folders_no_labels(tmp_path):
    import_folder(fill(tmp_path / "in", {"1.png": picture()}), tmp_path / "ds")
    assert "labels" not in lakebed.open(tmp_path / "ds")


def test_the_same_folder_gives_the_same_rows(tmp_path):
    names = {f"{letter}/{n}.png": picture(size=(n + 1, 3)) for letter in "ca" for n in range(12)}
    source = fill(tmp_path / "in", names)
    import_folder(source, "memory://one")
    import_folder(source, "memory://two")
    one, two = lakebed.open("memory://one"), lakebed.open("memory://two")
    assert one["paths"][:] == two["paths"][:] == sorted(names)
    assert set(one.store.list("chunks/")) and [e.key for e in one.store.list("chunks/")] == [
        e.key for e in two.store.list("chunks/")
    ]


def test_each_dtype_has_its_tensor(tmp_path):
    files = {
        "8.png": picture(), "8.tif": picture("tiff"), "8.gif": picture("gif", mode="L"),
        "16.png": picture(mode="I;16"), "f.tif": picture("tiff", mode="F"), "8.bmp": picture("bmp"),
    }  # fmt: skip
    done = import_folder(fill(tmp_path / "in", files), tmp_path / "ds")
    ds = lakebed.open(tmp_path / "ds")
    assert done.tensors == {"images": 4, "images_uint16": 1, "images_float32": 1} and not done.refused
    assert ds["images_uint16"].dtype == np.uint16 and ds["images_float32"].htype == "generic"
    row = ds["paths"][:].index("16.png")
    assert ds["images"][row] is None and int(ds["images_uint16"][row].max()) == 40000
    assert ds["images"].fidelity == "exact"
    export(ds, tmp_path / "out")
    assert tree(tmp_path / "out") == files


def test_one_file_s_formats_do_not_depend_on_its_neighbours():
    assert formats("uint8")[0] == "png" and set(formats("uint8")) >= set(KINDS)
    assert formats("uint16")[0] == "png" and "gif" not in formats("uint16")
    assert formats("float64") == ["tiff"]


def test_refused_files_are_listed_and_stop_nothing(tmp_path):
    whole = picture(size=(64, 64))
    files = {"a/cut.png": whole[:-20], "a/notes.txt": b"no picture", "a/empty.jpg": b"", "a/good.png": whole}
    files["a/.hidden.png"] = whole
    done = import_folder(fill(tmp_path / "in", files), tmp_path / "ds")
    assert (done.rows, done.hidden, done.formats) == (1, 1, {"png": 1})
    assert [(each.path, each.code) for each in done.refused] == [
        ("a/cut.png", "E_SAMPLE_FILE"),
        ("a/empty.jpg", "E_SAMPLE_FILE"),
        ("a/notes.txt", "E_SAMPLE_FILE"),
    ]
    assert "not whole" in done.refused[0].reason


def test_a_refused_first_file_leaves_no_tensor(tmp_path):
    wide = io.BytesIO()
    Image.new("I;16", (4, 4)).save(wide, "png")
    files = {"1.png": wide.getvalue()[:-20], "2.png": picture()}
    import_folder(fill(tmp_path / "in", files), tmp_path / "ds")
    assert list(lakebed.open(tmp_path / "ds").tensors) == ["images", "paths"]


def test_nothing_taken_makes_no_dataset(tmp_path):
    done = import_folder(fill(tmp_path / "in", {"a.txt": b"x"}), tmp_path / "ds")
    assert done.commit is None and len(done.refused) == 1
    with pytest.raises(lakebed.NotFoundError):
        lakebed.open(tmp_path / "ds")


def test_stop_keeps_nothing(tmp_path):
    source = fill(tmp_path / "in", {"1.png": picture(), "2.txt": b"x"})
    with pytest.raises(lakebed.InputError) as caught:
        import_folder(source, tmp_path / "ds", on_error="stop")
    assert caught.value.code == "E_SAMPLE_FILE"
    with pytest.raises(lakebed.NotFoundError):
        lakebed.open(tmp_path / "ds")


def test_append_goes_on_with_the_class_names(tmp_path):
    import_folder(fill(tmp_path / "one", {"cat/1.png": picture(), "dog/1.png": picture()}), tmp_path / "ds")
    more = fill(tmp_path / "two", {"ant/1.png": picture(), "dog/2.png": picture()})
    import_folder(more, tmp_path / "ds", append=True)
    ds = lakebed.open(tmp_path / "ds")
    assert ds["labels"].class_names == ["cat", "dog", "ant"] and ds["labels"][:].tolist() == [0, 1, 2, 1]
    with pytest.raises(lakebed.InputError) as caught:
        import_folder(tmp_path / "two", tmp_path / "ds")
    assert caught.value.code == "E_DATASET_EXISTS"


def test_links_do_not_lead_out(tmp_path):
    fill(tmp_path, {"secret/key.png": picture(), "in/a/1.png": picture(size=(3, 3))})
    (tmp_path / "in" / "a" / "2.png").symlink_to(tmp_path / "secret" / "key.png")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "secret")
    (tmp_path / "in" / "a" / "3.png").symlink_to("1.png")
    (tmp_path / "in" / "a" / "round").symlink_to("round")
    (tmp_path / "in" / "a" / "self").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe")
    done = import_folder(tmp_path / "in", tmp_path / "ds")
    assert lakebed.open(tmp_path / "ds")["paths"][:] == ["a/1.png", "a/3.png"] and done.classes == ["a"]
    reasons = {each.path: each.reason for each in done.refused}
    assert reasons["a/2.png"] == reasons["b"] == "a link that leads out of the folder"
    assert reasons["a/self"] == "a link to a folder" and reasons["pipe"] == "neither a file nor a folder"
    assert "cannot be read" in reasons["a/round"]


def test_a_long_file_is_not_read(tmp_path):
    done = import_folder(fill(tmp_path / "in", {"1.png": picture()}), tmp_path / "ds", file_bytes=20)
    assert [each.code for each in done.refused] == ["E_SAMPLE_LIMIT"]


def test_the_dataset_may_not_lie_inside(tmp_path):
    source = fill(tmp_path / "in", {"1.png": picture()})
    with pytest.raises(lakebed.InputError, match="inside the folder"):
        import_folder(source, source / "out.lakebed")
    with pytest.raises(lakebed.InputError, match="is no folder"):
        import_folder(source / "1.png", tmp_path / "ds")


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_a_name_that_is_no_text_is_refused_by_an_escaped_name(tmp_path):
    source = fill(tmp_path / "in", {"a/1.png": picture()})
    try:
        Path(os.fsdecode(os.fsencode(source) + b"/a/\xff.png")).write_bytes(picture())
        os.mkdir(os.fsencode(source) + b"/\xfe")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    done = import_folder(source, tmp_path / "ds")
    assert [each.path for each in done.refused] == ["a/\\xff.png"] and done.classes == ["a"]


def test_shown_paths_cannot_move_the_cursor():
    assert shown("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n" and shown("naïve/é") == "naïve/é"


def test_walk_order_is_by_code_point_folder_by_folder(tmp_path):
    fill(tmp_path, {"b.png": b"", "a/z": b"", "a/B": b"", "a.png": b"", "Z": b""})
    assert [found.path for found in Walk(tmp_path)] == ["Z", "a/B", "a/z", "a.png", "b.png"]


# --- export ----------------------------------------------------------------------------------------------------------


def dataset(names: list[str], **more) -> lakebed.Dataset:
    ds = lakebed.create(f"memory://export-{os.urandom(4).hex()}")
    ds.create_tensor("images", htype="image", sample_compression="png")
    ds.create_tensor("paths", htype="text")
    for number, name in enumerate(names):
        ds.append({"images": lakebed.read(picture(size=(number + 1, 2))), "paths": name})
    return ds


HOSTILE = ["../out.png", "/etc/x.png", "a/../../b.png", "a//b.png", "..", "", "a\x00b.png", "./c.png", "a/."]
HOSTILE += ["x" * 300 + ".png"]


def test_hostile_names_stay_inside(tmp_path):
    done = export(dataset(HOSTILE), tmp_path / "deep" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert sorted(tree(tmp_path / "deep" / "out")) == [f"{n:08d}.png" for n in range(len(HOSTILE))]
    assert [wanted for wanted, _ in done.renamed] == HOSTILE


def test_a_name_that_is_taken_gets_a_number(tmp_path):
    names = ["a.png", "a.png", "a.png/b.png", "00000004.png", "a.png"]
    done = export(dataset(names), tmp_path / "out")
    assert done.files == len(tree(tmp_path / "out")) == 5
    assert dict(done.renamed[:2]) == {"a.png": "00000001.png", "a.png/b.png": "00000002.png"}
    assert done.renamed[2] == ("a.png", "row-00000004.png")


def test_an_export_never_overwrites(tmp_path):
    fill(tmp_path / "out", {"mine.txt": b"keep"})
    with pytest.raises(lakebed.InputError, match="not empty"):
        export(dataset(["a.png"]), tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine.txt": b"keep"}


def test_numbered_files_go_into_folders_of_their_class(tmp_path):
    ds = lakebed.create("memory://numbered")
    ds.create_tensor("images", htype="image", sample_compression=["png", "jpeg"])
    ds.create_tensor("labels", htype="class_label", class_names=["cat", "../dog"])
    ds.extend({"images": [lakebed.read(picture()), lakebed.read(picture("jpeg"))], "labels": [0, 1]})
    ds.append({"images": lakebed.read(picture())})
    done = export(ds, tmp_path / "out")
    assert sorted(tree(tmp_path / "out")) == ["00000002.png", "cat/00000000.png", "class-1/00000001.jpg"]
    assert done.renamed == []


def test_arrays_text_and_sequences(tmp_path):
    ds = lakebed.create("memory://arrays")
    ds.create_tensor("images", htype="image", dtype="uint8", chunk_compression="lz4")
    ds.create_tensor("said", htype="text")
    ds.create_tensor("more", htype="json")
    ds.create_tensor("parts", dtype="int32", shape=(None,), sequence=True)
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    ds.append({"images": image, "said": "hé", "more": {"a": 1}, "parts": [[1, 2], [3]]})
    ds.append({"said": "only text"})
    done = export(ds, tmp_path / "one", tensors=["images", "said", "more", "parts"])
    files = tree(tmp_path / "one")
    assert sorted(files) == [
        "00000000.more.json",
        "00000000.npy",
        "00000000.parts.0.npy",
        "00000000.parts.1.npy",
        "00000000.said.txt",
        "00000001.txt",
    ]
    assert np.array_equal(np.load(tmp_path / "one" / "00000000.npy", allow_pickle=False), image)
    assert files["00000000.said.txt"].decode() == "hé" and (done.rows, done.verbatim) == (2, 0)
    assert export(ds, tmp_path / "two", arrays="png", rows=[0, 1]).empty == 1
    assert np.array_equal(np.asarray(Image.open(tmp_path / "two" / "00000000.png")), image)


def test_nothing_to_export_says_what_there_is(tmp_path):
    ds = lakebed.create("memory://numbers-only")
    ds.create_tensor("x", dtype="int8", shape=())
    with pytest.raises(lakebed.InputError, match="name some of: x"):
        export(ds, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(lakebed.NotFoundError):
        export(ds, tmp_path / "out", tensors=["y"])


def test_png_refuses_what_it_cannot_hold(tmp_path):
    ds = lakebed.create("memory://floats")
    ds.create_tensor("x", dtype="float32", shape=(None, None))
    ds.append({"x": np.zeros((2, 2), np.float32)})
    with pytest.raises(lakebed.FidelityError):
        export(ds, tmp_path / "out", tensors=["x"], arrays="png")


def test_names_that_this_system_cannot_hold():
    assert segment("naïve name.png") and not segment("a/b") and not segment("x" * 256) and not segment("\udc80")
    assert inside("a/b/c.png") and not inside("a/../c.png") and not inside("/a") and not inside("a/" * 600 + "b")
