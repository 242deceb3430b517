"""The control plane in memory: what is left in it is the oracle for ensure and delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from double.answers import answer
from double.journal import Request

Workload = dict[str, Any]


class ControlPlane:
    """Workloads under unique slugs (wire.md 2.5 to 2.10), as the function of a Double.

    on_taken: what a create of a taken slug gets: `"conflict"` (409), or `"suffix"`: a workload
        under `-1`, `-2`, …
    keep: what the platform makes of a workload before it stores it.
    """

    def __init__(
        self, on_taken: str = "conflict", keep: Callable[[Workload], Workload] = dict
    ) -> None:
        self.workloads: list[Workload] = []
        self._on_taken = on_taken
        self._keep = keep
        self._made = 0
        self._first_answers: dict[str, Workload] = {}

    def __call__(self, request: Request) -> bytes:
        if request.method == "GET":
            return answer({"workloads": self.workloads})
        if request.method == "POST":
            return self._create(request)
        live = self.by_id(request.target.rsplit("/", 1)[1])
        if live is None:
            return answer({"error": {"code": "not_found", "message": "no such workload"}}, 404)
        if request.method == "DELETE":
            self.workloads.remove(live)
            return answer(b"", 204)
        live.update(self._keep({**live, **request.json()}))
        return answer(live)

    def by_id(self, workload_id: str) -> Workload | None:
        """The workload with this id."""
        return next((one for one in self.workloads if one["id"] == workload_id), None)

    def slugs(self) -> list[str]:
        """What is left, in the order of creation."""
        return [one["slug"] for one in self.workloads]

    def _create(self, request: Request) -> bytes:
        key = request.headers["idempotency-key"]
        first = self._first_answers.get(key)
        if first in self.workloads:
            return answer(first, 201)
        body = request.json()
        slug, taken = body["slug"], self.slugs()
        if slug in taken and self._on_taken == "conflict":
            return answer({"error": {"code": "slug_taken", "message": "the slug is taken"}}, 409)
        free = (f"{slug}-{count}" for count in range(1, 1000))
        chosen = next(one for one in [slug, *free] if one not in taken)
        self._made += 1
        created = self._keep({"id": f"wl_{self._made}", **body, "slug": chosen})
        self.workloads.append(created)
        self._first_answers[key] = created
        return answer(created, 201)
