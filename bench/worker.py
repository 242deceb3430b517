"""The process in which one client is measured.

    python bench/worker.py CLIENT ORIGIN

Reads `OPERATION SECONDS LANES` from its standard input and answers each line with one of JSON, as
`native/limit` does: what it measured, or why it did not.
"""

from __future__ import annotations

import json
import signal
import sys
from functools import partial
from importlib import import_module

import asynchronous
import blocking
from sides import Asynchronous, NotOffered

SECONDS_FOR_A_LINE = 120


def runner(name: str, origin: str) -> asynchronous.Runner | blocking.Runner:
    """Runs the operations of a client: of the class `Client` in the module `sides.NAME`."""
    kind = import_module(f"sides.{name}").Client
    make = partial(kind, origin)
    return asynchronous.Runner(make) if issubclass(kind, Asynchronous) else blocking.Runner(make)


def main() -> None:
    """Serve the lines of the standard input."""
    name, origin = sys.argv[1:]
    try:
        client = runner(name, origin)
    except NotOffered as reason:
        for _ in sys.stdin:
            _answer(skipped(reason))
        return
    for line in sys.stdin:
        operation, seconds, lanes = line.split()
        signal.alarm(SECONDS_FOR_A_LINE)  # A client that hangs dies, and the benchmark with it.
        try:
            _answer(client.run(operation, float(seconds), int(lanes)))
        except NotOffered as reason:
            _answer(skipped(reason))
        signal.alarm(0)
    client.close()


def skipped(reason: NotOffered) -> dict[str, object]:
    """Says that there is nothing to measure, and why."""
    return {"skipped": str(reason) or "has no such call"}


def _answer(value: dict[str, object]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
