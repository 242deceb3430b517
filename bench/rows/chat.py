"""Whole answers."""

from __future__ import annotations

from rows import Figure, Target
from rows.interleaved import Interleaved, calls_a_second, cpu_of_a_call, p50

UNARY = Interleaved(
    name="unary",
    operation="chat",
    one_core=True,
    figures=(
        (
            Figure(
                "unary_p50_us",
                "A whole answer, on one core",
                "µs",
                {"sdk_sync": Target(9, beyond="limit")},
                limit=6.6,
            ),
            p50(1e-3),
        ),
        (
            Figure(
                "unary_cpu_us",
                "… processor time of the client",
                "µs",
                {"sdk_sync": Target(12)},
                limit=3.6,
            ),
            cpu_of_a_call(1e-3),
        ),
    ),
)

PARALLEL = Interleaved(
    name="parallel",
    operation="chat",
    threads=16,
    tasks=64,
    figures=(
        (
            Figure(
                "parallel_calls_per_s",
                "One client, 16 threads or 64 tasks",
                "calls/s",
                {"sdk_sync": Target(30_000), "sdk_async": Target(18_000)},
                limit=192_000,
                more_is_better=True,
            ),
            calls_a_second,
        ),
    ),
)

PROMPT = Interleaved(
    name="prompt",
    operation="prompt",
    figures=(
        (
            Figure("prompt_ms", "A prompt of 4 MiB", "ms", {"sdk_sync": Target(9)}, limit=3.8),
            p50(1e-6),
        ),
    ),
)
