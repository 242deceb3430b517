"""The root of the command line: the table of commands, and how each run ends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import click

from inferencekey import __version__

from . import exits, output
from .failure import failure_of
from .lazy import LazyGroup

_HERE = "inferencekey.cli"

root = LazyGroup(
    name="inferencekey",
    help="""Declare, run and call AI workloads.

    \b
    Examples:
      inferencekey plan -f workloads.yaml
      inferencekey apply -f workloads.yaml --wait
      inferencekey ls

    \b
    Environment: INFERENCEKEY_BASE_URL, INFERENCEKEY_PROJECT,
    INFERENCEKEY_SDK_TOKEN, INFERENCEKEY_API_KEY. Options win. Tokens are read
    from the environment alone: everybody on a machine sees the options of a
    process.

    \b
    Exit codes: 0 done, 1 error or wrong usage, 2 changes pending (plan),
    3 not ready in time, 130 Ctrl-C.
    """,
    table={
        "plan": (f"{_HERE}.plan", "Show what `apply` would change"),
        "apply": (f"{_HERE}.apply", "Make live workloads match a file"),
        "wait": (f"{_HERE}.wait", "Wait until workloads are ready"),
        "ls": (f"{_HERE}.ls", "List the workloads of the project"),
        "get": (f"{_HERE}.get", "Show one workload"),
        "export": (f"{_HERE}.export", "Write a live workload as a spec file"),
        "delete": (f"{_HERE}.delete", "Delete workloads"),
        "gc": (f"{_HERE}.gc", "Delete what killed processes left behind"),
        "chat": (f"{_HERE}.chat", "Talk to the model of a workload"),
        "embed": (f"{_HERE}.embed", "Turn texts into rows of numbers"),
        "doctor": (f"{_HERE}.doctor", "Check what stands between here and the platform"),
        "completion": (f"{_HERE}.completion", "Print the completion script of a shell"),
        "local": (f"{_HERE}.local", "Run the platform on this machine"),
    },
)
root = click.version_option(__version__, message="%(prog)s %(version)s")(root)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. No failure of a command shows a stack
    trace."""
    output.prepare()
    as_json = _asks_for_json(arguments)
    try:
        with output.warnings_told(as_json=as_json):
            code = root.main(arguments, prog_name="inferencekey", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        return failure.tell(as_json=as_json)
    return code if isinstance(code, int) else exits.OK


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Also where the command line is too wrong to be read; what follows `--` is no option."""
    return "--json" in itertools.takewhile(lambda argument: argument != "--", arguments)
