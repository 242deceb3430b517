"""What the pictures show."""

from __future__ import annotations

from dataclasses import dataclass

WORKLOADS = """\
workloads:
  - name: Support bot
    slug: support-bot
    model: inferencekey-tiny
    backend: llamacpp
  - name: Embedder
    slug: embedder
    model: inferencekey-tiny-embed
    backend: llamacpp
    task_type: embedding
  - name: Reviewer
    slug: reviewer
    model: Qwen/Qwen3-8B
    backend: vllm
    command: vllm serve Qwen/Qwen3-8B --max-model-len 4096 --gpu-memory-utilization 0.9
    execution_policy: autoscaling
    execution_policy_config:
      min_workers: 0
      max_workers: 2
      max_hourly_cost_usd: 3.5
      workers: {source: private, private_worker_ids: [wrk_1]}
"""


@dataclass(frozen=True)
class Scene:
    """One picture: a command and what it shows.

    before: commands that run unseen. until: the moment of the picture, while the command runs;
    with key: when that is typed. env: variables of its own.
    """

    name: str
    command: str
    before: str = ""
    until: str | None = None
    key: str | None = None


# In this order, on one platform.
SCENES = [
    Scene("doctor", "inferencekey doctor"),
    Scene("apply", "inferencekey apply --file workloads.yaml", key="y\r", until=r"\?"),
    Scene("chat", 'inferencekey chat support-bot "What is a workload?"'),
    Scene(
        "plan",
        "inferencekey plan --file workloads.yaml reviewer",
        before="sed -i 's/4096/8192/; s/max_workers: 2/max_workers: 4/; s/3.5/7/' workloads.yaml",
    ),
    Scene("ls", "inferencekey ls"),
    Scene("failed", "inferencekey wait reviewer"),
]
