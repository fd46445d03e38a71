"""The command line. Exit 0 as expected, 1 failures or a stale baseline, 2 the suite's trouble, 3 nothing executed."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from lakebed_conform import SuiteError, __version__
from lakebed_conform.baseline import as_baseline, read_baseline
from lakebed_conform.cases import Case, cases_folder, load_cases
from lakebed_conform.groups import KINDS
from lakebed_conform.picks import near, picked
from lakebed_conform.ports import find_port
from lakebed_conform.protocol import FORMATS, ROLES
from lakebed_conform.results import Outcome, headline, read_results, write_results

FORMAT = click.option("--format", "format_", required=True, type=click.Choice(FORMATS), help="format version")
PORT = click.option("--port", required=True, help="a command, a port.json, a name under ports/, or null:NAME")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Does an implementation read, write and refuse Lakebed datasets as the spec says?"""


def filters(command: Any) -> Any:
    """The options that pick cases."""
    for option in (
        click.option("--level", type=click.Choice(["must", "should"]), help="only this level"),
        click.option("--role", type=click.Choice(ROLES), help="only this role"),
        click.option("--feature", help="only cases that need this feature"),
        click.option("--kind", type=click.Choice(KINDS), help="only cases of this kind"),
        click.option("--clause", help="only cases of the clauses that match this glob"),
        click.option("--only", multiple=True, help="glob over case ids; may be repeated"),
    ):
        command = option(command)
    return command


@main.command("run")
@FORMAT
@PORT
@filters
@click.option("--baseline", type=click.Path(path_type=Path), help="known failures; default: what port.json names")
@click.option("--jobs", default=2, show_default=True, help="copies of the port at a time")
@click.option("--results", type=click.Path(path_type=Path), help="write results as JSON lines")
@click.option("--html", type=click.Path(path_type=Path), help="write the page")
@click.option("--junit", type=click.Path(path_type=Path), help="write JUnit XML")
@click.option("--badge", type=click.Path(path_type=Path), help="write the badge's JSON")
@click.option("--write-baseline", type=click.Path(path_type=Path), help="write a baseline of all that fails")
@click.option("--each", is_flag=True, help="also every failing case, one line each")
@click.option("-q", "--quiet", is_flag=True, help="the headline only")
def run_(
    format_: str, port: str, baseline: Path | None, jobs: int, results: Path | None, html: Path | None,
    junit: Path | None, badge: Path | None, write_baseline: Path | None, each: bool, quiet: bool, **picks: Any,
) -> None:  # fmt: skip
    """Run the cases against one port."""
    from lakebed_conform.run import run

    spec = find_port(port)
    every = load_cases(format_)
    baseline = baseline or spec.baseline
    known = read_baseline(baseline) if baseline else {}
    begun = time.monotonic()
    outcome = run(spec, format_, picked(every, **picks), every=every, known=known, jobs=jobs)
    if not quiet:
        _print(outcome, every, shlex.quote(port), each)
    click.echo(f"{headline(outcome.results)} · {time.monotonic() - begun:.1f} s")
    if results:
        write_results(outcome, results)
    _reports(outcome, html, junit, badge)
    if write_baseline:
        said = as_baseline(spec.name, outcome.results, "not yet explained")
        write_baseline.write_text(json.dumps(said, indent=1) + "\n")
    sys.exit(outcome.exit_code)


def _print(outcome: Outcome, cases: list[Case], port: str, each: bool) -> None:
    from lakebed_conform.report.text import each_line, summary_lines

    for r in outcome.results if each else ():
        if r.red or r.status == "xfail":
            click.secho(each_line(r), fg="red" if r.red else "yellow")
    for line, colour in summary_lines(outcome, {c.id: c for c in cases}, port):
        click.secho(line, fg=colour)


def _reports(
    outcome: Outcome, html: Path | None, junit: Path | None, badge: Path | None, matrix: Path | None = None
) -> None:
    from lakebed_conform import report
    from lakebed_conform.spec import clauses, spec_folder

    if html:
        format_ = outcome.header["format"]
        folder = spec_folder(format_)
        cases = {c.id: c for c in load_cases(format_)}
        cells = json.loads(matrix.read_text()) if matrix else None
        html.write_text(report.html_page(outcome, cases, clauses(folder) if folder else None, cells))
    if junit:
        junit.write_text(report.junit(outcome))
    if badge:
        badge.write_text(report.badge(outcome))


@main.command("report")
@click.argument("results", type=click.Path(exists=True, path_type=Path))
@click.option("--html", type=click.Path(path_type=Path))
@click.option("--junit", type=click.Path(path_type=Path))
@click.option("--badge", type=click.Path(path_type=Path))
@click.option("--matrix", type=click.Path(exists=True, path_type=Path), help="cells that `matrix --json` wrote")
def report_(results: Path, html: Path | None, junit: Path | None, badge: Path | None, matrix: Path | None) -> None:
    """Make reports from a results file."""
    outcome = read_results(results)
    _reports(outcome, html, junit, badge, matrix)
    click.echo(headline(outcome.results))


@main.command("case")
@click.argument("id_", metavar="ID")
@click.option("--format", "format_", default=FORMATS[-1], type=click.Choice(FORMATS))
@click.option("--port", help="also ask this port and print the exchange")
def case_(id_: str, format_: str, port: str | None) -> None:
    """One case in full: what it is, its fault's bytes, and the exact exchange with a port."""
    from lakebed_conform.show import describe, exchange

    cases = {c.id: c for c in load_cases(format_)}
    case = cases.get(id_)
    if case is None:
        raise SuiteError(f"no case {id_} of format {format_}{near(id_, cases)}; see `lakebed-conform list`")
    for line in describe(case):
        click.echo(line)
    for line in exchange(find_port(port), case) if port else ():
        click.echo(line)


@main.command("list")
@FORMAT
@filters
@click.option("--json", "as_json", is_flag=True)
def list_(format_: str, as_json: bool, **picks: Any) -> None:
    """The cases that match."""
    for case, role in picked(load_cases(format_), **picks):
        if as_json:
            click.echo(json.dumps({"id": case.id, "role": role, "title": case.title, "clauses": case.clauses}))
        else:
            click.echo(f"{case.id:36} {role:8} {case.level:6} {case.kind:8} {case.title}")


@main.command("lint")
@FORMAT
def lint_(format_: str) -> None:
    """Are the cases what they claim to be? Needs no port."""
    from lakebed_conform.lint import lint

    found = lint(format_)
    for trouble in found:
        click.echo(str(trouble))
    click.echo(f"{len(load_cases(format_))} cases, {len(found)} troubles")
    sys.exit(1 if found else 0)


@main.command("trace")
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


@main.command("doctor")
@PORT
@click.option("--format", "format_", default=FORMATS[-1], type=click.Choice(FORMATS))
def doctor_(port: str, format_: str) -> None:
    """Walk a new port through hello, a good dataset, a bad one and a skip, and say what is wrong."""
    from lakebed_conform.doctor import examine

    fine = True
    for good, sentence in examine(find_port(port), format_):
        fine = fine and good
        click.secho(("ok    " if good else "wrong ") + sentence, fg=None if good else "red")
    sys.exit(0 if fine else 1)


@main.command("matrix")
@FORMAT
@click.option("--port", "ports", required=True, multiple=True, help="may be repeated")
@click.option("--json", "path", type=click.Path(path_type=Path))
def matrix_(format_: str, ports: tuple[str, ...], path: Path | None) -> None:
    """Every writer's datasets read by every reader."""
    from lakebed_conform.matrix import matrix

    cells = matrix([find_port(p) for p in ports], format_, load_cases(format_))
    for cell in cells:
        click.echo(f"{cell.writer} -> {cell.reader}: {cell.good}/{cell.of}")
        for wrong in cell.wrong:
            click.echo(f"  {wrong}")
    if path:
        path.write_text(json.dumps([vars(c) for c in cells], indent=1) + "\n")
    if not any(c.of for c in cells):
        sys.exit(3)
    sys.exit(1 if any(c.wrong for c in cells) else 0)


@main.command("faults")
@PORT
@click.option("--quick", is_flag=True, help="fewer repetitions")
def faults_(port: str, quick: bool) -> None:
    """No room, sudden death, torn objects, two writers: what a writer leaves behind."""
    from lakebed_conform.faults import faults

    found = []
    for trial in faults(find_port(port), quick=quick):
        found.append(trial)
        said, colour = {True: ("ok", None), False: ("wrong", "red"), None: ("untried", "yellow")}[trial.ok]
        click.secho(f"{said:8} {trial.scenario:32} {trial.detail[:160]}", fg=colour)
    good, bad = sum(t.ok is True for t in found), sum(t.ok is False for t in found)
    click.echo(f"{good} of {len(found)} trials as they must be, {bad} wrong, {len(found) - good - bad} untried")
    sys.exit(1 if bad else 0 if good else 3)


@main.command("io")
@PORT
def io_(port: str) -> None:
    """What a reader touches: damaged units that it does not need, and counted requests on a loopback server."""
    from lakebed_conform.iobudget import io_budget

    found = list(io_budget(find_port(port)))
    for trial in found:
        said, colour = {True: ("ok", None), False: ("wrong", "red"), None: ("untried", "yellow")}[trial.ok]
        click.secho(f"{said:8} {trial.name:40} {trial.detail[:160]}", fg=colour)
    sys.exit(1 if any(t.ok is False for t in found) else 0 if any(t.ok for t in found) else 3)


@main.command("fuzz")
@PORT
@click.option("--reader", help="another port that reads what --port wrote; default: the same")
@click.option("--examples", default=100, show_default=True)
@click.option("--seed", type=int, help="explore from here; default: the same scripts every time")
@click.option("--save", type=click.Path(path_type=Path), help="write what was found as a draft case into this folder")
def fuzz_(port: str, reader: str | None, examples: int, seed: int | None, save: Path | None) -> None:
    """Random scripts, written by one port and read by another, against a plain-list model; shrunk."""
    from lakebed_conform.fuzz import fuzz, save_draft

    found = fuzz(find_port(port), find_port(reader or port), examples=examples, seed=seed)
    if found is None:
        click.echo(f"{examples} scripts, nothing found")
        return
    click.secho(found.detail, fg="red")
    for step in found.steps:
        click.echo(f"  {json.dumps(step, default=lambda b: b.hex())[:200]}")
    if save:
        save_draft(found, save)
        click.echo(f"draft case in {save}")
    sys.exit(1)


@main.command("mutate")
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


@main.command("new-port")
@click.argument("language", type=click.Choice(["python", "javascript", "rust", "go", "c"]))
@click.argument("folder", type=click.Path(path_type=Path))
def new_port_(language: str, folder: Path) -> None:
    """Write an adapter that runs as written, to fill in."""
    from lakebed_conform.newport import new_port

    for path in new_port(language, folder):
        click.echo(str(path))
    click.echo(f"next: lakebed-conform doctor --port {folder}")


@main.command("new-case")
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


@main.command("export")
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


def entry() -> None:
    """The console script: the suite's own trouble is one line and exit 2."""
    try:
        main()
    except SuiteError as e:
        click.echo(f"lakebed-conform: {e}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    entry()
