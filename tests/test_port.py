"""The reference as a port of the conformance suite: it says what it can, no more."""

from __future__ import annotations

from lakebed import port
from lakebed.codecs import CODECS
from lakebed.extras import installed


def test_a_codec_is_named_only_where_its_library_is(monkeypatch):
    here = {name for name, row in CODECS.items() if row.extra is None or installed(row.library)}
    bare = {name for name, row in CODECS.items() if row.extra is None}
    assert {"lz4", "png", "jpeg"} <= bare and not {"qoi", "hdr", "zstd", "mp4"} & bare
    assert _codecs() == here
    monkeypatch.setattr(port, "installed", lambda module: False)
    assert _codecs() == bare - {"avif"}  # Pillow reads it; a writer of it needs imagecodecs
    assert "picture.rgb16" not in port.answer({"op": "hello"})["features"]


def test_an_unknown_request_is_skipped():
    assert port.answer({"op": "fly"}) == {"skip": "fly"}


def _codecs() -> set[str]:
    features = port.answer({"op": "hello"})["features"]
    return {name.removeprefix("codec.") for name in features if name.startswith("codec.")}
