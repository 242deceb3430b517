"""The whole life of a workload: declare, make it exist, wait, call, delete."""

from inferencekey import Backend, DataClient, ManagementClient, WorkloadSpec

mgmt = ManagementClient.from_env(project="acme")
spec = WorkloadSpec(
    name="support-bot",
    slug="support-bot",
    model="Qwen/Qwen2.5-0.5B-Instruct",
    backend=Backend.VLLM,
    command="vllm serve Qwen/Qwen2.5-0.5B-Instruct",
)
try:
    ref = mgmt.ensure(spec)
    mgmt.wait_until_ready(ref.workload_slug)
    endpoint = DataClient.from_env(project="acme").endpoint(ref.workload_slug)
    print(endpoint.generate_text(prompt="Hola").text)
finally:
    # Ctrl-C comes in the middle of `ensure` too: the workload exists before its answer is here.
    mgmt.delete(spec.slug)
