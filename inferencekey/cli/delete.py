"""`inferencekey delete`: workloads, for good."""

from __future__ import annotations

import click

from . import options, output
from .failure import Refusal
from .slug import arguments


@click.command("delete", cls=options.Command)
@arguments
@options.yes
@options.as_json
@options.connection
def command(
    slugs: tuple[str, ...], yes: bool, connection: options.Connection, as_json: bool
) -> None:
    """Delete each workload SLUG, for good: its workers are given back.

    On a terminal it asks first; elsewhere it needs `--yes`. A workload that is not there is no
    error: what was asked for is so.

    \b
    Examples:
      inferencekey delete support-bot
      inferencekey delete support-bot embedder --yes
    """
    management = connection.management()
    if not yes:
        _ask(slugs)
    deleted: dict[str, bool] = {}
    try:
        for slug in dict.fromkeys(slugs):
            deleted[slug] = management.delete(slug)
            if not as_json:
                output.data(f"{slug}  {'deleted' if deleted[slug] else 'was not there'}")
    finally:
        # Also where one could not be deleted: the others are gone.
        if as_json:
            rows = [{"slug": slug, "deleted": was_there} for slug, was_there in deleted.items()]
            output.data_json({"workloads": rows})


def _ask(slugs: tuple[str, ...]) -> None:
    if not output.interactive():
        raise Refusal(
            "nothing was deleted: there is no terminal to ask on",
            hint="say `--yes` to delete without being asked",
        )
    if not click.confirm(f"Delete {', '.join(slugs)} for good?", err=True):
        raise Refusal("nothing was deleted")
