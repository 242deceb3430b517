"""Measures the SDK beside Python's own HTTP client, and writes the tables of docs/performance.md.

    python bench/tables.py          measure and print
    python bench/tables.py --write  and put the tables into the page

What it shows: what the SDK adds to a call, on loopback, against a server that answers at once. It
favours the standard library, which checks nothing, repeats nothing and keeps no clock. Every row
checks that both sides got the same: the text, the count of chunks, the sum of the numbers.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from server import CHUNKS, COLUMNS, MODEL, ROWS, WORKLOADS

from inferencekey import DataClient, Endpoint, ManagementClient, WorkloadSpec

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
ROUNDS = 9
CALLS = 200


class Plain:
    """The same calls with http.client and json: one connection, kept alive."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, path: str, body: dict[str, object] | None) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer."""
        text = json.dumps(body, separators=(",", ":")).encode() if body else None
        headers = {"content-type": "application/json", "authorization": "Bearer x"}
        self._connection.request("POST" if body else "GET", path, text, headers)
        return self._connection.getresponse()

    def chat(self) -> str:
        """The text of an answer."""
        answer = json.loads(self.ask("/chat", {"model": MODEL, "messages": []}).read())
        text: str = answer["choices"][0]["message"]["content"]
        return text

    def stream(self) -> int:
        """The number of chunks with a text."""
        count = 0
        answer = self.ask("/chat", {"model": MODEL, "messages": [], "stream": True})
        for line in answer:
            if line.startswith(b"data: {"):
                count += bool(json.loads(line[6:])["choices"][0]["delta"].get("content"))
        answer.read()  # Now the connection can be used again.
        return count

    def embed(self) -> float:
        """The sum of all numbers."""
        answer = json.loads(self.ask("/embeddings", {"model": MODEL, "input": ["x"] * ROWS}).read())
        return sum(sum(item["embedding"]) for item in answer["data"])

    def find(self) -> bool:
        """Is the last workload of the project there?"""
        answer = json.loads(self.ask("/workloads", None).read())
        return any(workload["slug"] == f"bench-{WORKLOADS - 1}" for workload in answer)


class Ours:
    """The calls with the SDK."""

    def __init__(self, port: int) -> None:
        base_url = f"http://127.0.0.1:{port}"
        self._bot: Endpoint = DataClient(
            base_url=base_url, project="acme", api_key="ik_live_bench"
        ).endpoint(MODEL)
        self._mgmt = ManagementClient(base_url=base_url, project="acme", sdk_token="ik_sdk_bench")
        self._spec = WorkloadSpec(
            name="Bench", slug=f"bench-{WORKLOADS - 1}", model="m", backend="vllm"
        )

    def chat(self) -> str:
        """The text of an answer."""
        return self._bot.generate_text(prompt="x").text

    def stream(self) -> int:
        """The number of chunks with a text."""
        return sum(bool(chunk.text) for chunk in self._bot.generate_text_stream(prompt="x"))

    def embed(self) -> float:
        """The sum of all numbers."""
        return sum(sum(row) for row in self._bot.embed(input=["x"] * ROWS).embeddings)

    def find(self) -> bool:
        """Is the last workload of the project there, and as the spec says?"""
        return not self._mgmt.ensure(self._spec).changed


def fastest(calls: int, *sides: Callable[[], object]) -> list[float]:
    """Seconds for one call of each side: the fastest of interleaved rounds.

    What else the machine does only ever adds time, so the fastest round is the truest.
    """
    best = [float("inf")] * len(sides)
    for _ in range(ROUNDS):
        for number, side in enumerate(sides):
            begin = time.perf_counter()
            for _ in range(calls):
                side()
            best[number] = min(best[number], (time.perf_counter() - begin) / calls)
    return best


def start_ups(*programs: str) -> list[float]:
    """Seconds of a fresh interpreter that runs each program."""
    command = [sys.executable, "-c"]
    runs = (partial(subprocess.run, [*command, program], check=True) for program in programs)
    return fastest(1, *runs)


NAMES = {
    "chat": "`generate_text`",
    "stream": "`generate_text_stream`",
    "embed": "`embed`",
    "find": "`ensure`, nothing to change",
}


def rows(port: int) -> list[tuple[str, str, str, str]]:
    """What was measured: what it is, ours, the standard library's, and how they compare."""
    ours, plain = Ours(port), Plain(port)
    table = []
    for name, calls, scale, unit in (
        ("chat", CALLS, 1e6, "µs for one whole answer"),
        ("stream", 1, 1e6 / CHUNKS, f"µs for a chunk, of {CHUNKS:,}"),
        ("embed", 3, 1e3, f"ms for {ROWS} rows of {COLUMNS} numbers"),
        ("find", 3, 1e3, f"ms to find one of {WORKLOADS:,} workloads and compare it"),
    ):
        ask, ask_plainly = getattr(ours, name), getattr(plain, name)
        if ask() != ask_plainly():
            raise SystemExit(f"{name}: the two sides did not do the same")
        mine, its = fastest(calls, ask, ask_plainly)
        what = f"{NAMES[name]}: {unit}"
        table.append((what, f"{mine * scale:.1f}", f"{its * scale:.1f}", f"{mine / its:.2f}"))
    return table


def tables() -> str:
    """Both tables as Markdown, with what they were measured on."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        measured = rows(int(server.stdout.readline()))
    finally:
        server.kill()
        server.wait()
    bare, light, whole = start_ups(
        "pass",
        "import inferencekey",
        "import inferencekey; inferencekey.ManagementClient(base_url='http://127.0.0.1:1', "
        "sdk_token='ik_sdk_x', project='acme')",
    )
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    )
    lines = [
        f"Measured on {machine}.",
        "",
        "| What | SDK | `http.client` and `json` | SDK / that |",
        "|---|---:|---:|---:|",
        *(f"| {' | '.join(row)} |" for row in measured),
        "",
        "| Start | ms beyond an empty Python |",
        "|---|---:|",
        f"| `import inferencekey` | {(light - bare) * 1e3:.1f} |",
        f"| and a first client, which loads the core | {(whole - bare) * 1e3:.1f} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    found = tables()
    print(found)
    if "--write" in sys.argv:
        begin, end = "<!-- begin of the tables -->", "<!-- end of the tables -->"
        page = PAGE.read_text(encoding="utf-8")
        new = re.sub(f"{begin}.*{end}", f"{begin}\n\n{found}\n\n{end}", page, flags=re.S)
        PAGE.write_text(new, encoding="utf-8")
