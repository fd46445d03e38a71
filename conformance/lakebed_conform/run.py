"""Running cases against one port: every (case, role) gets a status, whatever the port does."""

from __future__ import annotations

import platform
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lakebed_conform import __version__
from lakebed_conform.baseline import Known, apply_baseline, stale
from lakebed_conform.cases import Ask, Case
from lakebed_conform.crash import cause_of
from lakebed_conform.judge import Verdict, judge
from lakebed_conform.memory import measurable
from lakebed_conform.ports import Exchange, Port, PortSpec
from lakebed_conform.results import Outcome, Result

Task = tuple[Case, str]
#: the last bytes of stderr that a result keeps
STDERR_KEPT = 16 << 10
#: features of these names are asked of readers only: the same case's checker goes without
OF_READERS = ("reader.", "read.")
Seen = Callable[[Result], None]


def run(
    spec: PortSpec, format: str, tasks: list[Task], *, every: list[Case], known: Known | None = None, jobs: int = 2,
    seen: Seen = lambda r: None,
) -> Outcome:  # fmt: skip
    """Run ``tasks`` with ``jobs`` copies of the port. ``every``: all cases, to tell a stale baseline entry."""
    with Port(spec) as port:
        hello = port.hello()
    results = [None] * len(tasks)
    if hello.status != "ok" or not (hello.reply or {}).get("ok"):
        results = [_unable(task, hello) for task in tasks]
    else:
        _work(spec, format, tasks, hello.reply or {}, results, jobs, seen)
    done = [apply_baseline(r, known or {}) for r in results]
    header = {
        "suite": __version__, "format": format, "port": spec.name, "command": list(spec.command),
        "hello": hello.reply, "hello_status": hello.status, "hello_detail": hello.detail,
        "hello_cause": cause_of(hello.stderr) if hello.status == "crash" else "",
        "host": f"{platform.system()} {platform.machine()}", "cases": len(tasks),
        "partial": len(tasks) < sum(len(c.roles) for c in every),
    }  # fmt: skip
    return Outcome(header, done, stale(known or {}, {(c.id, r) for c in every for r in c.roles}, done))


def _work(spec: PortSpec, format: str, tasks: list[Task], hello: dict, results: list, jobs: int, seen: Seen) -> None:
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(len(tasks)):
        todo.put(i)
    trouble: list[BaseException] = []

    def worker() -> None:
        with Port(spec) as port, tempfile.TemporaryDirectory(prefix="lakebed-conform-") as scratch:
            while not trouble:
                try:
                    i = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    results[i] = run_case(port, hello, format, *tasks[i], Path(scratch))
                except BaseException as e:
                    trouble.append(e)
                    return
                seen(results[i])

    threads = [threading.Thread(target=worker) for _ in range(max(1, min(jobs, len(tasks))))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if trouble:
        raise trouble[0]


def _unable(task: Task, hello: Exchange) -> Result:
    status = "protocol" if hello.status == "ok" else hello.status
    detail, said = f"hello: {hello.detail or hello.reply}", cause_of(hello.stderr)
    return _result(*task, status=status, detail=detail, executed=False, cause=said)


def _result(case: Case, role: str, **fields: Any) -> Result:
    return Result(
        case.id, role, level=case.level, kind=case.kind, clauses=case.clauses, features=case.features, **fields
    )


def not_applicable(hello: dict[str, Any], format: str, case: Case, role: str) -> str | None:
    """Why a port need not be asked, from what it declared."""
    if format not in hello["formats"]:
        return f"format {format} is not declared"
    if role not in hello["roles"]:
        return f"role {role} is not declared"
    declared = {*hello["features"]} | ({"decoder.class_a"} if "decoder.class_b" not in hello["features"] else set())
    absent = [f for f in case.features if f not in declared and (role == "reader" or not f.startswith(OF_READERS))]
    return f"feature {', '.join(absent)} is not declared" if absent else None


def run_case(port: Port, hello: dict[str, Any], format: str, case: Case, role: str, scratch: Path) -> Result:
    """Ask everything that the case asks of ``role``; the first thing that is not right decides."""
    if reason := not_applicable(hello, format, case, role):
        return _result(case, role, status="skip", detail=reason, executed=False)
    if case.memory is not None and not measurable():
        return _result(case, role, status="untestable", detail="memory cannot be measured here", executed=False)
    exchanges: list[Exchange] = []
    verdicts: list[Verdict] = []
    status, detail = "pass", ""
    for n, ask in enumerate(a for a in case.asks if a.role == role):
        place = scratch / str(n)
        exchange, verdict = _ask(port, case, ask, place)
        shutil.rmtree(place, ignore_errors=True)
        exchanges.append(exchange)
        status, detail = _status(exchange, verdict)
        verdicts += [verdict] if verdict else []
        if status != "pass":
            break
    return _finish(case, role, status, detail, exchanges, verdicts)


def _ask(port: Port, case: Case, ask: Ask, place: Path) -> tuple[Exchange, Verdict | None]:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    out = place / "out"
    exchange = port.ask(request_of(case, ask, out), case.seconds, case.memory)
    reply = exchange.reply
    if exchange.status != "ok" or reply is None or "skip" in reply:
        return exchange, None
    return exchange, judge(case, ask, reply, out)


def request_of(case: Case, ask: Ask, out: Path) -> dict[str, Any]:
    """The request of ``ask``, its results going to ``out``."""
    request: dict[str, Any] = {"op": ask.op, **ask.with_}
    if ask.op == "write":
        if case.dataset.is_dir():  # the script opens a dataset that is there; the case's own stays untouched
            shutil.copytree(case.dataset, out)
        return request | {"root": str(out), "script": str((case.folder / ask.with_["script"]).resolve())}
    if ask.op in ("migrate", "recover"):  # a copy, so that it can be seen whether it was changed
        shutil.copytree(case.dataset, out.parent / "from")
        return request | {"root": str(out.parent / "from"), "out": str(out)}
    request["root"] = str(case.dataset.resolve())
    return request if ask.op == "check" else request | {"out": str(out)}


def _status(exchange: Exchange, verdict: Verdict | None) -> tuple[str, str]:
    if exchange.status != "ok":
        return exchange.status, exchange.detail
    if verdict is None:
        return "fail", f"skips what it declared: {(exchange.reply or {}).get('skip')}"
    return ("pass", "") if verdict.ok else ("fail", verdict.detail)


def _finish(
    case: Case, role: str, status: str, detail: str, exchanges: list[Exchange], verdicts: list[Verdict]
) -> Result:
    last = verdicts[-1] if verdicts else Verdict(True)
    safe = None
    if any(a.error for a in case.asks if a.role == role):
        judged = [v.safe for v in verdicts if v.safe is not None]
        safe = bool(judged) and all(judged) and status in ("pass", "fail")
    memory = max((e.memory for e in exchanges if e.memory is not None), default=None)
    return _result(
        case, role, status=status, detail=detail, wanted=last.wanted, got=last.got, safe=safe, memory=memory,
        seconds=round(sum(e.seconds for e in exchanges), 4),
        slack=tuple(asdict(s) | {"ratio": s.ratio} for v in verdicts for s in v.slack),
        exchange=() if status == "pass" else tuple({"request": e.request, "reply": e.reply} for e in exchanges),
        stderr="" if status == "pass" else "".join(e.stderr for e in exchanges)[-STDERR_KEPT:],
        cause=cause_of(exchanges[-1].stderr) if status == "crash" else "", manner=last.manner,
        difference=asdict(last.bytes) if last.bytes else None,
    )  # fmt: skip
