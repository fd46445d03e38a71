"""Floor 7. Back to files: what was stored as a file comes out byte for byte, under its old name where that is kept.

    export(lakebed.open("photos.lakebed"), "photos")

Names come from the data and are not trusted: one that would leave the folder, that the file system cannot hold or that
is taken already is replaced by the row's number, and the result says so. The folder must be empty or absent, so nothing
is overwritten and no link that lay there is followed.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from .codecs import CODECS, encode_media
from .dataset import Dataset
from .errors import LakebedError, error
from .tensor import Tensor

_CLAUSE = "media.verbatim"
_UNFIT = re.compile(r"[\x00-\x1f\x7f/]" if os.name == "posix" else r'[\x00-\x1f\x7f/\\:*?"<>|]|[. ]$')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


@dataclass(slots=True)
class Exported:
    """What an export wrote. ``verbatim`` files are the stored bytes; ``empty`` rows gave no file; ``renamed`` are pairs
    of the name that the data wanted and the one that was given.
    """

    rows: int = 0
    files: int = 0
    verbatim: int = 0
    bytes: int = 0
    empty: int = 0
    renamed: list[tuple[str, str]] = field(default_factory=list)


def export(
    ds: Dataset,
    folder: str | os.PathLike[str],
    *,
    tensors: Sequence[str] | None = None,
    labels: str | None = "labels",
    paths: str | None = "paths",
    rows: Iterable[int] | None = None,
    arrays: str = "npy",
    progress: Callable[[int, str], None] | None = None,
) -> Exported:
    """Write the samples of ``tensors`` as files below ``folder``.

    tensors   names; None: every tensor that keeps files or holds images
    paths     text tensor with the files' names; without it, or where a row has none, a name is the row's number
    labels    class_label tensor: numbered files go into a folder named after their class
    arrays    how a sample that is no file is written: "npy", or "png" (E_FIDELITY when png cannot hold it exactly);
              text becomes .txt, json and lists .json; a sequence one file per item
    progress  called with (rows done, name)

    Errors: E_ARGUMENT (folder not empty, nothing to export), E_TENSOR_ABSENT, E_FIDELITY, and those of reading.
    """
    if arrays not in ("npy", "png"):
        raise error("E_ARGUMENT", _CLAUSE, f"arrays are written as 'npy' or 'png', not {arrays!r}")
    chosen = [ds[name] for name in (_pictures(ds) if tensors is None else tensors)]
    if not chosen:
        detail = f"no tensor keeps files or holds images; name some of: {', '.join(ds.tensors) or 'none'}"
        raise error("E_ARGUMENT", _CLAUSE, detail)
    place = _Folder(_empty(Path(folder)))
    names = _Names(ds, paths, labels)
    for number in range(len(ds)) if rows is None else rows:
        wanted = names.wanted(number)
        before = place.done.files
        for tensor in chosen:
            place.write(number, wanted, tensor, arrays, more=place.done.files > before)
        place.done.rows += 1
        place.done.empty += place.done.files == before
        if progress is not None:
            progress(place.done.rows, str(wanted))
    return place.done


def _pictures(ds: Dataset) -> list[str]:
    return [name for name, tensor in ds.tensors.items() if tensor.htype.startswith("image") or _keeps_files(tensor)]


def _keeps_files(tensor: Tensor) -> bool:
    steps = [step.get("name") for pipeline in tensor.compression for step in pipeline]
    return any(name in CODECS and CODECS[name].kind == "media" for name in steps)


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise error("E_ARGUMENT", _CLAUSE, f"the folder {folder} is not empty; export never overwrites")
    return folder


# --- names -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """``path`` from the data (None: the row's number), ``label`` the folder of a numbered file."""

    number: int
    path: str | None
    label: str | None

    def __str__(self) -> str:
        return self.path or f"{self.label + '/' if self.label else ''}{self.number:08d}"


class _Names:
    def __init__(self, ds: Dataset, paths: str | None, labels: str | None) -> None:
        self._paths = ds[paths] if paths in ds and ds[paths].htype == "text" else None
        self._labels = ds[labels] if labels in ds and ds[labels].htype == "class_label" else None

    def wanted(self, number: int) -> _Wanted:
        path = None if self._paths is None else self._paths[number]
        label = None if self._labels is None else self._labels[number]
        if label is None or np.ndim(label):
            return _Wanted(number, path, None)
        names, at = self._labels.class_names or [], int(label)  # type: ignore[union-attr]
        text = names[at] if 0 <= at < len(names) else ""
        return _Wanted(number, path, text if segment(text) else f"class-{at}")


def segment(name: str) -> bool:
    """Whether ``name`` can be one file's or folder's name here, and means nothing else."""
    if name in ("", ".", "..") or _UNFIT.search(name) or (os.name != "posix" and _DEVICES.match(name)):
        return False
    try:
        return len(name.encode("utf-8")) <= 255
    except UnicodeEncodeError:
        return False


def inside(path: str) -> bool:
    """Whether a name from the data stays below the folder it is joined to."""
    return len(path.encode("utf-8", "replace")) <= 1024 and all(segment(part) for part in path.split("/"))


# --- files -----------------------------------------------------------------------------------------------------------


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root, self.done = root, Exported()

    def write(self, number: int, wanted: _Wanted, tensor: Tensor, arrays: str, *, more: bool) -> None:
        """One sample of one tensor; ``more``: the row has given another file already, so the name tells the tensor."""
        found = list(_contents(tensor, number, arrays))
        for at, (suffix, data, verbatim) in enumerate(found):
            mark = (f".{tensor.name.replace('/', '.')}" if more else "") + (f".{at}" if tensor.sequence else "")
            self._put(wanted, mark, suffix, data, keep=verbatim and not mark)
            self.done.verbatim += verbatim

    def _put(self, wanted: _Wanted, mark: str, suffix: str, data: bytes, *, keep: bool) -> None:
        """``keep``: the name from the data is the file's own, suffix and all."""
        number = f"{wanted.number:08d}{mark}"
        choices = [f"{wanted.label}/{number}{suffix}" if wanted.label else number + suffix]
        if wanted.path is not None:
            path = wanted.path if keep else f"{PurePosixPath(wanted.path).with_suffix('')}{mark}{suffix}"
            choices.insert(0, path)
        choices.append(f"row-{number}{suffix}")
        for choice in choices:
            if inside(choice) and self._create(choice, data):
                if choice != choices[0]:
                    self.done.renamed.append((choices[0], choice))
                self.done.files += 1
                self.done.bytes += len(data)
                return
        raise error("E_STORE", _CLAUSE, f"no free name for row {wanted.number}; tried {', '.join(choices)}")

    def _create(self, name: str, data: bytes) -> bool:
        """Exclusively; False when the name is taken (another row has it, or one that this file system takes for it)."""
        place = self.root / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as out:
                out.write(data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return False
        except OSError as cause:
            raise error("E_STORE", "store.failure", f"{place} cannot be written: {cause.strerror or cause}") from cause
        return True


def _contents(tensor: Tensor, number: int, arrays: str) -> Iterable[tuple[str, bytes, bool]]:
    """(suffix, bytes, whether they are the stored file) of a sample; nothing when it is missing."""
    try:
        name, data = tensor.file_format(number)
        return [(CODECS[name].suffixes[0], data, True)]
    except LakebedError as cause:
        if cause.code != "E_FILE_ABSENT":
            raise
    value = tensor[number]
    if value is None:
        return []
    if tensor.htype == "text":
        return [(".txt", value.encode("utf-8"), False)]
    if tensor.htype in ("json", "list", "tag"):
        return [(".json", json.dumps(value, ensure_ascii=False).encode("utf-8"), False)]
    return [(f".{arrays}", _array(item, arrays), False) for item in (value if tensor.sequence else [value])]


def _array(value: np.ndarray, form: str) -> bytes:
    if form == "png":
        return encode_media("png", {}, value)
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(value), allow_pickle=False)
    return out.getvalue()
