"""Writing at the ends of things: what follows a closed branch, and integers that not every reader holds."""

from __future__ import annotations

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_history import BRANCH, EDIT, start
from lakebed_conform.casebook.writing_rows import numbered, u16, x_is

TOP = (1 << 53) - 1


@case("write/branch_after_close", "algo.branch", "algo.close", "commit.closed.end", features=BRANCH)
def _(b: Book) -> None:
    """A branch is closed, and another goes on from its last commit

    The content goes on under a new name; the new branch is as open as any.
    """
    script = [
        s.open_(),
        s.simple("close_branch"),
        s.simple("branch", branch="new"),
        s.simple("checkout", branch="new"),
        s.append(x=u16(1, 1)),
        s.commit(),
    ]
    closed = x_is(numbered(2)) | {"number": 2, "members": {"closed": True}}
    want = x_is([*numbered(2), u16(1, 1)]) | {"branch": "new", "number": 2, "members": {"closed": False}}
    b.writes(script, want | {"states": [closed]}, start=start(2))


@case("write/attribute_of_53_bits", "json.integers", features=EDIT)
def _(b: Book) -> None:
    """The largest integer that a document may hold, and its negative

    They must come back as they are, not as the float beside them.
    """
    script = [s.open_(), s.simple("attributes", attributes={"most": TOP, "least": -TOP}), s.commit()]
    b.writes(script, x_is(numbered(2)) | {"members": {"attributes": {"most": TOP, "least": -TOP}}}, start=start(2))


for name, value in (("53", TOP + 1), ("negative", -TOP - 1), ("nested", [{"a": 1 << 60}])):

    @case(f"refused/attribute_beyond_{name}", "json.integers", features=EDIT)
    def _(b: Book, value: object = value) -> None:
        b.explain(f"An attribute holds {value}", "A reader whose numbers are floats would give back another one.")
        script = [s.open_(), s.simple("attributes", attributes={"n": value}), s.commit()]
        b.write_refused(script, "E_ARGUMENT", also=("E_JSON_LIMIT",), start=start(2))
