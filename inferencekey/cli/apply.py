"""`inferencekey apply`: make live workloads match a file."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import click

from inferencekey import DriftError, DriftWarning, ManagementClient, OnDrift, Plan

from . import options, output, specs
from .failure import Refusal
from .plans import Plans
from .ready import until_ready

_POLICIES = [policy.value for policy in OnDrift if policy is not OnDrift.DRY_RUN]
_DONE = {
    ("create", True): "created",
    ("update", True): "updated",
    ("unchanged", False): "unchanged",
}
"""In words, by what the plan said and whether something was written; else it was left as it is."""


@click.command("apply", cls=options.Command)
@specs.declared
@options.max_hourly_cost
@click.option(
    "--on-drift",
    type=click.Choice(_POLICIES),
    default=OnDrift.RECONCILE.value,
    show_default=True,
    help="What to do with a live workload that differs.",
)
@options.yes
@click.option("--wait", is_flag=True, help="Then wait until all are ready.")
@options.wait_timeout("--wait-timeout")
@options.as_json
@options.connection
def command(
    file: str,
    form: str,
    slugs: tuple[str, ...],
    max_hourly_cost_usd: float | None,
    on_drift: str,
    yes: bool,
    wait: bool,
    wait_timeout: float,
    connection: options.Connection,
    as_json: bool,
) -> None:
    """Make live workloads match a file: create what is absent, write what differs.

    All workloads of the file, or those named by SLUG. It shows the plan, asks if there is a
    terminal, and applies that plan or nothing: a workload that moved meanwhile is refused. It
    stops at the first that fails; run again, it goes on from there.

    Exit codes: 0 done, 1 error, 3 not ready in time (with --wait).

    \b
    Examples:
      inferencekey apply --file workloads.yaml
      inferencekey apply --file workloads.yaml support-bot --yes --wait
    """
    management = connection.management()
    plans = Plans.of(management, specs.load(file, form, slugs), max_hourly_cost_usd)
    pending = any(_is_written(plan, on_drift) for plan in plans) and not yes
    ask = pending and output.interactive()
    if pending and file == specs.STDIN and output.is_terminal(sys.stderr):
        raise Refusal("standard input is the file, so you cannot be asked", hint="give `--yes`")
    if ask or not as_json:
        output.say(f"{plans.text()}\n")
    # What differs and is not written may refuse the whole, so it is asked before any write.
    for plan in plans:
        if plan and not _is_written(plan, on_drift):
            _leave(plan, on_drift)
    if ask and not click.confirm("Apply this plan?", err=True):
        raise Refusal("nothing was changed")
    rows: list[dict[str, Any]] = []
    try:
        for plan in plans:
            rows.append(_row(plan, _is_written(plan, on_drift) and plan.apply().changed))
            if not as_json:
                output.data(_line(rows[-1]))
        if wait:
            _wait(management, rows, wait_timeout)
    finally:
        # Also where one failed: the others are what they are now.
        if as_json:
            output.data_json({"workloads": rows})
        elif len(rows) < len(plans):
            output.say(f"not applied: {', '.join(map(_address, plans[len(rows) :]))}\n")


def _is_written(plan: Plan, on_drift: str) -> bool:
    return plan.action == "create" or (plan.action == "update" and on_drift == OnDrift.RECONCILE)


def _leave(plan: Plan, on_drift: str) -> None:
    """What the policy says about a difference that is not written."""
    if on_drift == OnDrift.RECONCILE:
        # A conflict, which is refused and writes nothing.
        plan.apply()
    fields = ", ".join(f"`{change.path}`" for change in [*plan.conflicts, *plan.changes])
    words = f"apply: `{_address(plan)}` differs from the file in {fields}; nothing was changed"
    if on_drift == OnDrift.FAIL:
        hint = "use `--on-drift reconcile` to write the difference, or correct the file"
        raise DriftError(words, operation="apply", hint=hint, plan=plan)
    if on_drift == OnDrift.WARN:
        warnings.warn(words, DriftWarning, stacklevel=2)


def _wait(management: ManagementClient, rows: list[dict[str, Any]], timeout: float) -> None:
    addresses = [(row["project"], row["slug"]) for row in rows]
    for row, seconds in zip(rows, until_ready(management, addresses, timeout), strict=True):
        row["ready_after_seconds"] = seconds


def _row(plan: Plan, changed: bool) -> dict[str, Any]:
    return {
        "project": plan.project_slug,
        "slug": plan.workload_slug,
        "action": plan.action,
        "changed": changed,
        "ready_after_seconds": None,
    }


def _line(row: dict[str, Any]) -> str:
    done = _DONE.get((row["action"], row["changed"]), "left as it is")
    return f"{row['project']}/{row['slug']}  {done}"


def _address(plan: Plan) -> str:
    return f"{plan.project_slug}/{plan.workload_slug}"
