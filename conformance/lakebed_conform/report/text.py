"""Results as text for a terminal: failures by symptom, the simplest case of each in full."""

from __future__ import annotations

from collections.abc import Iterator

from lakebed_conform.cases import Case
from lakebed_conform.groups import Group, grouped
from lakebed_conform.results import Outcome, Result

NAMED = 4
FULL, LISTED = 8, 30


def summary_lines(outcome: Outcome, cases: dict[str, Case], port: str) -> Iterator[tuple[str, str | None]]:
    """(line, colour) of what is not as it should be; nothing for a clean run. ``port``: as --port had it."""
    if any(r.detail.startswith("hello: ") and not r.executed for r in outcome.results):
        yield from _hello_lines(outcome, port)
        return
    groups = grouped(outcome.results, cases)
    failing = {id for g in groups for id in g.results}
    if groups:
        many = f", {len(groups)} symptoms; the most basic first" if len(groups) > 1 else ""
        yield f"{len(failing)} of {len({r.case for r in outcome.results})} cases are not as they should be{many}", None
    for n, group in enumerate(groups[:FULL], 1):
        yield "", None
        yield from group_lines(n, group, port)
    for n, group in enumerate(groups[FULL:LISTED], FULL + 1):
        more = f", {len(group.others)} more" if group.others else ""
        yield f"{n}. {group.symptom} ({group.first[0].case}{more})", "red"
    if len(groups) > LISTED:
        yield f"and {len(groups) - LISTED} symptoms more: --html page.html shows them, --each every case", None
    for entry in outcome.stale:
        yield f"stale: the baseline lists {entry}; strike it out", "red"


def _hello_lines(outcome: Outcome, port: str) -> Iterator[tuple[str, str | None]]:
    """The port did not say who it is, and nothing was asked."""
    yield f"{outcome.results[0].status}: {outcome.results[0].detail}", "red"
    if cause := outcome.header.get("hello_cause"):
        yield f"   stderr: {cause}", "red"
    yield f"Nothing could be asked. Try: lakebed-conform doctor --port {port}", None


def group_lines(n: int, group: Group, port: str) -> Iterator[tuple[str, str | None]]:
    """One symptom: its simplest case in full, the others by name, what they share."""
    first = group.first
    colour = "yellow" if first[0].status == "xfail" else "red"
    yield f"{n}. {group.symptom}", colour
    for r in first:
        yield f"   {r.case} [{r.role}] {r.detail}", None
        if r.wanted:
            yield f"      wanted {r.wanted}, got {r.got}", None
        if r.cause:
            yield f"      stderr: {r.cause}", None
    if group.others:
        more = len(group.others) - NAMED
        yield f"   and {len(group.others)} more: {', '.join(group.others[:NAMED])}" + (", …" if more > 0 else ""), None
    for line in hints(group):
        yield f"   {line}", None
    yield f"   look: lakebed-conform case {first[0].case} --port {port}", None


def hints(group: Group) -> list[str]:
    """What the cases of a group have in common, in words."""
    said = []
    if group.shared:
        said.append(f"{'all of them show' if group.others else 'it shows'}: {', '.join(group.shared[:6])}")
    if group.telling:
        few = ", ".join(f"{name} ({n})" for name, n in group.telling[:6])
        said.append(f"every case of these fails so: {few}")
    return said


def each_line(r: Result) -> str:
    """One result in one line."""
    return f"{r.status:9} {r.case} [{r.role}] {r.detail}"
