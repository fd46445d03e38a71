"""The floors: a module imports only from floors below its own, and only floor 4 and what stands on it does I/O."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reference" / "lakebed"
IO = {
    "os",
    "pathlib",
    "io",
    "shutil",
    "tempfile",
    "socket",
    "mmap",
    "urllib",
    "urllib3",
    "http",
    "fsspec",
    "subprocess",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    parts = ["lakebed", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Modules imported (full names) with their lines; those only for type checking are left out."""
    tree = ast.parse(path.read_text("utf-8"))
    quiet = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    own = name(path).split(".")
    package = own if path.name == "__init__.py" else own[:-1]
    found = []
    for node in ast.walk(tree):
        if id(node) in quiet:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            whole = ".".join(filter(None, [base, node.module]))
            known = {name(each) for each in modules()}
            inner = [(f"{whole}.{a.name}", node.lineno) for a in node.names if f"{whole}.{a.name}" in known]
            found += inner or [(whole, node.lineno)]
    return found


@cache
def floor(module: str) -> int:
    """As the module's docstring says, `Floor N.` or `floor N`; else that of its package."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = re.search(r"[Ff]loor (\d)", (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0])
    if said:
        return int(said[1])
    parts = module.split(".")
    if len(parts) == 3:  # a part of a package stands where the package stands
        return floor(".".join(parts[:2]))
    return {"lakebed": 8, "lakebed.format": 3, "lakebed.stores": 4, "lakebed.codecs": 1}[module]


@pytest.mark.parametrize("path", modules(), ids=name)
def test_imports_point_down(path: Path) -> None:
    mine = name(path)
    for other, line in imports(path):
        if other == mine or not other.startswith("lakebed") or other.startswith("lakebed_"):
            continue
        together = other.split(".")[:2] == mine.split(".")[:2] and len(mine.split(".")) > 1
        assert together or floor(other) <= floor(mine), f"{path}:{line}: {other} is above {mine}"


def test_no_cycles() -> None:
    graph = {name(p): {o for o, _ in imports(p) if o.startswith("lakebed.") and o != name(p)} for p in modules()}
    graph.pop("lakebed")
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in done:
            return
        for other in sorted(graph.get(module, ())):
            visit(other, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize("path", [p for p in modules() if floor(name(p)) <= 3], ids=name)
def test_lower_floors_do_no_io(path: Path) -> None:
    """`lakebed.read` (files.py) takes a path and reads it whole; nothing else below the stores touches the outside."""
    used = {module.split(".")[0] for module, _ in imports(path)}
    allowed = {"os", "pathlib"} if name(path) == "lakebed.files" else set()
    if name(path).startswith("lakebed.codecs"):
        allowed = {"io"}  # buffers in memory, which picture libraries ask for
    if name(path) in ("lakebed.threads", "lakebed.extras"):
        allowed = {"os"}
    assert used & IO <= allowed
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    assert not [
        c for c in calls if isinstance(c.func, ast.Name) and c.func.id in ("open", "exec", "eval", "__import__")
    ]


def test_the_suite_stands_alone() -> None:
    """The conformance suite judges; what it judges it never imports."""
    for path in sorted((ROOT / "conformance" / "lakebed_conform").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not [a.name for a in node.names if a.name.split(".")[0] == "lakebed"], path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").split(".")[0] != "lakebed", path


def test_nothing_is_executed() -> None:
    """[safety.code]: no pickle, no eval, no import by a stored name."""
    for path in modules():
        used = {module.split(".")[0] for module, _ in imports(path)}
        assert not used & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}, path
