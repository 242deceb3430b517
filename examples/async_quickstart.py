"""The whole life of a workload, from asyncio: declare, make it exist, wait, call, delete."""

import asyncio

from inferencekey import AsyncDataClient, AsyncManagementClient, Backend, WorkloadSpec

spec = WorkloadSpec(
    name="support-bot",
    slug="support-bot",
    model="Qwen/Qwen2.5-0.5B-Instruct",
    backend=Backend.VLLM,
    command="vllm serve Qwen/Qwen2.5-0.5B-Instruct",
)


async def main() -> None:
    """Two questions at once, and nothing left behind."""
    mgmt = AsyncManagementClient.from_env(project="acme")
    try:
        ref = await mgmt.ensure(spec)
        await mgmt.wait_until_ready(ref.workload_slug, progress=True)
        endpoint = AsyncDataClient.from_env(project="acme").endpoint(ref.workload_slug)
        answers = await asyncio.gather(
            endpoint.generate_text(prompt="Hola"),
            endpoint.generate_text(prompt="What is a workload?"),
        )
        for answer in answers:
            print(answer.text)
    finally:
        # Ctrl-C cancels this task, in the middle of `ensure` too.
        await mgmt.delete(spec.slug)


asyncio.run(main())
