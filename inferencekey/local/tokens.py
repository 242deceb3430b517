"""Tokens (wire.md 1.3): minted in the issued form, kept as a hash, shown once, matched against
grants.

The text of a token has 256 random bits, so a plain SHA-256 at rest is enough: there is nothing to
guess.
"""

from __future__ import annotations

import hashlib
import secrets

from .types import TokenKind

CONTROL_PREFIX = "ik_sdk_"
DATA_PREFIX = "ik_live_"


def mint(kind: TokenKind) -> tuple[str, str]:
    """A new token's id (8 hex) and its whole text, `ik_<kind>_<id>_<64 hex>`."""
    token_id = secrets.token_hex(4)
    return token_id, f"ik_{kind}_{token_id}_{secrets.token_hex(32)}"


def hashed(text: str) -> str:
    """What the store keeps of a token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def display(kind: TokenKind, token_id: str) -> str:
    """The only form of a token that may be shown again."""
    return f"ik_{kind}_{token_id}…"


def grants_project(grants: tuple[str, ...], project: str) -> bool:
    """Whether any grant is about `project`."""
    return any(grant.partition("/")[0] == project for grant in grants)


def grants_workload(grants: tuple[str, ...], project: str, slug: str) -> bool:
    """Whether a grant covers this workload: `project/slug`, or `project/*` for future ones too."""
    return f"{project}/{slug}" in grants or f"{project}/*" in grants
