"""Writing scripts that must be refused, by the code of the rule they break; what is left must be valid or nothing."""

from __future__ import annotations

from typing import Any

from lakebed_conform.builders import Dataset, one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import numbered, start, u16

BRANCH = ("write.branch",)
REFUSED = ("write.refused",)


def refuses(
    id: str,
    code: str,
    clauses: tuple[str, ...],
    title: str,
    effect: str,
    steps: list[Any],
    given: Dataset | None = None,
    features: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> None:
    """Register one refused script."""

    @case(f"refused/{id}", *clauses, features=features)
    def _(b: Book) -> None:
        b.explain(title, effect)
        b.write_refused(steps, code, start=given, also=also)


def made(name: str = "x", dtype: str = "uint16", shape: tuple[int | None, ...] = (2,), **members: Any) -> list[Any]:
    return [s.create(), s.tensor(name, dtype=dtype, shape=list(shape), **members)]


# --- datasets, branches, tags

refuses(
    "create_exists",
    "E_DATASET_EXISTS",
    ("algo.create",),
    "Creating where a dataset is",
    "A dataset overwritten by a script that ran twice.",
    [*made(), s.append(x=u16(1, 2)), s.commit()],
    start(2),
)
refuses(
    "open_absent",
    "E_DATASET_ABSENT",
    ("tree.absent",),
    "Opening nothing for writing",
    "A typing error in a path makes an empty dataset that looks like success.",
    [s.open_()],
)
refuses(
    "open_branch_absent",
    "E_BRANCH_ABSENT",
    ("algo.open.2",),
    "Opening a branch that is not there",
    "Commits go to main instead.",
    [{"do": "open", "branch": "dev"}],
    start(2),
    BRANCH,
)
refuses(
    "head_damaged",
    "E_JSON_CRC",
    ("algo.newest.invalid", "algo.commit.base"),
    "The newest commit is damaged: nothing is written on the one before",
    "Falling back forks history and loses a commit without a word.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    (lambda d: (d.commit(), d.change("main/2", "crc32", "00000000"), d)[-1])(start(2)),
)
refuses(
    "requires_write",
    "E_REQUIRES_WRITE",
    ("commit.requires.write", "algo.commit.base"),
    "A feature that writers must know",
    "Statistics that an old writer does not update lie from then on.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    one(numbered(2), shape=[2]).change("main/1", "/requires/write", ["stats"]),
)
refuses(
    "requires_read",
    "E_REQUIRES_READ",
    ("commit.requires.read",),
    "A feature that readers must know",
    "A writer that cannot read what is there cannot keep it.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    one(numbered(2), shape=[2]).change("main/1", "/requires/read", ["bits"]),
    also=("E_REQUIRES_WRITE",),
)
refuses(
    "major_2",
    "E_VERSION",
    ("version.major",),
    "A commit of format 2.0",
    "Whoever writes 1.0 behind it hides data of the newer format.",
    [s.open_()],
    one(numbered(2), shape=[2]).change("main/1", "/lakebed", "2.0"),
)
refuses(
    "closed",
    "E_BRANCH_CLOSED",
    ("commit.closed.end", "algo.close"),
    "Writing on a closed branch",
    "A closed branch is a promise that nothing follows.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    (lambda d: (d.commit(closed=True), d)[-1])(start(2)),
    BRANCH,
)
refuses(
    "branch_exists",
    "E_BRANCH_EXISTS",
    ("algo.branch",),
    "A branch whose name is taken",
    "Two people's branches become one.",
    [s.open_(), s.simple("branch", branch="dev")],
    (lambda d: (d.commit("dev", parent=("main", 1), message="theirs"), d)[-1])(start(2)),
    BRANCH,
)
refuses(
    "tag_exists",
    "E_TAG_EXISTS",
    ("tag.fixed", "algo.tag"),
    "A tag whose name is taken",
    "A tag that moves is no name for a result any more.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit(), s.simple("tag", name="v1")],
    (lambda d: (d.tag("v1"), d)[-1])(start(2)),
    BRANCH,
)
for _i, _name in enumerate(("Main", ".hidden", "a/b", "..", "x" * 65, "v1.", "", "d\u00e9v")):
    refuses(
        f"branch_name_{_i}",
        "E_NAME",
        ("tree.name",),
        f"A branch called {_name[:12]!r}",
        "A name becomes a key; a key becomes a path.",
        [s.open_(), s.simple("branch", branch=_name)],
        start(1),
        BRANCH,
    )
    refuses(
        f"tag_name_{_i}",
        "E_NAME",
        ("tree.name",),
        f"A tag called {_name[:12]!r}",
        "A name becomes a key; a key becomes a path.",
        [s.open_(), s.simple("tag", name=_name)],
        start(1),
        BRANCH,
    )
