"""Verbs for who works on the suite itself: its cases, their clauses, its seeded bugs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from lakebed_conform import SuiteError
from lakebed_conform.cases import cases_folder, load_cases
from lakebed_conform.options import FORMAT
from lakebed_conform.protocol import FORMATS


@click.command("lint")
@FORMAT
def lint_(format_: str) -> None:
    """Are the cases what they claim to be? Needs no port."""
    from lakebed_conform.lint import lint

    found = lint(format_)
    for trouble in found:
        click.echo(str(trouble))
    click.echo(f"{len(load_cases(format_))} cases, {len(found)} troubles")
    sys.exit(1 if found else 0)


@click.command("trace")
@FORMAT
@click.option("--spec", "folder", type=click.Path(exists=True, path_type=Path), help="default: spec/ of this checkout")
@click.option("--all", "all_", is_flag=True, help="the traced ones too")
def trace_(format_: str, folder: Path | None, all_: bool) -> None:
    """Which clauses have no case; fails when one is left."""
    from lakebed_conform.spec import clauses, spec_folder
    from lakebed_conform.trace import trace

    folder = folder or spec_folder(format_)
    if folder is None:
        raise SuiteError("no spec at hand; give --spec")
    untraced = cases_folder() / format_ / "untraced.json"
    excluded = json.loads(untraced.read_text()) if untraced.is_file() else {}
    rows, unknown = trace(clauses(folder), load_cases(format_), excluded)
    for row in rows:
        if all_ or row.need:
            click.echo(f"{row.clause.id:36} {row.need or ', '.join(row.cases[:4])}")
    for id_ in unknown:
        click.echo(f"{id_:36} is cited by a case and not in the spec")
    left = sum(bool(r.need) for r in rows)
    click.echo(f"{len(rows) - left} of {len(rows)} MUST clauses traced, {len(unknown)} unknown")
    shown = {clause for case in load_cases(format_) for clause in case.clauses} | set(excluded)
    orphans, covered = _mutant_clauses(set(clauses(folder)), shown)
    for line in orphans:
        click.echo(line)
    if covered is not None:
        click.echo(f"{covered} clauses have a seeded bug that their cases must catch, {len(orphans)} orphans")
    sys.exit(1 if left or unknown or orphans else 0)


def _mutant_clauses(known: set[str], cased: set[str]) -> tuple[list[str], int | None]:
    """Mutants whose clause is not in the spec or has no case; and how many clauses have a mutant."""
    from lakebed_conform.mutate import load_mutants, mutants_folder

    if not mutants_folder().is_dir():
        return [], None
    mutants = load_mutants()
    lost = [f"{m.id:36} is of {m.clause}, which is not in the spec" for m in mutants if m.clause not in known]
    lost += [
        f"{m.id:36} is of {m.clause}, which has no case"
        for m in mutants
        if m.clause in known and m.clause not in cased and m.level == "must" and m.by == "cases"
    ]
    return lost, len({m.clause for m in mutants})


@click.command("mutate")
@FORMAT
@click.option("--source", help="folder of the implementation; default: reference/lakebed of this checkout")
@click.option("--only", multiple=True, help="glob over mutant ids; may be repeated")
@click.option("--compare", is_flag=True, help="run the three weaker suites too")
@click.option("--jobs", default=2, show_default=True)
@click.option("--save", is_flag=True, help="write mutants/RESULTS.json and RESULTS.md; the others' rows stay")
@click.option("--resume", is_flag=True, help="take up a run of the same source and cases that was broken off")
@click.option("--check", is_flag=True, help="only tell which mutants no longer fit their source")
def mutate_(
    format_: str, source: str | None, only: tuple[str, ...], compare: bool, jobs: int, save: bool, resume: bool,
    check: bool,
) -> None:  # fmt: skip
    """Seeded bugs of the reference: does the suite catch them?"""
    from lakebed_conform import mutate as m

    place, folder = m.source_of(source), m.mutants_folder()
    mutants = [x for x in m.load_mutants() if not only or any(fnmatchcase(x.id, g) for g in only)]
    if check:
        found = m.stale(mutants, place)
        for line in found:
            click.echo(line)
        click.echo(f"{len(mutants)} mutants, {len(found)} stale")
        sys.exit(1 if found else 0)

    def seen(fate: m.Fate) -> None:
        click.secho(f"{'killed' if fate.by else 'SURVIVED':9} {fate.id:36} {fate.by}", fg=None if fate.by else "red")

    begun = time.monotonic()
    fates = m.mutate(place, format_, mutants, compare=compare, jobs=jobs, resume=resume, seen=seen)
    click.echo(f"{len(fates)} mutants in {time.monotonic() - begun:.0f} s")
    reasons = m.reasons_of(folder)
    for line in m.table(m.as_results(fates, reasons)):
        click.echo(line)
    if save:
        results = m.as_results(m.merged(folder, fates), reasons)
        (folder / "RESULTS.json").write_text(json.dumps(results, indent=1) + "\n")
        (folder / "RESULTS.md").write_text(m.page(results))
    left = [f for f in fates if not f.by and f.level == "must" and not f.reason]
    sys.exit(1 if left else 0)


@click.command("new-case")
@click.argument("id_", metavar="AREA/NAME")
@click.option("--clause", "clauses", multiple=True, required=True, help="what it shows; may be repeated")
@click.option("--format", "format_", default=FORMATS[-1], type=click.Choice(FORMATS))
@click.option("--title", default="", help="one line: what is in it")
@click.option("--effect", default="", help="what goes wrong in the field if a port gets it wrong")
@click.option("--from", "draft", type=click.Path(exists=True, path_type=Path), help="draft.json that fuzz --save wrote")
@click.option("--script", type=click.Path(exists=True, path_type=Path), help="a writing script, its files beside it")
@click.option("--bytes", "tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="a small dataset")
@click.option("--invalid", is_flag=True, help="begin with a fault")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="folder; default: the casebook's")
def new_case_(
    id_: str, clauses: tuple[str, ...], format_: str, draft: Path | None, script: Path | None, tree: Path | None,
    into: Path | None, **how: Any,
) -> None:  # fmt: skip
    """Write a casebook module to go on from: empty, or made of what fuzz or the field found."""
    from lakebed_conform.newcase import BOOK, new_case

    if sum(map(bool, (draft, script, tree, how["invalid"]))) > 1:
        raise SuiteError("give one of --from, --script, --bytes and --invalid")
    if draft and draft.is_dir():
        draft /= "draft.json"
    path = new_case(id_, clauses, format_, folder=into or BOOK, draft=draft, script=script, tree=tree, **how)
    click.echo(str(path))
    click.echo(f"next: edit it, then python -m lakebed_conform.casebook '{id_}' and lakebed-conform lint")


@click.command("export")
@FORMAT
@click.argument("folder", type=click.Path(path_type=Path))
def export_(format_: str, folder: Path) -> None:
    """Copy the cases and the schemas, without the runner; README.md there says how to use them."""
    from lakebed_conform.newport import TEMPLATES
    from lakebed_conform.protocol import SCHEMAS

    if folder.exists():
        raise SuiteError(f"{folder} is already there")
    shutil.copytree(cases_folder() / format_, folder / "cases" / format_)
    shutil.copytree(SCHEMAS, folder / "schemas")
    shutil.copy(SCHEMAS.parent / "features.json", folder)
    shutil.copy(TEMPLATES / "export.md", folder / "README.md")
    click.echo(f"{len(load_cases(format_))} cases in {folder}")


VERBS = (lint_, trace_, mutate_, new_case_, export_)
