"""The registry files of the specification, written from the tables of the code and the clauses of the text.

    python tests/registry_tool.py --check     exit 1 and name the files that are not what this would write
    python tests/registry_tool.py --write     write them

Written: codecs.json, htypes.json, dtypes.json and errors.json, the attribute schemas of htypes, and the guide
spec/guide-compression.md. Everything else under spec/ is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "spec"
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "reference"), str(ROOT / "tests")]

from lakebed.codecs import CODECS, Codec, Param  # noqa: E402
from lakebed.codecs.registry import REFUSED  # noqa: E402
from lakebed.dtypes import DTYPES  # noqa: E402
from lakebed.errors import CODES  # noqa: E402
from lakebed.htypes import HTYPES, HType  # noqa: E402

TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
KINDS = {
    "FormatError": "format", "UnsupportedError": "unsupported", "NotFoundError": "notfound",
    "OutOfRangeError": "notfound", "ConflictError": "conflict", "FidelityError": "fidelity", "InputError": "input",
    "StoreError": "store",
}  # fmt: skip
CLAUSE = re.compile(r"\*\*([a-z0-9_]+(?:\.[a-z0-9_]+)+)\*\*")
ABOUT = {
    "codecs": "Every codec name. `defined`: chapter 7 says what it is. `reserved`: the name is taken, a 1.0 reader "
    "refuses it by name. `refused`: a format that is never stored, and `why`. `encode` parameters do not matter when "
    "decoding; a `required` one must be present. Exact: array in, array out; files given are "
    "always kept byte for byte.",
    "htypes": "Every htype: dtypes (first is the default; empty: any), item shapes (null is free; a tensor may fix "
    "free axes; empty: any), whether it is a sequence, whether it is exact always, which media files it takes.",
    "dtypes": "Every dtype: its bytes per element and what they are.",
    "errors": "Every error of the format: the class of remedy, what it means, what to do next, and the clauses that "
    "name it.",
}


# --- rows -------------------------------------------------------------------------------------------------------------


def parameter(param: Param, media: bool) -> dict[str, Any]:
    kind = "number" if float in param.types else TYPES[param.types[0]]
    numbers = param.choices if kind != "string" else ()
    return {
        "type": kind,
        "default": param.default,
        "min": param.low if param.low is not None else min(numbers, default=None),
        "max": param.high if param.high is not None else max(numbers, default=None),
        **({"choices": list(param.choices)} if param.choices else {}),
        "required": param.required,
        "encode": media or param.effort,
    }


def codec_row(row: Codec) -> dict[str, Any]:
    media = row.kind == "media"
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "status": "defined",
        "kind": row.kind,
        **({"medium": row.medium} if media else {}),
        "exact": row.exact,
        "conditions": row.conditions,
        "takes": row.holds or row.conditions or ("no arrays: files only" if media and row.write is None else "any"),
        "params": {param.name: parameter(param, media) for param in row.params},
        "library": row.library,
        "extra": row.extra,
        "tolerance": row.tolerance,
        "proves": list(row.proves),
        "limits": {**row.limits, **({"ratio": row.ratio} if row.ratio else {})},
        "clause": "codec." + row.name.replace(".", "_"),
        "since": "1.0",
    }


def codecs() -> list[dict[str, Any]]:
    rows = [codec_row(row) for row in CODECS.values()]
    plain = {"aliases": [], "kind": "media", "since": "1.0"}
    rows += [{"name": n, **plain, "status": "refused", "why": w, "clause": "codec.refused"} for n, w in REFUSED.items()]
    return rows


def family(row: HType) -> str:
    """``link`` for all links: they share a clause and a schema."""
    return row.name.partition("[")[0]


def htype_row(row: HType) -> dict[str, Any]:
    free = row.name == "generic"
    name = family(row)
    return {
        "name": row.name,
        "status": "defined",
        "dtypes": [] if free else sorted(row.dtypes, key=lambda name: name != row.dtype),
        "default_dtype": row.dtype or "",
        "shapes": [list(shape) for shape in row.shapes],
        "default_shape": list(row.shape or ()),
        "sequence": "always" if row.sequence else "either",
        "lossless": row.exact,
        "media": list(row.media),
        "attributes": list(row.attributes),
        "schema": f"../1.0/schemas/attributes.{name}.json",
        "clause": "htype." + name.replace(".", "_"),
        "since": "1.0",
    }


def htypes() -> list[dict[str, Any]]:
    return [htype_row(row) for row in HTYPES.values()]


def dtypes() -> list[dict[str, Any]]:
    words = {
        "bool": "0 or 1",
        "int": "two's complement, little-endian",
        "uint": "unsigned, little-endian",
        "bfloat16": "upper 16 bits of a binary32, little-endian",
        "float8_e4m3fn": "sign, 4 exponent bits with bias 7, 3 mantissa bits; no infinities; 7F and FF are NaN",
        "float8_e5m2": "sign, 5 exponent bits with bias 15, 2 mantissa bits",
    }
    letters = {"int": "i", "uint": "u", "float": "f", "complex": "c"}
    rows = []
    for name, row in DTYPES.items():
        half = row.itemsize * (4 if row.kind == "complex" else 8)
        said = words.get(name) or words.get(row.kind)
        real = f"IEEE 754 binary{half}, little-endian"
        rows.append(
            {
                "name": name,
                "itemsize": row.itemsize,
                "kind": row.kind,
                "numpy": "bool" if name == "bool" else f"ml_dtypes.{name}" if row.extra else
                f"<{letters[row.kind]}{row.itemsize}",
                "bytes": said or (f"real, then imaginary part, each a binary{half}" if row.kind == "complex" else real),
                "extra": row.extra,
                "clause": "dtype." + (name if row.extra or row.kind == "bool" else row.kind),
                "since": "1.0",
            }
        )  # fmt: skip
    return rows


def errors() -> list[dict[str, Any]]:
    """Codes in the code's order; a clause names a code when both stand in one line of the text."""
    clauses: dict[str, list[str]] = {code: [] for code in CODES}
    for path in sorted((SPEC / "1.0").glob("*.md")):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(">"):
                continue
            for clause in CLAUSE.findall(line):
                for code in dict.fromkeys(re.findall(r"E_[A-Z0-9_]+", line)):
                    if clause not in clauses[code]:
                        clauses[code].append(clause)
    return [
        {"code": code, "kind": KINDS[row.kind.__name__], "meaning": row.meaning, "next": row.next,
         "clauses": clauses[code]}
        for code, row in CODES.items()
    ]  # fmt: skip


# --- files ------------------------------------------------------------------------------------------------------------


def table(name: str, rows: list[dict[str, Any]]) -> str:
    head = {"$schema": f"../1.0/schemas/registry.{name}.json", "about": ABOUT[name]}
    lines = "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in head.items())
    body = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows)
    return "{\n" + lines + f"  {json.dumps(name)}: [\n{body}\n  ]\n}}\n"


NAMES = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
PAIR = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}, "minItems": 2, "maxItems": 2}


def _coords(**members: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [],
        "properties": {key: {"enum": allowed} for key, allowed in members.items()},
        "additionalProperties": False,
    }


MEMBERS: dict[str, dict[str, Any]] = {
    "class_names": NAMES,
    "coords": _coords(type=["pixel", "fractional"], mode=["LTRB", "LTWH", "CCWH"]),
    "keypoints": NAMES,
    "connections": {"type": "array", "items": PAIR},
    "schema": {"type": ["object", "boolean"]},
}
OTHERS = {("bbox.3d", "coords"): _coords(mode=["center", "vertex"])}


def schema(row: HType) -> str:
    body = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://lakebed.invalid/spec/1.0/schemas/attributes.{family(row)}.json",
        "title": f"Attributes of a tensor of htype {family(row)} [htype.attributes]",
        "type": "object",
        "properties": {name: OTHERS.get((row.name, name), MEMBERS[name]) for name in row.attributes},
    }
    return json.dumps(body, indent=2) + "\n"


def files() -> dict[Path, str]:
    """Every generated file and its text."""
    from registry_guide import guide

    made = {
        SPEC / "registry" / "codecs.json": table("codecs", codecs()),
        SPEC / "registry" / "htypes.json": table("htypes", htypes()),
        SPEC / "registry" / "dtypes.json": table("dtypes", dtypes()),
        SPEC / "registry" / "errors.json": table("errors", errors()),
        SPEC / "guide-compression.md": guide(),
    }
    for row in HTYPES.values():
        made[SPEC / "1.0" / "schemas" / f"attributes.{family(row)}.json"] = schema(row)
    return made


def stale() -> list[Path]:
    return [path for path, text in files().items() if not path.is_file() or path.read_text("utf-8") != text]


def main(words: list[str]) -> int:
    if words not in (["--check"], ["--write"]):
        print(__doc__)
        return 2
    old = stale()
    for path in old:
        if words == ["--write"]:
            path.write_text(files()[path], "utf-8")
        print(path.relative_to(ROOT))
    return 1 if old and words == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
