"""Options that commands share. They are those of the library, and mean the same (wire.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from inferencekey import DataClient, ManagementClient, Timeouts

Function = Callable[..., Any]


@dataclass(frozen=True)
class Connection:
    """Where the platform is, as options say; what they do not say the environment does."""

    base_url: str | None
    project: str | None
    timeout: float | None
    ca_bundle: Path | None
    allow_http: bool

    def management(self) -> ManagementClient:
        """A client of the control plane, with the token of INFERENCEKEY_SDK_TOKEN."""
        return ManagementClient.from_env(**vars(self))

    def data(self) -> DataClient:
        """A client of the data plane, with the key of INFERENCEKEY_API_KEY."""
        # For the whole call, a stream too: a bare number would bound its pauses only.
        timeout = None if self.timeout is None else Timeouts(total=self.timeout)
        return DataClient.from_env(**{**vars(self), "timeout": timeout})


class ConnectionOption(click.Option):
    """An option that `Command` lists apart from the command's own."""


class Command(click.Command):
    """A command whose help keeps its own options apart from those that many commands have."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options in two sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Connection": []}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                shared = isinstance(option, ConnectionOption)
                sections["Connection" if shared else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


_TIMEOUT = click.option(
    "--timeout",
    cls=ConnectionOption,
    type=float,
    metavar="SECONDS",
    help="For each call, repeats included.  [default: 60; chat and embed: 600]",
)
_CONNECTION = [
    click.option("--base-url", cls=ConnectionOption, metavar="URL", help="Where the platform is."),
    click.option("--project", cls=ConnectionOption, metavar="SLUG", help="Slug of the project."),
    click.option(
        "--ca-bundle",
        cls=ConnectionOption,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Roots to trust, instead of the system's.",
    ),
    click.option(
        "--allow-http",
        cls=ConnectionOption,
        is_flag=True,
        help="Permit plain http to other machines.",
    ),
]


def connection(function: Function) -> Function:
    """Give a command the options of the connection; it gets them as one `Connection`."""
    return _TIMEOUT(connection_without_timeout(function))


def connection_without_timeout(function: Function) -> Function:
    """The same for a command whose own `--timeout` says how long its one call may take."""

    @wraps(function)
    def connected(
        *,
        base_url: str | None,
        project: str | None,
        ca_bundle: Path | None,
        allow_http: bool,
        timeout: float | None = None,
        **rest: Any,
    ) -> Any:
        where = Connection(base_url, project, timeout, ca_bundle, allow_http)
        return function(connection=where, **rest)

    for option in reversed(_CONNECTION):
        connected = option(connected)
    return connected


def wait_timeout(name: str) -> Callable[[Function], Function]:
    """How long a command waits for workloads, under that name; it gets `wait_timeout`."""
    return click.option(
        name,
        "wait_timeout",
        type=float,
        default=600.0,
        show_default="600",
        metavar="SECONDS",
        help="How long to wait, for all workloads together.",
    )


max_hourly_cost = click.option(
    "--max-hourly-cost-usd",
    type=float,
    metavar="USD",
    help="Refuse a workload whose policy lets it cost more per hour.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; errors too.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
