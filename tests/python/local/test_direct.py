"""A machine's proxy stays out of the way to a platform on that machine."""

from __future__ import annotations

import pytest
from clients import SPEC
from double import Double, answer

from inferencekey import ManagementClient
from inferencekey.local import Platform
from inferencekey.local.direct import directly

CASES = [
    ("no proxy", {}, None),
    ("a proxy for https alone", {"HTTPS_PROXY": "http://p:1"}, None),
    ("a blank proxy", {"HTTP_PROXY": " "}, None),
    ("a proxy", {"HTTP_PROXY": "http://p:1"}, "127.0.0.1"),
    ("a proxy for everything", {"all_proxy": "http://p:1"}, "127.0.0.1"),
    (
        "a list is kept",
        {"http_proxy": "http://p:1", "NO_PROXY": "a.test, b.test"},
        "a.test,b.test,127.0.0.1",
    ),
    (
        "the list that counts is kept",
        {"http_proxy": "http://p:1", "NO_PROXY": "a.test", "no_proxy": "b.test"},
        "b.test,127.0.0.1",
    ),
    ("listed already", {"http_proxy": "http://p:1", "no_proxy": "localhost,127.0.0.1"}, None),
    ("everything is listed", {"http_proxy": "http://p:1", "NO_PROXY": "*"}, None),
]


@pytest.mark.parametrize(("name", "environ", "hosts"), CASES, ids=[case[0] for case in CASES])
def test_the_platform_is_added_to_no_proxy(
    name: str, environ: dict[str, str], hosts: str | None
) -> None:
    """Both spellings say the same, since programs differ in which one they read."""
    env = {"INFERENCEKEY_BASE_URL": "http://127.0.0.1:8400"}
    added = {} if hosts is None else {"NO_PROXY": hosts, "no_proxy": hosts}
    assert directly(env, environ) == env | added


def test_a_program_on_a_machine_with_a_proxy_finds_its_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole way: a proxy that knows nothing of this machine is not asked."""
    with Double(lambda request: answer(b"what?", 502)) as proxy, Platform() as platform:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        for name, value in platform.env().items():
            monkeypatch.setenv(name, value)
        with ManagementClient.from_env() as mgmt:
            assert mgmt.plan(SPEC).action == "create"
        assert proxy.journal.requests == []
