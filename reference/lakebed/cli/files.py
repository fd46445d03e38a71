"""Floor 8. Commands that bring files in and out: import, export, demo."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from .. import demo
from ..export import export
from ..importers import import_folder
from ..importers.walk import Walk
from .shell import (
    FINE,
    FOUND,
    at_options,
    cell,
    emit,
    json_option,
    opened,
    out,
    parsed,
    plain,
    progress,
    shape,
    size,
    store_options,
    table,
)


@click.command(name="import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("place")
@click.option("--append", is_flag=True, help="Add to a dataset that an import made.")
@click.option("--stop", is_flag=True, help="Stop at the first file that is refused, and keep nothing.")
@click.option("--images", default="images", show_default=True, help="Name of the tensor of pictures.")
@click.option("--labels", default="labels", show_default=True, help="Name of the tensor of labels.")
@click.option("--paths", default="paths", show_default=True, help="Name of the tensor of file names.")
@store_options
@json_option
def import_command(folder: Path, place: str, stop: bool, options: Any, as_json: bool, **named: Any) -> int:
    """A folder of pictures becomes a dataset.

    The names of the sub-folders are the labels; files are kept byte for byte. Files that cannot be kept are listed with
    the reason, and the exit code is 1.
    """
    total = sum(1 for _ in Walk(folder)) if sys.stderr.isatty() else None  # only a bar wants to know beforehand
    with progress("import", total) as tell:
        on_error = "stop" if stop else "list"
        done = import_folder(folder, place, on_error=on_error, progress=tell, options=parsed(options), **named)
    if as_json:
        emit(dataclasses.asdict(done))
    else:
        _show_import(done, place)
    return FOUND if done.refused else FINE


def _show_import(done: Any, place: str) -> None:
    console = out()
    if done.refused:
        rows = table("refused", "code", "why")
        for each in done.refused:
            rows.add_row(cell(each.path), cell(each.code, "red"), cell(each.reason))
        console.print(rows)
    formats = ", ".join(f"{count} {name}" for name, count in sorted(done.formats.items(), key=lambda item: -item[1]))
    hidden = f", {done.hidden} hidden passed by" if done.hidden else ""
    taken = f"{done.rows:,} files ({formats}; {size(done.bytes)})" if done.rows else "no file"
    console.print(Text.assemble(("took     ", "green" if done.rows else "red"), taken))
    console.print(Text.assemble(("refused  ", "red" if done.refused else "dim"), f"{len(done.refused):,}{hidden}"))
    if done.commit is not None:
        made = f"{done.commit.branch} {done.commit.number} of {plain(place)}"
        console.print(Text.assemble(("commit   ", "dim"), made))


@click.command(name="export")
@click.argument("place")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--tensor", "tensors", multiple=True, help="Which to write; by default all that keep files or images.")
@click.option("--labels", default="labels", show_default=True, help="Tensor whose class names become folders.")
@click.option("--paths", default="paths", show_default=True, help="Text tensor with the files' names.")
@click.option("--arrays", type=click.Choice(["npy", "png"]), default="npy", show_default=True, help="For no files.")
@click.option("--rows", metavar="A:B", help="Only rows A up to, not including, B.")
@at_options
@json_option
def export_command(place: str, folder: Path, tensors: Any, rows: str | None, as_json: bool, **given: Any) -> int:
    """Samples become files again.

    What was a file comes out byte for byte, under its old name. FOLDER must be empty or absent.
    """
    ds = opened(place, given)
    numbers = range(len(ds))[_span(rows)]
    chosen = {name: given[name] for name in ("labels", "paths", "arrays")}
    with progress("export", len(numbers)) as tell:
        done = export(ds, folder, tensors=tensors or None, rows=numbers, progress=tell, **chosen)
    if as_json:
        emit(dataclasses.asdict(done))
        return FINE
    console = out()
    said = f"{done.files:,} files, {done.verbatim:,} of them byte for byte; {size(done.bytes)}"
    console.print(Text.assemble(("wrote    ", "green"), said))
    if done.empty:
        console.print(Text.assemble(("nothing  ", "dim"), f"for {done.empty:,} rows without a sample"))
    for wanted, name in done.renamed:
        console.print(Text.assemble(("renamed  ", "yellow"), f"{plain(wanted)} to {plain(name)}"))
    return FINE


def _span(text: str | None) -> slice:
    if text is None:
        return slice(None)
    first, _, last = text.partition(":")
    try:
        return slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not A:B", param_hint="--rows") from None


@click.command(name="demo")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@json_option
def demo_command(folder: Path | None, as_json: bool) -> None:
    """The whole life of a small dataset.

    Real pictures, in FOLDER: by default a new one, lakebed-demo.
    """
    chosen = demo.free_folder() if folder is None else folder
    steps: list[demo.Step] = []
    made = demo.run(chosen, steps.append if as_json else _show_step)
    if as_json:
        emit({"steps": [dataclasses.asdict(step) for step in steps], "made": made})
        return
    console = out()
    for name, path in made.items():
        console.print(Text.assemble((f"  {name:<10}", "dim"), plain(path)))
    lakebed = "lakebed" if shutil.which("lakebed") else plain(sys.argv[0])  # as it must be typed here
    console.print(Text.assemble("\n  Look further:  ", (f"{lakebed} info {made['dataset']}", "bold")), soft_wrap=True)
    console.print(Text.assemble("                 ", (f"{lakebed} check {made['damaged']}", "bold")), soft_wrap=True)


def _show_step(step: demo.Step) -> None:
    console = out()
    if not step.rows:
        console.print(Text.assemble((" ✓ ", "bold green"), (plain(step.title), "bold")))
        for fact in step.facts:
            console.print(Text(f"     {plain(fact)}", "dim"))
        return
    numbers = ("row", "bytes", "boxes")
    rows = table("row", "name", "label", "shape", "stored as", "bytes", "boxes", "mask", right=numbers)
    for row in step.rows:
        name, label = cell(row["name"]), cell(row["label"], _TINTS.get(row["label"], ""))
        mask = row["mask"] or "–"
        held = (cell(shape(row["shape"])), row["stored"], f"{row['bytes']:,}", str(row["boxes"]))
        rows.add_row(str(row["row"]), name, label, *held, mask)
    console.print()
    console.print(rows)


_TINTS = {"animal": "yellow", "flower": "magenta", "thing": "cyan"}
