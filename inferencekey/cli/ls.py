"""`inferencekey ls`: the workloads of the project."""

from __future__ import annotations

import click

from . import options, output
from .table import write_table


@click.command("ls", cls=options.Command)
@options.as_json
@options.connection
def command(connection: options.Connection, as_json: bool) -> None:
    """List the workloads of the project.

    \b
    Examples:
      inferencekey ls
      inferencekey ls --json
    """
    workloads = connection.management().list()
    if as_json:
        output.data_json(workloads)
        return
    write_table(
        ["SLUG", "BACKEND", "MODEL"],
        [[w["slug"], w["backend"], w["model_name"]] for w in workloads],
    )
