"""A click group whose commands are imported when they are called, not when help lists them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click


class LazyGroup(click.Group):
    """A group over a table: name → (module, summary). The module's `command` is the click
    command."""

    def __init__(self, *, name: str, help: str, table: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(
            name=name,
            help=help,
            callback=help_alone,
            invoke_without_command=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table: the order in which people meet them."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self._table:
            return None
        command: click.Command = import_module(self._table[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the table's summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._table.items()])


@click.pass_context
def help_alone(ctx: click.Context) -> None:
    """Show help where no command was named."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
