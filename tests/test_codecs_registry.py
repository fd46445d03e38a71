"""The tables of the code are the tables of the specification's registry, and its schemas hold."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource

import registry_guide
import registry_tool
from lakebed.codecs import ALIASES, CODECS
from lakebed.codecs.registry import REFUSED, codec
from lakebed.errors import LakebedError

SPEC = Path(__file__).resolve().parents[1] / "spec"
SCHEMAS = [json.loads(path.read_text("utf-8")) for path in (SPEC / "1.0" / "schemas").glob("*.json")]
KNOWN = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS)


def test_the_registry_is_what_the_tool_writes():
    gone = registry_guide.missing()
    if gone:
        pytest.skip(f"the guide's table needs {', '.join(gone)}")
    assert registry_tool.stale() == [], "run: python tests/registry_tool.py --write"


@pytest.mark.parametrize("name", ["codecs", "htypes", "dtypes", "errors", "limits", "features"])
def test_registry_files_fit_their_schemas(name):
    schema = next(s for s in SCHEMAS if s["$id"].endswith(f"/registry.{name}.json"))
    value = json.loads((SPEC / "registry" / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema, registry=KNOWN).validate(value)


def test_every_name_is_one_thing_only():
    names = [*CODECS, *ALIASES, *REFUSED]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_format_says_why(name):
    with pytest.raises(LakebedError) as caught:
        codec(name)
    assert (caught.value.code, caught.value.clause) == ("E_ARGUMENT", "codec.refused")
    assert REFUSED[name] in str(caught.value)


def test_the_table_of_outcomes_has_nothing_broken():
    for row in CODECS.values():
        if row.name not in registry_guide.missing() and (row.kind != "media" or row.write is not None):
            for words, dtype, shape in registry_guide.KINDS:
                assert registry_guide.outcome(row, dtype, shape) != "BROKEN", (row.name, words)
