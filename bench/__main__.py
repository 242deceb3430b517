"""Measures the SDK beside other clients, and a limit that none can pass.

    make bench                        all rows; puts the table into docs/performance.md
    make bench ROWS=unary,stream      some rows, printed alone
    make bench CLIENTS=sdk_sync,limit QUICK=1

What it shows: what a client costs, on loopback, against a server that answers at once. It favours
the clients that check nothing, repeat nothing and keep no clock. All clients of a row take turns,
round by round, so that what else the machine does meets them all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import table
from processes import HERE
from rows import CLIENTS, Effort, Line, Row
from rows.chat import PARALLEL, PROMPT, UNARY
from rows.connections import Connections
from rows.embeddings import ARRAY, BASE64, LISTS
from rows.ensure import ENSURE
from rows.size import Size
from rows.start import Start
from rows.streams import FIRST, PACED, STREAM

ROWS: tuple[Row, ...] = (
    UNARY,
    PARALLEL,
    STREAM,
    FIRST,
    Connections(),
    PACED,
    LISTS,
    ARRAY,
    BASE64,
    PROMPT,
    *ENSURE,
    Start(),
    Size(),
)
RESULTS = HERE.parent / "build" / "bench" / "results.json"
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- begin of the tables -->", "<!-- end of the tables -->"


def main() -> None:
    """Measure what the command line asks for, print it and keep it."""
    asked = _arguments()
    effort = Effort(asked.clients, asked.quick)
    lines: list[Line] = []
    for row in ROWS:
        if row.name in asked.rows:
            print(f"{time.strftime('%H:%M:%S')} {row.name} …", file=sys.stderr)
            lines += row.measure(effort)
    text = _report(lines, effort)
    print(text)
    _keep(lines, asked.results)
    if asked.page:
        page = PAGE.read_text(encoding="utf-8")
        new = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", page, flags=re.S)
        PAGE.write_text(new, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    names = dict.fromkeys(row.name for row in ROWS)
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=_some_of(names), default=tuple(names))
    parser.add_argument("--clients", type=_some_of(CLIENTS), default=tuple(CLIENTS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--page", action="store_true", help="put the tables into the page")
    return parser.parse_args()


def _some_of(names: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Takes names with commas between them."""

    def parse(text: str) -> tuple[str, ...]:
        unknown = set(text.split(",")) - set(names)
        if unknown:
            known = ", ".join(names)
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}; there are {known}")
        return tuple(name for name in names if name in text.split(","))

    return parse


def _report(lines: list[Line], effort: Effort) -> str:
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    )
    parts = [
        f"Measured on {time.strftime('%Y-%m-%d')}: {machine}.",
        table.figures(lines, effort.clients),
        "How many times better the first is than the second:",
        table.ratios(lines, effort.clients),
    ]
    reasons = {
        f"{CLIENTS[client]}: {why}" for line in lines for client, why in line.skipped.items()
    }
    if reasons:
        parts.append(f"Without a figure: {'; '.join(sorted(reasons))}.")
    return "\n\n".join(parts)


def _keep(lines: list[Line], file: Path) -> None:
    results = [
        {
            "name": line.figure.name,
            "unit": line.figure.unit,
            "values": line.values,
            "targets": {client: line.bound(client) for client in line.figure.targets},
            "met": {client: line.met(client) for client in line.figure.targets},
            "skipped": line.skipped,
        }
        for line in lines
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
