"""What somebody else made on the platform, taken over by a spec (issue 4.3)."""

from __future__ import annotations

import pytest
from local.platform_client import PlatformClient, fake_command

from inferencekey import ManagementClient, NotFound, WorkloadFailed, WorkloadSpec
from inferencekey.local import Platform

LIVE = {
    "description": "made in a dashboard",
    "config": {"command": fake_command(), "vllm_version": "0.9", "max_model_len": 4096, "x": None},
    "execution_policy": "fixed",
    "execution_policy_config": {"replicas": 1},
}


@pytest.fixture
def mgmt(platform: Platform) -> ManagementClient:
    """A client of the platform."""
    env = platform.env()
    return ManagementClient(
        base_url=env["INFERENCEKEY_BASE_URL"],
        sdk_token=env["INFERENCEKEY_SDK_TOKEN"],
        project=env["INFERENCEKEY_PROJECT"],
    )


def test_what_was_made_elsewhere_is_adopted(client: PlatformClient, mgmt: ManagementClient) -> None:
    """Its spec changes nothing, and makes the same workload again once it is gone."""
    client.create("bot", **LIVE)
    spec = mgmt.export("bot")
    assert spec.command == LIVE["config"]["command"]  # type: ignore[index]
    assert spec.config == {"max_model_len": 4096}
    assert mgmt.plan(spec).action == "unchanged"
    assert not mgmt.ensure(spec).changed
    mgmt.delete("bot")
    mgmt.ensure(spec)
    assert mgmt.export("bot") == spec
    assert WorkloadSpec(**vars(spec)) == mgmt.get("bot").spec


def test_status_follows_the_workload(client: PlatformClient, mgmt: ManagementClient) -> None:
    """By the stream; the list tells the same phase."""
    with pytest.raises(NotFound):
        mgmt.status("bot")
    client.create("bot", **LIVE)
    assert mgmt.status("bot").phase in {"scheduling", "provisioning", "bootstrapping", "ready"}
    mgmt.wait_until_ready("bot", silent=True)
    assert mgmt.status("bot").phase == mgmt.get("bot").status == "ready"
    client.create("broken", command=fake_command("--no-such-option"))
    with pytest.raises(WorkloadFailed):
        mgmt.wait_until_ready("broken", silent=True)
    assert mgmt.status("broken").phase == "error"
