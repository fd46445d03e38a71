"""The files laid by hand once more: given to a writer, cut, and recorded with another size."""

from __future__ import annotations

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.builders.chunk import unit_crcs
from lakebed_conform.builders.columns import column
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.valid_media import FILES

DATA, SHAPE = "E_CODEC_DATA", "E_MEDIA_SHAPE"
FIRST = {codec: (name, file, array) for name, (codec, file, array, _) in reversed(list(FILES.items()))}
KIND = {"wav": ("audio.shape",), **dict.fromkeys(("nii", "nii.gz", "ply", "stl"), ())}


def dataset(codec: str, file: bytes, array: np.ndarray):
    return one([array], shape=[None] * array.ndim, codecs=[[{"name": codec}]], encode=[lambda d: file])


for codec, (name, file, array) in FIRST.items():
    own = {"nii.gz": "codec.nii_gz"}.get(codec, f"codec.{codec}")
    shaped = KIND.get(codec, ("picture.shape",))

    @case(f"file/{name}_written", own, "media.verbatim", "fidelity.files", "media.append", features=(f"codec.{codec}",))
    def _(b: Book, codec=codec, file=file, array=array) -> None:
        b.explain(f"A {codec} file is stored as given", "A file that was re-encoded is another file.")
        tensor = s.tensor("x", dtype=array.dtype.name, shape=[None] * array.ndim, codecs=[[{"name": codec}]])
        want = {"x": {"dtype": array.dtype.name, "shapes": [list(array.shape)]}}
        files = [{"tensor": "x", "sample": 0, "data": file}]
        b.writes([s.create(), tensor, s.append(x=file), s.commit()], {"length": 1, "tensors": want, "files": files})

    @case(f"file/{name}_shape", "media.header", *shaped, features=(f"codec.{codec}",))
    def _(b: Book, codec=codec, file=file, array=array) -> None:
        b.explain(f"{codec}: the index records one row more than the file has", "Memory of another size is read.")
        first, *rest = array.shape
        b.refuses(dataset(codec, file, array).fault("a", "index.shape", [first + 1, *rest]), SHAPE)

    @case(f"file/{name}_cut", "media.corrupt", own, features=(f"codec.{codec}",))
    def _(b: Book, codec=codec, file=file, array=array) -> None:
        b.explain(f"{codec}: a file without its last bytes", "What is made up for them looks like data.")
        bad = file[: -min(9, len(file) // 4)] if codec != "qoi" else file[: len(file) - 12]
        faulty = dataset(codec, file, array).fault("a", "payload", bad).fault("a", "index.stored", len(bad))
        faulty.fault("a", "index.crc", column(unit_crcs([bad])))
        b.refuses(faulty, DATA, why="length and CRC agree with the broken file", also=(SHAPE,))
