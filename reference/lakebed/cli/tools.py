"""Floor 8. Commands that judge and mend: inspect, check, expire, gc."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from ..check import Report, check
from ..collect import collect, expire
from ..errors import error
from ..findings import Finding
from ..history import need_list
from ..inspect import RAW, Span, inspect
from ..publish import GRACE
from ..stores import Store
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


@click.command(name="inspect")
@click.argument("place")
@click.argument("key", required=False)
@click.option("--units", type=click.IntRange(0), default=20, show_default=True, help="Of a chunk: so many, one by one.")
@store_options
@json_option
def inspect_command(place: str, key: str | None, units: int, options: Any, as_json: bool) -> int:
    """An object explained byte by byte.

    Without KEY, the list of objects. KEY is a key of the tree, or a part that only one key has (the first digits of a
    chunk's name). Works on broken objects too; the exit code is 1 when a rule is broken.
    """
    store = stored(place, options)
    if key is None:
        _list_objects(store, as_json)
        return FINE
    spans = inspect(store, _whole_key(store, key), units=units)
    if as_json:
        emit([{**dataclasses.asdict(span), "raw": span.raw.hex()} for span in spans])
    else:
        for span in spans:
            out().print(_span_line(span), soft_wrap=True)
    return FOUND if any(span.error for span in spans) else FINE


def _whole_key(store: Store, part: str) -> str:
    """``part`` if it is a key, else the only key that it is a part of. Errors: E_ARGUMENT."""
    if store.size(part) is not None:
        return part
    found = [entry.key for entry in store.list("") or () if part in entry.key]
    if len(found) != 1:
        said = f"is a part of {len(found)} keys" if found else "is no key, nor a part of one"
        raise error("E_ARGUMENT", "tree.keys", f"{plain(part)!r} {said}; `lakebed inspect PLACE` lists them")
    return found[0]


def _list_objects(store: Store, as_json: bool) -> None:
    entries = list(need_list(store, ""))
    if as_json:
        emit([{"key": entry.key, "bytes": entry.size} for entry in entries])
        return
    rows = table("object", "bytes", right=("bytes",))
    for entry in entries:
        rows.add_row(cell(entry.key), f"{entry.size:,}")
    out().print(rows)


def _span_line(span: Span) -> Text:
    dump = span.raw.hex(" ") + (" …" if span.size > len(span.raw) else "")
    line = Text.assemble((f"{span.offset:08x} {span.size:>9}  ", "dim"), (f"{dump:<{3 * RAW + 1}}", "cyan"))
    said = "  ".join(plain(part) for part in (span.value, span.meaning) if part)
    line.append(f"  {plain(span.name):<20} ", "bold").append(said).append(f"  [{span.clause}]", "dim")
    return line.append(f"  !! {span.error}", "bold red") if span.error else line


@click.command(name="check")
@click.argument("place")
@click.option("--branch", help="Only this branch; all if not given.")
@click.option("--newest", is_flag=True, help="Only the newest commit of each branch.")
@click.option("--shallow", is_flag=True, help="Checksums, but no decoding.")
@store_options
@json_option
def check_command(place: str, branch: str | None, newest: bool, shallow: bool, options: Any, as_json: bool) -> int:
    """Every fault, each with the rule it breaks.

    Nothing is changed; the exit code is 1 when there is a fault.
    """
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
    show_findings([*report.findings, *report.notes])
    counted = f"{report.commits} commits, {report.tags} tags, {report.manifests} manifests, {report.chunks} chunks"
    console.print(Text.assemble(("judged  ", "dim"), f"{counted}, {report.units} units, {size(report.bytes)}"))
    if report.ok:
        console.print(Text("ok      no findings", "bold green"))
        return
    count = len(report.findings)
    console.print(Text(f"faults  {count}", "bold red"))
    console.print(Text.assemble(("next    ", "dim"), "`lakebed recover PLACE COPY` saves what still reads"))


def show_findings(findings: Sequence[Finding]) -> None:
    """A table of findings and notes; nothing when there is none."""
    rows = table("", "code", "clause", "object", "byte", "what", right=("byte",))
    for finding in findings:
        style = "red" if finding.level == "error" else "yellow"
        at = "" if finding.offset is None else str(finding.offset)
        code, place = cell(finding.code, style), cell(short(finding.object))
        rows.add_row(Text(finding.level, style), code, cell(finding.clause), place, at, cell(finding.detail))
    if findings:
        out().print(rows)


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
    """Forget old commits that no tag names.

    Their data go with the next gc.
    """
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
