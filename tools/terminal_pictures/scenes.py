"""What the pictures show."""

from __future__ import annotations

from dataclasses import dataclass

# A program that every scene finds beside it: the workloads of the pictures.
DECLARE = """\
import sys
from inferencekey import Backend, ExecutionPolicy, ManagementClient, WorkloadSpec

SPECS = {
    "support-bot": WorkloadSpec("Bot", "support-bot", "inferencekey-tiny", Backend.LLAMACPP),
    "embedder": WorkloadSpec(
        "Embedder", "embedder", "inferencekey-tiny-embed", Backend.LLAMACPP, task_type="embedding"
    ),
    "reviewer": WorkloadSpec(
        "Reviewer",
        "reviewer",
        "Qwen/Qwen3-8B",
        Backend.VLLM,
        command="vllm serve Qwen/Qwen3-8B --max-model-len 4096",
        execution_policy=ExecutionPolicy.FIXED,
        execution_policy_config={"replicas": 1},
    ),
    "slow": WorkloadSpec(
        "Slow", "slow", "Qwen/Qwen3-32B", Backend.LLAMACPP, command="sh -c 'sleep 60'"
    ),
}
with ManagementClient.from_env() as mgmt:
    for slug in sys.argv[1:]:
        mgmt.ensure(SPECS[slug])
"""


@dataclass(frozen=True)
class Scene:
    """One picture: a command and what it shows.

    before: commands that run unseen. until: the moment of the picture, while the command runs;
    with key: when that is typed.
    """

    name: str
    command: str
    before: str = ""
    until: str | None = None
    key: str | None = None


# In this order, on one platform.
SCENES = [
    Scene("doctor", "inferencekey doctor"),
    Scene("wait", "inferencekey wait slow", "python declare.py slow", until=r"0:0[3-9]"),
    Scene("interrupted", "inferencekey wait slow", until=r"0:0[1-9]", key="\x03"),
    Scene(
        "ready",
        "inferencekey wait support-bot embedder",
        "inferencekey delete slow --yes; python declare.py support-bot embedder",
    ),
    Scene("chat", 'inferencekey chat support-bot "What is a workload?"'),
    Scene("failed", "inferencekey wait reviewer", "python declare.py reviewer"),
    Scene("ls", "inferencekey ls"),
    Scene(
        "plan",
        "inferencekey plan --file reviewer.yaml",
        "inferencekey export reviewer > reviewer.yaml;"
        "sed -i 's/4096/8192 --dtype bfloat16/; s/replicas: 1/replicas: 2/' reviewer.yaml",
    ),
]
