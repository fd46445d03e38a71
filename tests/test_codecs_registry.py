"""The tables of the code are the tables of the specification's registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lakebed.codecs import CODECS
from lakebed.dtypes import DTYPES
from lakebed.htypes import HTYPES

REGISTRY = Path(__file__).resolve().parents[1] / "spec" / "registry"
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def rows(name):
    found = json.loads((REGISTRY / f"{name}.json").read_text("utf-8"))[name]
    return {row["name"]: row for row in found}


@pytest.mark.parametrize("name", CODECS)
def test_codecs(name):
    said, row = rows("codecs")[name], CODECS[name]
    assert said["status"] == "defined"
    assert (said["kind"], said["exact"], said["tolerance"]) == (row.kind, row.exact, row.tolerance)
    assert (tuple(said["aliases"]), said["extra"]) == (row.aliases, row.extra)
    assert list(said["params"]) == [param.name for param in row.params]
    for param in row.params:
        wanted = said["params"][param.name]
        assert (wanted["default"], wanted["required"], wanted["encode"]) == (
            param.default,
            param.required,
            param.effort or row.kind == "media",
        )
        assert wanted["type"] == TYPES[param.types[0]]
        assert tuple(wanted.get("choices") or ()) == param.choices
        if not param.choices:
            assert (wanted["min"], wanted["max"]) == (param.low, param.high)


def test_no_defined_codec_is_missing():
    assert {name for name, row in rows("codecs").items() if row["status"] == "defined"} == set(CODECS)


def test_dtypes():
    said = rows("dtypes")
    assert set(said) == set(DTYPES)
    for name, row in DTYPES.items():
        assert said[name]["itemsize"] == row.itemsize


@pytest.mark.parametrize("name", HTYPES)
def test_htypes(name):
    said, row = rows("htypes")[name], HTYPES[name]
    assert set(said["dtypes"] or DTYPES) == set(row.dtypes)
    assert (said["default_dtype"], said["lossless"]) == (row.dtype, row.exact)
    assert (said["sequence"] == "always") == row.sequence or said["sequence"] == row.sequence
    assert list(said["attributes"]) == list(row.attributes)
    if row.shape is not None:
        assert tuple(said["default_shape"]) == row.shape
        assert {len(shape) for shape in said["shapes"]} == set(row.ranks)


def test_no_defined_htype_is_missing():
    assert {name for name, row in rows("htypes").items() if row["status"] == "defined"} == set(HTYPES)
