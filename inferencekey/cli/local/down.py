"""`inferencekey local down`: stop a platform that another command started."""

from __future__ import annotations

from pathlib import Path

import click

from inferencekey.local.daemon import stop

from . import options


@click.command("down")
@options.data_dir
def command(data_dir: Path) -> None:
    """Stop the platform and its engines, and wait until they are gone.

    \b
    Example:
      inferencekey local down
    """
    running = stop(data_dir)
    click.echo(f"stopped the platform at {running.base_url}", err=True)
