"""`inferencekey get`: one workload as it is live."""

from __future__ import annotations

import click

from . import options, output
from .slug import argument


@click.command("get", cls=options.Command)
@argument
@options.as_json
@options.connection
def command(slug: str, connection: options.Connection, as_json: bool) -> None:
    """Show the workload SLUG.

    \b
    Examples:
      inferencekey get support-bot
      inferencekey get support-bot --json
    """
    workload = connection.management().get(slug)
    output.data_json(workload)
