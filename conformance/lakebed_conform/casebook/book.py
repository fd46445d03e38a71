"""What a case function gets: a :class:`Book` that turns datasets and expected values into one case folder."""

from __future__ import annotations

import base64
import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lakebed_conform import SuiteError
from lakebed_conform.builders import Dataset, Value
from lakebed_conform.builders.values import raw

Files = dict[str, bytes]
#: codecs that a writer of raw units and lz4 does not have: a script that names one needs ``write.filters``
FILTERS = {"bitshuffle", "deflate", "delta", "narrow", "pcodec", "quantize", "shuffle", "zstd"}


@dataclass(frozen=True)
class Entry:
    """One function of the casebook with what its decorator says."""

    id: str
    clauses: tuple[str, ...]
    level: str
    features: tuple[str, ...]
    format: str
    origin: str
    lay: Callable[[Book], None]


_ENTRIES: dict[tuple[str, str], Entry] = {}


def case(
    id: str, *clauses: str, level: str = "must", features: tuple[str, ...] = (), format: str = "1.0",
    origin: str = "hand",
) -> Callable[[Callable[[Book], None]], Callable[[Book], None]]:  # fmt: skip
    """Register a case. The function's docstring: a title line, a blank line, then the effect in the field."""

    def register(lay: Callable[[Book], None]) -> Callable[[Book], None]:
        if (format, id) in _ENTRIES:
            raise SuiteError(f"case {id} is registered twice")
        _ENTRIES[format, id] = Entry(id, tuple(dict.fromkeys(clauses)), level, tuple(features), format, origin, lay)
        return lay

    return register


def all_entries() -> list[Entry]:
    """Every entry of every module in this package."""
    import lakebed_conform.casebook as package

    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in ("book", "__main__"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return [_ENTRIES[key] for key in sorted(_ENTRIES)]


@dataclass
class Book:
    """Collects one case. Call one of :meth:`reads`, :meth:`refuses`, :meth:`writes`, :meth:`write_refused` (or
    :meth:`ask` for what they do not cover), and :meth:`limits`, :meth:`explain` where needed."""

    entry: Entry
    files: Files = field(default_factory=dict)
    asks: list[dict[str, Any]] = field(default_factory=list)
    kind: str = "valid"
    limit: dict[str, Any] = field(default_factory=dict)
    fault: dict[str, Any] | None = None
    words: tuple[str, str] | None = None
    derived: tuple[str, ...] = ()

    # what a case can say

    def explain(self, title: str, effect: str) -> None:
        """Title and effect where a docstring cannot say them (functions in a loop)."""
        self.words = title, effect

    def limits(self, *, seconds: float | None = None, memory: int | None = None) -> None:
        """Budgets: seconds per request, bytes that the port may grow by. Makes the case hostile when memory is set."""
        self.limit |= {k: v for k, v in (("seconds", seconds), ("memory", memory)) if v is not None}
        if memory is not None and self.kind in ("valid", "invalid"):
            self.kind = "hostile"

    def reads(
        self, dataset: Dataset, tensors: dict[str, list[Value]], *, metadata: bool = True, checker: bool = True,
        rule: Any = "exact", **at: str,
    ) -> None:  # fmt: skip
        """A valid dataset: each tensor's samples to the bit (or by ``rule``), its metadata, no finding.

        ``tensors``: name -> values (literals or arrays made without any implementation); dtype is the arrays', or
        the dataset's where a tensor has no value. ``at``: branch, number or tag, all strings.
        """
        self._tree(dataset.tree(False))
        commit = self._newest(dataset, at)
        if metadata:
            self.ask("inspect", {"json": self._file("want.metadata.json", metadata_of(commit))}, **at)
        for name, values in tensors.items():
            tensor = commit["tensors"][name]
            want = self.want(
                f"want.{name.replace('/', '.')}.raw", values, tensor["dtype"], tensor.get("sequence", False)
            )
            self.ask("read", want if rule == "exact" else want | {"rule": rule}, tensor=name, **at)
        if checker:
            self.ask("check", {})

    def part(
        self, tensor: str, values: list[Value], *, dtype: str, sequence: bool = False, rule: Any = None, **which: Any
    ) -> None:
        """Read some samples: ``first`` and ``count``, or ``list``, as strings; after :meth:`reads`."""
        want = self.want(f"want.{len(self.asks)}.raw", values, dtype, sequence)
        self.ask("read", want | ({"rule": rule} if rule else {}), tensor=tensor, **which)

    def file(self, tensor: str, sample: int, data: bytes, **at: str) -> None:
        """The stored file of one sample, byte for byte; after :meth:`reads`."""
        name = self._file(f"want.{len(self.asks)}.file", data)
        self.ask("read_file", {"raw": name}, tensor=tensor, sample=str(sample), **at)

    def refuses(
        self, dataset: Dataset, code: str, *, also: tuple[str, ...] = (), tensor: str | None = "x",
        roles: tuple[str, ...] = ("reader", "checker"), why: str | None = None, op: str = "read", **at: Any,
    ) -> None:  # fmt: skip
        """An invalid dataset with one fault (``dataset.fault``), refused with ``code`` (or one of ``also``).

        ``roles``: who must refuse; a checker-only rule names ``("checker",)``. ``op``: what the reader is asked,
        ``read`` of ``tensor`` or ``inspect``. ``why``: needed when the twin differs in more than one field.
        """
        if not dataset.faults:
            raise SuiteError(f"{self.entry.id}: an invalid case needs a fault")
        twin = dataset.tree(False)
        bad = dataset.tree(True)
        self.kind = "hostile" if "memory" in self.limit else "invalid"
        self._tree(bad)
        self._repair(bad, twin)
        self.fault = self._describe(dataset, bad) | ({"why": why} if why else {})
        if "reader" in roles:
            extra = {"tensor": tensor} if op == "read" else {}
            self.ask(op, None, error=code, also=also, **extra, **at)
        if "checker" in roles:
            self.ask("check", None, error=code, also=also)

    def damaged(self, dataset: Dataset, code: str, *also: str) -> None:
        """A dataset that was found damaged, without a twin: the checker names ``code``. :meth:`refuses` says more."""
        self.kind = "invalid"
        self._tree(dataset.tree(False))
        self.ask("check", None, error=code, also=also)

    def writes(self, steps: list[dict[str, Any]], want: dict[str, Any], *, start: Dataset | None = None) -> None:
        """A writing script (steps from :mod:`lakebed_conform.casebook.steps`) and what must stand in the tree after it.

        ``want``: tensors {name: {values, dtype, sequence?, rule?}}, files [{tensor, sample, data}], length, members,
        branch, number, keys, layout (see :mod:`lakebed_conform.layout`), gone (tensors), states (further wants of
        other commits, each with branch and number). ``start``: the dataset that the script opens.
        """
        self.kind = "lossy" if self.entry.id.startswith("lossy/") else "write"
        if start is not None:
            self._tree(start.tree(False))
        self._script(steps)
        said = self._said(want, "want")
        if "states" in want:
            said["states"] = [self._said(state, f"want.{n}") for n, state in enumerate(want["states"])]
        self.ask("write", said, script="script.json")

    def _said(self, want: dict[str, Any], stem: str) -> dict[str, Any]:
        said = {k: v for k, v in want.items() if k not in ("tensors", "files", "states")}
        said["tensors"] = {name: self._tensor(stem, name, t) for name, t in want.get("tensors", {}).items()}
        said["files"] = [
            {k: v for k, v in f.items() if k != "data"} | {"raw": self._file(f"{stem}.{n}.file", f["data"])}
            for n, f in enumerate(want.get("files", ()))
        ]
        return said

    def _tensor(self, stem: str, name: str, said: dict[str, Any]) -> dict[str, Any]:
        """A tensor wanted: its values, or (dtype and ``shapes``, no values) what the suite cannot decode itself."""
        if "values" not in said:
            return {"dtype": said["dtype"], "shapes": said["shapes"]}
        name = f"{stem}.{name.replace('/', '.')}.raw"
        want = self.want(name, said["values"], said["dtype"], said.get("sequence", False))
        return want | ({"rule": said["rule"]} if "rule" in said else {})

    def write_refused(
        self, steps: list[dict[str, Any]], code: str, *, also: tuple[str, ...] = (), start: Dataset | None = None
    ) -> None:
        """A script that must be refused with ``code``; what it leaves behind must be valid or nothing."""
        self.kind = "lossy" if self.entry.id.startswith("lossy/") else "write"
        if start is not None:
            self._tree(start.tree(False))
        self._script(steps)
        self.ask("write", None, error=code, also=also, script="script.json")

    def moves(
        self, op: str, start: Dataset, want: dict[str, Any] | None, *, error: str | None = None, faulty: bool = False,
        **with_: str,
    ) -> None:  # fmt: skip
        """``migrate`` or ``recover`` of ``start`` (with its faults when ``faulty``): what must stand at the new place
        (as in :meth:`writes`), or the code of the refusal. The old place must stay as it is."""
        self.kind = "migrate"
        self._tree(start.tree(faulty))
        self.ask(op, None if want is None else self._said(want, "want"), error=error, **with_)

    def ask(
        self,
        op: str,
        want: dict[str, Any] | None,
        *,
        error: str | None = None,
        also: tuple[str, ...] = (),
        **with_: Any,
    ) -> None:
        """One request as the protocol has it, and its expected answer."""
        said: dict[str, Any] = {"op": op}
        if with_:
            said["with"] = with_
        said |= {"want": want} if error is None else {"error": error} | ({"also": list(also)} if also else {})
        self.asks.append(said)

    def want(self, name: str, values: list[Value], dtype: str, sequence: bool = False) -> dict[str, Any]:
        """Expected samples: shapes in JSON, all bytes in one raw file."""
        present = [v for v in values if v is not None]
        items = [i for v in present for i in v] if sequence else present
        shapes = [
            None if v is None else [list(np.shape(i)) for i in v] if sequence else list(np.shape(v)) for v in values
        ]
        said = {"dtype": dtype, "shapes": shapes, "raw": self._file(name, b"".join(raw(np.asarray(i)) for i in items))}
        return said | ({"sequence": True} if sequence else {})

    # laying it

    def lay(self) -> Files:
        """Every file of the case's folder."""
        self.entry.lay(self)
        if not self.asks:
            raise SuiteError(f"case {self.entry.id} asks nothing")
        title, effect = self.words or _docstring(self.entry)
        e = self.entry
        said: dict[str, Any] = {
            "id": e.id, "format": e.format, "title": title, "effect": effect, "clauses": list(e.clauses),
            "level": e.level, "kind": self.kind, "features": [*e.features, *self.derived], "asks": self.asks,
            "limits": self.limit, "origin": e.origin,
        }  # fmt: skip
        if self.fault:
            said["fault"] = self.fault
        return self.files | {"case.json": pretty(said)}

    def _file(self, name: str, data: bytes | dict[str, Any]) -> str:
        data = data if isinstance(data, bytes) else pretty(data)
        if self.files.get(name, data) != data:
            raise SuiteError(f"{self.entry.id}: two different files are called {name}")
        self.files[name] = data
        return name

    def _tree(self, tree: dict[str, bytes]) -> None:
        self.files |= {f"dataset/{key}": data for key, data in tree.items()}

    def _script(self, steps: list[dict[str, Any]]) -> None:
        named = {c["name"] for step in steps for pipeline in step.get("codecs") or () for c in pipeline if "name" in c}
        self.derived = ("write.filters",) if named & FILTERS else ()
        blobs: dict[bytes, str] = {}
        said = [_stow(step, blobs) for step in steps]
        self.files |= {name: data for data, name in blobs.items()}
        self._file("script.json", {"script": 1, "steps": said})

    def _repair(self, bad: Files, twin: Files) -> None:
        changed = {k: base64.b64encode(v).decode() for k, v in sorted(twin.items()) if bad.get(k) != v}
        self._file("repair.json", {"delete": sorted(set(bad) - set(twin)), "put": changed})

    def _describe(self, dataset: Dataset, bad: Files) -> dict[str, Any]:
        first = dataset.faults[0]
        said: dict[str, Any] = {
            "object": dataset.places[first.label], "field": first.field, "fields": len(dataset.faults),
            "value": "" if callable(first.value) else _short(first.value),
        }  # fmt: skip
        span = dataset.spans.get(first.label, {}).get(first.field.replace("index.+", "index."))
        if span and said["object"] in bad:
            said |= {"offset": span[0], "size": span[1]}
        return said

    def _newest(self, dataset: Dataset, at: dict[str, str]) -> dict[str, Any]:
        tree = dataset.tree(False)
        if "tag" in at:
            tag = json.loads(tree[f"tags/{at['tag']}.json"])
            at = {"branch": tag["branch"], "number": str(tag["number"])}
        branch = at.get("branch", "main")
        keys = sorted(k for k in tree if k.startswith(f"commits/{branch}/0"))
        key = f"commits/{branch}/{int(at['number']):010d}.json" if "number" in at else keys[-1]
        return json.loads(tree[key])


def metadata_of(commit: dict[str, Any]) -> dict[str, Any]:
    """What ``inspect`` must write, from a commit document: defaults filled in, tables left out."""

    def tensor(t: dict[str, Any]) -> dict[str, Any]:
        defaults = {"sequence": False, "fidelity": "exact", "attributes": {}}
        return {k: t.get(k, defaults.get(k)) for k in ("htype", "dtype", "shape", "sequence", "fidelity", "attributes")}

    defaults = {"closed": False, "author": "", "message": "", "attributes": {}}
    names = ("lakebed", "branch", "number", "closed", "author", "message", "length", "attributes")
    said = {name: commit.get(name, defaults.get(name)) for name in names}
    return said | {"tensors": {n: tensor(t) for n, t in commit["tensors"].items()}}


def pretty(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def _short(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _docstring(entry: Entry) -> tuple[str, str]:
    text = inspect.getdoc(entry.lay) or ""
    title, _, effect = text.partition("\n\n")
    if not title or not effect:
        raise SuiteError(f"case {entry.id} needs a docstring: title, blank line, effect")
    return " ".join(title.split()), " ".join(effect.split())


def _stow(value: Any, blobs: dict[bytes, str]) -> Any:
    """Replace bytes in steps by the names of files."""
    if isinstance(value, bytes):
        return blobs.setdefault(value, f"in.{len(blobs)}.raw")
    if isinstance(value, dict):
        return {k: _stow(v, blobs) for k, v in value.items()}
    return [_stow(v, blobs) for v in value] if isinstance(value, list) else value
