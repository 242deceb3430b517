"""`inferencekey ls`: the workloads of the project."""

from __future__ import annotations

from typing import Any

import click

from inferencekey import Workload

from . import options, output, shown
from .statuses import statuses
from .table import write_table

_HEAD = ["slug", "status", "backend", "model", "ceiling", "age"]
_COLOURS = {"status": {"ready": "green", "error": "red"}}


@click.command("ls", cls=options.Command)
@options.as_json
@options.connection
def command(connection: options.Connection, as_json: bool) -> None:
    """List the workloads of the project.

    The ceiling is what its policy lets a workload cost at most.

    \b
    Examples:
      inferencekey ls
      inferencekey ls --json
    """
    management = connection.management()
    workloads = management.list()
    status = statuses(management, workloads)
    if as_json:
        output.data_json([_facts(workload, status.get(workload.slug)) for workload in workloads])
    elif workloads:
        rows = [_row(workload, status.get(workload.slug)) for workload in workloads]
        write_table(_HEAD, rows, _COLOURS)
    else:
        output.say("no workloads")


def _facts(workload: Workload, status: str | None) -> dict[str, Any]:
    return {
        "id": workload.id,
        "slug": workload.slug,
        "name": workload.name,
        "status": status,
        "backend": workload.backend,
        "model": workload.model,
        "task_type": workload.task_type,
        "max_hourly_cost_usd": workload.max_hourly_cost_usd,
        "created_at": workload.created_at,
        "updated_at": workload.updated_at,
    }


def _row(workload: Workload, status: str | None) -> list[str]:
    words = (workload.slug, status, workload.backend, workload.model)
    ceiling = shown.ceiling(workload.max_hourly_cost_usd)
    return [*map(shown.text, words), ceiling, shown.age(workload.created_at)]
