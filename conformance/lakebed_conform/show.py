"""``case``: one case in full, the exact exchange and the bytes around the fault."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lakebed_conform.cases import Case
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.report.hexdump import as_text
from lakebed_conform.run import run_case
from lakebed_conform.spec import clauses, spec_folder

SHORT = 512


def describe(case: Case) -> Iterator[str]:
    """What the case is, in lines."""
    yield f"{case.id}  ({case.kind}, {case.level}, {', '.join(case.roles)})"
    yield f"  {case.title}"
    yield f"  {case.effect}"
    folder = spec_folder(case.format)
    known = clauses(folder) if folder else {}
    for id in case.clauses:
        yield f"  [{id}] {known[id].text if id in known else ''}".rstrip()
    if case.fault:
        fault = case.fault
        yield f"  fault: {fault['field']} = {fault.get('value', '')}"
        yield f"  in {fault['object']}" + (f" at byte {fault['offset']}" if "offset" in fault else "")
        path = case.dataset / fault["object"]
        if "offset" in fault and path.is_file():
            yield as_text(path.read_bytes(), fault["offset"], fault.get("size", 1))
        return
    for path in sorted(p for p in case.dataset.rglob("*") if p.is_file()):
        data = path.read_bytes()
        yield f"  {path.relative_to(case.folder).as_posix()}, {len(data)} bytes"
        if path.suffix == ".chunk" and len(data) <= SHORT:
            yield as_text(data, 0, 0, around=SHORT)


def exchange(spec: PortSpec, case: Case) -> Iterator[str]:
    """Ask a port everything of the case, printing each request and reply."""
    with Port(spec) as port, tempfile.TemporaryDirectory() as scratch:
        log: list[str] = []
        ask = port.ask

        def loud(request: dict, seconds: float, memory: int | None = None):
            seen = ask(request, seconds, memory)
            log.append(f"  > {json.dumps(seen.request)}")
            log.append(f"  < {json.dumps(seen.reply) if seen.reply else f'({seen.status}: {seen.detail})'}")
            return seen

        port.ask = loud  # type: ignore[method-assign]
        hello = port.hello()
        if hello.reply is None or not hello.reply.get("ok"):
            yield from log
            return
        for role in case.roles:
            log.clear()
            result = run_case(port, hello.reply, case.format, case, role, Path(scratch))
            yield f"{role}: {result.status}" + (f": {result.detail}" if result.detail else "")
            yield from log
            if result.wanted:
                yield f"  wanted {result.wanted}, got {result.got}"
            if apart := result.difference:
                for name in ("want", "got"):
                    part = bytes.fromhex(apart[name])
                    yield f"  {'due' if name == 'want' else 'came'}, from byte {apart['start']}:"
                    yield as_text(part, apart["offset"] - apart["start"], around=len(part), first=apart["start"])
            if result.stderr:
                yield "  stderr: " + result.stderr[-2000:].replace("\n", "\n          ")
