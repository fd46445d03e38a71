"""``new-case``: a casebook module to go on from, empty or made from what was found; it runs as written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.cases import load_cases
from lakebed_conform.checker import check_tree, folder_tree
from lakebed_conform.picks import near
from lakebed_conform.protocol import schema, wrong
from lakebed_conform.spec import clauses, spec_folder
from lakebed_conform.tolerance import array_of

BOOK = Path(__file__).parent / "casebook"
MOST = 64 << 10
SHORT = 16
WIDTH = 116
EDITS = {"insert": "write.edit", "update": "write.edit", "delete": "write.edit", "delete_tensor": "write.edit",
         "rename_tensor": "write.edit", "attributes": "write.edit", "branch": "write.branch", "tag": "write.branch",
         "checkout": "write.branch", "close_branch": "write.branch", "revert": "write.branch",
         "compact": "write.compact", "copy": "write.copy"}  # fmt: skip
GATED = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128", "int64", "uint64")
VALID = '''    values = [np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)]
    b.reads(one(values, shape=[2], k=2), {"x": values})
'''
INVALID = '''    values = [np.array([1, 2], np.uint8), np.array([3, 4], np.uint8)]
    dataset = one(values, shape=[2], k=2)
    b.refuses(dataset.fault("a", "trailer.magic", bytes(8)), "E_CHUNK_MAGIC")
'''
SAY = '  # what must stand in the tree: {"length": 2, "tensors": {"x": {"values": [...], "dtype": "uint8"}}}'
ARRAY = '''def array(kind: str, shape: tuple[int, ...], data: str) -> np.ndarray:
    """An item from its bytes, little-endian, C order."""
    return np.frombuffer(bytes.fromhex(data), kind).reshape(shape)


'''


def new_case(
    id: str, clauses: tuple[str, ...], format: str, *, title: str = "", effect: str = "", folder: Path = BOOK,
    draft: Path | None = None, script: Path | None = None, tree: Path | None = None, invalid: bool = False,
) -> Path:  # fmt: skip
    """Write ``<folder>/<area>_<name>.py`` and give it. Raises SuiteError for an id or clause that cannot be taken."""
    _free(id, clauses, format)
    path = folder / (re.sub(r"\W", "_", id) + ".py")
    if path.exists():
        raise SuiteError(f"{path} is already there")
    if draft or script:
        features, body, said = _script(draft, script)
    elif tree:
        features, body, said = (), _tree(tree), "A dataset that was found"
    else:
        features, body, said = (), INVALID if invalid else VALID, ""
    said = title or said or ("What is wrong with it" if invalid else "What is in it")
    effect = effect or "What goes wrong in the field if a port gets this wrong."
    how = ([f"features={literal(features, 0)}"] if features else []) + (['origin="fuzz"'] if draft else [])
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_module(id, clauses, how, said, effect, body))
    return path


def _free(id: str, named: tuple[str, ...], format: str) -> None:
    if not re.fullmatch(schema("case")["properties"]["id"]["pattern"], id):
        raise SuiteError(f"{id} is no case id: area/name, of a-z, 0-9, _ and -")
    if id in {c.id for c in load_cases(format)}:
        raise SuiteError(f"case {id} is there already; ids are never used again")
    if not named:
        raise SuiteError("a case shows a clause: give --clause")
    place = spec_folder(format)
    known = clauses(place) if place else {}
    for clause in named if known else ():
        if clause not in known:
            raise SuiteError(f"clause {clause} is not in the spec{near(clause, known)}")


def _module(id: str, clauses: tuple[str, ...], how: list[str], title: str, effect: str, body: str) -> str:
    names = [n for n in ("DROP", "Dataset", "one") if re.search(rf"\b{n}\b", body)]
    heads = ["import numpy as np\n"] if re.search(r"\bnp\.|\barray\(", body) else []
    heads += [f"from lakebed_conform.builders import {', '.join(names)}"] if names else []
    heads.append("from lakebed_conform.casebook.book import Book, case")
    words = [*(f'"{w}"' for w in (id, *clauses)), *how]
    mark = f"@case({', '.join(words)})"
    if len(mark) > WIDTH:
        mark = "@case(\n    " + ",\n    ".join(words) + ",\n)"
    return (
        f'"""{title}."""\n\nfrom __future__ import annotations\n\n' + "\n".join(heads) + "\n\n\n"
        + (ARRAY if re.search(r"(?<!\.)\barray\(", body) else "")
        + f'{mark}\ndef _(b: Book) -> None:\n    """{title}\n\n    {effect}\n    """\n{body}'
    )  # fmt: skip


class Source(str):
    """Text that stands in a literal as it is."""


def literal(value: Any, indent: int) -> str:
    """``value`` as Python source: bytes as hex, long lists and dicts over lines of at most 116 characters."""
    if isinstance(value, bytes):
        return _bytes(value, indent)
    if isinstance(value, Source):
        return str(value)
    if not isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    one, more = ("(", ")") if isinstance(value, tuple) else ("{", "}") if isinstance(value, dict) else ("[", "]")

    def parts(at: int) -> list[str]:
        if isinstance(value, dict):
            return [f"{literal(k, at)}: {literal(v, at)}" for k, v in value.items()]
        return [literal(v, at) for v in value]

    flat = parts(indent)
    comma = "," if isinstance(value, tuple) and len(flat) == 1 else ""
    line = f"{one}{', '.join(flat)}{comma}{more}"
    if "\n" not in line and len(line) + indent < WIDTH:
        return line
    inner = " " * (indent + 4)
    return f"{one}\n" + "".join(f"{inner}{part},\n" for part in parts(indent + 4)) + " " * indent + more


def _bytes(data: bytes, indent: int) -> str:
    """Text as a bytes literal, all else as hex; over several lines when it is long."""
    text = len(data) > SHORT and all(32 <= b < 127 and b not in b"\\'" for b in data)
    step = max(16, WIDTH - indent - 28)
    if text:
        pieces = [f"b'{data[i : i + step].decode()}'" for i in range(0, len(data), step)]
    else:
        pieces = [f'"{data[i : i + step // 2].hex()}"' for i in range(0, len(data), step // 2)] or ['""']
    inner = " " * (indent + 4)
    said = pieces[0] if len(pieces) == 1 else "\n" + "".join(f"{inner}{p}\n" for p in pieces) + " " * indent
    return f"({said})" if text else f"bytes.fromhex({said})"


def _script(draft: Path | None, script: Path | None) -> tuple[tuple[str, ...], str, str]:
    """Features, the function's body and a title, from a draft that fuzz saved or from a script alone."""
    said = _json(draft) if draft else {}
    path = draft.parent / said["script"] if draft else script
    assert path is not None
    text = _json(path)
    if problem := wrong("script", text):
        raise SuiteError(f"{path}: {problem}")
    steps = [_filled(step, path.parent) for step in text["steps"]]
    want: dict[str, Any] = {}
    if said:
        want = {"tensors": {name: _expected(t) for name, t in said["want"].items()}}
    body = f"    steps = {literal(steps, 4)}\n    want = {literal(want, 4)}{'' if want else SAY}\n"
    body += "    b.writes(steps, want)\n"
    title = " ".join(str(said.get("found", "A script")).split())[:80].rstrip(".") or "A script"
    return _features(steps), body, title.replace('"', "'").replace("\\", "/")


def _expected(tensor: dict[str, Any]) -> dict[str, Any]:
    """A tensor of a draft as :meth:`Book.writes` wants it."""
    kind = array_of(b"", tensor["dtype"]).dtype.str

    def item(v: Any) -> Any:
        if v is None or isinstance(v, list):
            return v and [item(i) for i in v]
        return Source(f'array("{kind}", {literal(tuple(v["shape"]), 0)}, "{v["hex"]}")')

    said = {"values": [item(v) for v in tensor["samples"]], "dtype": tensor["dtype"]}
    return said | ({"sequence": True} if tensor.get("sequence") else {})


def _filled(value: Any, place: Path) -> Any:
    """A step with the bytes of its files in place of their names."""
    if isinstance(value, dict):
        named = {k: (place / v).read_bytes() for k, v in value.items() if k in ("raw", "file") and isinstance(v, str)}
        if "raw" in named and "offset" in value:
            raise SuiteError("a script whose raw files have offsets cannot stand in a module: give each sample a file")
        return {k: named.get(k, _filled(v, place)) for k, v in value.items()}
    return [_filled(v, place) for v in value] if isinstance(value, list) else value


def _features(steps: list[dict[str, Any]]) -> tuple[str, ...]:
    made = [s for s in steps if s["do"] == "create_tensor"]
    needs = {EDITS[s["do"]] for s in steps if s["do"] in EDITS}
    needs |= {f"dtype.{s['dtype']}" for s in made if s.get("dtype") in GATED}
    needs |= {f"codec.{c['name']}" for s in made for p in s.get("codecs", ()) for c in p}
    needs |= {"write.htypes" for s in made if s.get("htype", "generic") != "generic"}
    return tuple(sorted(needs))


def _tree(folder: Path) -> str:
    """A dataset that was found: valid, or judged by the suite's own checker, which a person then confirms."""
    tree = dict(folder_tree(folder))
    total = sum(map(len, tree.values()))
    if not tree or total > MOST:
        raise SuiteError(f"{folder} holds {total} bytes: a module takes 1 to {MOST}; larger ones belong to golden/")
    body = "    dataset = Dataset()\n"
    body += "".join(f"    dataset.put({literal(k, 4)}, {literal(v, 4)})\n" for k, v in tree.items())
    faults = list(dict.fromkeys(f.code for f in check_tree(tree) if not f.note))
    if not faults:
        return body + "    b.reads(dataset, {})\n"
    return body + f'    b.damaged(dataset, {", ".join(literal(code, 4) for code in faults)})\n'


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise SuiteError(f"{path}: {e}") from None
    if not isinstance(said, dict):
        raise SuiteError(f"{path} is no draft and no script")
    return said
