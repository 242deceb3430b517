"""Whatever ends this program, Ctrl-C and `kill` included, the workload is deleted."""

import signal
import sys

from inferencekey import Backend, DataClient, ManagementClient, WorkloadSpec

# `kill` then ends the program as an exception does, so that `finally` runs.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

mgmt = ManagementClient.from_env(project="acme")
spec = WorkloadSpec(
    name="nightly-batch",
    slug="nightly-batch",
    model="Qwen/Qwen2.5-0.5B-Instruct",
    backend=Backend.VLLM,
    command="vllm serve Qwen/Qwen2.5-0.5B-Instruct",
)
try:
    ref = mgmt.ensure(spec)
    mgmt.wait_until_ready(ref.workload_slug)
    endpoint = DataClient.from_env(project="acme").endpoint(ref.workload_slug)
    for question in ["What is drift?", "How do I delete a workload?"] * 100:
        print(endpoint.generate_text(prompt=question, max_tokens=64).text, flush=True)
finally:
    print("deleted:", mgmt.delete(spec.slug), flush=True)
