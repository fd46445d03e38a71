"""Floor 8. Commands that write a dataset anew: recover, compact, copy."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
from rich.text import Text

from ..compact import compact
from ..migrate import copy
from ..recover import Report as Recovery
from ..recover import recover
from .shell import FINE, FOUND, cell, emit, json_option, out, plain, progress, size, store_options, stored, table
from .tools import short, show_findings


@click.command(name="recover")
@click.argument("place")
@click.argument("target")
@click.option("--chunks-only", is_flag=True, help="Believe no commit: put tensors together from the chunks alone.")
@store_options
@click.option("--to-option", "target_options", multiple=True, metavar="KEY=VALUE", help="Of the target's store.")
@json_option
def recover_command(
    place: str, target: str, chunks_only: bool, options: Any, target_options: Any, as_json: bool
) -> int:
    """What still reads goes into a new dataset.

    PLACE is not changed; TARGET must be empty. What is lost is listed, and the exit code is 1; works even when all
    commits are gone.
    """
    with progress("recover") as tell:
        report = recover(
            stored(place, options),
            stored(target, target_options, writable=True),
            chunks_only=chunks_only,
            progress=lambda what, done, total: tell(done, what, total),
        )
    if as_json:
        emit({"ok": report.ok, **dataclasses.asdict(report)})
    else:
        _show_recovery(report)
    return FINE if report.ok else FOUND


def _show_recovery(report: Recovery) -> None:
    console = out()
    show_findings([*report.findings, *report.notes])
    if report.lost:
        rows = table("lost", "rows", "was stored in")
        for lost in report.lost:
            last = f"-{lost.stop - 1}" if lost.stop - lost.start > 1 else ""
            rows.add_row(cell(f"{lost.branch}: {lost.tensor}", "bold"), f"{lost.start}{last}", cell(short(lost.object)))
        console.print(rows)
    counted = f"{report.samples:,} samples; {report.copied} chunks as they were, {report.rewritten} written anew"
    console.print(Text.assemble(("saved   ", "green"), counted))
    for branch, number in report.taken.items():
        said = f"as commit {number} had it" if number else "from chunks alone: look at the notes before you trust it"
        console.print(Text.assemble(("branch  ", "dim"), f"{plain(branch)}, {said}"))
    for key in report.skipped:
        console.print(Text.assemble(("skipped ", "red"), plain(short(key))))


@click.command(name="compact")
@click.argument("place")
@click.option("--branch", help="The branch; main if not given.")
@click.option("--tensor", "tensors", multiple=True, help="Only this tensor. Repeat it.")
@click.option("--chunk-bytes", type=click.IntRange(1), help="Size of the new chunks; by default what writers choose.")
@click.option("--message", default="compact", show_default=True, help="Of the commit.")
@store_options
@json_option
def compact_command(
    place: str, branch: str | None, tensors: Any, chunk_bytes: int | None, message: str, options: Any, as_json: bool
) -> int:
    """Many small chunks become few, in one commit.

    No sample changes, nothing is encoded anew, and earlier commits stay readable. What the old chunks take is given
    back by expire and gc.
    """
    store = stored(place, options, writable=True)
    more: Any = {} if chunk_bytes is None else {"target_bytes": chunk_bytes}
    with progress("compact") as tell:
        report = compact(
            store,
            branch=branch,
            tensors=tensors or None,
            message=message,
            progress=lambda what, done, total: tell(done, what, total),
            **more,
        )
    if as_json:
        emit(dataclasses.asdict(report))
        return FINE
    console = out()
    if report.tensors:
        rows = table("tensor", "chunks", "slices", "written", right=("chunks", "slices", "written"))
        for name, change in report.tensors.items():
            chunks, slices = (f"{before:,} → {after:,}" for before, after in (change.chunks, change.slices))
            rows.add_row(cell(name, "bold"), chunks, slices, size(change.written))
        console.print(rows)
    for name, why in report.left.items():
        console.print(Text.assemble(("left      ", "yellow"), f"{plain(name)}: {plain(why)}"))
    if report.commit is None:
        console.print("nothing to do: every chunk is large enough and in use")
    else:
        console.print(Text.assemble(("commit    ", "dim"), f"{plain(report.commit.branch)} {report.commit.number}"))
    return FINE


@click.command(name="copy")
@click.argument("place")
@click.argument("target")
@store_options
@click.option("--to-option", "target_options", multiple=True, metavar="KEY=VALUE", help="Of the target's store.")
@json_option
def copy_command(place: str, target: str, options: Any, target_options: Any, as_json: bool) -> int:
    """Everything with its history to an empty place.

    Each object is verified on its way; a fault ends the copy.
    """
    with progress("copy") as tell:
        report = copy(
            stored(place, options),
            stored(target, target_options, writable=True),
            progress=lambda what, done, total: tell(done, what, total),
        )
    if as_json:
        emit(dataclasses.asdict(report))
        return FINE
    counted = f"{report.commits} commits, {report.tags} tags, {report.manifests} manifests, {report.chunks} chunks"
    out().print(Text.assemble(("copied  ", "green"), f"{counted}, {size(report.bytes)}"))
    return FINE
