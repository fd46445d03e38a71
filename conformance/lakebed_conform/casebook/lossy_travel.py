"""Lossiness: bytes that were encoded once are never decoded and encoded again; declarations that stored data break."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.photo import decoded, encoded, photo
from lakebed_conform.casebook.pictures import png
from lakebed_conform.casebook.writing_rows import EDIT, x_is
from lakebed_conform.pen import u8, u32

COMPACT = ("write.compact",)
FILES = [png(photo(6, 7 + n)) for n in range(5)]
PIXELS = [photo(6, 7 + n) for n in range(5)]
JPEGS = [encoded(photo(24, 24 + 8 * n), "jpeg", quality=70) for n in range(3)]


def quantized(codes: np.ndarray, lo: float, step: float, raw: bytes = b"") -> bytes:
    """A `quantize` stream of mode 1 and width 1 [codec.quantize]."""
    head = u8(1) + u8(1) + u8(0) + u8(0) + u32(int((codes == 0).sum()))
    return head + np.array([lo, step], "<f8").tobytes() + bytes(8) + codes.astype("u1").tobytes() + raw


def steps_of(n: int, lo: float = -1.0, step: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and the values they stand for: float32(lo + (c - 1) * step)."""
    codes = (np.arange(n) * 7) % 200 + 1
    return codes, (lo + (codes - 1) * step).astype("<f4")


def pictures(files: list[bytes], pixels: list[np.ndarray], form: str, **members: Any) -> Dataset:
    """One tensor of files, each in a chunk of its own."""
    dataset = Dataset()
    slices = []
    for n, (file, array) in enumerate(zip(files, pixels, strict=True)):
        chunk = pack([array], codecs=[[{"name": form}]], encode=[lambda _, file=file: file])
        slices.append((dataset.chunk(f"c{n}", chunk), 0, 1))
    dataset.tensor(
        "x",
        dtype="uint8",
        shape=[None, None, 3],
        htype="image",
        slices=slices,
        write={"codecs": [[{"name": form}]], "unit": {"items": 1}},
        **members,
    )
    dataset.commit()
    return dataset


def lossy_floats(k: int = 4, chunks: int = 1) -> tuple[Dataset, list[np.ndarray]]:
    """Ten float32 rows in units of ``k``, each unit one quantize stream, ``chunks`` times; and what they decode to."""
    codes, flat = steps_of(40)
    values = [flat[4 * i : 4 * i + 4] for i in range(10)]
    by_values = {
        flat[4 * k * i : 4 * k * (i + 1)].tobytes(): codes[4 * k * i : 4 * k * (i + 1)] for i in range(-(-10 // k))
    }
    chain = [{"name": "quantize", "dtype": "float32", "max_abs_error": 0.125}]
    encode = [lambda raw: quantized(by_values[raw], -1.0, 0.25)]
    dataset = Dataset()
    labels = [
        dataset.chunk("abc"[n], pack(values, k=k, codecs=[chain], encode=encode, row=10 * n)) for n in range(chunks)
    ]
    dataset.tensor(
        "x", dtype="float32", shape=[4], slices=[(label, 0, 10) for label in labels],
        fidelity={"max_abs_error": 0.125}, write={"codecs": [chain], "unit": {"items": k}},
    )  # fmt: skip
    dataset.commit()
    return dataset, values * chunks


@case("lossy/compact_files", "fidelity.travel", "algo.compact.units", features=(*COMPACT, "codec.png"))
def _(b: Book) -> None:
    """Compacting pictures moves files as they are

    A compaction that decodes and encodes loses a little each time it runs.
    """
    said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(FILES)]
    want = x_is(PIXELS, "uint8") | {"files": said, "number": 2, "layout": {"x": {"chunks": 1}}}
    b.writes([s.open_(), s.simple("compact")], want, start=pictures(FILES, PIXELS, "png"))


@case(
    "lossy/compact_jpeg_twice",
    "fidelity.travel",
    "algo.compact.units",
    features=(*COMPACT, "codec.jpeg"),
    origin="library",
)
def _(b: Book) -> None:
    """JPEG files through two compactions

    Generation loss is 0.03 to 0.8 dB a round; here it must be none.
    """
    pixels = [decoded(j) for j in JPEGS]
    said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(JPEGS)]
    script = [s.open_(), s.simple("compact"), s.simple("compact")]
    want = x_is(pixels, "uint8", rule="B") | {"files": said, "layout": {"x": {"chunks": 1}}}
    b.writes(script, want, start=pictures(JPEGS, pixels, "jpeg"))


@case("lossy/compact_quantized", "algo.compact.units", "codec.quantize", features=(*COMPACT, "codec.quantize"))
def _(b: Book) -> None:
    """Compacting quantized floats changes no bit of what is read

    Quantizing the quantized values again may move them by another half step.
    """
    dataset, values = lossy_floats(chunks=2)
    want = x_is(values, "float32") | {"number": 2, "layout": {"x": {"chunks": 1}}}
    b.writes([s.open_(), s.simple("compact")], want, start=dataset)


@case("lossy/compact_quantized_part", "algo.compact.units", features=(*COMPACT, *EDIT, "codec.quantize"))
def _(b: Book) -> None:
    """Compacting after rows of a quantized unit were deleted

    What quantize decoded is stored exactly, or with the same stream.
    """
    dataset, values = lossy_floats()
    script = [s.open_(), s.delete(1, 5, 6), s.commit(), s.simple("compact")]
    b.writes(script, x_is([v for i, v in enumerate(values) if i not in (1, 5, 6)], "float32"), start=dataset)


@case("lossy/revert_files", "algo.revert", "fidelity.travel", features=(*EDIT, "codec.png"))
def _(b: Book) -> None:
    """Deleted pictures that come back are the same files

    A revert names chunks; it never touches them.
    """
    said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(FILES)]
    script = [s.open_(), s.delete(0, 1, 2), s.commit(), s.simple("revert", number="1"), s.commit()]
    want = x_is(PIXELS, "uint8") | {"files": said, "number": 3}
    b.writes(script, want, start=pictures(FILES, PIXELS, "png"))


@case(
    "lossy/edit_beside_files", "algo.edit.update", "fidelity.travel", features=(*EDIT, "codec.jpeg"), origin="library"
)
def _(b: Book) -> None:
    """One picture replaced, the others are the same files

    Editing a row must not re-encode its neighbours.
    """
    pixels = [decoded(j) for j in JPEGS]
    new = encoded(photo(16, 16), "jpeg", quality=80)
    files = [JPEGS[0], new, JPEGS[2]]
    said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(files)]
    want = x_is([pixels[0], decoded(new), pixels[2]], "uint8", rule="B") | {"files": said}
    b.writes([s.open_(), s.update(1, x=new), s.commit()], want, start=pictures(JPEGS, pixels, "jpeg"))


@case("lossy/edit_beside_quantized", "algo.edit.update", features=(*EDIT, "codec.quantize"))
def _(b: Book) -> None:
    """A row inside a quantized unit is replaced; its neighbours keep their bits

    The unit is not decoded and quantized again.
    """
    dataset, values = lossy_floats()
    new = np.array([0.25, 0.5, 0.75, 1.0], "<f4")
    values = [*values[:2], new, *values[3:]]
    b.writes(
        [s.open_(), s.update(2, x=new), s.commit()],
        x_is(values, "float32", rule={"max_abs_error": 0.125}),
        start=dataset,
    )


@case("lossy/migrate_files", "algo.migrate", "fidelity.travel", "version.chunk", features=("codec.png",))
def _(b: Book) -> None:
    """A migrated dataset has the same files in the same chunks

    Migration rewrites documents, never chunks.
    """
    said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(FILES)]
    b.moves("migrate", pictures(FILES, PIXELS, "png"), x_is(PIXELS, "uint8") | {"files": said}, to="1.0")


@case("lossy/migrate_quantized", "algo.migrate", "version.chunk", features=("codec.quantize",))
def _(b: Book) -> None:
    """Migrated quantized floats read the same bits

    A second quantization would break the bound in silence.
    """
    dataset, values = lossy_floats()
    b.moves("migrate", dataset, x_is(values, "float32"), to="1.0")


# --- a file whose data breaks its own declaration


@case("lossy/broken_quantize_bound", "fidelity.stored", "chunk.tensor.fidelity", features=("codec.quantize",))
def _(b: Book) -> None:
    """Stored with a bound of 0.125, declared 0.01

    The declaration is what users rely on; only a checker can see that it was broken.
    """
    dataset, _values = lossy_floats()
    dataset.fault("main/1", "/tensors/x/fidelity", {"max_abs_error": 0.01})
    b.refuses(dataset, "E_FIDELITY_BROKEN", roles=("checker",))


@case("lossy/broken_quantize_exact", "fidelity.stored", features=("codec.quantize",))
def _(b: Book) -> None:
    """quantize in a tensor that says exact

    Exact is the default: nobody looks twice.
    """
    dataset, _values = lossy_floats()
    dataset.fault("main/1", "/tensors/x/fidelity", "exact")
    b.refuses(dataset, "E_FIDELITY_BROKEN", roles=("checker",))


@case("lossy/broken_jpeg_exact", "fidelity.stored", "fidelity.encoded", features=("codec.jpeg",), origin="library")
def _(b: Book) -> None:
    """A JPEG encoded here from an array, in a tensor that says exact

    The parameters in the pipeline say that the original is gone.
    """
    pixels = decoded(JPEGS[0])
    chain = [{"name": "jpeg", "quality": 70, "subsampling": "4:2:0"}]
    dataset = one(
        [pixels],
        shape=[None, None, 3],
        htype="image",
        codecs=[chain],
        encode=[lambda _: JPEGS[0]],
        members={"fidelity": "lossy"},
    )
    b.refuses(dataset.fault("main/1", "/tensors/x/fidelity", "exact"), "E_FIDELITY_BROKEN", roles=("checker",))


@case("lossy/broken_jpeg_mask", "htype.lossless.stored", features=("codec.jpeg",), origin="library")
def _(b: Book) -> None:
    """A JPEG file in a tensor of class masks

    One pixel in ten has another class than it was given.
    """
    gray = encoded(photo(24, 24, 0), "jpeg", quality=95)
    dataset = one(
        [decoded(gray)], shape=[None, None], htype="image.gray", codecs=[[{"name": "jpeg"}]], encode=[lambda _: gray]
    )
    b.refuses(dataset.fault("main/1", "/tensors/x/htype", "segment_mask"), "E_FIDELITY_BROKEN", roles=("checker",))
