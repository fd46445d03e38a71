"""What a writer asks of the system, in order (strace): nothing is named before it is durable, and nothing is filled
under its own name.

Needs Linux and strace, and a port that writes with the system's ordinary calls (a memory map is not seen).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lakebed_conform.casebook import steps as s
from lakebed_conform.faults.ground import ROW, Found, after, append_of, fresh, new_rows, script, told, write
from lakebed_conform.ports import Port, PortSpec

NAMING = "link,linkat,rename,renameat,renameat2"
CALLS = f"{NAMING},fsync,fdatasync,mkdir,mkdirat,open,openat,creat"
DELAY = 250_000  # microseconds: longer than two ports are apart


def able() -> bool:
    """Is there strace, and may it be used?"""
    program = shutil.which("strace")
    if program is None:
        return False
    return subprocess.run([program, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def injected(spec: PortSpec, calls: str, what: str) -> PortSpec:
    """The port, ``what`` being done to its ``calls``."""
    how = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", "signal=none")
    return replace(spec, command=(*how, "-e", f"inject={calls}:{what}", *spec.command))


def slowed(spec: PortSpec) -> PortSpec | None:
    """The port, every link and rename of it held up for a while before it takes place; None without strace."""
    return injected(spec, NAMING, f"delay_enter={DELAY}") if able() else None


#: scenario: the calls that fail, how, and the code due
DENIALS: dict[str, tuple[str, str, str]] = {
    "nobody says whether the commit was made": ("link,linkat,renameat2", "EIO", "E_COMMIT_UNKNOWN"),
    "neither links nor renames that refuse": ("link,linkat,renameat2", "EOPNOTSUPP", "E_STORE_EXCLUSIVE"),
    "nothing can be made durable": ("fsync,fdatasync", "EIO", "E_STORE"),
}


def denied(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Calls of the system fail: the right code, the old version stands, and the next writer can go on."""
    if not able():
        yield Found("calls that fail", None, "needs strace")
        return
    steps = script(scratch, "denied", append_of(new_rows()))
    for name, (calls, errno, due) in DENIALS.items():
        root = fresh(scratch)
        with Port(injected(spec, calls, f"error={errno}")) as port:
            exchange = write(port, root, steps)
        code = ((exchange.reply or {}).get("error") or {}).get("code", "")
        found = after(name, root, exchange, spec, scratch)
        if found.ok and code != due:
            found = Found(name, False, f"{code or exchange.detail or 'success was told'}; due {due}")
        yield found


def order(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A dataset is created and appended to; every key is judged by the calls that made it."""
    name = "order of the system's calls"
    if not able():
        yield Found(name, None, "needs strace")
        return
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    with tempfile.NamedTemporaryFile(dir=scratch, suffix=".strace") as log:
        how = ("strace", "-f", "-y", "-qq", "-s", "512", "-o", log.name, "-e", f"trace={CALLS}", "-e", "signal=none")
        steps = [s.create(), s.tensor("x", dtype="uint8", shape=[ROW]), *[s.append(x=r) for r in new_rows()]]
        with Port(replace(spec, command=(*how, *spec.command))) as port:
            exchange = write(port, root, script(scratch, "traced", [*steps, s.commit()]))
        lines = Path(log.name).read_text(errors="replace").splitlines()
    if not told(exchange):
        yield Found(name, False, f"an undisturbed write failed: {exchange.detail or exchange.reply}")
        return
    wrong = judged(lines, root)
    yield Found(name, not wrong, wrong[0] if wrong else f"{len(lines)} calls")


_CALL = re.compile(r"^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)\)\s*= (-?\d+)")
_BEGUN = re.compile(r"^(\d+)\s+(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$")


def calls(lines: list[str]) -> Iterator[tuple[str, str]]:
    """(name, arguments) of the calls that succeeded, in the order in which they ended."""
    begun: dict[str, str] = {}
    for line in lines:
        if match := _BEGUN.match(line):
            begun[match[1]] = f"{match[1]} {match[2]}({match[3]}"
            continue
        if match := _RESUMED.match(line):
            line = begun.pop(match[1], "") + match[3]
        match = _CALL.match(line)
        if match and int(match[3]) >= 0:
            yield match[1], match[2]


def judged(lines: list[str], root: Path) -> list[str]:
    """What is wrong with the calls that made a dataset below ``root``."""
    here = str(root)
    synced: set[str] = set()
    named: dict[str, str] = {}
    made: set[str] = set()
    wrong: list[str] = []
    for call, said in calls(lines):
        paths = [p for p in re.findall(r'"([^"]*)"|<([^<>]*)>', said) for p in p if p.startswith(here)]
        if call in ("fsync", "fdatasync") and paths:
            synced.add(paths[0])
            made.discard(paths[0])
        elif call in ("mkdir", "mkdirat") and paths and paths[-1] != here:
            made.add(str(Path(paths[-1]).parent))
        elif call in NAMING.split(",") and len(paths) > 1:
            source, key = paths[-2], paths[-1]
            if call.startswith("rename") and "NOREPLACE" not in said and "/chunks/" not in key:
                wrong += [] if key.endswith("latest.json") else [f"{key[len(here) + 1 :]} is renamed, which overwrites"]
            wrong += _named(source, key, synced, named, made, here)
            named[key] = call
            synced.discard(str(Path(key).parent))
        elif call in ("open", "openat", "creat") and paths and _filled(said, paths[-1]):
            wrong.append(f"{paths[-1][len(here) + 1 :]} is filled under its own name")
    left = [k for k in named if str(Path(k).parent) not in synced and not k.endswith("/latest.json")]
    return wrong + [f"the folder of {key[len(here) + 1 :]} is not made durable after it" for key in left]


def _filled(said: str, path: str) -> bool:
    key = "/commits/" in path or "/chunks/" in path or "/tags/" in path or "/manifests/" in path
    return key and not Path(path).name.startswith(".") and ("O_WRONLY" in said or "O_RDWR" in said)


def _named(source: str, key: str, synced: set[str], named: dict[str, str], made: set[str], here: str) -> list[str]:
    """A file gets its name: what must have been made durable before."""
    short = key[len(here) + 1 :]
    if short.endswith("latest.json"):
        return []
    found = [] if source in synced else [f"{short} is named before its bytes are durable"]
    if short.startswith("commits/"):
        loose = [k for k in named if "/chunks/" in k and str(Path(k).parent) not in synced]
        found += [f"{short} is made before the folder of {k[len(here) + 1 :]} is durable" for k in loose[:1]]
        found += [f"{short} is made before the new folders in {f} are durable" for f in sorted(made)[:1]]
    return found
