"""`inferencekey gc`: what killed processes left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import exits, options, output

if TYPE_CHECKING:
    from inferencekey._ephemeral.leftovers import Leftover


@click.command("gc", cls=options.Command)
@options.as_json
@options.connection
def command(connection: options.Connection, as_json: bool) -> int:
    """Delete the ephemeral workloads of processes that were killed.

    Only what processes of this user on this machine created for the time of a `with` block, on
    this platform; with --project only in that project. Nothing else is ever touched.

    Exit codes: 0 nothing is left, 1 something could not be deleted, or error.

    \b
    Examples:
      inferencekey gc
      inferencekey gc --json
    """
    collected = connection.management().gc(project=connection.project)
    if as_json:
        output.data_json(
            {
                "deleted": [_facts(leftover) for leftover in collected],
                "kept": [{**_facts(leftover), "why": leftover.why} for leftover in collected.kept],
            }
        )
    else:
        for leftover in collected:
            output.data(f"{_address(leftover)}  deleted")
        for leftover in collected.kept:
            output.data(f"{_address(leftover)}  kept: {leftover.why}")
        if not collected and not collected.kept:
            output.say("nothing was left behind")
    return exits.ERROR if collected.kept else exits.OK


def _facts(leftover: Leftover) -> dict[str, Any]:
    return {"project": leftover.project_slug, "slug": leftover.workload_slug, "id": leftover.id}


def _address(leftover: Leftover) -> str:
    return f"{leftover.project_slug}/{leftover.workload_slug}"
