"""The arguments SLUG and SLUG..., which a shell can complete."""

from __future__ import annotations

import click

from inferencekey import InferenceKeyError, ManagementClient

PATIENCE_SECONDS = 2
"""Who waits for a completion would rather type."""


def slugs_of_project(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The slugs that begin like it; none where the platform cannot be asked, since a completion has
    nowhere to say why."""
    try:
        with ManagementClient.from_env(timeout=PATIENCE_SECONDS, retries=0) as client:
            slugs = [str(workload["slug"]) for workload in client.list()]
    except InferenceKeyError:
        return []
    return [slug for slug in slugs if slug.startswith(incomplete)]


argument = click.argument("slug", shell_complete=slugs_of_project)
arguments = click.argument(
    "slugs", nargs=-1, required=True, metavar="SLUG...", shell_complete=slugs_of_project
)
