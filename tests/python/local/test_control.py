"""The control plane's rules about bodies, changes and repeats (wire.md 2.5-2.10)."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from local.platform_client import PlatformClient, fake_command

BASE = {"name": "N", "slug": "s", "task_type": "text2text", "backend": "vllm", "model_name": "m"}

BAD_BODIES = [
    # name, body (bytes as they are, else JSON), the field or word that the message must name
    ("no body", b"", "JSON"),
    ("not JSON", b"{", "JSON"),
    ("not UTF-8", b'{"name": "\xff"}', "JSON"),
    ("NaN", b'{"name": NaN}', "NaN"),
    ("infinite number", b'{"config": {"a": 1e999}}', "JSON"),
    ("lone surrogate", b'{"name": "\\ud800"}', "JSON"),
    ("array", b"[]", "object"),
    ("deep nesting", b'{"config": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nests"),
    *((f"no {key}", {k: v for k, v in BASE.items() if k != key}, f"`{key}`")
      for key in ("name", "slug", "backend", "model_name")),
    *((f"blank {key}", BASE | {key: " "}, f"`{key}`")
      for key in ("name", "slug", "backend", "model_name")),
    *((f"{key} a number", BASE | {key: 1}, f"`{key}`")
      for key in ("name", "slug", "backend", "model_name", "description", "config", "worker_id",
                  "gpu_resource_id", "execution_policy", "execution_policy_config", "task_type")),
    ("slug without a letter", BASE | {"slug": "---"}, "`slug`"),
    ("slug with dots", BASE | {"slug": "a/../b"}, "`slug`"),
    ("slug with a query", BASE | {"slug": "a?b"}, "`slug`"),
    ("NUL in the name", BASE | {"name": "a\0b"}, "`name`"),
    ("NUL in the command", BASE | {"config": {"command": "a\0b"}}, "`config.command`"),
    ("unknown task type", BASE | {"task_type": "text3text"}, "text2text"),
    ("unknown policy", BASE | {"execution_policy": "auto"}, "autoscaling"),
    ("command no string", BASE | {"config": {"command": ["vllm"]}}, "`config.command`"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "named"), [case[1:] for case in BAD_BODIES], ids=[case[0] for case in BAD_BODIES]
)
def test_a_bad_body_is_refused_by_its_field(client: PlatformClient, body: Any, named: str) -> None:
    """400 with a message that names what is wrong; nothing is created."""
    answer = client.send("POST", client.workloads, body)
    assert (answer.status, answer.code) == (400, "bad_request"), answer
    assert named in answer.message
    assert client.list() == []


def test_unknown_keys_are_passed_over(client: PlatformClient) -> None:
    """A newer client may send keys that this platform does not know."""
    assert client.create("s", future={"a": 1})["slug"] == "s"


def test_patch_sets_what_it_names_and_nothing_else(client: PlatformClient) -> None:
    """Each field can be changed alone; objects are replaced whole; null clears."""
    workload = client.create("s", description="d", config={"a": 1}, worker_id="w")
    changes = [
        {"name": "N2"},
        {"description": None},
        {"config": {"b": 2}},
        {"backend": "sglang", "model_name": "m2"},
        {"execution_policy": "fixed", "execution_policy_config": {"replicas": 2}},
        {"worker_id": "w2", "gpu_resource_id": "g"},
    ]
    for change in changes:
        answer = client.send("PATCH", f"/api/workloads/{workload['id']}", change)
        assert answer.status == 200
        expected = workload | change | {"updated_at": answer.json["updated_at"], "phase": None}
        assert answer.json | {"phase": None} == expected
        assert answer.json["updated_at"] > workload["updated_at"]
        workload = answer.json
    assert {k: client.list()[0][k] for k in BASE} == {k: workload[k] for k in BASE}


@pytest.mark.parametrize("change", [{}, {"name": "Bot"}, {"config": {"a": 1}}, {"future": 1}])
def test_a_patch_without_effect_leaves_updated_at(
    client: PlatformClient, change: dict[str, Any]
) -> None:
    """`updated_at` moves only if a value changed."""
    workload = client.create("s", config={"a": 1})
    answer = client.send("PATCH", f"/api/workloads/{workload['id']}", change)
    assert answer.status == 200
    assert answer.json["updated_at"] == workload["updated_at"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slug": "other"}, "immutable_field"),
        ({"task_type": "embedding"}, "immutable_field"),
        ({"id": "wl_1"}, "immutable_field"),
        ({"name": None}, "bad_request"),
        ({"config": []}, "bad_request"),
    ],
)
def test_a_patch_that_cannot_be_is_refused(
    client: PlatformClient, change: dict[str, Any], code: str
) -> None:
    """400 names the field, and nothing changes; repeating the live value is fine."""
    workload = client.create("s")
    path = f"/api/workloads/{workload['id']}"
    answer = client.send("PATCH", path, change | {"description": "new"})
    assert (answer.status, answer.code) == (400, code)
    assert next(iter(change)) in answer.message
    assert client.list()[0]["description"] is None
    same = {key: workload[key] for key in ("slug", "task_type", "id")}
    assert client.send("PATCH", path, same).status == 200


def test_a_repeated_idempotency_key_gives_the_first_answer(client: PlatformClient) -> None:
    """The answer is the same byte for byte, and there is one workload."""
    headers = {"idempotency-key": "7f1c"}
    first = client.send("POST", client.workloads, BASE, headers=headers)
    again = client.send("POST", client.workloads, BASE, headers=headers)
    assert (again.status, again.body) == (first.status, first.body)
    other_body = client.send("POST", client.workloads, BASE | {"name": "O"}, headers=headers)
    assert (other_body.status, other_body.code) == (409, "idempotency_key_reused")
    other_key = client.send("POST", client.workloads, BASE, headers={"idempotency-key": "8"})
    assert other_key.json["slug"] == "s-1"
    assert len(client.list()) == 2


def test_a_refused_create_does_not_use_up_its_key(client: PlatformClient) -> None:
    """After a 400 the corrected body may come with the same key."""
    headers = {"idempotency-key": "k"}
    assert client.send("POST", client.workloads, {}, headers=headers).status == 400
    assert client.send("POST", client.workloads, BASE, headers=headers).status == 201


def test_concurrent_creates_get_slugs_of_their_own(client: PlatformClient) -> None:
    """Eight creates of one slug at once: eight workloads, eight slugs, one of them as asked."""
    slugs = []
    barrier = threading.Barrier(8)

    def create() -> None:
        barrier.wait()
        slugs.append(client.create("bot")["slug"])

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slugs) == ["bot", *(f"bot-{n}" for n in range(1, 8))]


def test_a_second_delete_finds_nothing(client: PlatformClient) -> None:
    """204, then 404; the slug is free again."""
    workload = client.create("s", command=fake_command())
    path = f"/api/workloads/{workload['id']}"
    assert [client.send("DELETE", path).status for _ in range(2)] == [204, 404]
    assert client.create("s")["slug"] == "s"


def test_head_and_keep_alive(client: PlatformClient) -> None:
    """One connection serves many requests; HEAD has the head of GET and no body."""
    connection, answer = client.open("GET", client.workloads)
    body = answer.read()
    assert answer.getheader("content-length") == str(len(body))
    assert json.loads(body) == {"workloads": []}
    socket = connection.sock
    for method in ("HEAD", "GET"):
        connection.request(
            method, client.workloads, headers={"authorization": f"Bearer {client.sdk_token}"}
        )
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("content-length")) == (200, str(len(body)))
        assert answer.read() == (b"" if method == "HEAD" else body)
        assert connection.sock is socket
    connection.close()
