"""Results: one per case and role, as JSON lines with a header and a summary vector."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.protocol import RED, STATUSES


@dataclass(frozen=True)
class Result:
    """``executed``: the port was asked; ``exchange``: requests and replies, kept for what is not green; ``cause``: the
    line of a dead port's stderr that says why; ``manner``: how it is wrong, the same words for the same bug;
    ``difference``: where the bytes part (see :mod:`lakebed_conform.difference`)."""

    case: str
    role: str
    status: str
    level: str
    kind: str
    clauses: tuple[str, ...]
    features: tuple[str, ...] = ()
    detail: str = ""
    wanted: str = ""
    got: str = ""
    seconds: float = 0.0
    memory: int | None = None
    safe: bool | None = None
    executed: bool = True
    slack: tuple[dict[str, Any], ...] = ()
    exchange: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    stderr: str = ""
    cause: str = ""
    manner: str = ""
    difference: dict[str, Any] | None = None

    @property
    def red(self) -> bool:
        return self.status in RED


@dataclass(frozen=True)
class Outcome:
    """A whole run: header (suite, format, port, host), results, stale baseline entries."""

    header: dict[str, Any]
    results: list[Result]
    stale: list[str]

    @property
    def exit_code(self) -> int:
        """0 as expected, 1 a MUST failed or the baseline is stale, 3 nothing was executed."""
        if self.stale or any(r.red and r.level == "must" for r in self.results):
            return 1
        return 0 if any(r.executed for r in self.results) else 3

    @property
    def verdict(self) -> str:
        """Conformant needs every applicable MUST executed and passed, nothing listed, no case left out of the run."""
        if not any(r.executed for r in self.results):
            return "nothing was executed"
        if self.stale or not vector(self.results)["complete"]:
            return "not conformant"
        if self.header.get("partial"):
            return "all passed, but only some cases were run"
        return "conformant " + " and ".join((self.header.get("hello") or {}).get("roles", []))


def vector(results: list[Result]) -> dict[str, Any]:
    """The headline: never one percentage."""

    def level(name: str) -> dict[str, int]:
        rows = [r for r in results if r.level == name]
        applicable = [r for r in rows if r.status != "skip"]
        return {
            "cases": len(rows), "applicable": len(applicable), "executed": sum(r.executed for r in applicable),
            "passed": sum(r.status == "pass" for r in applicable),
        }  # fmt: skip

    judged = [r for r in results if r.safe is not None]
    slack = [s for r in results for s in r.slack]
    worst = max(slack, key=lambda s: s["ratio"], default=None)
    counts = Counter(r.status for r in results)
    must = level("must")
    return {
        "must": must, "should": level("should"),
        "safety": {"refused": sum(bool(r.safe) for r in judged), "of": len(judged)},
        "worst_slack": worst and {"rule": worst["rule"], "ratio": worst["ratio"]},
        "statuses": {s: counts[s] for s in STATUSES if counts[s]},
        "complete": must["applicable"] > 0 and must["applicable"] == must["executed"] == must["passed"],
    }  # fmt: skip


def headline(results: list[Result]) -> str:
    v = vector(results)
    must, should, safety = v["must"], v["should"], v["safety"]
    parts = [f"MUST {must['passed']}/{must['executed']}/{must['applicable']} passed/executed/applicable"]
    if should["cases"]:
        parts.append(f"SHOULD {should['passed']}/{should['applicable']}")
    if safety["of"]:
        parts.append(f"safety {safety['refused']}/{safety['of']}")
    if v["worst_slack"]:
        parts.append(f"worst slack {v['worst_slack']['ratio']:.3f} ({v['worst_slack']['rule']})")
    skipped = v["statuses"].get("skip", 0)
    return " · ".join(parts + ([f"{skipped} skipped"] if skipped else []))


def write_results(outcome: Outcome, path: Path) -> None:
    lines = [{"header": outcome.header}, *(asdict(r) for r in outcome.results)]
    lines.append({"summary": vector(outcome.results), "stale": outcome.stale, "exit": outcome.exit_code})
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_results(path: Path) -> Outcome:
    """Raises SuiteError for a file that is not a results file."""
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines() if line]
        header, *rows, last = lines
        results = [Result(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows]
        return Outcome(header["header"], results, last["stale"])
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise SuiteError(f"{path} is no results file: {e}") from None
