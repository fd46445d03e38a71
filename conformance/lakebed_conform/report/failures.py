"""The page's failures: one article a symptom, its simplest case in full, the others a click away."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from lakebed_conform.cases import Case
from lakebed_conform.groups import Group, grouped
from lakebed_conform.report.hexdump import Line, hexdump
from lakebed_conform.report.text import hints
from lakebed_conform.results import Outcome, Result
from lakebed_conform.spec import Clause

WORDS = {
    "pass": "passed", "fail": "failed", "crash": "crashed", "timeout": "ran out of time", "memory": "ran out of memory",
    "protocol": "broke the protocol", "skip": "skipped", "xfail": "failed as listed", "xpass": "passed though listed",
    "untestable": "untestable here",
}  # fmt: skip
SHOWN = 512  # bytes of an object that has no marked place
CLAUSES = 4
LISTED = 20  # symptoms at the top of the section
LONGEST = 600  # characters of a request or reply


def failures(outcome: Outcome, cases: dict[str, Case], clauses: dict[str, Clause]) -> str:
    """The section: a list of symptoms to jump from, then each in full."""
    groups = grouped(outcome.results, cases)
    if not groups:
        good = '<p class="good">None: everything that was asked was answered as the spec says.</p>'
        return f'<section id="failures"><h2>Failures</h2>{good}</section>'
    failing = {id for g in groups for id in g.results}
    count = f"{len(failing)} of {len({r.case for r in outcome.results})} cases, {_many(len(groups), 'symptom')}"
    rows = [
        f'<li value="{n}"><a href="#symptom-{n}">{escape(g.symptom)}</a> '
        f"<small>{_many(len(g.results), 'case')}</small></li>"
        for n, g in enumerate(groups, 1)
    ]
    list_ = "<p>The most basic first: begin at the top, one cause often ends several.</p>"
    list_ += f"<ol>{''.join(rows[:LISTED])}</ol>"
    if rows[LISTED:]:
        list_ += f"<details><summary>{len(rows) - LISTED} more</summary><ol>{''.join(rows[LISTED:])}</ol></details>"
    body = (list_ if len(groups) > 1 else "") + "".join(_group(n, g, cases, clauses) for n, g in enumerate(groups, 1))
    return f'<section id="failures"><h2>Failures <small>{count}</small></h2>{body}</section>'


def _many(n: int, word: str) -> str:
    return f"{n} {word}" + ("" if n == 1 else "s")


def _group(n: int, group: Group, cases: dict[str, Case], clauses: dict[str, Clause]) -> str:
    first = group.first
    case = cases.get(first[0].case)
    said = "".join(f"<li>{escape(line)}</li>" for line in hints(group)) if group.others else ""
    return (
        f'<article class="{first[0].status}" id="symptom-{n}"><h3><small>{n}</small> {escape(group.symptom)}</h3>'
        f"{_others(group)}{f'<ul class=hints>{said}</ul>' if said else ''}"
        f"{_case(first, case, clauses, group.shared)}</article>"
    )


def _others(group: Group) -> str:
    if not group.others:
        return ""
    links = " ".join(
        f'<a href="#case-{escape(id)}-{group.results[id][0].role}">{escape(id)}</a>' for id in group.others
    )
    words = f"the simplest case is shown; {len(group.others)} more fail so"
    return f"<details><summary>{words}</summary><p>{links}</p></details>"


def _case(results: list[Result], case: Case | None, clauses: dict[str, Clause], shared: tuple[str, ...]) -> str:
    """One case, whatever roles failed it: what it is, what happened to each, bytes, exchange, clauses."""
    first = results[0]
    words = f"<p><b>{escape(case.title)}.</b> <em>{escape(case.effect)}</em></p>" if case else ""
    roles = "".join(_role(r, case) for r in results)
    place = {word: n for n, word in enumerate(shared)}
    shown = [_clause(c, clauses) for c in sorted(first.clauses, key=lambda c: place.get(f"[{c}]", len(place)))]
    said = "".join(shown[:CLAUSES])
    if shown[CLAUSES:]:
        more = _many(len(shown) - CLAUSES, "more clause")
        said += f"<details><summary>{more}</summary>{''.join(shown[CLAUSES:])}</details>"
    again = f"lakebed-conform case {first.case} --port …"
    return (
        f'<h4>{escape(first.case)} <small>{first.level}, {first.kind}</small></h4>{words}{_fault(case)}{roles}'
        f'<div class="clauses">{said}</div>{_objects(case)}<p class="dim"><code>{escape(again)}</code></p>'
    )


def _role(r: Result, case: Case | None) -> str:
    rows = [("wanted", r.wanted), ("got", r.got), ("stderr", r.cause)]
    table = "".join(f"<dt>{k}</dt><dd><code>{escape(v)}</code></dd>" for k, v in rows if v)
    head = f'<p class="what"><span class="status">{r.role} {WORDS[r.status]}</span>: {escape(r.detail)}</p>'
    said = ""
    if r.stderr.strip():
        said = f"<details><summary>all of stderr</summary><pre>{escape(r.stderr)}</pre></details>"
    return head + (f"<dl>{table}</dl>" if table else "") + _apart(r) + _exchange(r, case) + said


def _apart(r: Result) -> str:
    """The bytes that were due over those that came, what differs marked."""
    if not r.difference:
        return ""
    want, got = bytes.fromhex(r.difference["want"]), bytes.fromhex(r.difference["got"])
    start = r.difference["start"]
    rows = [("due", want, got), ("came", got, want)]
    figures = ""
    for name, mine, other in rows:
        marks = {i for i in range(len(mine)) if i >= len(other) or mine[i] != other[i]}
        lines = "\n".join(_line(line) for line in hexdump(mine, 0, around=len(mine), marks=marks, first=start))
        figures += f"<div><figcaption>{name}</figcaption><pre>{lines or '(nothing)'}</pre></div>"
    return f'<figure class="apart">{_grid(r.difference)}{figures}</figure>'


def _grid(apart: dict[str, Any]) -> str:
    """The item with its elements in rows, those that differ as came over due."""
    if not apart["cells"]:
        return ""
    wide, rows = apart["shape"][-1], ""
    for at in range(0, len(apart["cells"]), wide):
        cells = (
            f"<td><mark>{escape(came)}</mark><br><s>{escape(due)}</s></td>" if wrong else f"<td>{escape(due)}</td>"
            for due, came, wrong in apart["cells"][at : at + wide]
        )
        rows += f"<tr>{''.join(cells)}</tr>"
    shape = " by ".join(map(str, apart["shape"]))
    caption = f"<figcaption>{escape(apart['item'])}, {shape}; marked: what came, struck out: what was due</figcaption>"
    return f'<div class="grid">{caption}<table>{rows}</table></div>'


def _exchange(r: Result, case: Case | None) -> str:
    """What was asked and answered; the last exchange is the one that went wrong."""
    if not r.exchange:
        return ""
    lines = []
    for seen in r.exchange:
        answer = _message(seen["reply"], case) if seen["reply"] else f"({WORDS[r.status]})"
        asked = _message(seen["request"], case)
        lines.append(f'<span class="dim">&gt;</span> {asked}\n<span class="dim">&lt;</span> {answer}')
    earlier = "\n".join(lines[:-1])
    more = f"<details><summary>what came before</summary><pre>{earlier}</pre></details>" if earlier else ""
    return f'<pre class="talk">{lines[-1]}</pre>{more}'


def _message(said: object, case: Case | None) -> str:
    text = json.dumps(said, ensure_ascii=False)
    if case:
        text = text.replace(str(case.folder.resolve()), f"cases/{case.format}/{case.id}")
    text = re.sub(r'"[^"]*/lakebed-conform-[^/"]*/', '"…/', text)
    return escape(text if len(text) <= LONGEST else text[: LONGEST - 2] + " …")


def _clause(id: str, clauses: dict[str, Clause]) -> str:
    clause = clauses.get(id)
    text = f"<p>{_prose(clause.text)} <i>({escape(clause.chapter)}, {clause.level})</i></p>" if clause else ""
    return f"<div><code>{escape(id)}</code>{text}</div>"


def _prose(text: str) -> str:
    """The spec's Markdown of one clause as HTML; cells of a table row are set apart."""
    cells = [c.strip() for c in text.split(" | ") if c.strip() and not re.fullmatch(r"\*\*[a-z0-9_.]+\*\*", c.strip())]
    out = escape(" · ".join(cells))
    out = re.sub(r"`([^`]+)`", r"<code>\1</code>", out)
    out = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", out)
    return re.sub(r"(?<![\w\])}])\*(?!\s)([^*]+)\*", r"<em>\1</em>", out)


def _fault(case: Case | None) -> str:
    """The fault's bytes, marked, when the case has one at an offset."""
    if case is None or not case.fault or "offset" not in case.fault:
        return ""
    path = case.dataset / case.fault["object"]
    if not path.is_file():
        return ""
    offset, size = case.fault["offset"], case.fault.get("size", 1)
    lines = "\n".join(_line(line) for line in hexdump(path.read_bytes(), offset, size))
    name = f"{escape(case.fault['object'])}, {escape(case.fault['field'])} at byte {offset}"
    return f"<figure><figcaption>the fault: {name}</figcaption><pre>{lines}</pre></figure>"


def _objects(case: Case | None) -> str:
    """The bytes of a valid case: each chunk's, and what a script says; what is long is cut."""
    if case is None or case.fault:
        return ""
    files = [p for p in sorted(case.dataset.rglob("*")) if p.is_file()] if case.dataset.is_dir() else []
    shown = "".join(_object(p, case) for p in [*files, case.folder / "script.json"] if p.is_file())
    return f"<details><summary>its bytes</summary>{shown}</details>" if shown else ""


def _object(path: Path, case: Case) -> str:
    data = path.read_bytes()
    name = path.relative_to(case.folder).as_posix()
    caption = f"<figcaption>{escape(name)}, {len(data)} bytes</figcaption>"
    if path.suffix == ".json":
        text = data[: 8 * SHOWN].decode(errors="replace") + (" …" if len(data) > 8 * SHOWN else "")
        return f"<figure>{caption}<pre class=wrap>{escape(text)}</pre></figure>"
    lines = "\n".join(_line(line) for line in hexdump(data[:SHOWN], 0, around=SHOWN, marks=set()))
    more = f'\n<span class="dim">… {len(data) - SHOWN} bytes more</span>' if len(data) > SHOWN else ""
    return f"<figure>{caption}<pre>{lines}{more}</pre></figure>"


def _line(line: Line) -> str:
    """One line of a hexdump, its marked bytes in <mark>."""
    at, digits, text = line
    left = " ".join(f"<mark>{d}</mark>" if m else d for d, m in digits)
    right = "".join(f"<mark>{escape(c)}</mark>" if m else escape(c) for c, m in text)
    return f'<span class="dim">{at:6d}</span>  {left}{"   " * (16 - len(digits))}  {right}'
