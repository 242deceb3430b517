"""`ensure` is safe to repeat: it changes nothing, or only what differs from the spec."""

from dataclasses import replace

from inferencekey import Backend, ManagementClient, OnDrift, ValidationError, WorkloadSpec

spec = WorkloadSpec(
    name="support-bot",
    slug="support-bot",
    model="Qwen/Qwen2.5-0.5B-Instruct",
    backend=Backend.VLLM,
    command="vllm serve Qwen/Qwen2.5-0.5B-Instruct",
    description="Answers customers",
)

with ManagementClient.from_env(project="acme") as mgmt:
    try:
        print("first run:  changed =", mgmt.ensure(spec).changed)
        print("second run: changed =", mgmt.ensure(spec).changed)

        renamed = replace(spec, description="Answers customers and partners")
        print(mgmt.plan(renamed))
        try:
            mgmt.ensure(renamed, on_drift=OnDrift.FAIL)
        except ValidationError as drift:
            print("refused:", drift)
        print("reconciled: changed =", mgmt.ensure(renamed).changed)
    finally:
        mgmt.delete(spec.slug)
