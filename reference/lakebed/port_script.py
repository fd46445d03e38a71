"""Floor 8. Writing scripts of the conformance suite, step by step, through the reference's own doors."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from . import dataset, doors
from .codecs import from_json, is_media
from .dtypes import dtype
from .errors import LakebedError, error
from .files import read as read_file

Step = dict[str, Any]
JSON = ("json", "list")


class Clock:
    """The clock that a script may set; it stands still then."""

    def __init__(self) -> None:
        self.now: float | None = None

    def __call__(self) -> float:
        import time

        return time.time() if self.now is None else self.now


class Script:
    """One running script: the dataset it has open and the folder its files lie in."""

    def __init__(self, root: str, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.clock = Clock()
        self.open_dataset: dataset.Dataset | None = None

    @property
    def ds(self) -> dataset.Dataset:
        if self.open_dataset is None:
            raise error("E_READ_ONLY", "algo.open.mode", "the script has nothing open")
        return self.open_dataset

    def run(self, step: Step) -> None:
        """Carry out one step; one that says ``refused`` must be refused with that code, and is then done."""
        do = getattr(self, "do_" + step["do"])
        if "refused" not in step:
            do(step)
            return
        try:
            do(step)
        except LakebedError as cause:
            if cause.code != step["refused"]:
                raise
        else:
            raise error("E_ARGUMENT", "sample.atomic", f"a step was accepted that is {step['refused']}")

    # --- doors

    def do_create(self, step: Step) -> None:
        self.open_dataset = doors.create(self.root, clock=self.clock)

    def do_open(self, step: Step) -> None:
        self.open_dataset = doors.open(self.root, "a", branch=step.get("branch"), clock=self.clock)

    do_checkout = do_open

    def do_commit(self, step: Step) -> None:
        if "time" in step:
            self.clock.now = datetime.fromisoformat(step["time"]).timestamp()
        self.ds.commit(step.get("message", ""), author=step.get("author", ""))

    def do_branch(self, step: Step) -> None:
        self.ds.create_branch(step["branch"])

    def do_close_branch(self, step: Step) -> None:
        self.ds.close_branch()

    def do_tag(self, step: Step) -> None:
        self.ds.create_tag(step["name"])

    def do_revert(self, step: Step) -> None:
        self.ds.revert(step["to"] if "to" in step else int(step["number"]))

    def do_discard(self, step: Step) -> None:
        self.ds.discard()

    def do_compact(self, step: Step) -> None:
        from .compact import compact

        compact(self.root)
        self.open_dataset = doors.open(self.root, "a", clock=self.clock)

    # --- tensors

    def do_create_tensor(self, step: Step) -> None:
        codecs = [list(p) for p in step.get("codecs", [])]
        media = any(is_media(from_json(p)) for p in codecs)
        how: dict[str, Any] = {"sample_compression" if media else "chunk_compression": codecs or None}
        if not media:
            how |= {f"unit_{what}": count for what, count in step.get("unit", {}).items()}
        how["chunk_bytes"] = step.get("chunk", {}).get("bytes")
        names = ("htype", "dtype", "shape", "fidelity", "sequence", "tile", "attributes")
        how |= {name: step[name] for name in names if name in step}
        self.ds.create_tensor(step["name"], **how)

    def do_delete_tensor(self, step: Step) -> None:
        self.ds.delete_tensor(step["name"])

    def do_rename_tensor(self, step: Step) -> None:
        self.ds.rename_tensor(step["name"], step["to"])

    def do_attributes(self, step: Step) -> None:
        if "name" in step:
            self.ds.set_attributes(step["name"], **step["attributes"])
        else:
            self.ds.set_attributes(**step["attributes"])

    # --- rows

    def do_append(self, step: Step) -> None:
        self.ds.append(self._row(step["values"]))

    def do_extend(self, step: Step) -> None:
        columns = {name: [self._value(name, v) for v in values] for name, values in step["values"].items()}
        self.ds.extend(columns)

    def do_insert(self, step: Step) -> None:
        self.ds.insert(int(step["row"]), self._row(step["values"]))

    def do_update(self, step: Step) -> None:
        for name, value in self._row(step["values"]).items():
            self.ds.update(name, int(step["row"]), value)

    def do_delete(self, step: Step) -> None:
        self.ds.delete([int(row) for row in step["rows"]])

    def _row(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: self._value(name, value) for name, value in values.items()}

    def _value(self, tensor: str, said: Any) -> Any:
        """A sample as the script says it: null, raw bytes with dtype and shape, a file, or a sequence's items."""
        if said is None:
            return None
        if "items" in said:
            return [self._value(tensor, item) for item in said["items"]]
        if "file" in said:
            return read_file((self.folder / said["file"]).read_bytes())
        kind, shape = dtype(said["dtype"]).numpy, tuple(said["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        data = (self.folder / said["raw"]).read_bytes()
        array = np.frombuffer(data, kind, count, int(said.get("offset", 0))).reshape(shape)
        draft = self.ds._work.drafts.get(tensor)
        state = self.ds._work.states.get(tensor)
        htype = draft.declared.htype if draft is not None else state.htype if state is not None else "generic"
        return _json(htype, array) if htype in JSON and array.dtype == np.uint8 else array


def _json(htype: str, array: np.ndarray) -> Any:
    """The value whose stored form these bytes are; E_SAMPLE_HTYPE when they are none."""
    try:
        return json.loads(array.tobytes().decode())
    except ValueError as cause:
        raise error("E_SAMPLE_HTYPE", f"htype.{htype}.value", str(cause)) from cause


def run_script(root: str, path: str) -> dict[str, Any]:
    """Carry out the steps at ``root``; the first that is refused ends it with its error."""
    place = Path(path)
    script = Script(root, place.parent)
    for step in json.loads(place.read_text(encoding="utf-8"))["steps"]:
        script.run(step)
    if script.open_dataset is not None:
        script.open_dataset.close()
    return {}


__all__ = ["run_script"]
