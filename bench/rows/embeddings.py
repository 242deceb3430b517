"""Embeddings: 2,048 rows of 1,536 numbers, about 38 MB as JSON."""

from __future__ import annotations

from rows import Figure, Target
from rows.interleaved import Interleaved, p50, peak

LISTS = Interleaved(
    name="lists",
    operation="lists:floats",
    long=True,
    figures=(
        (
            Figure(
                "embeddings_lists_ms",
                "Embeddings 2,048 x 1,536, JSON to lists, each number touched",
                "ms",
                {"sdk_sync": Target(280)},
                limit=101,
            ),
            p50(1e-6),
        ),
    ),
)

ARRAY = Interleaved(
    name="array",
    operation="array:floats",
    long=True,
    figures=(
        (
            Figure(
                "embeddings_numpy_ms", "… JSON to numpy", "ms", {"sdk_sync": Target(150)}, limit=124
            ),
            p50(1e-6),
        ),
        (
            Figure(
                "embeddings_numpy_peak_mb",
                "… most memory beyond what was there",
                "MB",
                {"sdk_sync": Target(14, beyond="body")},
            ),
            peak,
        ),
    ),
)

BASE64 = Interleaved(
    name="base64",
    operation="array:base64",
    long=True,
    figures=(
        (
            Figure("embeddings_base64_ms", "… base64 to numpy", "ms", {"sdk_sync": Target(40)}),
            p50(1e-6),
        ),
    ),
)
