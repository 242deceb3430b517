"""The root of the command line: the table of commands, and how errors are told."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata

import click

from inferencekey.local.errors import EXTRA_PACKAGES, INSTALL, LocalError

from .lazy import LazyGroup


def _version() -> str:
    try:
        return metadata.version("inferencekey")
    except metadata.PackageNotFoundError:
        return "unknown"


root = LazyGroup(
    name="inferencekey",
    help="Declare, run and call AI workloads.",
    table={
        "local": ("inferencekey.cli.local", "Run the platform on this machine"),
    },
)
root = click.version_option(_version(), message="%(prog)s %(version)s")(root)


def run(arguments: Sequence[str] | None) -> int:
    """Run one command line and return its exit code. No failure of a command shows a stack
    trace."""
    try:
        code = root.main(arguments, prog_name="inferencekey", standalone_mode=False)
    except click.UsageError as wrong:
        path = wrong.ctx.command_path if wrong.ctx else "inferencekey"
        return _tell(wrong.format_message(), f"see `{path} --help`", code=2)
    except click.ClickException as failure:
        hint = getattr(failure, "hint", None)
        return _tell(failure.format_message(), hint, code=failure.exit_code)
    except LocalError as refusal:
        return _tell(refusal.message, refusal.hint)
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA_PACKAGES:
            raise
        return _tell(f"this command needs the package `{missing.name}`", INSTALL)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as cause:
        return _tell(": ".join(str(x) for x in (cause.filename, cause.strerror) if x), None)
    return code if isinstance(code, int) else 0


def _tell(message: str, hint: str | None, *, code: int = 1) -> int:
    """An error line without a full stop, a blank line, then what to do (style.md 3.6)."""
    # None leaves it to click, which knows a terminal but not the NO_COLOR of no-color.org.
    color = False if os.environ.get("NO_COLOR") else None
    error = click.style("error:", fg="red", bold=True)
    click.echo(f"{error} {message.rstrip('.')}", err=True, color=color)
    if hint:
        click.echo(f"\n{click.style('hint:', fg='cyan', bold=True)} {hint}", err=True, color=color)
    return code
