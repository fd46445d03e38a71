"""Samples and tensors that a writer must refuse: axes of htypes, links that hold secrets, files it cannot keep."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lakebed_conform.casebook import steps
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.valid_media import STEREO, wav

EFFECT = "Accepted and later unreadable does not exist: what breaks a rule is refused when it is given."
VALUE, SHAPE, ARGUMENT = "E_SAMPLE_HTYPE", "E_SAMPLE_SHAPE", "E_ARGUMENT"


def of(*shape: int, dtype: str = "<f4") -> np.ndarray:
    return np.zeros(shape, dtype)


#: htype, dtype, shape, a sample of wrong axes, the clause
AXES: dict[str, tuple[str, list[int | None], Any, str, str]] = {
    "image.rgb": ("uint8", [None, None, 3], of(2, 2, 4, dtype="u1"), VALUE, "htype.image_rgb.channels"),
    "image.gray": ("uint8", [None, None, 1], of(2, 2, 3, dtype="u1"), VALUE, "htype.image_gray.channels"),
    "binary_mask": ("bool", [None, None], of(4, dtype="?"), SHAPE, "htype.binary_mask.rank"),
    "segment_mask": ("uint32", [None, None], of(2, 2, 2, dtype="<u4"), SHAPE, "htype.segment_mask.rank"),
    "point": ("float32", [None, 2], of(2, 3), SHAPE, "htype.point.axes"),
    "polygon": ("float32", [None, 2], [of(2, 3)], SHAPE, "htype.polygon.axes"),
    "embedding": ("float32", [None], of(2, 2), SHAPE, "htype.embedding.rank"),
    "bbox.3d": ("float32", [None, 9], of(2, 7), SHAPE, "htype.bbox_3d.axes"),
    "intrinsics": ("float32", [None, 3, 3], of(3, 3), SHAPE, "htype.intrinsics.axes"),
    "audio": ("int16", [None, None], of(3, dtype="<i2"), SHAPE, "htype.audio.axes"),
    "video": ("uint8", [None, None, None, 3], of(2, 2, 2, 1, dtype="u1"), SHAPE, "htype.video.axes"),
    "dicom": ("int16", [None, None], of(2, dtype="<i2"), SHAPE, "htype.dicom.axes"),
    "nifti": ("int16", [None, None, None], of(2, 2, dtype="<i2"), SHAPE, "htype.nifti.axes"),
    "point_cloud": ("float32", [None, 3], of(2, 2), SHAPE, "htype.point_cloud.axes"),
    "mesh": ("float32", [None, 3], of(2, 3, 3), SHAPE, "htype.mesh.axes"),
}  # fmt: skip
for htype, (dtype, shape, value, code, clause) in AXES.items():

    @case(f"samples/axes_{htype.replace('.', '_')}", clause, "sample.shape", features=("write.htypes",))
    def _(b: Book, htype=htype, dtype=dtype, shape=shape, value=value, code=code) -> None:
        b.explain(f"{htype}: a sample with other axes than its htype has", EFFECT)
        how = {"sequence": True} if htype == "polygon" else {}
        script = [
            steps.create(),
            steps.tensor("x", dtype=dtype, shape=shape, htype=htype, **how),
            steps.append(x=value),
        ]
        b.write_refused(script, code, also=(SHAPE, VALUE))


SECRET = {"user": "https://me:pw@example.org/a", "token": "https://example.org/a?token=abc",
          "signature": "https://example.org/a?X-Amz-Signature=00",
          "fragment": "https://example.org/a#access_token=1", "path": "https://example.org/a;token=1/b",
          "escaped": "https://example.org/a?%73ig=1", "word": "https://example.org/a?my-key.id=1",
          **{name.lower(): f"https://example.org/a?size=1&{name}=1" for name in ("auth", "jwt", "sas", "pwd", "passwd",
             "accesstoken", "SharedAccessSignature")}}  # fmt: skip
for name, url in SECRET.items():

    @case(f"samples/link_{name}", "htype.link.secret", features=("write.htypes",))
    def _(b: Book, url=url) -> None:
        b.explain("A link that holds a secret", "Datasets are shared; what stands in a link is then everybody's.")
        value = np.frombuffer(json.dumps({"url": url}).encode(), np.uint8)
        script = [
            steps.create(),
            steps.tensor("x", dtype="uint8", shape=[None], htype="link[image]"),
            steps.append(x=value),
        ]
        b.write_refused(script, VALUE)


@case("samples/link_no_secret", "htype.link.secret", features=("write.htypes",))
def _(b: Book) -> None:
    b.explain("A link whose members only resemble secrets", "Who cannot store good addresses stores them as text.")
    url = "https://example.org/key=3/a;v=2.png?author=me&keyword=sun&monkey=1&compass=n#page=2&basic"
    value = np.frombuffer(json.dumps({"url": url}).encode(), np.uint8)
    script = [
        steps.create(),
        steps.tensor("x", dtype="uint8", shape=[None], htype="link[image]"),
        steps.append(x=value),
        steps.commit("a link"),
    ]
    b.writes(script, {"tensors": {"x": {"values": [value], "dtype": "uint8"}}})


TENSORS: dict[str, tuple[dict[str, Any], str, tuple[str, ...], tuple[str, ...]]] = {
    "gif_encodes": ({"codecs": [[{"name": "gif"}]], "dtype": "uint8", "shape": [None, None, 3], "htype": "image",
                     "fidelity": "lossy"}, ARGUMENT, ("E_FIDELITY",), ("codec.encode", "codec.takes")),
    "text_in_png": ({"codecs": [[{"name": "png"}]], "dtype": "uint8", "shape": [None], "htype": "text"}, ARGUMENT,
                    ("E_FIDELITY_LABEL",), ("htype.media",)),
    "reserved_codec": ({"codecs": [[{"name": "brotli"}]], "dtype": "uint8", "shape": [None]}, ARGUMENT, (),
                       ("codec.refused", "codec.registry")),
}  # fmt: skip


for name, (how, code, also, clauses) in TENSORS.items():

    @case(f"samples/tensor_{name}", *clauses, "tensor.create", features=("write.htypes",))
    def _(b: Book, how=how, code=code, also=also, name=name) -> None:
        b.explain(f"A tensor that cannot be: {name.replace('_', ' ')}", EFFECT)
        script = [steps.create(), steps.tensor("x", **how)]
        if name == "gif_encodes":
            script.append(steps.append(x=np.zeros((2, 2, 3), np.uint8)))
        b.write_refused(script, code, also=also)


@case("samples/wav_adpcm", "audio.other", "media.append", features=("codec.wav", "write.htypes"))
def _(b: Book) -> None:
    """A WAV file of form 2 (ADPCM)

    Four bits that are read as sixteen are noise at full volume.
    """
    script = [steps.create(),
              steps.tensor("x", dtype="int16", shape=[None, None], htype="audio", codecs=[[{"name": "wav"}]]),
              steps.append(x=wav(STEREO.tobytes(), 2, 4, form=2))]  # fmt: skip
    b.write_refused(script, "E_SAMPLE_FILE")
