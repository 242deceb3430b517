"""`inferencekey doctor`: what stands between this machine and the platform, and what to do."""

from __future__ import annotations

import click

from inferencekey.cli import exits, options, output

from .examination import examine
from .finding import Finding, State

MARKS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "red"),
    "skipped": ("-", "bright_black"),
}
"""Mark and colour of each state."""
WIDTH = len("control token")


@click.command("doctor", cls=options.Command)
@options.as_json
@options.connection
def command(as_json: bool, connection: options.Connection) -> int:
    """Check versions, environment, base URL, connection, TLS, clock and tokens.

    Three requests are sent, and none costs anything: the list of workloads, a chat with a workload
    that does not exist, and one without a token, for the time. Of the two tokens one may be
    missing: each plane needs its own only. The exit code is 1 if a check failed.

    \b
    Examples:
      inferencekey doctor
      inferencekey doctor --json
    """
    findings = []
    for finding in examine(connection):
        findings.append(finding)
        if not as_json:
            _show(finding)
    failed = sum(finding.state == "failed" for finding in findings)
    if as_json:
        output.data_json({"ok": not failed, "checks": [vars(finding) for finding in findings]})
    else:
        output.data(f"\n{_summary(findings)}")
    return exits.ERROR if failed else exits.OK


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.state]
    output.data(f"{click.style(mark, fg=colour)} {finding.check:{WIDTH}}  {finding.words}")
    if finding.hint:
        output.data(f"  {'':{WIDTH}}  {click.style('hint:', fg='cyan')} {finding.hint}")


def _summary(findings: list[Finding]) -> str:
    counts = {state: sum(f.state == state for f in findings) for state in MARKS}
    if counts["failed"]:
        return f"{counts['failed']} of {len(findings)} checks failed"
    if counts["warning"]:
        plural = "warning" if counts["warning"] == 1 else "warnings"
        return f"no check failed; {counts['warning']} {plural}"
    return "everything is in order"
