"""`inferencekey local`: the embedded platform."""

from __future__ import annotations

from inferencekey.cli.lazy import LazyGroup

_HERE = "inferencekey.cli.local"

command = LazyGroup(
    name="local",
    help="""Run the platform on this machine: both planes on loopback, engines as processes.

    For development and tests, not for production.

    \b
    Examples:
      inferencekey local exec --stand-in -- python my_program.py
      inferencekey local up --detach
      eval "$(inferencekey local env)"
      inferencekey local down
    """,
    table={
        "up": (f"{_HERE}.up", "Start the platform"),
        "down": (f"{_HERE}.down", "Stop the platform and its engines"),
        "status": (f"{_HERE}.status", "Show the platform and its workloads"),
        "env": (f"{_HERE}.env", "Print the variables that programs need"),
        "exec": (f"{_HERE}.exec", "Run one command with a platform of its own"),
        "logs": (f"{_HERE}.logs", "Show what the engine of a workload wrote"),
        "token": (f"{_HERE}.token", "Create, list and revoke tokens"),
    },
)
