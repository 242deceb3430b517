"""`inferencekey export`: a live workload as a spec file."""

from __future__ import annotations

import click

from . import options, output
from .slug import argument


@click.command("export", cls=options.Command)
@argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "python", "json"]),
    default="yaml",
    show_default=True,
    help="In which language.",
)
@click.option("--json", "form", flag_value="json", help="The same as `--format json`; errors too.")
@options.connection
def command(slug: str, form: str, connection: options.Connection) -> None:
    """Write the live workload SLUG as a spec, which plans to no change: adopt what was made
    elsewhere.

    \b
    Examples:
      inferencekey export support-bot > support-bot.yaml
      inferencekey export support-bot --format python
    """
    spec = connection.management().export(slug)
    source = {"yaml": spec.to_yaml, "python": spec.to_python, "json": spec.to_json}[form]()
    output.data(source.rstrip("\n"))
