"""`inferencekey local token`: tokens beside the two that `env` prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from inferencekey.cli.lazy import help_alone
from inferencekey.cli.table import write_table
from inferencekey.local.daemon import find_running
from inferencekey.local.types import SCOPES, Json

from . import options

command = click.Group(
    "token",
    callback=help_alone,
    invoke_without_command=True,
    help="""Create, list and revoke tokens of the running platform.

    \b
    Examples:
      inferencekey local token create data --grant acme/support-bot
      inferencekey local token create control --scope workload:read
      inferencekey local token revoke 1a2b3c4d
    """,
)


@command.command("create")
@click.argument("kind", type=click.Choice(["control", "data"]))
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="Of a control token; repeatable.  [default: workload:write, assignment:write]",
)
@click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="PROJECT/SLUG",
    help="Of a data key; repeatable; PROJECT/* for all workloads.  [default: the project]",
)
@click.option("--name", default="", help="A word for the list.")
@click.option("--project", metavar="SLUG", help="Slug of the project.  [default: the platform's]")
@options.data_dir
def create(
    kind: str,
    scopes: tuple[str, ...],
    grants: tuple[str, ...],
    name: str,
    project: str | None,
    data_dir: Path,
) -> None:
    """Print a new control token or data key. It is shown this once."""
    if scopes and kind == "data":
        raise click.UsageError("--scope is for control tokens; a data key has --grant")
    if grants and kind == "control":
        raise click.UsageError("--grant is for data keys; a control token has --scope")
    body = {
        "kind": "sdk" if kind == "control" else "live",
        "scopes": scopes,
        "grants": grants,
        "name": name,
        "project": project,
    }
    token = find_running(data_dir).call("POST", "/local/tokens", body)
    click.echo(token["text"])
    power = (
        "scopes " + ", ".join(token["scopes"])
        if kind == "control"
        else ("grants " + ", ".join(token["grants"]))
    )
    click.echo(f"project {token['project']}, {power}; it is not shown again", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@options.data_dir
def list_tokens(as_json: bool, data_dir: Path) -> None:
    """List all tokens, revoked ones too, without their secrets."""
    tokens = find_running(data_dir).call("GET", "/local/tokens")["tokens"]
    if as_json:
        click.echo(json.dumps(tokens, indent=2))
        return
    write_table(["id", "token", "project", "power", "name", "state"], [_row(t) for t in tokens])


@command.command("revoke")
@click.argument("token")
@options.data_dir
def revoke(token: str, data_dir: Path) -> None:
    """Revoke TOKEN, given by its id or its text, at once."""
    token_id = re.sub(r"^ik_[a-z]+_|(_[0-9a-f]+|…)$", "", token)
    if not re.fullmatch(r"[0-9A-Za-z]+", token_id):
        raise click.BadParameter(
            "neither the id nor the text of a token; `inferencekey local token list` shows the ids",
            param_hint="TOKEN",
        )
    find_running(data_dir).call("DELETE", f"/local/tokens/{token_id}")
    click.echo(f"revoked {token_id}", err=True)


def _row(token: Json) -> list[str]:
    power = ", ".join(token["scopes"] or token["grants"])
    state = f"revoked {token['revoked_at']}" if token["revoked_at"] else "in force"
    return [token["id"], token["token"], token["project"], power, token["name"] or "-", state]
