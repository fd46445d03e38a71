"""Producers by consumers: every writer runs the writing scripts, every reader reads what came of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebed_conform.cases import Ask, Case
from lakebed_conform.judge import judge
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.run import not_applicable, request_of


@dataclass(frozen=True)
class Cell:
    """How much of what ``writer`` wrote ``reader`` read right; ``wrong`` names what it did not."""

    writer: str
    reader: str
    good: int
    of: int
    wrong: tuple[str, ...] = ()


def matrix(specs: list[PortSpec], format: str, cases: list[Case]) -> list[Cell]:
    """Only tensors with exact expected values take part; a script that a writer fails is no cell's fault."""
    scripts = [c for c in cases if any(a.op == "write" and a.want for a in c.asks)]
    with tempfile.TemporaryDirectory(prefix="lakebed-matrix-") as scratch:
        written = {s.name: _write(s, format, scripts, Path(scratch) / str(n)) for n, s in enumerate(specs)}
        return [_read(w, reader, written[w.name], format) for w in specs for reader in specs]


def _write(spec: PortSpec, format: str, scripts: list[Case], place: Path) -> list[tuple[Case, Ask, Path]]:
    done = []
    with Port(spec) as port:
        hello = port.hello().reply
        for case in scripts if hello else ():
            if not_applicable(hello, format, case, "writer"):
                continue
            for ask in (a for a in case.asks if a.op == "write" and a.want):
                out = place / case.id
                out.parent.mkdir(parents=True, exist_ok=True)
                exchange = port.ask(request_of(case, ask, out), case.seconds)
                if exchange.reply and judge(case, ask, exchange.reply, out).ok:
                    done.append((case, ask, out))
    return done


def _read(writer: PortSpec, reader: PortSpec, written: list, format: str) -> Cell:
    good, of, wrong = 0, 0, []
    with Port(reader) as port, tempfile.TemporaryDirectory() as scratch:
        hello = port.hello().reply
        for case, ask, root in written if hello else ():
            if not_applicable(hello, format, case, "reader"):
                continue
            for tensor, want in ask.want.get("tensors", {}).items():
                of += 1
                out = Path(scratch) / "out"
                out.unlink(missing_ok=True)
                at = {k: str(ask.want[k]) for k in ("branch", "number") if k in ask.want}
                problem = _one(port, case, root, tensor, want, out, at)
                good += problem is None
                wrong += [f"{case.id} {tensor}: {problem}"] if problem else []
    return Cell(writer.name, reader.name, good, of, tuple(wrong))


def _one(port: Port, case: Case, root: Path, tensor: str, want: dict[str, Any], out: Path, at: dict) -> str | None:
    request = {"op": "read", "root": str(root), "tensor": tensor, "out": str(out), **at}
    exchange = port.ask(request, case.seconds)
    if exchange.reply is None:
        return f"{exchange.status}: {exchange.detail}"
    if "skip" in exchange.reply:
        return "skipped"
    verdict = judge(case, Ask("read", {}, want, None, ()), exchange.reply, out)
    return None if verdict.ok else verdict.detail
