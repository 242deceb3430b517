"""Streamed answers."""

from __future__ import annotations

from rows import Figure, Target
from rows.interleaved import Interleaved, chunks_a_second, p50

STREAM = Interleaved(
    name="stream",
    operation="stream",
    figures=(
        (
            Figure(
                "stream_chunks_per_s",
                "A stream of 10,000 chunks, 64 in a write",
                "chunks/s",
                {"sdk_sync": Target(1e6), "sdk_async": Target(0.8e6)},
                limit=2.5e6,
                more_is_better=True,
            ),
            chunks_a_second,
        ),
    ),
)

FIRST = Interleaved(
    name="first",
    operation="first",
    one_core=True,
    figures=(
        (
            Figure(
                "first_chunk_us",
                "The first chunk of a stream, on one core",
                "µs",
                {"sdk_sync": Target(25)},
                limit=6.8,
            ),
            p50(1e-3),
        ),
    ),
)

PACED = Interleaved(
    name="paced",
    operation="paced",
    figures=(
        (
            Figure(
                "paced_delay_us",
                "A chunk each millisecond: from send to yield",
                "µs",
                {"sdk_sync": Target(85), "sdk_async": Target(130)},
                limit=35,
            ),
            p50(1e-3),
        ),
    ),
)
