"""From create to delete, as any client of the wire sees it."""

from __future__ import annotations

import json

import pytest
from local.platform_client import PlatformClient, fake_command

from inferencekey.local import Platform

WORKLOAD_KEYS = {
    "id", "slug", "project_id", "name", "description", "task_type", "backend", "model_name",
    "config", "worker_id", "gpu_resource_id", "execution_policy", "execution_policy_config",
    "created_at", "updated_at",
}  # fmt: skip  # wire.md 2.5


def test_create_wait_chat_stream_embed_delete(client: PlatformClient) -> None:
    """The whole main job over one engine."""
    workload = client.create("My Bot", command=fake_command("--model", "real-name"))
    assert workload["slug"] == "my-bot"
    assert client.wait("my-bot")["phase"] == "ready"

    assert (
        client.chat("hello you", "my-bot").json["choices"][0]["message"]["content"] == "hello you"
    )
    assert client.chat("hello you", "my-bot", stream=True).body.endswith(b"data: [DONE]\n\n")
    path = f"/endpoint/{client.project}/my-bot/v1/embeddings"
    rows = client.send("POST", path, {"model": "my-bot", "input": ["a", "bcd"]}).json["data"]
    assert [row["embedding"][0] for row in rows] == [1.0, 3.0]

    gone = client.send("DELETE", f"/api/workloads/{workload['id']}")
    assert (gone.status, gone.body) == (204, b"")
    assert client.list() == []
    assert client.chat("hello", "my-bot").status == 404


def test_the_smallest_body_gives_a_whole_object(client: PlatformClient) -> None:
    """A created workload has every key of wire.md 2.5; what was not sent is null."""
    body = {
        "name": "N",
        "slug": "s1",
        "task_type": "text2text",
        "backend": "vllm",
        "model_name": "m",
    }
    answer = client.send("POST", client.workloads, body)
    assert answer.status == 201
    workload = answer.json
    assert workload.keys() >= WORKLOAD_KEYS
    assert body.items() <= workload.items()
    assert workload["id"].startswith("wl_")
    assert workload["project_id"].startswith("proj_")
    assert workload["created_at"].endswith("Z")
    unset = WORKLOAD_KEYS - body.keys() - {"id", "project_id", "created_at", "updated_at"}
    assert all(workload[key] is None for key in unset)
    listed = client.list()[0]
    assert {key: listed[key] for key in WORKLOAD_KEYS} == {k: workload[k] for k in WORKLOAD_KEYS}


def test_values_are_stored_as_they_came(client: PlatformClient) -> None:
    """Configurations come back exactly: key order, big integers, floats, nulls, any Unicode."""
    config = {"z": 1, "a": [1.0, 2**70, 1e-7, None, {"ü": "日本\u2028"}], "command": ""}
    policy = {"min_workers": 0, "max_hourly_cost_usd": 1.50}
    client.create(
        "s", config=config, execution_policy="autoscaling", execution_policy_config=policy
    )
    live = client.list()[0]
    assert json.dumps(live["config"]) == json.dumps(config)
    assert json.dumps(live["execution_policy_config"]) == json.dumps(policy)


def test_readiness_tells_the_phases_in_order(client: PlatformClient) -> None:
    """Phases come in the order of wire.md 2.11, each step has a name, time never goes back."""
    client.create(command=fake_command("--slow-start", "0.3"))
    events = list(client.events())
    order = ["scheduling", "provisioning", "bootstrapping", "ready"]
    positions = [order.index(event["phase"]) for event in events]
    assert positions == sorted(positions)
    assert [e["step"] for e in events if "step" in e][-3:] == ["listen", "health", "warm_up"]
    times = [event["elapsed_ms"] for event in events]
    assert times == sorted(times)
    assert all(isinstance(time, int) for time in times)
    assert list(client.events()) == [events[-1]], "a late listener gets the current phase at once"


@pytest.mark.parametrize(
    ("wanted", "slugs"),
    [("bot", ["bot", "bot-1", "bot-2"]), ("Bot!", ["bot", "bot-1", "bot-2"])],
)
def test_a_taken_slug_gets_a_number(client: PlatformClient, wanted: str, slugs: list[str]) -> None:
    """Three creates of one slug make three workloads, as the hosted platform does (wire.md 2.4)."""
    assert [client.create(wanted)["slug"] for _ in slugs] == slugs


def test_a_taken_slug_can_be_a_conflict_instead() -> None:
    """With `on_taken="conflict"` the second create is refused (wire.md 2.9)."""
    with Platform(on_taken="conflict") as platform:
        client = PlatformClient(platform.env())
        client.create("bot")
        body = {"name": "N", "slug": "Bot", "backend": "vllm", "model_name": "m"}
        answer = client.send("POST", client.workloads, body)
        assert (answer.status, answer.code) == (409, "slug_taken")
        assert len(client.list()) == 1
