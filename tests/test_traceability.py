"""Specification, registry and code say the same: clauses exist and are cited, codes are raised, byte tables agree."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from lakebed import errors
from lakebed.format import chunk
from lakebed.record import Record

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "spec" / "1.0"
CLAUSE = re.compile(r"\*\*([a-z0-9_]+(?:\.[a-z0-9_]+)+)\*\*")
ITEM = re.compile(r"- \*\*([a-z0-9_.]+)\*\* · ([A-Z ]+) · ([a-z, ]+) · (E_[A-Z_]+|-) — ")
DOTTED = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}
HOLDERS = {"reader", "writer", "checker", "collector"}


class Clause(NamedTuple):
    name: str
    level: str
    holders: frozenset[str]
    code: str
    file: str


@cache
def clauses() -> dict[str, Clause]:
    """Every clause: list items, and rows of tables (level MUST, for all unless the text says less)."""
    found: dict[str, Clause] = {}
    for path in sorted(SPEC.glob("*.md")):
        for line in path.read_text("utf-8").splitlines():
            item = ITEM.match(line)
            if item:
                holders = frozenset(item[3].split(", "))
                new = [Clause(item[1], item[2], holders, item[4], path.name)]
            elif " | " in line:
                code = re.search(r"E_[A-Z_]+", line.rsplit("|", 1)[1])
                new = [
                    Clause(n, "MUST", frozenset(), code[0] if code else "-", path.name) for n in CLAUSE.findall(line)
                ]
            else:
                new = []
            for clause in new:
                assert clause.name not in found, f"{clause.name} stands twice"
                found[clause.name] = clause
    return found


def sources(*folders: str) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(__file__):
                yield path, path.read_text("utf-8")


@cache
def strings() -> dict[str, set[str]]:
    """Dotted words in strings and comments of reference/ and tests/, and the files they stand in."""
    found: dict[str, set[str]] = {}
    for path, text in sources("reference", "tests"):
        for word in DOTTED.findall(text):
            found.setdefault(word, set()).add(path.name)
    return found


def test_clauses_are_well_formed() -> None:
    rows = clauses()
    assert len(rows) > 300
    for clause in rows.values():
        assert clause.level in LEVELS, clause
        assert clause.holders <= HOLDERS, clause
        assert clause.code == "-" or clause.code in errors.CODES, clause
    bold = {name for path in SPEC.glob("*.md") for name in CLAUSE.findall(path.read_text("utf-8"))}
    assert bold - rows.keys() - {"lakebed.xyz"} == set()


def test_references_inside_the_spec() -> None:
    """`[clause]` in the text names a clause that exists."""
    for path in [*SPEC.glob("*.md"), ROOT / "spec" / "README.md"]:
        for name in re.findall(r"\[([a-z0-9_]+(?:\.[a-z0-9_]+)+)\](?!\()", path.read_text("utf-8")):
            assert name in clauses(), f"{path.name}: [{name}]"


def raised() -> Iterator[tuple[Path, int, str, str | None]]:
    """(file, line, code, clause) of every call that builds an error; clause None when it is not a plain string."""
    for path, text in sources("reference"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                code = node.args[0].value
                if isinstance(code, str) and code in errors.CODES and len(node.args) > 1:
                    second = node.args[1]
                    named = isinstance(second, ast.Constant) and isinstance(second.value, str)
                    yield path, node.lineno, code, second.value if named else None


def prose(text: str) -> str:
    """Docstrings and comments of a module."""
    said = [t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            said.append(ast.get_docstring(node) or "")
    return "\n".join(said)


def test_cited_clauses_exist() -> None:
    """Every `[clause]` of docstrings and comments, and every clause that an error carries, is in the spec."""
    unknown = set()
    groups = {name.rsplit(".", depth)[0] for name in clauses() for depth in range(1, name.count(".") + 1)}
    for path, text in sources("reference"):
        for name in re.findall(r"\[([a-z0-9_]+(?:\.[a-z0-9_]+)+)\]", prose(text)):
            if name not in clauses() and name not in groups:
                unknown.add(f"{path.name}: [{name}]")
    for path, line, code, clause in raised():
        if clause and DOTTED.fullmatch(clause) and clause not in clauses():
            unknown.add(f"{path.name}:{line}: {code} {clause}")
    assert not unknown, "\n".join(sorted(unknown))


def test_errors_carry_codes_of_their_clauses() -> None:
    """What is wrong with stored bytes has the code that its clause states, or one that lists the clause.

    (Arguments are refused under whatever clause they would break.)
    """
    registry = {row["code"]: set(row["clauses"]) for row in registry_rows()}
    wrong = set()
    for path, line, code, clause in raised():
        row = clauses().get(clause or "")
        if not issubclass(errors.CODES[code].kind, (errors.FormatError, errors.UnsupportedError)):
            continue
        if row is not None and row.code not in (code, "-") and row.name not in registry[code]:
            wrong.add(f"{path.name}:{line}: {code} for [{clause}], which says {row.code}")
    assert not wrong, "\n".join(sorted(wrong))


def test_duties_are_cited() -> None:
    """Every MUST of the spec is cited by name in the reference or in a test."""
    text = ("notation.", "changes.")  # duties of the text itself, not of programs
    duties = [c.name for c in clauses().values() if c.level.startswith("MUST") and not c.name.startswith(text)]
    missing = [name for name in duties if name not in strings()]
    assert not missing, f"{len(missing)}: {', '.join(missing)}"


def registry_rows() -> list[dict]:
    return json.loads((ROOT / "spec" / "registry" / "errors.json").read_text("utf-8"))["errors"]


def test_registry_of_errors_is_the_code() -> None:
    kinds = {
        "format": errors.FormatError,
        "unsupported": errors.UnsupportedError,
        "notfound": errors.NotFoundError,
        "conflict": errors.ConflictError,
        "fidelity": errors.FidelityError,
        "input": errors.InputError,
        "store": errors.StoreError,
    }
    rows = {row["code"]: row for row in registry_rows()}
    assert rows.keys() == errors.CODES.keys()
    for code, row in rows.items():
        mine = errors.CODES[code]
        assert issubclass(mine.kind, kinds[row["kind"]]), code
        assert (mine.meaning, mine.next) == (row["meaning"], row["next"]), code
        assert row["clauses"], f"no clause states {code}"
        assert set(row["clauses"]) <= clauses().keys(), code
    for clause in clauses().values():
        if clause.code != "-":
            assert clause.name in rows[clause.code]["clauses"], clause


def test_every_code_is_raised() -> None:
    text = "\n".join(text for path, text in sources("reference") if path.name != "errors.py")
    assert [code for code in errors.CODES if f'"{code}"' not in text] == []


def byte_table(section: str) -> list[tuple[int, int, str]]:
    """(offset, size, clause) of the rows of the byte table under a heading of chunk.md."""
    text = (SPEC / "chunk.md").read_text("utf-8").split(section, 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^(\d+) \| (\d+) \| [^|]+ \| \*\*([a-z0-9_.]+)\*\*", text, re.MULTILINE)
    return [(int(offset), int(size), name) for offset, size, name in rows]


@pytest.mark.parametrize(("section", "record"), [("## 5.2 Trailer", chunk.TRAILER)])
def test_records_are_the_printed_tables(section: str, record: Record) -> None:
    ends = [field.offset for field in record.fields[1:]] + [record.size]
    mine = [(f.offset, end - f.offset, f.clause) for f, end in zip(record.fields, ends, strict=True)]
    assert mine == byte_table(section)


def test_head_is_the_printed_table() -> None:
    (_, size, _), (start, zeros, _) = byte_table("## 5.1 Head")
    assert (size, start, zeros) == (8, 8, 56)
    assert bytes.fromhex("89 4C 42 4B 0D 0A 1A 0A") + bytes(56) == chunk.HEAD
    assert bytes.fromhex("8A 4C 42 4B 45 4E 44 0A") == chunk.END_MAGIC


def test_limits_are_the_registry() -> None:
    from lakebed.format import document, packing

    text = (ROOT / "spec" / "registry" / "limits.json").read_text("utf-8")
    for number in (document.MAX_BYTES, chunk.MAX_INDEX, chunk.MAX_SAMPLES, packing.MAX_ENTRIES):
        assert str(number) in text
