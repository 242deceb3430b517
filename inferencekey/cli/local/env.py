"""`inferencekey local env`: the variables for programs that use the platform."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import click

from inferencekey.local.daemon import find_running
from inferencekey.local.direct import directly

from . import options


@click.command("env")
@click.option(
    "--format",
    "form",
    type=click.Choice(["sh", "dotenv", "json"]),
    default="sh",
    show_default=True,
    help="How to print them.",
)
@options.data_dir
def command(form: str, data_dir: Path) -> None:
    """Print the four variables that `from_env` reads, with working tokens.

    Where the environment has a proxy, also NO_PROXY, with the platform's host added to it.

    \b
    Examples:
      eval "$(inferencekey local env)"
      inferencekey local env --format dotenv > .env
    """
    env = directly(find_running(data_dir).env, os.environ)
    if form == "json":
        click.echo(json.dumps(env, indent=2))
        return
    export = "export " if form == "sh" else ""
    for name, value in env.items():
        click.echo(f"{export}{name}={shlex.quote(value)}")
