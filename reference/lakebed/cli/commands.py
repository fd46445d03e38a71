"""Floor 8. The command group, and the one place where exceptions become words and exit codes."""

from __future__ import annotations

import io
import os
import sys

import click

from ..errors import LakebedError
from . import advise, files, look, mend, refs, tools
from .shell import FAILED, FINE, emit, err, facts, show_error

STOPPED = 130
_NAME = "lakebed"


class Ordered(click.Group):
    """Commands in the order in which they are declared: from looking to changing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Ordered, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lakebed", prog_name=_NAME)
def app() -> None:
    """Versioned tensor datasets: look at them, check them, mend them, fill them.

    \b
    PLACE is a folder, s3://bucket/dataset, any other URL that fsspec knows,
    or http(s)://host/dataset for reading.

    \b
    Exit codes: 0 fine, 1 something was found or refused, 2 error.
    """


for command in (
    look.info,
    look.log,
    look.diff,
    look.cat,
    refs.branch_command,
    refs.tag_command,
    tools.inspect_command,
    tools.check_command,
    mend.recover_command,
    mend.compact_command,
    mend.copy_command,
    tools.expire_command,
    tools.gc_command,
    files.import_command,
    files.export_command,
    look.codecs_command,
    advise.recommend_command,
    files.demo_command,
):
    app.add_command(command)


def run(arguments: list[str]) -> int:
    """The exit code of ``lakebed ARGUMENTS``. ``LAKEBED_TRACEBACK=1`` shows where an error came from."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no × shows ?
    try:
        return app.main(arguments, prog_name=_NAME, standalone_mode=False) or FINE
    except click.exceptions.NoArgsIsHelpError as help_text:
        help_text.show()
        return FAILED
    except click.ClickException as problem:
        problem.show()
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        err().print("stopped")
        return STOPPED
    except BrokenPipeError:  # the reader of our pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except LakebedError as problem:
        return _failed(problem, "--json" in arguments)
    except (OSError, MemoryError) as problem:
        if os.environ.get("LAKEBED_TRACEBACK"):
            raise
        detail = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        name = getattr(problem, "filename", None)
        err().print(f"error  {detail}" + ("" if name is None else f": {name}"), markup=False)
        return FAILED


def _failed(problem: LakebedError, as_json: bool) -> int:
    if os.environ.get("LAKEBED_TRACEBACK"):
        raise problem
    if as_json:
        emit({"error": facts(problem)})
    else:
        show_error(problem)
    return FAILED
