"""Which cases run which functions of the implementation: a case that never enters a function cannot tell what was
changed in it, so that a measurement need not ask it.

The unchanged copy runs with a profile hook (a ``sitecustomize`` beside it) that notes every function entered and
writes the list when it gets SIGUSR1, after each case.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lakebed_conform.cases import Case
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.results import Result
from lakebed_conform.run import run_case

Task = tuple[Case, str]
#: (file, first line) of a function
Place = tuple[str, int]
SECONDS = 5.0

HOOK = """
import json, os, signal, sys, threading

seen, root, out = set(), os.environ["LAKEBED_REACH"], os.environ["LAKEBED_REACH_OUT"]


def note(frame, event, arg):
    if event == "call":
        code = frame.f_code
        if code.co_filename.startswith(root):
            seen.add((code.co_filename[len(root) + 1 :], code.co_firstlineno))


def tell(*_):
    with open(out + ".part", "w") as file:
        json.dump(sorted(seen), file)
    seen.clear()
    os.replace(out + ".part", out)


signal.signal(signal.SIGUSR1, tell)
threading.setprofile(note)
sys.setprofile(note)
"""


def reached(
    spec: PortSpec, root: Path, format: str, tasks: list[Task], place: Path, jobs: int
) -> tuple[list[Result | None], dict[Place, set[int]]]:
    """Run every task on the copy at ``root``: the results, and for each function the numbers of the tasks that entered
    it."""
    (root.parent / "sitecustomize.py").write_text(HOOK)
    results: list[Result | None] = [None] * len(tasks)
    entered: dict[Place, set[int]] = {}
    lock, left = threading.Lock(), iter(range(len(tasks)))
    trouble: list[BaseException] = []

    def worker(n: int) -> None:
        out, scratch = place / f"reach{n}.json", place / f"reach{n}"
        scratch.mkdir()
        env = {**spec.env, "LAKEBED_REACH": str(root), "LAKEBED_REACH_OUT": str(out)}
        try:
            with Port(replace(spec, env=env)) as port:
                hello = port.hello().reply or {}
                while not trouble:
                    with lock:
                        i = next(left, None)
                    if i is None:
                        return
                    results[i] = run_case(port, hello, format, *tasks[i], scratch)
                    found = _asked(port, out)
                    with lock:
                        for file, line in found:
                            entered.setdefault((file, line), set()).add(i)
        except BaseException as e:  # a worker's own trouble must reach the caller
            trouble.append(e)

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    (root.parent / "sitecustomize.py").unlink()
    if trouble:
        raise trouble[0]
    return results, entered


def _asked(port: Port, out: Path) -> list[Place]:
    """What the port entered since it was last asked; nothing when it is gone."""
    child = port._child
    if child is None or child.poll() is not None:
        return []
    out.unlink(missing_ok=True)
    os.kill(child.pid, signal.SIGUSR1)
    end = time.monotonic() + SECONDS
    while not out.exists():
        if time.monotonic() > end or child.poll() is not None:
            return []
        time.sleep(0.0005)
    return [(file, line) for file, line in json.loads(out.read_text())]


def function_at(source: Path, file: str, find: str) -> Place | None:
    """The innermost function that holds ``find``; None where it is in none, or in one that is entered once and
    remembered (``cache``): then any case may tell."""
    text = (source / file).read_text()
    line = text[: text.index(find)].count("\n") + 1 + (len(find) - len(find.lstrip("\n")))
    best: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno < line <= (node.end_lineno or 0):
            best = node if best is None or node.lineno > best.lineno else best
    if best is None or any("cache" in ast.unparse(d) for d in best.decorator_list):
        return None
    return file, min([best.lineno, *(d.lineno for d in best.decorator_list)])


def chosen(source: Path, patches: list[tuple[str, str, str]], entered: dict[Place, set[int]]) -> Callable[[int], bool]:
    """Whether a task (by number) may tell a mutant with these patches."""
    places = [function_at(source, file, find) for file, find, _ in patches]
    if any(p is None or p not in entered for p in places):
        return lambda n: True
    numbers = set().union(*(entered[p] for p in places if p is not None))
    return lambda n: n in numbers
