"""Floor 8. Commands that judge and mend: inspect, check, recover, compact, expire, gc."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
from rich.text import Text

from ..check import Report, check
from ..collect import collect, expire
from ..publish import GRACE
from .shell import (
    FINE,
    FOUND,
    cell,
    emit,
    json_option,
    out,
    plain,
    progress,
    size,
    store_options,
    stored,
    table,
)


@click.command(name="check")
@click.argument("place")
@click.option("--branch", help="Only this branch; all if not given.")
@click.option("--newest", is_flag=True, help="Only the newest commit of each branch.")
@click.option("--shallow", is_flag=True, help="Checksums, but no decoding.")
@store_options
@json_option
def check_command(place: str, branch: str | None, newest: bool, shallow: bool, options: Any, as_json: bool) -> int:
    """Every fault of a dataset, each with its rule; exit code 1 when there is one. Nothing is changed."""
    store = stored(place, options)
    with progress("check") as tell:
        report = check(
            store,
            branch=branch,
            all_commits=not newest,
            decode=not shallow,
            progress=lambda what, done, total: tell(done, what, total),
        )
    if as_json:
        emit({"ok": report.ok, **dataclasses.asdict(report)})
    else:
        _show_report(report)
    return FINE if report.ok else FOUND


def _show_report(report: Report) -> None:
    console = out()
    if report.findings or report.notes:
        rows = table("", "code", "clause", "object", "byte", "what", right=("byte",))
        for finding in (*report.findings, *report.notes):
            style = "red" if finding.level == "error" else "yellow"
            at = "" if finding.offset is None else str(finding.offset)
            code, place = cell(finding.code, style), cell(short(finding.object))
            rows.add_row(Text(finding.level, style), code, cell(finding.clause), place, at, cell(finding.detail))
        console.print(rows)
    counted = f"{report.commits} commits, {report.tags} tags, {report.manifests} manifests, {report.chunks} chunks"
    console.print(Text.assemble(("judged  ", "dim"), f"{counted}, {report.units} units, {size(report.bytes)}"))
    if report.ok:
        console.print(Text("ok      no findings", "bold green"))
        return
    count = len(report.findings)
    console.print(Text(f"faults  {count}", "bold red"))
    console.print(Text.assemble(("next    ", "dim"), "`lakebed recover PLACE COPY` saves what still reads"))


def short(key: str) -> str:
    """A key whose long hexadecimal name is cut: the first digits tell it apart."""
    folder, _, name = key.rpartition("/")
    stem, dot, suffix = name.partition(".")
    return f"{folder}/{stem[:12]}…{dot}{suffix}" if len(stem) == 64 else plain(key)


@click.command(name="expire")
@click.argument("place")
@click.option("--before", metavar="TIME", help="Commits older than this may go (2026-01-31T12:00:00Z).")
@click.option("--keep-last", type=click.IntRange(1), help="All but so many of the newest of each branch may go.")
@click.option("--branch", help="Only this branch; all if not given.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@store_options
@json_option
def expire_command(place: str, options: Any, dry_run: bool, as_json: bool, **which: Any) -> int:
    """Forget old commits that no tag names; their data go with the next gc."""
    done = expire(stored(place, options, writable=not dry_run), dry_run=dry_run, **which)
    if as_json:
        emit(dataclasses.asdict(done))
        return FINE
    console = out()
    would = "would go" if dry_run else "deleted"
    console.print(Text.assemble((f"{would:<9}", "yellow"), f"{len(done.commits)} commits"))
    for branch, number in done.commits:
        console.print(Text(f"         {plain(branch)} {number}"))
    for branch, why in done.stopped.items():
        console.print(Text.assemble((f"{plain(branch):<9}", "dim"), plain(why)))
    return FINE


@click.command(name="gc")
@click.argument("place")
@click.option("--grace", type=float, default=GRACE, show_default=True, help="Seconds that garbage must rest.")
@click.option("--alone", is_flag=True, help="No writer is at work: a grace below an hour is safe.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@store_options
@json_option
def gc_command(place: str, grace: float, alone: bool, dry_run: bool, options: Any, as_json: bool) -> int:
    """Delete what no commit names. The first run lists it, a run after the grace period deletes it."""
    store = stored(place, options, writable=not dry_run)
    report = collect(store, grace=grace, alone=alone, dry_run=dry_run)
    if as_json:
        emit(dataclasses.asdict(report))
        return FINE
    console = out()
    said = {
        "clean": "no garbage",
        "listed": f"{len(report.candidates)} objects, {size(report.candidate_bytes)}, wait until {report.due}",
        "waiting": f"the list is not due before {report.due}",
        "swept": f"{len(report.deleted)} objects, {size(report.deleted_bytes)}"
        + (f"; {len(report.named)} are in use again" if report.named else ""),
    }
    word = f"{report.phase}, dry run" if dry_run else report.phase
    console.print(Text.assemble((f"{word}  ", "bold"), said[report.phase]))
    if report.temporary:
        console.print(Text.assemble(("leftovers  ", "dim"), f"{len(report.temporary)} temporary files deleted"))
    return FINE
