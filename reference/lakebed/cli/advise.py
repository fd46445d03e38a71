"""Floor 8. The command that measures compressions on a tensor or on files, and says which to take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from .. import htypes
from ..advise import BANDWIDTH, Advice, recommend
from ..advise_plot import plot as draw
from ..codecs import CODECS
from ..errors import LakebedError, error
from ..files import EncodedFile, read
from ..tensor import Tensor
from .shell import cell, emit, json_option, opened, out, size, table

LOOKED_AT = 1000
MEDIA = frozenset(row.name for row in CODECS.values() if row.kind == "media")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not looked at, and why."""

    name: str
    reason: str


@click.command(name="recommend")
@click.argument("place")
@click.argument("tensor", required=False)
@click.option("--lossy", is_flag=True, help="Offer codecs that change pictures, too.")
@click.option("--max-abs-error", type=float, help="Offer floats quantized within this bound.")
@click.option("--bandwidth", type=float, default=BANDWIDTH / 1e6, show_default=True, help="MB a second of the store.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the candidates into this PNG.")
@json_option
def recommend_command(
    place: str, tensor: str | None, lossy: bool, max_abs_error: float | None, bandwidth: float, plot: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure compressions and say which to take.

    On the samples of TENSOR in the dataset PLACE; or, without TENSOR, on a file or the files of a folder (those that
    cannot be kept as files are skipped and listed). What is stored as files already is judged as these.
    """
    promise: Any = "lossy" if lossy else "exact"
    if max_abs_error is not None:
        promise = {"max_abs_error": max_abs_error}
    advice, skipped = _advice(place, tensor, promise, bandwidth * 1e6)
    if plot is not None:
        draw(advice, plot)
    if as_json:
        emit({**asdict(advice), "arguments": advice.arguments, "skipped": [asdict(each) for each in skipped]})
        return
    rows = table("", "compression", "stored", "ratio", "encode MB/s", "decode MB/s", "error",
                 right=("stored", "ratio", "encode MB/s", "decode MB/s"))  # fmt: skip
    for each in advice.candidates:
        mark = cell("→", "green") if each is advice.pick else ""
        speeds = (f"{each.encode:,.0f}", f"{each.decode:,.0f}")
        rows.add_row(mark, cell(each.name), size(each.stored), f"{each.ratio:.2f}", *speeds, each.error)
    out().print(rows)
    out().print(cell(f"{advice.pick.name}: {advice.reason}"))
    arguments = ", ".join(["...", *(f"{name}={value!r}" for name, value in advice.arguments.items())])
    out().print(cell(f"create_tensor({arguments})", "dim"))
    for file in skipped:
        out().print(cell(f"skipped {file.name}: {file.reason}", "yellow"))


def _advice(place: str, tensor: str | None, promise: Any, bandwidth: float) -> tuple[Advice, list[Skipped]]:
    if tensor is None:
        path = Path(place)
        if "://" in place or (path / "commits").is_dir():
            raise error("E_ARGUMENT", "tensor.create", f"{place} is a dataset: name one of its tensors as well")
        files, skipped = _folder(path)
        return recommend(files, bandwidth=bandwidth), skipped
    chosen = opened(place, {})[tensor]
    rows = range(0, len(chosen), max(1, len(chosen) // LOOKED_AT))
    own = htypes.row_of(chosen.htype).sequence
    htype = f"sequence[{chosen.htype}]" if chosen.sequence and not own else chosen.htype
    kept = _kept(chosen, rows)
    if 2 * len(kept) >= len(rows) > 0:
        return recommend(kept, htype=htype, bandwidth=bandwidth), []
    values = [chosen[row] for row in rows]
    return recommend(values, htype=htype, dtype=chosen.dtype, fidelity=promise, bandwidth=bandwidth), []


def _folder(path: Path) -> tuple[list[EncodedFile], list[Skipped]]:
    """The files at ``path`` that can be kept, and the others with the reason. Errors: E_ARGUMENT when there is none."""
    if not path.exists():
        raise error("E_ARGUMENT", "tensor.create", f"{path} does not exist: name a dataset, a file or a folder")
    names = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    files: list[EncodedFile] = []
    skipped: list[Skipped] = []
    for name in names[:LOOKED_AT]:
        try:
            file = read(name)
            file.verify()
            files.append(file)
        except (LakebedError, OSError) as problem:
            reason = problem.detail if isinstance(problem, LakebedError) else str(problem)
            skipped.append(Skipped(name.name, reason))
    if not files:
        why = f": {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        detail = f"none of the {len(names)} files of {path} can be kept as a file{why}; name a file of a known format"
        raise error("E_ARGUMENT", "tensor.create", detail)
    return files, skipped


def _kept(chosen: Tensor, rows: range) -> list[EncodedFile]:
    """The samples that are stored as files, as these; nothing of them is decoded here."""
    if not any(step["name"] in MEDIA for pipeline in chosen.compression for step in pipeline):
        return []
    found = []
    for row in rows:
        try:
            found.append(read(chosen.file(row)))
        except LakebedError as cause:
            if cause.code != "E_FILE_ABSENT":
                raise
    return found
