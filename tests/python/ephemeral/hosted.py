"""A platform whose workloads are ready at once, and the program that uses it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import completion
from double import ControlPlane, Request, Send, Step, Until, answer, sse

# A workload that nobody in a test creates, and that has to be there afterwards.
FOREIGN = {
    "id": "wl_foreign",
    "slug": "foreign",
    "name": "Foreign",
    "backend": "vllm",
    "model_name": "m",
    "description": "mine [ephemeral 00000000000000000000000000000000]",
}

# What child programs begin with: a client, and a spec.
BEGIN = """
url, = ARGS
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
def spec(slug="bot", **more):
    return WorkloadSpec("Bot", slug, "m", "vllm", **more)
def ephemeral(slug="bot", **more):
    return mgmt.ephemeral(spec(slug), **{"api_key": API_KEY, "silent": True, **more})
"""

Answer = list[Step] | bytes


class Hosted:
    """Both planes as the function of a Double; `before` may answer a request in its place."""

    def __init__(self, before: Callable[[Request], Answer | None] | None = None) -> None:
        self.control = ControlPlane("suffix")
        self.control.workloads.append(dict(FOREIGN))
        self._before = before or (lambda request: None)

    def __call__(self, request: Request) -> Answer:
        own = self._before(request)
        return self.answer(request) if own is None else own

    def answer(self, request: Request) -> bytes:
        """What a platform without faults says."""
        if request.target.startswith("/endpoint/"):
            return answer(completion("Hi"))
        if request.target.endswith("/readiness-events"):
            return sse({"phase": "ready"})
        return self.control(request)

    def left(self) -> list[str]:
        """The slugs of what is still there, but for the foreign workload, which has to be."""
        assert FOREIGN in self.control.workloads, "a foreign workload was deleted or changed"
        return [slug for slug in self.control.slugs() if slug != "foreign"]


@dataclass(frozen=True)
class Later:
    """A step: act once the event is set, and send what comes of it."""

    event: threading.Event
    act: Callable[[], bytes]

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Waits, at most until the double stops."""
        Until(self.event).play(peer, stopped)
        Send(self.act()).play(peer, stopped)


def entries(state: Path) -> list[dict[str, Any]]:
    """The journal's entries, each with the facts that were added later."""
    found = []
    for path in sorted((state / "ephemeral").glob("*.json")):
        facts: dict[str, Any] = {}
        for line in path.read_text().splitlines():
            facts.update(json.loads(line))
        found.append(facts)
    return found
