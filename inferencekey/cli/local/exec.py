"""`inferencekey local exec`: one command with a platform of its own around it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from types import FrameType

import click

from inferencekey.local.phases import Timings
from inferencekey.local.platform import Platform
from inferencekey.local.procs import ending

from . import options

_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class _NotFound(click.ClickException):
    """The command does not exist; the exit code is that of shells."""

    exit_code = 127
    hint = "check its name and PATH; what follows `--` is run without a shell"


class _NotExecutable(click.ClickException):
    """The command is no program; the exit code is that of shells."""

    exit_code = 126


@click.command("exec", context_settings={"allow_interspersed_args": False})
@options.project
@options.stand_in
@options.start_timeout
@click.argument(
    "command_line", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND..."
)
@click.pass_context
def command(
    ctx: click.Context,
    project: str,
    stand_in: bool,
    start_timeout: float,
    command_line: tuple[str, ...],
) -> None:
    """Start a platform, run COMMAND with its variables set, stop it, return the command's exit
    code.

    The platform takes a free port and keeps nothing. A command ended by signal N returns 128 + N.

    \b
    Examples:
      inferencekey local exec -- pytest
      inferencekey local exec --stand-in -- python my_program.py
    """
    timings = Timings(start_timeout=start_timeout)
    with Platform(project=project, stand_in=stand_in, timings=timings) as platform:
        code = _run(command_line, platform.env())
    ctx.exit(code)


def _run(argv: Sequence[str], env: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(argv, env=os.environ | env)
    except FileNotFoundError:
        raise _NotFound(f"command not found: `{argv[0]}`") from None
    except OSError as cause:
        raise _NotExecutable(f"cannot run `{argv[0]}`: {cause.strerror}") from cause

    def forward(number: int, frame: FrameType | None) -> None:
        # The terminal has sent its signals to the child as well: twice would break off its
        # clean-up.
        if not (number in _FROM_TERMINAL and _in_foreground()):
            child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code >= 0:
        return code
    if -code != signal.SIGINT:  # of Ctrl-C the terminal has told already
        click.echo(f"the command ended with {ending(code)}", err=True)
    return 128 - code


def _in_foreground() -> bool:
    """Whether this process is in the group that the terminal sends its signals to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
