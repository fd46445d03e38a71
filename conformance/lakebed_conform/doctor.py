"""The doctor: walks a new port through hello, one good dataset, one bad one and one skip, and says what is wrong."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from lakebed_conform.cases import Case, load_cases
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.run import run_case

GOOD, BAD = "chunk/raw_units", "chunk/end_magic"
OWED = {
    "reader": "The role reader owes read, read_file and inspect; what only some codecs need is a feature instead.",
    "checker": "The role checker owes check.",
}
ADVICE = {
    "crash": "It ended without a reply. Run its command by hand and type the request; its stderr is below.",
    "timeout": "No line came. Does it flush its output after every reply?",
    "protocol": "Only replies may go to stdout, one line each; logs and prints belong on stderr.",
    "memory": "It took more memory than a port may.",
}


def examine(spec: PortSpec, format: str) -> Iterator[tuple[bool, str]]:
    """(fine, sentence) for each thing that was tried."""
    yield True, f"command: {' '.join(spec.command)}"
    with Port(spec) as port:
        hello = port.hello()
        if hello.status != "ok" or not (hello.reply or {}).get("ok"):
            yield False, f"hello: {hello.detail or hello.reply}. {ADVICE.get(hello.status, 'It must answer ok.')}"
            yield from ((False, f"stderr: {line}") for line in hello.stderr.splitlines()[-8:])
            return
        said = hello.reply or {}
        yield True, f"hello: {said['name']} {said['version']}, roles {', '.join(said['roles']) or 'none'}"
        if format not in said["formats"]:
            yield False, f"hello: formats are {said['formats']}; nothing of {format} would be asked"
        if not said["roles"]:
            yield False, "hello: no role is declared; start with reader"
        cases = {c.id: c for c in load_cases(format)}
        with tempfile.TemporaryDirectory() as scratch:
            for role in (r for r in ("reader", "checker") if r in said["roles"]):
                yield from _try(port, said, format, cases[GOOD], role, "a good dataset", Path(scratch))
                yield from _try(port, said, format, cases[BAD], role, "a bad dataset", Path(scratch))
        yield from _unknown(port)
        yield True, f"it was started {port.starts} time(s)" + ("" if port.starts == 1 else "; it ends after a reply")


def _try(
    port: Port, hello: dict, format: str, case: Case, role: str, what: str, scratch: Path
) -> Iterator[tuple[bool, str]]:
    result = run_case(port, hello, format, case, role, scratch)
    if result.status == "pass":
        yield True, f"{role}: {what} ({case.id})"
        return
    if result.status == "fail" and result.got == "E_ANY" and result.wanted.startswith("E_"):
        yield False, f"{role}: {what} is refused as E_ANY; map your error to {result.wanted} (see [{case.clauses[0]}])"
        return
    advice = ADVICE.get(result.status, OWED[role] if "skips what it declared" in result.detail else "")
    yield False, f"{role}: {what} ({case.id}): {result.status}: {result.detail}. {advice}".strip()
    if result.cause:
        yield False, f"  it said: {result.cause}"
    if result.wanted:
        yield False, f"  wanted {result.wanted}, got {result.got}"
    yield from ((False, f"  stderr: {line}") for line in result.stderr.splitlines()[-8:])


def _unknown(port: Port) -> Iterator[tuple[bool, str]]:
    """An op that no port has: the reply must be a skip."""
    exchange = port.ask({"op": "recover", "root": "/nowhere", "out": "/nowhere"}, 5)
    reply = exchange.reply or {}
    if exchange.status == "ok" and ("skip" in reply or reply.get("ok") is False):
        yield True, "what it cannot do it skips or refuses"
    else:
        yield False, f'an op that it does not have: answer {{"skip": "recover"}}; it said {exchange.detail or reply}'
