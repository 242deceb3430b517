"""Who is let in, and in which words the others are refused (wire.md 1.3, 4, 5.4)."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from local.platform_client import PlatformClient, fake_command

from inferencekey.local import Platform

CONTROL = "/api/projects/acme/workloads"
DATA = "/endpoint/acme/bot/v1/chat/completions"
UNKNOWN_SDK = "ik_sdk_00000000_" + "0" * 64
UNKNOWN_LIVE = "ik_live_00000000_" + "0" * 64

PREFIX = "/endpoint/acme/"
MISSING = "not_found"
SCOPE, PROJECT = "scope_insufficient", "project_scope_mismatch"
WORKLOAD = "/api/workloads/{id}"

CASES = [
    # name, method, path, token (a name in `tokens`, or text), status, code
    ("control: no token", "GET", CONTROL, "", 401, "unauthorized"),
    ("control: unknown token", "GET", CONTROL, UNKNOWN_SDK, 401, "unauthorized"),
    ("control: not a token at all", "GET", CONTROL, "hello", 401, "unauthorized"),
    ("control: data key", "GET", CONTROL, "data", 403, "wrong_credential_type"),
    ("control: revoked", "GET", CONTROL, "revoked control", 403, "token_revoked"),
    ("control: other project", "GET", CONTROL, "other control", 403, PROJECT),
    ("control: read-only creates", "POST", CONTROL, "reader", 403, SCOPE),
    ("control: read-only patches", "PATCH", WORKLOAD, "reader", 403, SCOPE),
    ("control: read-only deletes", "DELETE", WORKLOAD, "reader", 403, SCOPE),
    ("control: no scope reads", "GET", CONTROL, "assigner", 403, SCOPE),
    ("control: other project's workload", "DELETE", WORKLOAD, "other control", 403, PROJECT),
    ("control: no such workload", "DELETE", "/api/workloads/wl_0", "control", 404, MISSING),
    ("control: no such readiness", "GET", CONTROL + "/x/readiness-events", "control", 404, MISSING),
    ("control: wrong method", "PUT", CONTROL, "control", 405, "method_not_allowed"),
    ("control: no such route", "GET", "/api/nope", "control", 404, MISSING),
    ("data: no key", "POST", DATA, "", 401, "unauthorized"),
    ("data: unknown key", "POST", DATA, UNKNOWN_LIVE, 401, "unauthorized"),
    ("data: revoked", "POST", DATA, "revoked data", 401, "unauthorized"),
    ("data: control token", "POST", DATA, "control", 403, "wrong_credential_type"),
    ("data: grant in another project", "POST", DATA, "other data", 403, PROJECT),
    ("data: grant for another workload", "POST", DATA, "sibling data", 403, SCOPE),
    ("data: no such workload", "POST", PREFIX + "nope/v1/embeddings", "data", 404, MISSING),
    ("data: encoded slash in a slug", "POST", PREFIX + "a%2Fb/v1/embeddings", "data", 404, MISSING),
    ("data: dots in the route", "POST", PREFIX + "bot/v1/%2e%2e/metrics", "data", 404, MISSING),
    ("data: wrong method", "DELETE", DATA, "data", 405, "method_not_allowed"),
    ("elsewhere", "GET", "/", "", 404, "not_found"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    """Filled with the texts of the tokens that the cases name."""
    return {}


@pytest.fixture(scope="module")
def refusing(tokens: dict[str, str]) -> PlatformClient:
    """A client of a platform with one ready workload; every case only reads it."""
    with Platform() as platform:
        client = PlatformClient(platform.env())
        tokens |= {
            "control": platform.sdk_token,
            "data": platform.api_key,
            "reader": platform.create_token("sdk", scopes=("workload:read",)),
            "assigner": platform.create_token("sdk", scopes=("assignment:write",)),
            "other control": platform.create_token("sdk", project="other"),
            "other data": platform.create_token("live", project="other"),
            "sibling data": platform.create_token("live", grants=("acme/sibling",)),
            "revoked control": platform.create_token("sdk"),
            "revoked data": platform.create_token("live"),
        }
        assert platform.revoke_token(tokens["revoked control"])
        assert platform.revoke_token(tokens["revoked data"])
        tokens["id"] = client.create("bot", command=fake_command())["id"]
        assert client.wait("bot")["phase"] == "ready"
        yield client


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_refused(
    refusing: PlatformClient,
    tokens: dict[str, str],
    method: str,
    path: str,
    token: str,
    status: int,
    code: str,
) -> None:
    """Each refusal has its status, its code, and the platform's error form."""
    body = {} if method in ("POST", "PATCH", "PUT") else None
    answer = refusing.send(
        method, path.format(id=tokens["id"]), body, token=tokens.get(token, token)
    )
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json.keys() == {"error"}
    assert answer.json["error"].keys() == {"code", "message"}
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"]
    if token in tokens:
        assert tokens[token] not in answer.body.decode()
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/api" + CONTROL, "/api" + DATA])
def test_a_doubled_api_is_explained(refusing: PlatformClient, path: str) -> None:
    """The URL of a plane was given as the base URL."""
    answer = refusing.send("GET", path)
    assert answer.message == f"no such route: GET {path}; the base URL is without `/api`"


@pytest.mark.parametrize("token", ["reader", "control"])
def test_a_token_that_may_read_reads(
    refusing: PlatformClient, tokens: dict[str, str], token: str
) -> None:
    """`workload:read` is enough for the list and for readiness."""
    assert refusing.send("GET", CONTROL, token=tokens[token]).status == 200
    events = refusing.send("GET", CONTROL + "/bot/readiness-events", token=tokens[token])
    assert events.status == 200


@pytest.mark.parametrize(
    ("kind", "options", "word"),
    [
        ("admin", {}, "kind"),
        ("sdk", {"scopes": ("workload:all",)}, "workload:write"),
        ("sdk", {"project": "../x"}, "project"),
        ("live", {"grants": ("acme",)}, "project/slug"),
        ("live", {"grants": ("acme/a/b",)}, "project/slug"),
    ],
)
def test_tokens_that_cannot_be(kind: Any, options: dict[str, Any], word: str) -> None:
    """A token of no known power is not minted."""
    with Platform() as platform, pytest.raises(ValueError, match=word):
        platform.create_token(kind, **options)


WEB_PAGES = [
    # name, host, origin, status, code
    ("loopback", "127.0.0.1:{port}", None, 200, None),
    ("localhost", "localhost:{port}", None, 200, None),
    ("IPv6 loopback", "[::1]:{port}", None, 200, None),
    ("local web page", "localhost:{port}", "http://localhost:3000", 200, None),
    ("rebound name", "evil.example:{port}", None, 403, "forbidden_host"),
    ("rebound name that looks local", "127.0.0.1.evil.example", None, 403, "forbidden_host"),
    ("no host", "", None, 403, "forbidden_host"),
    ("garbage host", "[::1", None, 403, "forbidden_host"),
    ("foreign page", "127.0.0.1:{port}", "https://evil.example", 403, "forbidden_origin"),
    ("page without an origin", "127.0.0.1:{port}", "null", 403, "forbidden_origin"),
]


@pytest.mark.parametrize(
    ("host", "origin", "status", "code"),
    [case[1:] for case in WEB_PAGES],
    ids=[case[0] for case in WEB_PAGES],
)
def test_web_pages_are_refused(
    refusing: PlatformClient, host: str, origin: str | None, status: int, code: str | None
) -> None:
    """A browser that was lured here carries a foreign `host` or `origin` (DNS rebinding)."""
    headers = {"host": host.format(port=refusing.port)} | ({"origin": origin} if origin else {})
    answer = refusing.send("GET", CONTROL, headers=headers)
    assert answer.status == status
    assert code is None or answer.code == code


def test_only_loopback_is_bound(refusing: PlatformClient) -> None:
    """The platform does not answer on the machine's other addresses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))  # loopback too, but not the address that was asked for
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.2", refusing.port)) != 0


def test_a_body_over_the_limit_is_refused(refusing: PlatformClient) -> None:
    """413 in the platform's form for more than 64 MiB; the next request is served."""
    huge = b" " * (64 * 1024 * 1024 + 1)
    answer = refusing.send("POST", CONTROL, huge, timeout=30)
    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert refusing.send("GET", CONTROL).status == 200


MALFORMED = [
    # name, header lines after the request line, body, status
    ("two tokens", "authorization: Bearer {token}\r\nauthorization: Bearer x", "", 401),
    ("another scheme", "authorization: Basic {token}", "", 401),
    ("a compressed body that is none",
     "authorization: Bearer {token}\r\ncontent-encoding: gzip\r\ncontent-length: 2", "{}", 400),
    ("two lengths", "content-length: 2\r\ntransfer-encoding: chunked", "{}", 400),
    ("a header without a colon", "authorization", "", 400),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [case[1:] for case in MALFORMED],
    ids=[case[0] for case in MALFORMED],
)
def test_malformed_requests_are_answered(
    refusing: PlatformClient,
    caplog: pytest.LogCaptureFixture,
    headers: str,
    body: str,
    status: int,
) -> None:
    """A client's mistake gets an answer, and never a stack trace in the platform's log."""
    head = f"POST {CONTROL} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n\r\n"
    with socket.create_connection((refusing.host, refusing.port), timeout=10) as connection:
        connection.sendall((head.format(token=refusing.sdk_token) + body).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split(b" ")[1] == str(status).encode(), answer
    assert caplog.records == []
