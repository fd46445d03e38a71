"""Floor 8. The command that measures compressions on a tensor or on files, and says which to take."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..advise import BANDWIDTH, Advice, recommend
from ..advise_plot import plot as draw
from ..errors import error
from ..files import read
from .shell import cell, emit, json_option, opened, out, size, table

LOOKED_AT = 1000


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

    On the samples of TENSOR in the dataset PLACE; or, without TENSOR, on a file or the files of a folder.
    """
    promise: Any = "lossy" if lossy else "exact"
    if max_abs_error is not None:
        promise = {"max_abs_error": max_abs_error}
    advice = _advice(place, tensor, promise, bandwidth * 1e6)
    if plot is not None:
        draw(advice, plot)
    if as_json:
        emit({**asdict(advice), "arguments": advice.arguments})
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


def _advice(place: str, tensor: str | None, promise: Any, bandwidth: float) -> Advice:
    if tensor is None:
        path = Path(place)
        if "://" in place or (path / "commits").is_dir():
            raise error("E_ARGUMENT", "tensor.create", f"{place} is a dataset: name one of its tensors as well")
        names = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        return recommend([read(name) for name in names[:LOOKED_AT]], bandwidth=bandwidth)
    chosen = opened(place, {})[tensor]
    values = [chosen[row] for row in range(0, len(chosen), max(1, len(chosen) // LOOKED_AT))]
    return recommend(
        [value for value in values if value is not None], htype=chosen.htype, fidelity=promise, bandwidth=bandwidth
    )
