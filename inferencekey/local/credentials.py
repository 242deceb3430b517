"""The platform's own control token and data key: the same ones as long as their file lives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .issue import issue_token
from .paths import write_private
from .store import Store
from .types import DEFAULT_SCOPES, TokenKind

_NAME = "default"


@dataclass(frozen=True, repr=False)
class Credentials:
    """The pair that `env` hands out. It has no repr, so that no log or traceback shows it."""

    sdk_token: str
    api_key: str


def default_credentials(store: Store, file: Path, project: str) -> Credentials:
    """The project's pair from `file` (mode 0600), made and written where it is missing or
    revoked."""
    kept = _read(file)
    pair = kept.get(project, {})
    credentials = Credentials(
        sdk_token=_in_force(store, "sdk", pair.get("sdk_token"), project),
        api_key=_in_force(store, "live", pair.get("api_key"), project),
    )
    if pair != vars(credentials):
        write_private(file, json.dumps(kept | {project: vars(credentials)}, indent=2) + "\n")
    return credentials


def forget(file: Path, token_id: str) -> None:
    """Take a revoked token out of `file`: a store in memory forgets that it was revoked."""
    kept = _read(file)
    left = {
        project: {name: text for name, text in pair.items() if _id(text) != token_id}
        for project, pair in kept.items()
    }
    if left != kept:
        write_private(file, json.dumps(left, indent=2) + "\n")


def _id(text: str) -> str:
    return text.split("_")[2]


def _read(file: Path) -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # missing or damaged: new tokens are as good
    return kept if isinstance(kept, dict) else {}


def _in_force(store: Store, kind: TokenKind, text: str | None, project: str) -> str:
    """`text`, once the store knows it; a new token where there is none or it has been revoked."""
    if text and text.count("_") == 3:
        scopes, grants = (DEFAULT_SCOPES, ()) if kind == "sdk" else ((), (f"{project}/*",))
        token = store.add_token(
            kind, _id(text), text, name=_NAME, project=project, scopes=scopes, grants=grants
        )
        if token.revoked_at is None:
            return text
    return issue_token(store, kind, project=project, name=_NAME)[1]
