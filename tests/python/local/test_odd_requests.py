"""Requests and surroundings that nobody means, and that must not break the platform."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from inferencekey.local import Platform
from inferencekey.local.errors import LocalError
from inferencekey.local.module_argv import _by_code, module_argv
from inferencekey.local.paths import private_dir


def send(
    platform: Platform, method: str, path: str, body: object = None, **headers: bytes | str
) -> tuple[int, dict[str, object]]:
    """Send one request with the default control token; return status and answer."""
    connection = http.client.HTTPConnection(urlsplit(platform.base_url).netloc, timeout=10)
    data = None if body is None else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        method, path, data, {"authorization": f"Bearer {platform.sdk_token}"} | named
    )
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else {}


WORKLOAD = {
    "name": "N",
    "slug": "s",
    "task_type": "text2text",
    "backend": "none",
    "model_name": "m",
}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"origin": "http://["}, 403), ({"idempotency_key": b"caf\xe9"}, 400)],
)
def test_malformed_headers_are_refused(headers: dict[str, bytes | str], status: int) -> None:
    """A refusal in the platform's form, not a failure of its own."""
    with Platform() as platform:
        path = f"/api/projects/{platform.project}/workloads"
        found, answer = send(platform, "POST", path, WORKLOAD, **headers)
        assert found == status
        assert "error" in answer
        assert send(platform, "GET", path) == (200, {"workloads": []})


def test_an_undecodable_administration_token_is_unknown() -> None:
    """401, not a failure of the platform's own."""
    with Platform() as platform:
        assert send(platform, "GET", "/local/tokens", authorization=b"Bearer \xe9")[0] == 401


def test_a_refused_list_names_the_scope_that_lists() -> None:
    """The smaller of the two scopes that would do."""
    with Platform() as platform:
        token = platform.create_token("sdk", scopes=("assignment:write",))
        path = f"/api/projects/{platform.project}/workloads"
        status, answer = send(platform, "GET", path, authorization=f"Bearer {token}")
        assert status == 403
        assert "workload:read" in json.dumps(answer)


def test_folders_are_made_private_with_their_parents(tmp_path: Path) -> None:
    """Engines' logs may hold what only their owner should read."""
    made = private_dir(tmp_path / "a" / "b")
    assert [path.stat().st_mode & 0o777 for path in (made.parent, made)] == [0o700, 0o700]


@pytest.mark.parametrize("db", [None, "p.db"])
def test_a_revoked_default_token_stays_revoked(db: str | None, tmp_path: Path) -> None:
    """The next platform in the same directory makes a new one, with and without a database."""
    file = tmp_path / db if db else None
    with Platform(data_dir=tmp_path, db=file) as platform:
        revoked = platform.sdk_token
        assert platform.revoke_token(revoked)
    with Platform(data_dir=tmp_path, db=file) as platform:
        path = f"/api/projects/{platform.project}/workloads"
        assert platform.sdk_token != revoked
        refused = send(platform, "GET", path, authorization=f"Bearer {revoked}")[0]
        # Without a database nothing remembers the old token: it is unknown.
        assert refused == (403 if db else 401)
        assert send(platform, "GET", path)[0] == 200


def test_a_create_repeated_after_the_delete_creates() -> None:
    """The first answer would name a workload that is gone."""
    with Platform() as platform:
        path = f"/api/projects/{platform.project}/workloads"
        first = send(platform, "POST", path, WORKLOAD, idempotency_key="k")[1]["id"]
        assert send(platform, "POST", path, WORKLOAD, idempotency_key="k")[1]["id"] == first
        assert send(platform, "DELETE", f"/api/workloads/{first}")[0] == 204
        again = send(platform, "POST", path, WORKLOAD, idempotency_key="k")[1]["id"]
        assert again != first
        workloads = send(platform, "GET", path)[1]["workloads"]
        assert isinstance(workloads, list)
        assert [workload["id"] for workload in workloads] == [again]


@pytest.mark.parametrize("argv", [module_argv, _by_code])
def test_the_users_folder_shadows_no_module(argv: object, tmp_path: Path) -> None:
    """A `random.py` beside the user's program is none of the engine's business."""
    assert callable(argv)
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')")
    command = [*argv("inferencekey.local.engine"), "--help"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=15)
    assert ran.returncode == 0, ran.stderr
    assert "--model" in ran.stdout


def test_options_that_no_platform_takes_are_refused() -> None:
    """A port and an `on_taken` out of range."""
    for options in ({"port": 1 << 20}, {"on_taken": "foo"}):
        with pytest.raises(LocalError, match="must be"):
            Platform(**options)
