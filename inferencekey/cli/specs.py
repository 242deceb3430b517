"""The workloads that a command is about: those of a file, or some of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from inferencekey import WorkloadSpec
from inferencekey._secret import Secret
from inferencekey._spec_file import parse, read

from .slug import slugs_of_project

Function = Callable[..., Any]
STDIN = "-"


def declared(function: Function) -> Function:
    """Give a command `-f FILE`, `--format` and `[SLUG…]`; it gets `file`, `form` and `slugs`."""
    for decorate in (
        click.option(
            "--format",
            "form",
            type=click.Choice(["yaml", "toml", "json"]),
            default="yaml",
            show_default=True,
            help="Of standard input; of a file its name tells.",
        ),
        click.option(
            "-f",
            "--file",
            required=True,
            type=click.Path(allow_dash=True),
            metavar="FILE",
            help="Workloads in YAML, TOML or JSON; `-` reads standard input.",
        ),
        click.argument("slugs", nargs=-1, metavar="[SLUG...]", shell_complete=slugs_of_project),
    ):
        function = decorate(function)
    return function


def load(file: str, form: str, slugs: tuple[str, ...]) -> list[WorkloadSpec]:
    """The workloads of the file; only those named, if any is."""
    if file != STDIN:
        text, form = read(file)
    else:
        # A token may stand in it, and then nothing is to show it.
        text, file = Secret(sys.stdin.buffer.read()), "standard input"
    # Read once: a pipe has nothing to say a second time.
    wanted = dict.fromkeys(slugs) or [None]
    return [spec for slug in wanted for spec in parse(text, name=file, format=form, slug=slug)]
