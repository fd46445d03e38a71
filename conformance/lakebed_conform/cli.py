"""The command line. Exit 0 as expected, 1 failures or a stale baseline, 2 the suite's trouble, 3 nothing executed."""

from __future__ import annotations

import json
import shlex
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import click

from lakebed_conform import SuiteError, __version__
from lakebed_conform.baseline import as_baseline, read_baseline
from lakebed_conform.cases import Case, load_cases
from lakebed_conform.cli_suite import VERBS
from lakebed_conform.groups import KINDS
from lakebed_conform.options import FORMAT, PORT
from lakebed_conform.picks import near, picked
from lakebed_conform.ports import find_port
from lakebed_conform.protocol import FORMATS, ROLES
from lakebed_conform.results import Outcome, headline, read_results, write_results


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

    _places(results, html, junit, badge, write_baseline)
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


def _places(*paths: Path | None) -> None:
    """Refuse what cannot be written before a run, not after it."""
    for path in filter(None, paths):
        if path.is_dir() or not path.resolve().parent.is_dir():
            raise SuiteError(f"{path} cannot be written: " + ("a folder" if path.is_dir() else "its folder is absent"))


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
    _places(html, junit, badge)
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


@main.command("new-port")
@click.argument("language", type=click.Choice(["python", "javascript", "rust", "go", "c"]))
@click.argument("folder", type=click.Path(path_type=Path))
def new_port_(language: str, folder: Path) -> None:
    """Write an adapter that runs as written, to fill in."""
    from lakebed_conform.newport import new_port

    for path in new_port(language, folder):
        click.echo(str(path))
    click.echo(f"next: lakebed-conform doctor --port {folder}")


for verb in VERBS:
    main.add_command(verb)


def entry() -> None:
    """The console script: the suite's own trouble is one line and exit 2; a bug of the suite is exit 2 as well."""
    try:
        main()
    except SuiteError as e:
        click.echo(f"lakebed-conform: {e}", err=True)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        sys.exit(2)


if __name__ == "__main__":
    entry()
