"""`inferencekey local logs`: what the engine of a workload wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from inferencekey.local.errors import LocalError
from inferencekey.local.paths import engine_log_path
from inferencekey.local.slug import canonical

from . import options

_FOLLOW_INTERVAL = 0.2


@click.command("logs")
@click.argument("slug")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@options.project
@options.data_dir
def command(slug: str, follow: bool, project: str, data_dir: Path) -> None:
    """Show what the engine of the workload SLUG wrote, over all its starts.

    Lines that begin with `---` are the platform's own. The log stays after `down`.

    \b
    Examples:
      inferencekey local logs support-bot
      inferencekey local logs support-bot --follow
    """
    try:
        path = engine_log_path(data_dir, project, canonical(slug))
    except ValueError as cause:
        raise click.BadParameter(str(cause), param_hint="SLUG") from None
    if not path.exists():
        raise LocalError(
            f"no engine of workload `{slug}` in project `{project}` has written a log",
            hint="see `inferencekey local status` for the workloads and what they wait for",
        )
    for piece in _read(path, follow=follow):
        click.echo(piece, nl=False)


def _read(path: Path, *, follow: bool) -> Iterator[bytes]:
    """The file's bytes; following, also those of the file that takes its place when it is full."""
    file = path.open("rb")
    while True:
        piece = file.read(65536)
        if piece:
            yield piece
        elif not follow:
            return
        elif path.exists() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            file.close()
            file = path.open("rb")
        else:
            time.sleep(_FOLLOW_INTERVAL)
