"""Whatever ends this program, Ctrl-C and `kill` included, the workload is deleted.

After `kill -9`, `mgmt.gc()` or `inferencekey gc` deletes it.
"""

from inferencekey import Backend, ManagementClient, WorkloadSpec

mgmt = ManagementClient.from_env(project="acme")
spec = WorkloadSpec(
    name="nightly-batch",
    slug="nightly-batch",
    model="Qwen/Qwen2.5-0.5B-Instruct",
    backend=Backend.VLLM,
    command="vllm serve Qwen/Qwen2.5-0.5B-Instruct",
)
# No longer than an hour, even if the program hangs.
with mgmt.ephemeral(spec, max_lifetime=3600) as bot:
    for question in ["What is drift?", "How do I delete a workload?"] * 100:
        print(bot.generate_text(prompt=question, max_tokens=64).text, flush=True)
