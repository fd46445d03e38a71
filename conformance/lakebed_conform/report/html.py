"""The page: a summary to read first, then what failed with its bytes, then every clause, feature and case."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from pathlib import Path

from lakebed_conform.cases import Case
from lakebed_conform.report.failures import WORDS, failures
from lakebed_conform.results import Outcome, Result, vector
from lakebed_conform.spec import Clause

STYLE = (Path(__file__).parent / "page.css").read_text()
#: the search box above the cases; the page is whole without it
FILTER = """
const box = document.querySelector("#filter"), rows = [...document.querySelectorAll("table.all tr")];
box?.addEventListener("input", () => { const words = box.value.toLowerCase().split(/ +/);
  for (const r of rows) r.hidden = !words.every((w) => r.textContent.toLowerCase().includes(w)); });
"""

def html_page(
    outcome: Outcome, cases: dict[str, Case], clauses: dict[str, Clause] | None = None,
    matrix: list[dict[str, str]] | None = None,
) -> str:  # fmt: skip
    """One self-contained page. ``clauses``: the spec's text for the clauses, when it is at hand."""
    head = outcome.header
    title = f"{head['port']} against Lakebed {head['format']}"
    parts = [
        _summary(outcome, title), failures(outcome, cases, clauses or {}), _matrix(matrix or []),
        _slack(outcome.results), _areas(outcome.results), _skipped(outcome.results),
        _clauses(outcome.results, clauses or {}), _features(outcome.results), _all(outcome.results, cases),
    ]  # fmt: skip
    nav = "".join(f'<a href="#{i}">{t}</a>' for i, t in _SECTIONS if any(f'id="{i}"' in p for p in parts))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<nav>{nav}</nav><main>{''.join(parts)}</main><script>{FILTER}</script></html>\n"
    )


_LEGEND = [("pass", "passed"), ("fail", "failed"), ("xfail", "listed"), ("skip", "not asked")]
_SECTIONS = [("summary", "Summary"), ("failures", "Failures"), ("matrix", "Matrix"), ("slack", "Fidelity"),
             ("areas", "Areas"), ("skipped", "Not asked"), ("clauses", "Clauses"),
             ("features", "Features"), ("cases", "Cases")]  # fmt: skip


def _summary(outcome: Outcome, title: str) -> str:
    v, head = vector(outcome.results), outcome.header
    must, should, safety = v["must"], v["should"], v["safety"]
    verdict = outcome.verdict
    tiles = [_tile("MUST", must["passed"], must["applicable"], f"{must['executed']} executed")]
    if should["cases"]:
        tiles.append(_tile("SHOULD", should["passed"], should["applicable"], f"{should['executed']} executed"))
    if safety["of"]:
        tiles.append(_tile("Safety", safety["refused"], safety["of"], "bad input refused cleanly"))
    if v["worst_slack"]:
        tiles.append(f'<div class="tile"><b>Worst slack</b><span>{v["worst_slack"]["ratio"]:.3f}</span>'
                     f"<div></div><i>of {escape(v['worst_slack']['rule'])}; 1 is the limit</i></div>")  # fmt: skip
    hello = head.get("hello") or {}
    words = [hello.get("name", head["port"]), hello.get("version", ""), hello.get("language", "")]
    counts = " · ".join(f"{n} {WORDS[s]}" for s, n in v["statuses"].items())
    stale = "".join(f"<li>{escape(s)}</li>" for s in outcome.stale)
    said = " · ".join(filter(None, (head.get("hello_detail"), head.get("hello_cause"))))
    trouble = f'<p class="bad">hello: {escape(said)}</p>' if said else ""
    return (
        f'<section id="summary"><h1>{escape(title)}</h1><p class="verdict {verdict.split()[0]}">{verdict}</p>'
        f"<p>{escape(' '.join(filter(None, words)))}, suite {escape(head['suite'])}, {escape(head['host'])}. "
        f'{counts}.</p>{trouble}<div class="tiles">{"".join(tiles)}</div>'
        + (f'<p class="bad">Stale baseline entries:</p><ul>{stale}</ul>' if stale else "")
        + _declared(hello.get("declares") or {})
        + f'<p class="dim">Run: <code>{escape(" ".join(head["command"]))}</code></p></section>'
    )


def _declared(declares: dict[str, object]) -> str:
    """What the port says about itself, for people."""
    rows = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in declares.items())
    return f'<dl class="declares">{rows}</dl>' if rows else ""


def _tile(name: str, good: int, of: int, more: str) -> str:
    share = 100 * good / of if of else 0
    state = "good" if good == of and of else "bad"
    return (
        f'<div class="tile {state}"><b>{name}</b><span>{good}<small>/{of}</small></span>'
        f'<div class="bar"><div style="width:{share:.1f}%"></div></div><i>{escape(more)}</i></div>'
    )


def _matrix(matrix: list[dict[str, str]]) -> str:
    """Producers by consumers; each cell {writer, reader, good, of}."""
    if not matrix:
        return ""
    readers = list(dict.fromkeys(c["reader"] for c in matrix))
    rows = ""
    for writer in dict.fromkeys(c["writer"] for c in matrix):
        cells = {c["reader"]: c for c in matrix if c["writer"] == writer}
        row = "".join(_cell(cells.get(r)) for r in readers)
        rows += f"<tr><th>{escape(writer)}</th>{row}</tr>"
    head = "".join(f"<th>{escape(r)}</th>" for r in readers)
    table = f"<table><tr><th>wrote \\ read</th>{head}</tr>{rows}</table>"
    return f'<section id="matrix"><h2>Who reads whom</h2>{table}</section>'


def _cell(cell: dict[str, str] | None) -> str:
    if cell is None:
        return "<td>-</td>"
    state = "good" if cell["good"] == cell["of"] else "bad"
    return f'<td class="{state}">{cell["good"]}/{cell["of"]}</td>'


def _slack(results: list[Result]) -> str:
    """Every declared bound with how much of it was used, as dots on a line whose end is the limit."""
    rules = defaultdict(list)
    for r in results:
        for s in r.slack:
            rules[s["rule"]].append((min(s["ratio"], 1.2), r.case))
    if not rules:
        return ""
    rows = []
    for n, (rule, dots) in enumerate(sorted(rules.items())):
        y = 30 + 44 * n
        marks = "".join(
            f'<circle cx="{140 + 480 * x:.1f}" cy="{y + 9 * (i % 3 - 1)}" r="4">'
            f"<title>{escape(c)}: {x:.4f}</title></circle>"
            for i, (x, c) in enumerate(dots)
        )
        rows.append(f'<text x="0" y="{y + 4}">{escape(rule)}</text><line x1="140" x2="620" y1="{y}" y2="{y}"/>{marks}')
    high = 30 + 44 * len(rules)
    limit = f'<line class="limit" x1="620" x2="620" y1="10" y2="{high - 10}"/><text x="628" y="20">limit</text>'
    svg = f'<svg viewBox="0 0 720 {high}" role="img" aria-label="fidelity slack">{"".join(rows)}{limit}</svg>'
    return f'<section id="slack"><h2>Fidelity: how much of each bound was used</h2>{svg}</section>'


def _areas(results: list[Result]) -> str:
    groups: dict[str, list[Result]] = defaultdict(list)
    for r in results:
        groups[r.case.split("/")[0]].append(r)
    rows = ""
    for area, members in sorted(groups.items()):
        dots = "".join(
            f'<a class="dot {r.status}" href="#case-{escape(r.case)}-{r.role}" title="{escape(r.case)} ({r.role}): '
            f'{WORDS[r.status]}"></a>'
            for r in members
        )
        good = sum(r.status == "pass" for r in members)
        asked = sum(r.status != "skip" for r in members)
        rows += f"<tr><th>{escape(area)}</th><td>{good}/{asked}</td><td>{dots}</td></tr>"
    legend = "".join(f'<span class="dot {s}"></span> {t} ' for s, t in _LEGEND)
    head = f'<h2>Areas <small>a dot for each case and role: {legend}</small></h2>'
    return f'<section id="areas">{head}<table class="dots">{rows}</table></section>'


def _skipped(results: list[Result]) -> str:
    """What was not asked, and why."""
    groups: dict[str, int] = defaultdict(int)
    for r in results:
        if r.status == "skip":
            groups[r.detail] += 1
    if not groups:
        return ""
    ordered = sorted(groups.items(), key=lambda g: -g[1])
    rows = "".join(f"<tr><td>{escape(why)}</td><td>{n}</td></tr>" for why, n in ordered)
    return (
        f'<section id="skipped"><h2>Not asked <small>{sum(groups.values())}</small></h2>'
        f"<details><summary>What the port does not declare is not asked of it</summary><table>{rows}</table></details>"
        "</section>"
    )


def _groups(results: list[Result], member: str) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for r in results:
        for name in getattr(r, member):
            groups[name].append(r)
    return dict(sorted(groups.items()))


def _state(members: list[Result]) -> tuple[str, int, int]:
    good, asked = sum(r.status == "pass" for r in members), sum(r.status != "skip" for r in members)
    return "none" if not asked else "good" if good == asked else "bad", good, asked


def _clauses(results: list[Result], clauses: dict[str, Clause]) -> str:
    """Every clause that a case shows, by the first word of its name; the text appears under the pointer."""
    chapters: dict[str, list[str]] = defaultdict(list)
    groups = _groups(results, "clauses")
    for name, members in groups.items():
        state, good, asked = _state(members)
        clause = clauses.get(name)
        said = f"{clause.level}: {clause.text[:300]}" if clause else ""
        chapters[name.split(".")[0]].append(
            f'<span class="chip {state}" title="{escape(said)}">{escape(name)} <small>{good}/{asked}</small></span>'
        )
    rows = "".join(f"<tr><th>{escape(c)}</th><td>{''.join(chips)}</td></tr>" for c, chips in chapters.items())
    return f'<section id="clauses"><h2>Clauses <small>{len(groups)}</small></h2><table>{rows}</table></section>'


def _features(results: list[Result]) -> str:
    chips = []
    for name, members in _groups(results, "features").items():
        state, good, asked = _state(members)
        chips.append(f'<span class="chip {state}">{escape(name)} <small>{good}/{asked}</small></span>')
    return f'<section id="features"><h2>Features</h2><p>{"".join(chips) or "None."}</p></section>'


def _all(results: list[Result], cases: dict[str, Case]) -> str:
    rows = ""
    for r in results:
        title = cases[r.case].title if r.case in cases else ""
        memory = f"{r.memory / 2**20:.1f} MiB" if r.memory else ""
        rows += (
            f'<tr id="case-{escape(r.case)}-{r.role}"><td><span class="dot {r.status}"></span> {WORDS[r.status]}</td>'
            f"<td><b>{escape(r.case)}</b><br>{escape(title)}</td><td>{r.role}</td><td>{r.seconds * 1000:.0f} ms</td>"
            f"<td>{memory}</td><td>{escape(r.detail[:160])}</td></tr>"
        )
    box = '<input id="filter" type="search" placeholder="filter: words of the id, title, role, status or code"/>'
    head = f'<h2>Cases <small>{len(results)}</small></h2>{box}'
    return f'<section id="cases">{head}<table class="all">{rows}</table></section>'
