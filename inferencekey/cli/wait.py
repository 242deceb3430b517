"""`inferencekey wait`: until workloads are ready."""

from __future__ import annotations

import click

from . import options, output
from .ready import until_ready
from .slug import arguments


@click.command("wait", cls=options.Command)
@arguments
@options.wait_timeout("--timeout")
@options.as_json
@options.connection_without_timeout
def command(
    slugs: tuple[str, ...], wait_timeout: float, connection: options.Connection, as_json: bool
) -> None:
    """Wait until each workload SLUG is ready to answer, and show what it waits for.

    Exit codes: 0 ready, 3 not ready in time (waiting again is sensible), 1 failed.

    \b
    Examples:
      inferencekey wait support-bot
      inferencekey wait support-bot embedder --timeout 1800
    """
    addresses = [(None, slug) for slug in slugs]
    times: list[float] = []
    try:
        times.extend(until_ready(connection.management(), addresses, wait_timeout))
    finally:
        # Also where one is late: the others are ready.
        if as_json and times:
            rows = [{"slug": slug, "seconds": t} for slug, t in zip(slugs, times, strict=False)]
            output.data_json({"workloads": rows})
