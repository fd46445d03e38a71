"""The suite's runner against ports that misbehave: the right status each time, and the run goes on."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "conformance"))

from lakebed_conform import SuiteError  # noqa: E402
from lakebed_conform.cases import load_cases, select  # noqa: E402
from lakebed_conform.crash import cause_of  # noqa: E402
from lakebed_conform.ports import Port, PortSpec, find_port  # noqa: E402
from lakebed_conform.report.text import summary_lines  # noqa: E402
from lakebed_conform.run import run  # noqa: E402

ENV = {"PYTHONPATH": str(ROOT / "conformance")}
CHECK = {"op": "check", "root": "/nowhere"}


def fake(how: str, **more) -> PortSpec:
    return PortSpec(how, (sys.executable, "-m", "lakebed_conform.nullports.fake", how), env=ENV, **more)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("junk", "protocol", "not a line of JSON: b'loading model...'"),
        ("array", "protocol", "not an object"),
        ("order", "protocol", "reply 2 to request 1"),
        ("schema", "protocol", "breaks its schema"),
        ("quiet", "protocol", "stdout was closed"),
        ("torrent", "protocol", "a line of more than"),
        ("die", "crash", "exit status 3"),
        ("signal", "crash", "SIGSEGV"),
        ("fine", "ok", ""),
        ("flood", "ok", ""),
        ("skip", "ok", ""),
    ],
)
def test_a_misdeed_gets_its_status(how, status, words):
    with Port(fake(how)) as port:
        seen = port.ask(CHECK, 5)
        assert seen.status == status, seen
        assert words in seen.detail
        assert len(seen.stderr) <= 64 << 10
        again = port.ask(CHECK, 5)  # it is started again and answers again as before
        assert again.status in (status, "protocol")


@pytest.mark.parametrize("how", ["hang", "stubborn"])
def test_a_port_that_hangs_is_ended(how):
    with Port(fake(how)) as port:
        assert port.hello().status == "ok"
        seen = port.ask(CHECK, 0.4)
        assert seen.status == "timeout"
        assert seen.seconds < 3
        assert port.hello().status == "ok" and port.starts == 2


def test_a_port_that_eats_memory_is_ended():
    with Port(fake("eat", memory=150 << 20)) as port:
        assert port.hello().status == "ok"
        seen = port.ask(CHECK, 20)
        assert seen.status == "memory", seen
        assert "MiB" in seen.detail


def test_a_short_spike_is_seen_against_the_budget():
    with Port(fake("gulp")) as port:
        assert port.hello().status == "ok"
        assert port.ask(CHECK, 10, memory=64 << 20).status == "memory"
    with Port(fake("gulp")) as port:
        assert port.hello().status == "ok"
        assert port.ask(CHECK, 10, memory=800 << 20).status == "ok"


def test_a_second_reply_to_one_request_is_not_taken_for_the_next():
    with Port(fake("twice")) as port:
        assert port.hello().status == "ok"
        assert port.ask(CHECK, 5).status == "ok"
        assert port.ask(CHECK, 5).status == "protocol"


def test_a_port_may_end_after_each_reply():
    with Port(fake("oneshot")) as port:
        assert [port.ask(CHECK, 5).status for _ in range(4)] == ["ok"] * 4
        assert port.starts == 4


def test_a_command_that_does_not_exist_is_a_crash_and_not_the_suites_trouble():
    with Port(PortSpec("none", ("/no/such/command",))) as port:
        seen = port.hello()
    assert seen.status == "crash" and "/no/such/command" in seen.detail


def everything():
    cases = load_cases("1.0")
    return cases, select(cases, only=("chunk/*",))


@pytest.mark.parametrize(
    ("how", "status"), [("hello-junk", "protocol"), ("hello-old", "protocol"), ("hello-die", "crash")]
)
def test_a_false_hello_fails_every_case_without_asking(how, status):
    cases, tasks = everything()
    outcome = run(fake(how), "1.0", tasks, every=cases)
    assert {r.status for r in outcome.results} == {status}
    assert not any(r.executed for r in outcome.results)
    assert outcome.exit_code == 1


def test_nothing_declared_is_nothing_executed():
    cases, tasks = everything()
    outcome = run(fake("hello-none"), "1.0", tasks, every=cases)
    assert {r.status for r in outcome.results} == {"skip"}
    assert outcome.exit_code == 3 and outcome.verdict == "nothing was executed"


def test_a_skip_of_what_was_declared_is_a_failure():
    cases, tasks = everything()
    outcome = run(fake("skip"), "1.0", tasks, every=cases)
    assert {r.status for r in outcome.results} == {"fail"}
    assert all("skips what it declared" in r.detail for r in outcome.results)


def test_the_run_goes_on_after_each_crash():
    cases, tasks = everything()
    outcome = run(fake("die"), "1.0", tasks, every=cases, jobs=2)
    assert len(outcome.results) == len(tasks)
    assert {r.status for r in outcome.results} == {"crash"}
    assert not any(r.safe for r in outcome.results), "a crash is never a refusal"


#: what runtimes really print, cut in the middle
DEATHS = {
    "rust": (
        "",
        "thread 'main' (7390) panicked at src/main.rs:1:90:",
        "index out of bounds: the len is 0 but the index is 5",
        "stack backtrace:",
        "   0: __rustc::rust_begin_unwind",
        "note: run with `RUST_BACKTRACE=full`",
        "",
    ),
    "rust, older": (
        "thread 'main' panicked at 'no such thing', src/main.rs:3:5",
        "note: run with `RUST_BACKTRACE=1`",
        "",
    ),
    "go": (
        "panic: runtime error: index out of range [5] with length 0",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/a.go:3",
        "exit",
    ),
    "c++": (
        "terminate called after throwing an instance of 'std::out_of_range'",
        "  what():  vector::_M_range_check",
        "Aborted",
        "",
    ),
    "address sanitizer": (
        "====",
        "==7446==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602 at pc 0x565",
        "WRITE of size 1",
        "==7446==ABORTING",
        "",
    ),
    "assert": (
        "port: a.c:3: main: Assertion `n==1' failed.",
        "Aborted",
        "",
    ),
    "node": (
        "Error: a warning that was logged",
        "file:///a.mjs:1",
        "  throw new TypeError('x')",
        "  ^",
        "",
        "TypeError: v.x is not a function",
        "    at f (a.mjs:1:21)",
        "",
        "Node.js v20.20.2",
        "",
    ),
    "node, a module": (
        "node:internal",
        "          ^",
        "",
        "Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'",
        "    at f {",
        "  code: 'E'",
        "}",
        "",
        "Node.js v20",
        "",
    ),
    "node, memory": (
        "<--- Last few GCs --->",
        "",
        "FATAL ERROR: Reached heap limit Allocation failed",
        "----- Native stack trace -----",
        " 1: 0xb7",
        "",
    ),
    "python": (
        "Traceback (most recent call last):",
        "  File 'a', line 3",
        "ZeroDivisionError: division by zero",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        "  File 'a', line 5",
        "my.E: two",
        "lines",
        "",
    ),
    "another": (
        "loading",
        "",
        "  it all went wrong  ",
        "",
        "",
    ),
    "silent": (
        "",
    ),
}
#: and the line of it that says why
WHY = {
    "rust": "thread 'main' (7390) panicked at src/main.rs:1:90: index out of bounds: the len is 0 but the index is 5",
    "rust, older": "thread 'main' panicked at 'no such thing', src/main.rs:3:5",
    "go": "panic: runtime error: index out of range [5] with length 0",
    "c++": "terminate called after throwing an instance of 'std::out_of_range' what():  vector::_M_range_check",
    "address sanitizer": "==7446==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602 at pc 0x565",
    "assert": "port: a.c:3: main: Assertion `n==1' failed.",
    "node": "TypeError: v.x is not a function",
    "node, a module": "Error [ERR_MODULE_NOT_FOUND]: Cannot find module 'x'",
    "node, memory": "FATAL ERROR: Reached heap limit Allocation failed",
    "python": "my.E: two",
    "another": "it all went wrong",
    "silent": "",
}


@pytest.mark.parametrize("runtime", DEATHS)
def test_the_line_that_says_why_a_port_died(runtime):
    assert cause_of("\n".join(DEATHS[runtime])) == WHY[runtime]


@pytest.mark.parametrize(
    ("program", "code", "line"),
    [
        (sys.executable, "import sys\nfor line in sys.stdin: {}['x']", "KeyError: 'x'"),
        ("node", "process.stdin.on('data', () => null.x)", "TypeError: Cannot read properties of null"),
    ],
)
def test_a_real_death_is_told_by_its_cause(tmp_path, program, code, line):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    outcome = run(PortSpec("dying", (program, "-c" if program != "node" else "-e", code)), "1.0", everything()[1],
                  every=everything()[0])  # fmt: skip
    text = "\n".join(said for said, _ in summary_lines(outcome, {}, "dying"))
    assert line in text and "doctor --port dying" in text and "Traceback" not in text


def test_port_json_and_names(tmp_path):
    said = {"name": "mine", "command": ["{python}", "{here}/a.py"], "env": {"A": "{here}"}, "memory": 1000}
    (tmp_path / "port.json").write_text(json.dumps(said))
    spec = find_port(str(tmp_path))
    assert spec.command == (sys.executable, f"{tmp_path}/a.py") and spec.env == {"A": str(tmp_path)}
    assert find_port("lakebed").command == (sys.executable, "-m", "lakebed.port")
    assert find_port(f"{sys.executable} 'my port.py'").command == (sys.executable, "my port.py")
    (tmp_path / "port.json").write_text(json.dumps({"name": "mine"}))
    with pytest.raises(SuiteError, match="command"):
        find_port(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lakbed", "did you mean lakebed"),
        ("no/such/port", "no command no/such/port"),
        ("null:nosuch", "the null ports are accept"),
        ("conformance", "a folder without port.json"),
        ("conformance/README.md", "put its interpreter before it"),
        ("python 'open", "No closing quotation"),
        ("", "--port is empty"),
    ],
)
def test_a_port_that_is_none_is_said(monkeypatch, text, said):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SuiteError, match=said):
        find_port(text)
