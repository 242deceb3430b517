"""`inferencekey get`: one workload as it is live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from . import options, output, shown
from .slug import argument


@click.command("get", cls=options.Command)
@argument
@options.as_json
@options.connection
def command(slug: str, connection: options.Connection, as_json: bool) -> None:
    """Show the live workload SLUG, field by field, as the platform describes it.

    For a file that `plan` and `apply` take, see `inferencekey export`.

    \b
    Examples:
      inferencekey get support-bot
      inferencekey get support-bot --json
    """
    workload = connection.management().get(slug)
    if as_json:
        output.data_json(workload)
        return
    fields = list(_fields(workload))
    width = max(len(path) for path, _ in fields)
    for path, value in fields:
        output.data(f"{path.ljust(width)}  {value}")


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value that is set, under its path: `config.max_model_len`."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _fields(member, f"{path}.{shown.text(key)}".lstrip("."))
    elif value is not None:
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield path, shown.text(words)
