"""Issuing tokens: what a new one may do, and that only its hash is kept (wire.md 1.3)."""

from __future__ import annotations

from .errors import HttpError
from .slug import is_slug
from .store import Store
from .tokens import mint
from .types import DEFAULT_SCOPES, SCOPES, Token, TokenKind


def issue_token(
    store: Store,
    kind: TokenKind,
    *,
    project: str,
    name: str = "",
    scopes: tuple[str, ...] = (),
    grants: tuple[str, ...] = (),
) -> tuple[Token, str]:
    """Mint a token and keep its hash; the token and its text.

    scopes: of a control token; none = the default ones. grants: of a data key; none = the whole
    project.
    Raises HttpError 400 for an unknown kind or scope, and for a grant not of the form
    `project/slug`."""
    if kind not in ("sdk", "live"):
        raise HttpError(400, "`kind` must be sdk or live")
    if not is_slug(project):
        raise HttpError(400, f"`project`: {project!r} is not a slug")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise HttpError(
            400, f"`scopes`: unknown scope {unknown[0]!r}; there are {', '.join(SCOPES)}"
        )
    malformed = [
        grant for grant in grants if not all(grant.partition("/")[::2]) or grant.count("/") != 1
    ]
    if malformed:
        raise HttpError(
            400, f"the grant {malformed[0]!r} must look like `project/slug` or `project/*`"
        )
    token_id, text = mint(kind)
    if kind == "sdk":
        scopes, grants = scopes or DEFAULT_SCOPES, ()
    else:
        scopes, grants = (), grants or (f"{project}/*",)
    token = store.add_token(
        kind, token_id, text, name=name, project=project, scopes=scopes, grants=grants
    )
    return token, text
