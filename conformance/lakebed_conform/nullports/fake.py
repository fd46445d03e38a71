"""Misbehaving ports for the tests of the runner: ``python -m lakebed_conform.nullports.fake BEHAVIOUR``.

hello is answered well (but for the behaviours that concern it); then every request meets the behaviour.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

GOOD = {"ok": True, "protocol": 1, "name": "fake", "version": "0", "language": "none", "formats": ["1.0"],
        "roles": ["reader", "writer", "checker"], "features": []}  # fmt: skip
FINE = {"ok": True, "dtype": "uint8", "shapes": [], "findings": []}


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def reply(q: dict[str, Any], **members: Any) -> None:
    say(json.dumps({"id": q["id"], **members}) + "\n")


def behave(how: str, q: dict[str, Any]) -> None:
    if how == "junk":
        say("loading model...\n")
    elif how == "array":
        say("[1,2,3]\n")
    elif how == "order":
        reply(q | {"id": q["id"] + 1}, **FINE)
    elif how == "twice":
        reply(q, **FINE)
        reply(q, **FINE)
    elif how == "die":
        os._exit(3)
    elif how == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "quiet":
        os.close(1)
        time.sleep(60)
    elif how == "hang":
        time.sleep(60)
    elif how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    elif how == "flood":
        for _ in range(200):
            sys.stderr.write("x" * 65536)
        reply(q, **FINE)
    elif how == "torrent":
        while True:
            say("x" * 65536)
    elif how == "eat":
        held = bytearray()
        for _ in range(1 << 12):
            held += os.urandom(1 << 20)
            time.sleep(0.001)
    elif how == "gulp":  # a short spike that a slow sampler would miss
        held = bytearray(os.urandom(1 << 20) * 300)
        del held
        reply(q, **FINE)
    elif how == "skip":
        reply(q, skip="codec.lz4")
    elif how == "schema":
        reply(q, ok="yes")
    elif how == "oneshot":
        reply(q, **FINE)
        sys.exit(0)
    elif how == "refuse":
        reply(q, ok=False, error={"code": "E_ANY"})
    else:
        reply(q, **FINE)


def greet(how: str, q: dict[str, Any]) -> None:
    if how == "hello-junk":
        say("hi\n")
    elif how == "hello-old":
        reply(q, **GOOD | {"protocol": 0})
    elif how == "hello-die":
        os._exit(1)
    elif how == "hello-none":
        reply(q, **GOOD | {"roles": []})
    elif how == "hello-reader":
        reply(q, **GOOD | {"roles": ["reader"]})
    else:
        reply(q, **GOOD)
        if how == "oneshot":
            sys.exit(0)


def main() -> None:
    how = sys.argv[1]
    for line in sys.stdin:
        q = json.loads(line)
        (greet if q["op"] == "hello" else behave)(how, q)


main()
