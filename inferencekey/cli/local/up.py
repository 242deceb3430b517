"""`inferencekey local up`: start the platform, in the foreground or detached."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from inferencekey.local.daemon import Running, log_file, run_foreground, start_detached
from inferencekey.local.module_argv import module_argv
from inferencekey.local.phases import Timings
from inferencekey.local.settings import DEFAULT_PORT, MAX_PORT, Settings

from . import options


class Port(click.IntRange):
    """A port's number; `name` is what click calls a value that is none."""

    name = "port"


@click.command("up")
@click.option(
    "--detach", is_flag=True, help="Return once it answers; it runs on in the background."
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=Port(0, MAX_PORT),
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allow-remote", is_flag=True, help="Let --host be an address that other machines reach."
)
@options.project
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep workloads and tokens in this file. Without it they live in memory.",
)
@options.data_dir
@options.stand_in
@options.start_timeout
@click.option(
    "--on-taken",
    type=click.Choice(["suffix", "conflict"]),
    default="suffix",
    show_default=True,
    help="What a create does when its slug is taken.",
)
@click.pass_context
def command(
    ctx: click.Context,
    detach: bool,
    port: int,
    host: str,
    allow_remote: bool,
    project: str,
    db: Path | None,
    data_dir: Path,
    stand_in: bool,
    start_timeout: float,
    on_taken: str,
) -> None:
    """Start the platform. Ctrl-C stops it and its engines.

    \b
    Examples:
      inferencekey local up
      inferencekey local up --detach --stand-in
      inferencekey local up --db platform.db --port 9000
    """
    settings = Settings(
        project=project,
        host=host,
        port=port,
        db=db,
        data_dir=data_dir,
        stand_in=stand_in,
        on_taken="conflict" if on_taken == "conflict" else "suffix",
        allow_remote=allow_remote,
        timings=Timings(start_timeout=start_timeout),
    )
    if detach:
        running = start_detached(_foreground_command(ctx), data_dir)
        _greet(running, data_dir, log=log_file(data_dir))
        return
    _log_to_stderr()
    run_foreground(settings, data_dir, lambda running: _greet(running, data_dir, log=None))
    click.echo("stopped", err=True)


def _foreground_command(ctx: click.Context) -> list[str]:
    """This very command, with the same options but `--detach`."""
    argv = [*module_argv("inferencekey.cli"), "local", "up"]
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if parameter.name == "detach" or value is None or value is False:
            continue
        argv += [parameter.opts[0]] if value is True else [parameter.opts[0], str(value)]
    return argv


def _greet(running: Running, data_dir: Path, log: Path | None) -> None:
    own_dir = options.data_dir_again(data_dir)
    # Without a terminal there is no Ctrl-C: the output goes to a file, or to a service manager.
    stop = "Ctrl-C" if log is None and sys.stderr.isatty() else f"inferencekey local down{own_dir}"
    state = running.db or "in memory, gone when it stops (keep it with --db FILE)"
    click.echo(
        "inferencekey local is up, for development and tests, not for production\n\n"
        f"  base URL  {running.base_url}\n"
        f"  project   {running.env['INFERENCEKEY_PROJECT']}\n"
        f"  state     {state}\n\n"
        f'variables:  eval "$(inferencekey local env{own_dir})"\n'
        + (f"log:        {log}\n" if log else "")
        + f"stop:       {stop}\n",
        err=True,
    )


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("inferencekey.local")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Formatter(logging.Formatter):
    """Sets the further lines of a message under its first."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n          ")
