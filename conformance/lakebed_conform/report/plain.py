"""JUnit XML and the endpoint JSON of a badge."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

from lakebed_conform.results import Outcome, Result, vector


def junit(outcome: Outcome) -> str:
    """One testsuite; what is red is a failure (fail, xpass) or an error (crash, timeout, memory, protocol)."""
    rows = []
    counts = {"failures": 0, "errors": 0, "skipped": 0}
    for r in outcome.results:
        body = ""
        if r.status in ("skip", "xfail"):
            counts["skipped"] += 1
            body = f"<skipped message={_attr(f'{r.status}: {r.detail}')}/>"
        elif r.red:
            kind = "failure" if r.status in ("fail", "xpass") else "error"
            counts[f"{kind}s"] += 1
            body = f"<{kind} type={_attr(r.status)} message={_attr(r.detail)}>{escape(_body(r))}</{kind}>"
        name, group = _attr(f"{r.case} [{r.role}]"), _attr(r.case.split("/")[0])
        rows.append(f'  <testcase classname={group} name={name} time="{r.seconds:.4f}">{body}</testcase>')
    for entry in outcome.stale:
        counts["failures"] += 1
        rows.append(f'  <testcase classname="baseline" name={_attr(entry)}><failure message="stale"/></testcase>')
    numbers = " ".join(f'{k}="{v}"' for k, v in counts.items())
    name = _attr(f"lakebed-conform {outcome.header['format']} {outcome.header['port']}")
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name={name} tests="{len(rows)}" {numbers}>\n'
    return head + "\n".join(rows) + "\n</testsuite>\n"


def _body(r: Result) -> str:
    """What was wanted, why it died, what was asked and answered last."""
    lines = [f"wanted {r.wanted}, got {r.got}"] if r.wanted else []
    lines += [r.cause] if r.cause else []
    for seen in r.exchange[-1:]:
        lines += [f"> {json.dumps(seen['request'])}", f"< {json.dumps(seen['reply'])}"]
    return "".join(c if c.isprintable() or c == "\n" else " " for c in "\n".join([*lines, *r.clauses]))


def _attr(text: str) -> str:
    return quoteattr("".join(c if c.isprintable() else " " for c in text))


def badge(outcome: Outcome) -> str:
    """The JSON of a badge endpoint: a vector in words, never one percentage."""
    v = vector(outcome.results)
    must = v["must"]
    if outcome.verdict.startswith("conformant"):
        message, colour = f"{outcome.header['format']} {outcome.verdict}", "brightgreen"
    else:
        message = f"{outcome.header['format']} MUST {must['passed']}/{must['applicable']}"
        colour = "orange" if must["passed"] else "red"
    said = {"schemaVersion": 1, "label": "lakebed", "message": message, "color": colour}
    return json.dumps(said, indent=1) + "\n"
