"""A tour of the main job, on the small models that come with the embedded platform.

Run it with `make demo`, or with: inferencekey local exec -- python examples/tour.py
"""

from __future__ import annotations

from dataclasses import replace

from inferencekey import Backend, DataClient, ManagementClient, TaskType, WorkloadSpec

BOT = WorkloadSpec(
    name="Support bot",
    slug="support-bot",
    model="inferencekey-tiny",
    backend=Backend.LLAMACPP,
    description="Answers questions about this SDK",
)
EMBEDDER = WorkloadSpec(
    name="Embedder",
    slug="embedder",
    model="inferencekey-tiny-embed",
    backend=Backend.LLAMACPP,
    task_type=TaskType.EMBEDDING,
)


def say(step: str) -> None:
    """Print the heading of one step."""
    print(f"\n\033[1m{step}\033[0m" if COLOUR else f"\n{step}", flush=True)


def declare(mgmt: ManagementClient) -> None:
    """Make both workloads exist and wait until they serve."""
    say("1. ensure: make two workloads exist, and wait until they serve")
    for spec in (BOT, EMBEDDER):
        ref = mgmt.ensure(spec)
        print(f"   {ref.workload_slug}: {ref.plan.action}", flush=True)
        mgmt.wait_until_ready(ref.workload_slug, timeout=120)


def call(data: DataClient) -> None:
    """Generate, stream and embed."""
    bot = data.endpoint(BOT.slug)
    say("2. generate_text")
    for prompt in ("Hola", "What is a workload?"):
        result = bot.generate_text(prompt=prompt, temperature=0, max_tokens=80)
        print(f"   > {prompt}\n   {result.text}   [{result.model}, {result.finish_reason}]")

    say("3. generate_text_stream")
    print("   > What does ensure do?\n   ", end="")
    chunks = 0
    for chunk in bot.generate_text_stream(
        prompt="What does ensure do?", temperature=0, max_tokens=80
    ):
        print(chunk.text, end="", flush=True)
        chunks += 1
    print(f"   [{chunks} chunks]")

    say("4. embed")
    result = data.endpoint(EMBEDDER.slug).embed(input=["a cat", "a dog", "control plane"])
    first = ", ".join(f"{number:+.3f}" for number in result.embeddings[0][:4])
    print(
        f"   {len(result.embeddings)} vectors of {len(result.embeddings[0])} numbers: [{first}, …]"
    )


def converge(mgmt: ManagementClient) -> None:
    """Run ensure again, without and with a drift."""
    say("5. ensure again: nothing to do")
    print(f"   changed = {mgmt.ensure(BOT).changed}")

    say("6. the spec changes: only the difference is written")
    drifted = replace(BOT, description="Answers questions, in two languages")
    print("   " + str(mgmt.plan(drifted)).replace("\n", "\n   "))
    print(f"   changed = {mgmt.ensure(drifted).changed}")


def clean_up(mgmt: ManagementClient) -> None:
    """Delete both workloads."""
    say("7. delete")
    for spec in (BOT, EMBEDDER):
        print(f"   {spec.slug}: deleted = {mgmt.delete(spec.slug)}")


def main() -> None:
    """Run all steps; whatever happens, the workloads are deleted at the end."""
    with ManagementClient.from_env() as mgmt, DataClient.from_env() as data:
        try:
            declare(mgmt)
            call(data)
            converge(mgmt)
        finally:
            clean_up(mgmt)


if __name__ == "__main__":
    import os
    import sys

    COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
