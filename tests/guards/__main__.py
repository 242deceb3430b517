"""Guards of speed that time nothing: what calls cost in things that can be counted.

    python tests/guards

A count is the same on every machine, so it may fail a test; how long all that takes is what
`bench/` measures. Linux with glibc, because of `counting.c`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from clients import completion, delta  # noqa: E402
from double import (  # noqa: E402
    LAST_CHUNK,
    Double,
    Request,
    Script,
    answer,
    chunk,
    chunked_head,
    frames,
)

# What is counted, what it was when the bound was set, and the bound: some way above, so that a wait
# which a slow machine makes longer does not count. Whoever makes something cheaper lowers both.
GUARDS: list[tuple[str, float, float]] = [
    ("unary: system calls", 4, 4.5),
    ("unary: allocations", 47, 51),
    ("unary: crossings", 1, 1.5),
    ("unary: functions in Python", 14, 15.5),
    ("async unary: system calls", 9, 10.5),
    ("async unary: crossings", 2, 2.4),
    ("async unary: functions in Python", 32, 35),
    ("async long prompt: new memory per byte", 0.07, 0.5),
    ("first chunk: crossings", 2, 2.5),
    ("first chunk: functions in Python", 29, 31),
    ("stream: system calls per chunk", 0.005, 0.02),
    ("stream: allocations per chunk", 0.17, 0.3),
    ("stream: crossings per chunk", 0.0031, 0.02),
    ("stream: functions in Python per chunk", 2.03, 2.5),
    ("embed: peak memory per byte of the answer", 0.97, 1.2),
    ("ensure: system calls", 4, 4.5),
    ("ensure: allocations", 106, 112),
    ("ensure: crossings", 1, 1.5),
    ("ensure: functions in Python", 26, 27.5),
    ("230 streams and all else: connections", 3, 3),
]

FRAMES_PER_WRITE = 64
WORKLOADS = 10
ANSWERS = {
    "unary": answer(completion("Hi")),
    "stream": chunked_head()
    + chunk(frames(*[delta("word ")] * FRAMES_PER_WRITE)) * 20
    + chunk(frames(delta(finish_reason="stop"), "[DONE]"))
    + LAST_CHUNK,
    "projects": answer(
        [
            {
                "id": f"wl_{number}",
                "slug": f"bot-{number}",
                "name": "Bot",
                "description": None,
                "task_type": "text2text",
                "backend": "vllm",
                "model_name": "m",
                "config": {"max_model_len": 8192},
                "updated_at": "2026-11-02T09:30:00Z",
            }
            for number in range(WORKLOADS)
        ]
    ),
    "vectors": answer(
        {
            "model": "m",
            "data": [
                {"index": index, "embedding": [number / 7 for number in range(1536)]}
                for index in range(256)
            ],
        }
    ),
}


def script(request: Request) -> Script:
    """The answer of the workload that the request's path names, or the list of a project."""
    return next((text for slug, text in ANSWERS.items() if f"/{slug}/" in request.target), b"")


def counted() -> dict[str, float]:
    """What the worker found, and how many connections it opened."""
    with tempfile.TemporaryDirectory() as folder, Double(script) as double:
        library = Path(folder) / "counting.so"
        compiler = os.environ.get("CC", "cc")
        source = HERE / "counting.c"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        done = subprocess.run(
            [sys.executable, HERE / "worker.py", double.url, str(len(ANSWERS["vectors"]))],
            env={**os.environ, "LD_PRELOAD": str(library)},
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        found: dict[str, float] = json.loads(done.stdout)
        found["230 streams and all else: connections"] = len(double.journal.connections)
        return found


def main() -> int:
    """Print the table. 1 if something grew over its bound."""
    found = counted()
    grown = []
    print(f"{'guard':<44}{'found':>9}{'was':>9}{'bound':>9}")
    for name, was, bound in GUARDS:
        print(f"{name:<44}{found[name]:>9.4g}{was:>9.4g}{bound:>9.4g}")
        if found[name] > bound:
            grown.append(f"{name}: {found[name]:.4g}, and the bound is {bound:.4g}")
    for line in grown:
        print(f"grown: {line}", file=sys.stderr)
    return 1 if grown else 0


if __name__ == "__main__":
    raise SystemExit(main())
