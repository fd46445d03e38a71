"""Links: what may be stored, what is never fetched, and how a fetch ends badly for one sample only."""

from __future__ import annotations

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed import Link, LinkPolicy
from lakebed.errors import LakebedError


def picture():
    out = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), 7, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def server():
    seen = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("X-Secret")))
            if self.path.startswith("/a/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/a/to"))
                self.end_headers()
                return
            self.send_response(404 if "none" in self.path else 200)
            self.end_headers()
            if "slow" in self.path:
                for _ in range(50):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            elif "big" in self.path:
                self.wfile.write(bytes(1 << 20))
            else:
                self.wfile.write(picture())

        def log_message(self, *args):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    made.seen = seen
    made.root = f"http://127.0.0.1:{made.server_port}"
    yield made
    made.shutdown()
    made.server_close()


def test_links_come_back_and_nothing_is_fetched(tmp_path, server):
    links = [Link(f"{server.root}/a/x.png"), Link("s3://bucket/y.jpg", "ours"), None]
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("photos", htype="link[image]")
        ds.create_tensor("films", htype="sequence[link[video]]")
        for link in links:
            ds.append({"photos": link, "films": None if link is None else [link, link.url]})
        ds.commit("links")
    ds = lakebed.open(tmp_path / "x")
    assert list(ds["photos"]) == links
    assert ds["films"][0] == [links[0], Link(links[0].url)]
    assert server.seen == []


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("/home/me/cat.jpg", "url"),
        ("file:///home/me/cat.jpg", "url"),
        ("C:\\cat.jpg", "url"),
        ("cat.jpg", "url"),
        ("https:///cat.jpg", "url"),
        ("https://h/a b.jpg", "url"),
        ("https://h/" + "a" * 2048, "url"),
        ("https://me:pw@h/cat.jpg", "secret"),
        ("https://h/cat.jpg?X-Amz-Signature=abc", "secret"),
        ("https://h/cat.jpg?access_token=abc", "secret"),
        ("https://h/cat.jpg?sig=", "secret"),
        ("https://h/cat.jpg#access_token=1", "secret"),
        ("https://h/cat.jpg#/a?token=1", "secret"),
        ("https://h/a;token=1/cat.jpg", "secret"),
        ("https://h/cat.jpg;v=1;key=1?size=2", "secret"),
        ("https://h/cat.jpg?auth=1", "secret"),
        ("https://h/cat.jpg?jwt=1", "secret"),
        ("https://h/cat.jpg?sas=1", "secret"),
        ("https://h/cat.jpg?pwd=1", "secret"),
        ("https://h/cat.jpg?passwd=1", "secret"),
        ("https://h/cat.jpg?accesstoken=1", "secret"),
        ("https://h/cat.jpg?a=1;sharedaccesssignature=1", "secret"),
        ("https://h/cat.jpg?AWSAccessKeyId=1", "secret"),
        ("https://h/cat.jpg?%61uth=1", "secret"),
        (Link("https://h/cat.jpg", ""), "credentials"),
        (Link("https://h/cat.jpg", "AKIA:secret/xyz"), "credentials"),
        (Link("https://h/cat.jpg", "a" * 65), "credentials"),
        (Link("https://h/cat.jpg", "ours\n"), "credentials"),
        ({"url": "https://h/cat.jpg", "password": "x"}, "value"),
        (7, "value"),
        (np.frombuffer(b'{"url":"https://u:p@h/c"}', np.uint8), "secret"),
        (np.frombuffer(b"https://h/c", np.uint8), "value"),
    ],
)
def test_what_is_no_link(tmp_path, value, rule):
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("t", htype="link[image]")
        with pytest.raises(LakebedError) as caught:
            ds.append({"t": value})
        assert (caught.value.code, caught.value.clause) == ("E_SAMPLE_HTYPE", f"htype.link.{rule}")
        ds.append({"t": "https://host.example/a.jpg?size=3"})


def test_addresses_that_only_resemble_secrets(tmp_path):
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("t", htype="link[image]")
        for rest in ("key=3/a.jpg", "a;v=2.jpg?author=me&keyword=sun&monkey=1", "token/a.jpg#page=2", "a?sig#key"):
            ds.append({"t": Link(f"https://host.example/{rest}", "our.lab_2-x")})


@pytest.mark.parametrize("name", ["link[]", "link[generic]", "link[text]", "link[link[image]]"])
def test_what_cannot_be_linked(tmp_path, name):
    with lakebed.create(tmp_path / "x") as ds, pytest.raises(LakebedError) as caught:
        ds.create_tensor("t", htype=name)
    assert caught.value.clause == "htype.unknown"


def test_only_what_the_policy_allows_is_fetched(server):
    root = server.root
    policy = LinkPolicy(allow=[f"{root}/a/"], bytes=100_000, seconds=0.5, credentials={"ours": {"X-Secret": "s"}})
    wanted = [
        (Link(f"{root}/a/x.png"), None),
        (None, None),
        (Link(f"{root}/b/x.png"), "E_ARGUMENT"),
        (Link(f"{root}/a/../b/x.png"), "E_ARGUMENT"),
        (Link(f"{root}/a/%2e%2e/b/x.png"), "E_ARGUMENT"),
        (Link(f"{root}/ab/x.png"), "E_ARGUMENT"),
        (Link("http://127.0.0.1:1/a/x.png"), "E_ARGUMENT"),
        (Link("s3://bucket/a/x.png"), "E_ARGUMENT"),
        (Link(f"{root}/a/to/b/x.png"), "E_ARGUMENT"),
        (Link(f"{root}/a/to/a/x.png"), None),
        (Link(f"{root}/a/none.png"), "E_STORE"),
        (Link(f"{root}/a/big.png"), "E_SAMPLE_LIMIT"),
        (Link(f"{root}/a/slow.png"), "E_STORE"),
        (Link(f"{root}/a/x.png", "theirs"), "E_ARGUMENT"),
        (Link(f"{root}/a/secret.png", "ours"), None),
    ]
    found = list(lakebed.fetch([link for link, _ in wanted], policy))
    for (link, code), answer in zip(wanted, found, strict=True):
        if link is None:
            assert answer is None
        elif code is None:
            assert answer.array().shape == (4, 5, 3), link
        else:
            assert isinstance(answer, LakebedError) and answer.code == code, (link, answer)
    assert not any(path.startswith("/b/") for path, _ in server.seen)
    assert [secret for path, secret in server.seen if "secret" in path] == ["s"]
    assert "X-Secret" not in repr(policy)


def test_nothing_is_allowed_by_default(server):
    (answer,) = lakebed.fetch([Link(f"{server.root}/a/x.png")], LinkPolicy())
    assert isinstance(answer, LakebedError) and server.seen == []


@pytest.mark.parametrize("htype", ["sequence[link[image]]", "link[sequence[image]]"])
def test_a_sequence_of_links_by_either_name(tmp_path, server, htype):
    """Stored under one htype; a list of links each, every one fetched for itself [htype.link.sequence]."""
    good, bad = Link(f"{server.root}/a/x.png"), Link(f"{server.root}/a/none.png")
    with lakebed.create(tmp_path / "x") as ds:
        ds.create_tensor("frames", htype=htype)
        ds.extend({"frames": [[good, bad, good], [], None]})
        with pytest.raises(LakebedError) as caught:
            ds.append({"frames": [good, "/home/me/cat.jpg"]})
        assert (caught.value.code, caught.value.clause) == ("E_SAMPLE_HTYPE", "htype.link.url")
    with lakebed.open(tmp_path / "x", mode="a") as ds:
        ds.append({"frames": [good]})
    tensor = lakebed.open(tmp_path / "x")["frames"]
    assert (tensor.htype, tensor.sequence) == ("link[image]", True)
    assert list(tensor) == [[good, bad, good], [], None, [good]]
    policy = LinkPolicy([f"{server.root}/a/"])
    found = list(lakebed.fetch(tensor[0], policy))
    assert [getattr(each, "code", None) for each in found] == [None, "E_STORE", None]
    assert found[0].array().shape == (4, 5, 3)
