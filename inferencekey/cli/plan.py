"""`inferencekey plan`: what `apply` would change."""

from __future__ import annotations

import os
from pathlib import Path

import click

from . import exits, options, output, specs
from .failure import Refusal
from .plans import Plans

_SUMMARY = "GITHUB_STEP_SUMMARY"


@click.command("plan", cls=options.Command)
@specs.declared
@options.max_hourly_cost
@click.option("--markdown", is_flag=True, help="Print Markdown, for a comment on a change.")
@click.option(
    "--github-summary",
    is_flag=True,
    help=f"Append it as Markdown to the file that {_SUMMARY} names, too.",
)
@options.as_json
@options.connection
def command(
    file: str,
    form: str,
    slugs: tuple[str, ...],
    max_hourly_cost_usd: float | None,
    markdown: bool,
    github_summary: bool,
    connection: options.Connection,
    as_json: bool,
) -> int:
    """Show what `apply` would change, and change nothing.

    Of the workloads in the file; only of those named by SLUG, if any is.

    Exit codes: 0 nothing to change, 2 changes pending, 1 error.

    \b
    Examples:
      inferencekey plan --file workloads.yaml
      inferencekey plan --file workloads.yaml support-bot --json
      inferencekey plan --file workloads.yaml --github-summary
    """
    if markdown and as_json:
        raise click.UsageError("--markdown and --json exclude each other")
    summary = _summary_file() if github_summary else None
    plans = Plans.of(connection.management(), specs.load(file, form, slugs), max_hourly_cost_usd)
    if as_json:
        output.data_json(plans.to_json())
    else:
        output.data(plans.to_markdown() if markdown else plans.text())
    if summary:
        with summary.open("a", encoding="utf-8") as page:
            page.write(f"{plans.to_markdown()}\n")
    return exits.PENDING if any(plans) else exits.OK


def _summary_file() -> Path:
    name = os.environ.get(_SUMMARY)
    if not name:
        raise Refusal(
            f"there is no step summary to write to: {_SUMMARY} is not set",
            hint="GitHub Actions sets it; elsewhere leave `--github-summary` out",
        )
    return Path(name)
