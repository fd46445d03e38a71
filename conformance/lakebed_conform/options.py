"""Options that several verbs take."""

from __future__ import annotations

import click

from lakebed_conform.protocol import FORMATS

FORMAT = click.option("--format", "format_", required=True, type=click.Choice(FORMATS), help="format version")
PORT = click.option("--port", required=True, help="a command, a port.json, a name under ports/, or null:NAME")
