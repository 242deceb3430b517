"""Options that several commands of `local` share."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from inferencekey.local.paths import default_data_dir
from inferencekey.local.types import DEFAULT_PROJECT

data_dir = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_data_dir(),
    show_default=True,
    help="Directory of the platform: its address, tokens and logs.",
)
project = click.option(
    "--project",
    default=DEFAULT_PROJECT,
    show_default=True,
    metavar="SLUG",
    help="Slug of the project.",
)
stand_in = click.option(
    "--stand-in",
    is_flag=True,
    help="Where an engine is not installed, let the bundled model serve in its place, and say so.",
)
start_timeout = click.option(
    "--start-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an engine may take until it answers.",
)


def data_dir_again(chosen: Path) -> str:
    """The option as other commands need it for the same directory; empty for the default one."""
    return "" if chosen == default_data_dir() else f" --data-dir {shlex.quote(str(chosen))}"
