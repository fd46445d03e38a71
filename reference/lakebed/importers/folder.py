"""Floor 7. A folder of pictures becomes a dataset; each file is stored byte for byte [media.verbatim].

    import_folder("photos", "photos.lakebed")

Every file that the codecs know becomes a row: its picture, its label (the name of the first folder on its way, none for
files at the top) and its path, so that ``lakebed.export`` gives back the same files under the same names. What is not
taken is listed by name and reason, and stops nothing.

A tensor has one dtype. Pictures of 8 bits a channel (and of one bit, as 0 and 255) go to ``images``; those of another
dtype to a tensor of their own that is made when the first one comes: ``images_uint16``, ``images_float32``, ... So no
file is refused or converted because of its neighbours, and the name says what the values are. A row has a value in
exactly one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..codecs import CODECS
from ..dataset import Dataset
from ..doors import create
from ..doors import open as open_dataset
from ..errors import FidelityError, InputError, LakebedError, UnsupportedError, error
from ..extras import installed
from ..files import EncodedFile, read
from ..model import CommitRef
from .walk import Found, Walk, shown

FILE_BYTES = 1 << 28
"""Files above this are not read into memory unless the caller raises the limit."""

_CLAUSE = "media.append"
_REFUSALS = (InputError, FidelityError, UnsupportedError)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was left out: its path below the folder (escaped for people), the error's code, clause and words."""

    path: str
    code: str
    clause: str
    reason: str


@dataclass(slots=True)
class Imported:
    """What an import did. ``commit`` is None when nothing was taken; ``bytes`` are those of the files that were."""

    rows: int = 0
    bytes: int = 0
    hidden: int = 0
    formats: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, int] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    commit: CommitRef | None = None


def import_folder(
    source: str | os.PathLike[str],
    target: Any,
    *,
    images: str = "images",
    labels: str = "labels",
    paths: str = "paths",
    on_error: str = "list",
    append: bool = False,
    file_bytes: int = FILE_BYTES,
    progress: Callable[[int, str], None] | None = None,
    options: Any = None,
) -> Imported:
    """Every picture below ``source`` as a row of the dataset at ``target``: one commit, in the order of :class:`Walk`.

    images, labels, paths  names of the tensors; ``labels`` is made when there are sub-folders
    on_error    "list": refused files are listed in the result; "stop": the first one is raised and nothing is kept
    append      add to an existing dataset that was made by this function
    file_bytes  longer files are refused (E_SAMPLE_LIMIT): memory stays within one file and its decoded picture
    progress    called with (files seen, path) before each file

    Errors: E_DATASET_EXISTS, E_ARGUMENT (source is no folder, target lies inside it), E_TENSOR_*, E_STORE.
    """
    if on_error not in ("list", "stop"):
        raise error("E_ARGUMENT", _CLAUSE, f"on_error is 'list' or 'stop', not {on_error!r}")
    walk = Walk(Path(source))
    files = iter(walk)
    _check_apart(walk.root, target)
    ds = open_dataset(target, mode="a", options=options) if append else create(target, options=options)
    done = Imported(classes=walk.classes())
    try:
        for number, found in enumerate(files):
            if progress is not None:
                progress(number, shown(found.path))
            try:
                _take(ds, found, images, labels, paths, file_bytes, done)
            except _REFUSALS as cause:
                if on_error == "stop":
                    raise
                done.refused.append(Refused(shown(found.path), cause.code, cause.clause, cause.detail))
        done.hidden = walk.hidden
        if done.rows:
            done.commit = ds.commit(f"import {done.rows} files from {shown(walk.root.resolve().name)}")
    finally:
        ds.close()
    return done


def _check_apart(source: Path, target: Any) -> None:
    """A dataset inside the folder would swallow itself."""
    if isinstance(target, (str, os.PathLike)) and "://" not in os.fspath(target):
        place = Path(target).resolve()
        if place.is_relative_to(source.resolve()):
            raise error("E_ARGUMENT", _CLAUSE, f"the dataset {place} would lie inside the folder that is imported")


def _take(ds: Dataset, found: Found, images: str, labels: str, paths: str, limit: int, done: Imported) -> None:
    """One file as one row; refused in whole or taken in whole: a refused one leaves no empty tensor either."""
    file = _read(found, limit)
    tensor = images if file.dtype == "uint8" else f"{images}_{file.dtype}"
    row: dict[str, Any] = {tensor: file, paths: found.path}
    folder, _, rest = found.path.partition("/")
    if rest:
        row[labels] = folder
    made = _create(ds, tensor, file.dtype, labels if done.classes else None, paths, done.classes)
    try:
        ds.append(row)
    except _REFUSALS:
        for name in made:
            ds.delete_tensor(name)
        raise
    done.rows += 1
    done.bytes += len(file.data)
    done.formats[file.format] = done.formats.get(file.format, 0) + 1
    done.tensors[tensor] = done.tensors.get(tensor, 0) + 1


def _read(found: Found, limit: int) -> EncodedFile:
    if found.problem is not None:
        raise found.problem
    try:
        size = os.stat(found.place).st_size
        if size > limit:
            raise error("E_SAMPLE_LIMIT", _CLAUSE, f"a file of {size} bytes, more than the {limit} allowed")
        file = read(found.place)
    except OSError as cause:
        if isinstance(cause, LakebedError):
            raise
        raise error("E_SAMPLE_FILE", _CLAUSE, f"cannot be read: {cause.strerror or cause}") from cause
    if file.refuse is not None:
        raise error("E_SAMPLE_FILE", _CLAUSE, file.refuse)
    if file.format not in formats(file.dtype):
        raise error("E_SAMPLE_FILE", _CLAUSE, f"a {file.format} file of {file.dtype} values is no picture kept here")
    return file


def formats(dtype: str) -> list[str]:
    """The picture formats that can be kept in a tensor of ``dtype``; first the one that later arrays are written as."""
    rows = [row for row in CODECS.values() if row.kind == "media" and row.media_type.startswith("image/")]
    here = [row.name for row in rows if row.extra is None or installed(row.library)]
    able = [name for name in here if (CODECS[name].keeps or CODECS[name].takes)(dtype, (None, None, None)) is None]
    return sorted(able, key=lambda name: (name != "png", name))


def _create(ds: Dataset, images: str, dtype: str, labels: str | None, paths: str, classes: list[str]) -> list[str]:
    """The tensors that a row needs and that are not there yet; their names."""
    made = []
    if images not in ds:
        htype = "image" if dtype in ("uint8", "uint16") else "generic"
        shape, kept = (None, None, None), formats(dtype)
        ds.create_tensor(images, htype=htype, dtype=dtype, shape=shape, sample_compression=kept, fidelity="exact")
        made.append(images)
    if labels is not None and labels not in ds:
        ds.create_tensor(labels, htype="class_label", dtype="uint32", class_names=classes)
        made.append(labels)
    if paths not in ds:
        ds.create_tensor(paths, htype="text", chunk_compression="lz4")
        made.append(paths)
    return made
