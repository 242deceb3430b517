"""`inferencekey local status`: what runs, as a table or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inferencekey.cli.table import write_table
from inferencekey.local.daemon import find_running
from inferencekey.local.types import Json

from . import options


@click.command("status")
@options.data_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(data_dir: Path, as_json: bool) -> None:
    """Show the platform and its workloads. The exit code is 1 if no platform is running.

    \b
    Examples:
      inferencekey local status
      inferencekey local status --json
    """
    running = find_running(data_dir)
    status = running.call("GET", "/local/status")
    if as_json:
        click.echo(json.dumps({"base_url": running.base_url, **status}, indent=2))
        return
    click.echo(f"platform  {running.base_url}  (process {status['pid']})")
    if not status["workloads"]:
        click.echo("no workloads")
        return
    click.echo()
    write_table(
        ["workload", "phase", "backend", "model", "engine"],
        [_row(workload) for workload in status["workloads"]],
    )
    for workload in status["workloads"]:
        if workload["phase"] == "error":
            click.echo(f"\n{workload['slug']}: {workload['message']}")


def _row(workload: Json) -> list[str]:
    model = workload["stand_in"] or workload["model"]
    address = f"{workload['project']}/{workload['slug']}"
    return [address, workload["phase"], workload["backend"], model, workload["engine"] or "-"]
