"""Was the answer right? One function per op; expected values are raw bytes, compared to the bit unless told else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebed_conform.cases import Ask, Case
from lakebed_conform.checker import Broken, Item, Samples, check_tree, folder_tree, open_state
from lakebed_conform.checker.pixels import array_bytes
from lakebed_conform.difference import Difference, difference
from lakebed_conform.layout import layout_problem
from lakebed_conform.protocol import wrong
from lakebed_conform.tolerance import Slack, array_of, bounded, decoder_class


@dataclass(frozen=True)
class Verdict:
    """``safe``: for something that had to be refused, whether it was refused at all. ``manner``: in which way it is
    wrong, in words that are the same for other cases; ``bytes``: where the bytes part."""

    ok: bool
    detail: str = ""
    wanted: str = ""
    got: str = ""
    safe: bool | None = None
    slack: tuple[Slack, ...] = ()
    manner: str = ""
    bytes: Difference | None = None


GOOD = Verdict(True)


def judge(case: Case, ask: Ask, reply: dict[str, Any], out: Path) -> Verdict:
    """The verdict on a well-formed reply; ``out`` is the file or folder that the port was to fill."""
    if ask.error is not None:
        return _refusal(case, ask, reply, out)
    if not reply["ok"]:
        error = reply["error"]
        return Verdict(False, f"refused: {_said(error)}", "accepted", error["code"])
    try:
        return _JUDGES[ask.op](case, ask.want or {}, reply, out)
    except OSError as e:
        return Verdict(False, f"the file that was promised: {e.strerror}")


def _said(error: dict[str, Any]) -> str:
    parts = [error["code"], error.get("clause"), error.get("object"), error.get("detail")]
    return " · ".join(str(p) for p in parts if p)


def _refusal(case: Case, ask: Ask, reply: dict[str, Any], out: Path) -> Verdict:
    wanted = " or ".join(dict.fromkeys((ask.error or "", *ask.also)))
    if ask.op == "check" and reply["ok"]:
        return _found(ask, reply, wanted)
    if reply["ok"]:
        return Verdict(False, "accepted what must be refused", wanted, "accepted", safe=False)
    code = reply["error"]["code"]
    if code == "E_ANY":
        return Verdict(False, "refused without a diagnosis (E_ANY)", wanted, code, safe=True)
    if code != ask.error and code not in ask.also:
        return Verdict(False, f"refused for another reason: {_said(reply['error'])}", wanted, code, safe=True)
    if ask.op == "write" and (problem := _left_behind(case, out)):
        return Verdict(False, f"refused, but what it left behind is invalid: {problem}", wanted, code, safe=False)
    return Verdict(True, wanted=wanted, got=code, safe=True)


def _found(ask: Ask, reply: dict[str, Any], wanted: str) -> Verdict:
    codes = [f["code"] for f in reply["findings"] if not f.get("note")]
    got = ", ".join(codes) or "no finding"
    right = (ask.error, *ask.also)
    if not codes:
        return Verdict(False, "found nothing wrong", wanted, got, safe=False)
    if not set(codes) & set(right):
        return Verdict(False, "found something else", wanted, got, safe=True)
    if set(codes) - set(right):
        return Verdict(False, "found more than is there", wanted, got, safe=True)
    return Verdict(True, wanted=wanted, got=got, safe=True)


def _check(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    codes = [f["code"] for f in reply["findings"] if not f.get("note")]
    if codes:
        first = next(f for f in reply["findings"] if not f.get("note"))
        return Verdict(False, f"found a fault in a valid dataset: {_said(first)}", "no finding", ", ".join(codes))
    return GOOD


def _inspect(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    try:
        got = json.loads(out.read_bytes())
    except ValueError as e:
        return Verdict(False, f"the metadata are not JSON: {e}")
    if problem := wrong("metadata", got):
        return Verdict(False, f"the metadata: {problem}")
    expected = json.loads(case.raw(want["json"]))
    if problem := differs(got, expected):
        return Verdict(False, f"metadata differ at {problem}", manner=f"metadata differ at {_member(problem)}")
    return GOOD


def _member(problem: str) -> str:
    """The place in the metadata, whatever tensor and whichever entry."""
    place = problem.partition(": ")[0]
    return re.sub(r"/\d+(?=/|$)", "", re.sub(r"^(/tensors)/.+?(?=/\w+/)", r"\1", place)).rstrip("/")


def differs(got: Any, want: Any, place: str = "/") -> str | None:
    """The first place where two JSON values differ; 1, 1.0 and true are three values. Unknown members are no fault."""
    if type(got) is not type(want):
        return f"{place}: {json.dumps(got)[:60]} for {json.dumps(want)[:60]}"
    if isinstance(want, dict):
        for key in want:
            if key not in got:
                return f"{place}{key}: absent"
            if problem := differs(got[key], want[key], f"{place}{key}/"):
                return problem
        extra = set(got) - set(want) - {"time"} if place == "/tensors/" or place.count("/") > 2 else ()
        return f"{place}{min(extra)}: not wanted" if extra else None
    if isinstance(want, list):
        if len(got) != len(want):
            return f"{place}: {len(got)} entries for {len(want)}"
        return next(
            (p for i, (g, w) in enumerate(zip(got, want, strict=True)) if (p := differs(g, w, f"{place}{i}/"))), None
        )
    return None if got == want else f"{place}: {json.dumps(got)[:60]} for {json.dumps(want)[:60]}"


def _read(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    forms = {"dtype": reply["dtype"], "sequence": reply.get("sequence", False), "shapes": reply["shapes"]}
    for name, got in forms.items():
        expected = want.get(name, False)
        if got != expected:
            return _form(name, got, expected)
    if "raw" not in want:
        return GOOD
    data = out.read_bytes() if out.exists() else b""
    return values(case, want, data, flat_shapes(want))


def _form(name: str, got: Any, want: Any) -> Verdict:
    """dtype, sequence or shapes are not those wanted."""
    words = f"{name} differ" + _first_difference(got, want)
    manner = "" if name == "shapes" else f"{name}: {_cut(got)} for {_cut(want)}"
    return Verdict(False, words, _cut(want), _cut(got), manner=manner)


def _first_difference(got: Any, want: Any) -> str:
    if not (isinstance(got, list) and isinstance(want, list)):
        return ""
    if len(got) != len(want):
        return f": {len(got)} samples for {len(want)}"
    at = next(i for i, (g, w) in enumerate(zip(got, want, strict=True)) if g != w)
    return f" at sample {at}: {got[at]} for {want[at]}"


def _cut(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."


def flat_shapes(want: dict[str, Any]) -> list[list[int]]:
    """The shapes of the present items in order."""
    present = [s for s in want["shapes"] if s is not None]
    return [i for s in present for i in s] if want.get("sequence") else present


def named_items(want: dict[str, Any]) -> list[tuple[str, list[int]]]:
    """The name and shape of every item that is present, in order."""
    if not want.get("sequence"):
        return [(f"sample {n}", s) for n, s in enumerate(want["shapes"]) if s is not None]
    shapes = enumerate(want["shapes"])
    return [(f"item {i} of sample {n}", item) for n, s in shapes for i, item in enumerate(s or ())]


def _apart(what: str, apart: Difference) -> Verdict:
    return Verdict(False, f"{what}: {apart.words}", manner=f"{what}: {apart.manner}", bytes=apart)


def values(case: Case, want: dict[str, Any], data: bytes, shapes: list[list[int]]) -> Verdict:
    """Judge the items' bytes by the rule that ``want`` names: exact, a bound, or a decoder class."""
    expected, dtype, rule = case.raw(want["raw"]), want["dtype"], want.get("rule", "exact")
    if rule == "exact":
        apart = difference(data, expected, dtype, named_items(want))
        return GOOD if apart is None else _apart("values differ", apart)
    if isinstance(rule, dict):
        ((measure, bound),) = rule.items()
        problem, slack = bounded(data, expected, dtype, measure, bound)
        return Verdict(problem is None, problem or "", slack=(slack,) if slack else ())
    if len(data) != len(expected):
        return Verdict(False, f"{len(data)} bytes, not {len(expected)}")
    at, size = 0, array_of(b"", dtype).itemsize
    for i, shape in enumerate(shapes):
        n = size
        for dim in shape:
            n *= dim
        pair = [array_of(x[at : at + n], dtype, tuple(shape)) for x in (data, expected)]
        if problem := decoder_class(pair[0], pair[1], rule):
            return Verdict(False, f"item {i} is outside class {rule}: {problem}")
        at += n
    return GOOD


def _read_file(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    due = case.raw(want["raw"])
    apart = difference(out.read_bytes(), due, "uint8", [("the file", [len(due)])])
    return GOOD if apart is None else _apart("the file differs", apart)


def _left_behind(case: Case, out: Path) -> str | None:
    """What is wrong with the tree after a refused script. Where the start was invalid: nothing was committed on it."""
    if not case.dataset.is_dir():
        return _tree_problem(out)
    if problem := _changed(case, {}, out):
        return problem
    if not _tree_problem(case.dataset):
        return _tree_problem(out)
    new = [k for k in folder_tree(out) if k.startswith("commits/") and k not in folder_tree(case.dataset)]
    new = [k for k in new if not k.rpartition("/")[2].startswith(".")]
    return f"{new[0]} was made" if new else None


def _tree_problem(root: Path) -> str | None:
    """The first fault of what a writer left; nothing at all is no fault."""
    tree = folder_tree(root)
    faults = [f for f in check_tree(tree) if not f.note] if len(tree) else []
    return str(faults[0]) if faults else None


def _write(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    """A writer's tree: no finding of the suite's own checker, then every tensor, branch, tag and file wanted."""
    if problem := _tree_problem(out) or _changed(case, want, out) or _idle(case, out):
        return Verdict(False, f"the dataset is invalid: {problem}")
    try:
        verdicts = [_written(case, part, out) for part in (want, *want.get("states", ()))]
        slack = tuple(s for v in verdicts for s in v.slack)
        return next((v for v in verdicts if not v.ok), Verdict(True, slack=slack))
    except Broken as e:
        return Verdict(False, f"the dataset cannot be read: {e.finding('')}")


def _changed(case: Case, want: dict[str, Any], out: Path) -> str | None:
    """What was there before the script is there after it, byte for byte; only hints (and ``overwritten``, torn
    objects that the case left under a name to be written) are replaced."""
    if not case.dataset.is_dir():
        return None
    before, after = folder_tree(case.dataset), folder_tree(out)
    for key in before:
        free = key.endswith("/latest.json") or key in want.get("overwritten", ())
        if not free and (key not in after or after[key] != before[key]):
            return f"{key} was {'changed' if key in after else 'removed'}"
    return None


def _idle(case: Case, out: Path) -> str | None:
    """A script that is not refused makes a commit or a tag: a port that does nothing is not let through."""
    before = folder_tree(case.dataset) if case.dataset.is_dir() else {}
    made = any(key not in before and not key.endswith("/latest.json") for key in folder_tree(out))
    return None if made else "nothing was made: the script was not run"


def _written(case: Case, want: dict[str, Any], out: Path) -> Verdict:
    tree, slack = folder_tree(out), []
    state = open_state(tree, want.get("branch", "main"), want.get("number"))
    if "length" in want and state.commit.length != want["length"]:
        return Verdict(False, f"length {state.commit.length}, not {want['length']}")
    if "members" in want and (problem := _has(state.commit.members, want["members"])):
        return Verdict(False, f"the commit's {problem}")
    for name, expected in want.get("tensors", {}).items():
        if name not in state.commit.tensors:
            return Verdict(False, f"tensor {name} is absent")
        verdict = tensor_values(case, expected, state.read(name))
        if not verdict.ok:
            return replace(verdict, detail=f"tensor {name}: {verdict.detail}")
        slack += verdict.slack
    for file in want.get("files", ()):
        found = _item_of(state.read(file["tensor"]), file["sample"], file.get("item", 0))
        if found is None or found.file != case.raw(file["raw"]):
            return Verdict(False, f"the file of {file['tensor']}[{file['sample']}] is not kept byte for byte")
    for key in want.get("keys", ()):
        if key not in tree:
            return Verdict(False, f"object {key} is absent")
    if problem := layout_problem(state, want.get("layout", {})):
        return Verdict(False, problem)
    gone = [name for name in want.get("gone", ()) if name in state.commit.tensors]
    if gone:
        return Verdict(False, f"tensor {gone[0]} is still there")
    return Verdict(True, slack=tuple(slack))


def _has(members: Any, want: dict[str, Any]) -> str | None:
    for key, value in want.items():
        if problem := differs(members.get(key), value, f"{key}/"):
            return problem
    return None


def _item_of(samples: Samples, sample: int, item: int) -> Item | None:
    value = samples.values[sample]
    return value[item] if isinstance(value, list) else value


def tensor_values(case: Case, want: dict[str, Any], samples: Samples) -> Verdict:
    """Judge the samples that the suite's own reader gave."""
    shapes = [_shapes(v) for v in samples.values]
    reply = {"ok": True, "dtype": samples.dtype, "sequence": samples.sequence, "shapes": shapes}
    for name in ("dtype", "sequence", "shapes"):
        expected = want.get(name, False)
        if reply[name] != expected:
            return _form(name, reply[name], expected)
    if "raw" not in want:
        return GOOD
    items = [i for v in samples.values if v is not None for i in (v if isinstance(v, list) else [v])]
    try:
        data = b"".join(i.data if i.data is not None else _decoded(i, samples.dtype) for i in items)
    except Broken as e:
        return Verdict(False, f"a picture cannot be decoded: {e.finding('')}")
    return values(case, want, data, flat_shapes(want))


def _decoded(item: Item, dtype: str) -> bytes:
    return array_bytes(item.pipeline[0]["name"], item.file or b"", item.shape, dtype)


def _shapes(value: Item | list[Item] | None) -> Any:
    if value is None:
        return None
    return [list(i.shape) for i in value] if isinstance(value, list) else list(value.shape)


def _migrate(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    """The new place, as a writer's; chunks are those of the old one; the old place is untouched [version.chunk]."""
    verdict = _recover(case, want, reply, out)
    before, after = folder_tree(case.dataset), folder_tree(out)
    strange = [k for k in after if k.startswith("chunks/") and k not in before]
    if verdict.ok and strange:
        return Verdict(False, f"{strange[0]} was rewritten; chunks travel as they are")
    return verdict


def _recover(case: Case, want: dict[str, Any], reply: dict[str, Any], out: Path) -> Verdict:
    was, now = folder_tree(case.dataset), folder_tree(out.parent / "from")
    if list(was) != list(now) or any(was[k] != now[k] for k in was):
        return Verdict(False, "it changed the place that it reads")
    if problem := _tree_problem(out):
        return Verdict(False, f"the new dataset is invalid: {problem}")
    try:
        return _written(case, want, out)
    except Broken as e:
        return Verdict(False, f"the new dataset cannot be read: {e.finding('')}")


_JUDGES = {
    "read": _read, "read_file": _read_file, "inspect": _inspect, "check": _check, "write": _write,
    "migrate": _migrate, "recover": _recover,
}  # fmt: skip
