"""`doctor`: what it finds wrong, and what it says to do."""

from __future__ import annotations

import json
from email.utils import formatdate
from pathlib import Path

import pytest
from authority import make_authority
from cli.conftest import Run
from clients import API_KEY, SDK_TOKEN
from double import Double, Request, Script, answer

GONE = {"error": {"code": "not_found", "message": "no such workload"}}

Found = dict[str, dict[str, str]]


def platform(
    control: Script | None = None, data: Script | None = None, date: str | None = "now"
) -> Double:
    """A platform that is in order, but for what is given."""

    def script(request: Request) -> Script:
        if request.target.startswith("/api/"):
            return control or answer([{"id": "wl_1", "slug": "bot"}])
        if request.target.startswith("/endpoint/"):
            return data or answer(GONE, 404)
        return answer(GONE, 404, dated(date))

    return Double(script)


def dated(date: str | None) -> dict[str, str]:
    """The header of the time; `now` is the time of the answer."""
    return {} if date is None else {"date": formatdate(usegmt=True) if date == "now" else date}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, state_dir: Path) -> None:
    """Two tokens and a project."""
    monkeypatch.setenv("INFERENCEKEY_PROJECT", "acme")
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)


def examined(run: Run, *arguments: str) -> tuple[int, Found]:
    """Exit code and findings by their check."""
    done = run("doctor", "--json", *arguments)
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0)
    return done.returncode, {finding["check"]: finding for finding in report["checks"]}


def test_doctor_shows_what_is_in_order(run: Run) -> None:
    """A line per check; tokens in their display form only."""
    with platform() as double:
        done = run("doctor", "--base-url", double.url)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line[2:17].strip() for line in lines[:-2]] == [
        "versions", "environment", "base URL", "project", "connection", "clock", "control token",
        "data key",
    ]  # fmt: skip
    assert all(line.startswith("✓ ") for line in lines[:-2])
    assert lines[2:4] == [f"✓ base URL       {double.url}", "✓ project        acme"]
    assert lines[5:8] == [
        "✓ clock          agrees with the platform's",
        "✓ control token  ik_sdk_0123abcd… lists 1 workload",
        "✓ data key       ik_live_4567cdef… is accepted",
    ]
    assert lines[-1] == "everything is in order"


def test_doctor_asks_for_nothing_that_costs(run: Run) -> None:
    """A list, a chat with nobody, and one request without a token."""
    with platform() as double:
        assert examined(run, "--base-url", double.url)[0] == 0
        requests = double.journal.requests
    assert [(r.method, r.target) for r in requests] == [
        ("GET", "/api/projects/acme/workloads"),
        ("POST", "/endpoint/acme/inferencekey-doctor-0/v1/chat/completions"),
        ("GET", "/"),
    ]
    assert "authorization" not in requests[2].headers


REFUSED = [
    # what the platform answers, check, state, words in it
    ({"control": answer({"error": "revoked"}, 401)}, "control token", "failed", "revoked"),
    ({"control": answer({"error": "x"}, 500)}, "control token", "failed", "(500"),
    ({"control": answer(b"<h1>Nginx</h1>")}, "control token", "failed", "list"),
    ({"data": answer({"error": "unknown"}, 401)}, "data key", "failed", "unknown"),
    ({"data": answer({"error": {"code": "project_scope_mismatch", "message": "p"}}, 403)},
     "data key", "failed", "p"),
    ({"data": answer({"error": {"code": "scope_insufficient", "message": "p"}}, 403)},
     "data key", "ok", "is accepted"),
    ({"date": "Thu, 26 Nov 2020 00:00:00 GMT"}, "clock", "warning", "ahead of"),
    ({"date": "Thu, 26 Nov 2099 00:00:00 GMT"}, "clock", "warning", "behind"),
    ({"date": None}, "clock", "skipped", "did not tell"),
    ({"date": "tomorrow"}, "clock", "skipped", "did not tell"),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "check", "state", "words"), REFUSED)
def test_doctor_finds_what_the_platform_says(
    run: Run, answers: dict[str, Script], check: str, state: str, words: str
) -> None:
    """One finding is not in order; the exit code is 1 if it is a failure."""
    with platform(**answers) as double:  # type: ignore[arg-type]
        code, found = examined(run, "--base-url", double.url, "--timeout", "10")
    assert (found[check]["state"], code) == (state, 1 if state == "failed" else 0)
    assert words in found[check]["words"]
    others = {name: f["state"] for name, f in found.items() if name != check}
    assert set(others.values()) == {"ok"}


WRONG = [
    # variable, value, check, state, words
    ("SDK_TOKEN", "", "control token", "warning", "no control token"),
    ("API_KEY", "", "data key", "warning", "no data key"),
    ("SDK_TOKEN", API_KEY, "control token", "failed", "[wrong_credential_type]"),
    ("API_KEY", SDK_TOKEN, "data key", "failed", "[wrong_credential_type]"),
    ("PROJECT", "", "project", "failed", "no project"),
    ("BASE_URL", "ftp://x", "base URL", "failed", "scheme"),
    ("BASE_URL", "http://example.invalid", "base URL", "failed", "allow_http"),
    ("BASE_URL", "https://no-such.invalid", "connection", "failed", "does not resolve"),
    ("TOKEN", "x", "environment", "warning", "nobody reads INFERENCEKEY_TOKEN"),
]


@pytest.mark.parametrize(
    ("variable", "value", "check", "state", "words"), WRONG, ids=[f"{c[0]}-{c[4]}" for c in WRONG]
)
def test_doctor_finds_what_is_wrong_here(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str, state: str,
    words: str,
) -> None:  # fmt: skip
    """Each mistake is one finding with a hint; what depends on it is not looked at."""
    with platform() as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        monkeypatch.setenv(f"INFERENCEKEY_{variable}", value)
        code, found = examined(run)
    assert (found[check]["state"], code) == (state, 1 if state == "failed" else 0)
    assert words in found[check]["words"] + str(found[check]["hint"])
    assert found[check]["hint"]
    assert {f["state"] for name, f in found.items() if name != check} <= {"ok", "skipped"}


def test_doctor_says_why_a_certificate_is_not_trusted(run: Run, tmp_path: Path) -> None:
    """The cause in words; with the right `--ca-bundle` everything is in order."""
    authority = make_authority(tmp_path)
    with Double(
        lambda _: answer([], 200, dated("now")), tls=authority.sign("IP:127.0.0.1")
    ) as double:
        code, found = examined(run, "--base-url", double.url)
        assert (code, found["connection"]["state"]) == (1, "failed")
        assert "certificate" in found["connection"]["words"]
        assert double.journal.requests == []
        bundle = ("--ca-bundle", str(authority.certificate))
        _, found = examined(run, "--base-url", double.url, *bundle)
    assert found["connection"]["words"].endswith("(TLS, certificate trusted)")
    assert found["clock"]["state"] == "ok"
