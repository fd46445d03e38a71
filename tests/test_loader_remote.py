"""The loader behind a web server that waits, stalls and cuts, and its cache."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lakebed
from lakebed.errors import LakebedError
from lakebed.loaders import CachedStore, loader
from lakebed.stores import store as open_store
from servers import RangeServer, folder

ROWS, SIZE = 600, 20_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("remote") / "ds")
    rng = np.random.default_rng(0)
    with lakebed.create(path) as ds:
        ds.create_tensor("blob", dtype="uint8", shape=(None,), sample_compression="lz4")
        ds.create_tensor("label", htype="class_label")
        blobs = [rng.integers(0, 255, SIZE).astype(np.uint8) for _ in range(ROWS)]
        ds.extend({"blob": blobs, "label": np.arange(ROWS)})
    return path


def rows(batches: Any) -> list[int]:
    return [int(i) for batch in batches for i in batch["label"]]


def test_requests_overlap_and_are_few(place: str) -> None:
    """12 MB at 20 ms a request: a wave of requests for each of the first small windows, not one for each row."""
    with RangeServer(folder(place), delay=0.02) as server:
        begin = time.monotonic()
        found = rows(loader(lakebed.open(server.url), shuffle=True, batch_size=16))
        seconds = time.monotonic() - begin
        assert sorted(found) == list(range(ROWS))
        assert server.peak <= 16 and server.requests < 120 and server.waves <= 20
        assert server.bytes < 1.3 * ROWS * SIZE
        assert seconds < 4


@pytest.mark.parametrize(("fault", "code"), [("stall", "E_STORE"), ("short", "E_TRUNCATED"), ("503", "E_STORE")])
def test_a_failing_store_is_a_named_error_within_a_bound(place: str, fault: str, code: str) -> None:
    broken = threading.Event()

    def trouble(number: int, path: str) -> str:
        return fault if broken.is_set() and path.startswith("/chunks/") else ""

    with RangeServer(folder(place), fault=trouble) as server:
        options = {"timeout": 0.3, "deadline": 1.0, "retries": 1}
        ds = lakebed.open(server.url, options=options)
        made = loader(ds, shuffle=True)
        made.plan()
        broken.set()
        begin = time.monotonic()
        with pytest.raises(LakebedError) as caught:
            list(made)
        assert caught.value.code == code
        assert time.monotonic() - begin < 8


def test_a_store_that_fails_now_and_then_is_asked_again(place: str) -> None:
    with RangeServer(folder(place), fault=lambda n, path: "503" if n % 5 == 4 else "") as server:
        assert sorted(rows(loader(lakebed.open(server.url), shuffle=True))) == list(range(ROWS))


# --- the cache -------------------------------------------------------------------------------------------------------


def test_a_second_epoch_and_a_second_process_ask_for_nothing(place: str, tmp_path: Path) -> None:
    with RangeServer(folder(place)) as server:
        made = loader(lakebed.open(server.url), shuffle=True, cache=tmp_path / "cache")
        first = rows(made)
        server.reset()
        second = rows(made)
        assert sorted(second) == sorted(first) and second != first
        assert server.requests == 0
        again = loader(lakebed.open(server.url), shuffle=True, cache=tmp_path / "cache")
        server.reset()
        assert rows(again) == first
        assert not [row for row in server.log if row.path.startswith("/chunks/")]


def test_the_cache_keeps_its_limit_and_drops_the_oldest(tmp_path: Path) -> None:
    limit = 2 << 20
    with lakebed.create(str(tmp_path / "ds")) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(100_000,))
        for _ in range(12):
            ds.extend({"x": np.random.default_rng(len(ds)).integers(0, 255, (5, 100_000)).astype(np.uint8)})
            ds.commit()
    place = _Remote(open_store(str(tmp_path / "ds"), writable=False))
    cached = CachedStore(place, tmp_path / "cache", limit)
    ds = lakebed.open(cached)
    most = 0
    for row in range(len(ds)):
        assert ds["x"][row].shape == (100_000,)
        most = max(most, cached.nbytes())
    assert limit // 2 < most <= limit
    on_disk = sum(path.stat().st_blocks * 512 for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert on_disk <= 1.2 * limit
    misses = cached.misses
    assert ds["x"][len(ds) - 1] is not None and cached.misses == misses
    lakebed.open(CachedStore(place, tmp_path / "cache", limit))["x"][0]


def test_damage_in_the_cache_is_no_damage_of_the_dataset(place: str, tmp_path: Path) -> None:
    with RangeServer(folder(place)) as server:
        due = [batch["blob"] for batch in loader(lakebed.open(server.url), cache=tmp_path)]
        for path in tmp_path.rglob("*.data"):
            data = bytearray(path.read_bytes())
            data[1000:-1000:5000] = bytes(len(data[1000:-1000:5000]))
            path.write_bytes(data)
        for path in list(tmp_path.rglob("*.runs"))[:1]:
            path.write_bytes(path.read_bytes()[:-7])
        again = [batch["blob"] for batch in loader(lakebed.open(server.url), cache=tmp_path)]
        assert all(np.array_equal(a, b) for x, y in zip(due, again, strict=True) for a, b in zip(x, y, strict=True))


def test_a_cache_that_cannot_be_written_is_no_error(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with RangeServer(folder(place)) as server:
        made = loader(lakebed.open(server.url), cache=tmp_path / "file")
        assert rows(made) == list(range(ROWS))


class _Remote:
    """A store that does not map."""

    writable = False

    def __init__(self, inner: Any) -> None:
        self.inner, self.url = inner, inner.url

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)

    def view(self, key: str) -> None:
        return None
