"""Who may do what (wire.md 1.3 and section 4): one function per plane, and the guard against web
pages.

control   401 missing or unknown token; 403 revoked, or one of the three codes of section 4
data      401 missing, unknown or revoked key; 403 one of the three codes of section 4
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from multidict import MultiMapping

from .errors import HttpError
from .store import Store
from .tokens import CONTROL_PREFIX, DATA_PREFIX, grants_project, grants_workload
from .types import SCOPE_READ, SCOPE_WRITE, Token

Headers = MultiMapping[str]

_CHALLENGE = {"www-authenticate": 'Bearer realm="inferencekey"'}


def control_token(store: Store, headers: Headers) -> Token:
    """The control token of a request to `/api`. Raises HttpError 401 or 403."""
    text = bearer(headers)
    if text.startswith(DATA_PREFIX):
        raise HttpError(
            403,
            "the control plane takes a control token (ik_sdk_…), not a data key (ik_live_…)",
            code="wrong_credential_type",
        )
    token = store.token_by_text(text)
    if token is None:
        raise HttpError(401, "unknown control token", headers=_CHALLENGE)
    if token.revoked_at:
        raise HttpError(403, "the control token has been revoked", code="token_revoked")
    return token


def require_project(token: Token, project: str) -> None:
    """Refuse a control token that belongs to another project."""
    if token.project != project:
        raise HttpError(
            403,
            f"the control token belongs to project `{token.project}`, not to `{project}`",
            code="project_scope_mismatch",
        )


def require_read(token: Token) -> None:
    """Refuse a control token that may not look at workloads; whoever may change them may look."""
    if SCOPE_WRITE not in token.scopes:
        require_scope(token, SCOPE_READ)


def require_scope(token: Token, scope: str) -> None:
    """Refuse a control token without `scope`."""
    if scope not in token.scopes:
        raise HttpError(
            403, f"the control token lacks the scope `{scope}`", code="scope_insufficient"
        )


def require_grant(store: Store, headers: Headers, project: str, slug: str) -> None:
    """Refuse a request to `/endpoint` whose data key is not granted this workload."""
    text = bearer(headers)
    if text.startswith(CONTROL_PREFIX):
        raise HttpError(
            403,
            "the data plane takes a data key (ik_live_…), not a control token (ik_sdk_…)",
            code="wrong_credential_type",
        )
    key = store.token_by_text(text)
    if key is None:
        raise HttpError(401, "unknown data key", headers=_CHALLENGE)
    if key.revoked_at:
        raise HttpError(401, "the data key has been revoked", headers=_CHALLENGE)
    if not grants_project(key.grants, project):
        raise HttpError(
            403, f"the data key has no grant in project `{project}`", code="project_scope_mismatch"
        )
    if not grants_workload(key.grants, project, slug):
        raise HttpError(
            403, f"the data key has no grant for `{project}/{slug}`", code="scope_insufficient"
        )


def bearer(headers: Headers) -> str:
    """The token of the one `authorization` header. Raises HttpError 401 where there is none."""
    sent = headers.getall("authorization", [])
    scheme, _, text = "".join(sent[:1]).partition(" ")
    if len(sent) != 1 or scheme.lower() != "bearer" or not text.strip():
        raise HttpError(401, "send one `authorization: Bearer <token>`", headers=_CHALLENGE)
    return text.strip()


def refuse_web_pages(headers: Headers, *, any_host: bool) -> None:
    """Refuse what a web page in a browser can send here (DNS rebinding, cross-site requests).

    A rebound name shows itself in `host`, a foreign page in `origin`. any_host: the platform was
    explicitly bound to an address that others reach, under names which it cannot know."""
    if not any_host and not is_loopback(_host_name("//" + headers.get("host", ""))):
        raise HttpError(
            403, "this platform answers under a loopback name only", code="forbidden_host"
        )
    origin = headers.get("origin")
    if origin is not None and not is_loopback(_host_name(origin)):
        raise HttpError(
            403, "this platform answers no web pages of other origins", code="forbidden_origin"
        )


def is_loopback(name: str) -> bool:
    """Whether a host name or address literal is this machine's own."""
    if name.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _host_name(url: str) -> str:
    """The host of a URL, an IPv6 literal without its brackets; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
