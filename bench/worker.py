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
    client = runner(name, origin)
    for line in sys.stdin:
        operation, seconds, lanes = line.split()
        signal.alarm(SECONDS_FOR_A_LINE)  # A client that hangs dies, and the benchmark with it.
        try:
            answer = client.run(operation, float(seconds), int(lanes))
        except NotOffered:
            answer = {"skipped": "has no such call"}
        signal.alarm(0)
        print(json.dumps(answer), flush=True)
    client.close()


if __name__ == "__main__":
    main()
