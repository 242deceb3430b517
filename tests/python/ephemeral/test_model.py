"""Nothing foreign is ever deleted: blocks and their leftovers beside others who do as they like."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from clients import API_KEY, SPEC, management
from double import RST, BadLine, Double, Fault, Request, answer, sse
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import sampled_from

from ephemeral.hosted import FOREIGN, Hosted
from inferencekey import InferenceKeyError
from inferencekey._ephemeral import collect, lease, live

# Seconds for a walk, by the budget of the profile.
LIMIT = 20 + settings().max_examples

SLUGS = sampled_from(["one", "two", "two-1"])
DESCRIPTIONS = sampled_from([None, "", "nightly"])
# What happens to the next create or delete: lost on its way, its answer lost, refused.
FAULTS = sampled_from(
    [
        Fault("POST", 0, [RST]),
        Fault("POST", 1, [RST]),
        Fault("POST", 1, answer(b"", 500)),
        Fault("POST", 0, answer(b"", 500)),
        Fault("POST", 2),
        Fault("DELETE", 0, [RST]),
        Fault("DELETE", 1, [RST]),
        Fault("DELETE", 0, answer(b"", 500)),
    ]
)


class Blocks(RuleBasedStateMachine):
    """Blocks that open and close, processes that vanish, and somebody else on the same platform."""

    def __init__(self) -> None:
        super().__init__()
        self.hosted = Hosted()
        self.line = BadLine(self._respond)
        self.double = Double(self.line).__enter__()
        self.mgmt = management(self.double)
        self.blocks: list[Any] = []
        self.numbers = itertools.count()
        self.foreign: dict[str, dict[str, Any]] = {}

    def _respond(self, request: Request) -> bytes:
        if request.target.endswith("/readiness-events"):
            return sse({"phase": "ready"})
        return self.hosted.answer(request)

    @rule(slug=SLUGS, description=DESCRIPTIONS)
    def open(self, slug: str, description: str | None) -> None:
        """A block; it may be refused, and then leaves nothing."""
        spec = dataclasses.replace(SPEC, slug=slug, description=description)
        block = self.mgmt.ephemeral(spec, api_key=API_KEY, silent=True)
        try:
            block.__enter__()
        except InferenceKeyError:
            return
        self.blocks.append(block)

    @rule()
    def close(self) -> None:
        """The oldest block ends; its clean-up may fail."""
        if self.blocks:
            try:
                self.blocks.pop(0).__exit__(None, None, None)
            except InferenceKeyError:
                return

    @rule()
    def vanish(self) -> None:
        """The newest block's process is killed: its lock is free."""
        if self.blocks:
            block = self.blocks.pop()
            if block._lease is not None and not block._lease.is_over:
                block._lease.hand_to_gc()

    @rule()
    def collect(self) -> None:
        """Somebody runs `gc`."""
        self.mgmt.gc()

    @rule(slug=SLUGS, description=DESCRIPTIONS)
    def create(self, slug: str, description: str | None) -> None:
        """Somebody else creates a workload, if the slug is free."""
        if slug not in self.hosted.control.slugs():
            id = f"wl_x{next(self.numbers)}"
            made = {**FOREIGN, "id": id, "slug": slug, "name": "Bot", "description": description}
            self.hosted.control.workloads.append(made)
            self.foreign[id] = dict(made)

    @rule(slug=SLUGS)
    def delete(self, slug: str) -> None:
        """Somebody else deletes whatever has the slug, as in a dashboard."""
        for one in [one for one in self.hosted.control.workloads if one["slug"] == slug]:
            self.hosted.control.workloads.remove(one)
            self.foreign.pop(one["id"], None)

    @rule(slug=SLUGS)
    def rename(self, slug: str) -> None:
        """Somebody else changes a description, and the mark with it."""
        for one in self.hosted.control.workloads:
            if one["slug"] == slug and one["id"] not in self.foreign:
                one["description"] = "nightly"

    @rule(fault=FAULTS)
    def fault(self, fault: Fault) -> None:
        """Something goes wrong with the next create or delete."""
        self.line.faults = [fault]

    @invariant()
    def nothing_foreign_is_touched(self) -> None:
        """Whatever the blocks and `gc` did."""
        there = {one["id"]: one for one in self.hosted.control.workloads}
        for id, workload in self.foreign.items():
            assert there.get(id) == workload

    def teardown(self) -> None:
        """Once all blocks are over and `gc` has run, nothing else is left."""
        self.line.faults = []
        while self.blocks:
            self.close()
        self.mgmt.gc()
        ids = {one["id"] for one in self.hosted.control.workloads}
        self.double.__exit__()
        assert ids == {"wl_foreign", *self.foreign}


@pytest.mark.timeout(LIMIT)
def test_nothing_foreign_is_deleted_and_nothing_of_ones_own_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order of blocks, kills, collections, faults, and other people's doings."""
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(collect, "_WAIT", 0.0)
    monkeypatch.setattr(lease, "_APPEARS_WITHIN", 0.0)
    try:
        run_state_machine_as_test(Blocks, settings=settings(stateful_step_count=25))
    finally:
        live._leases.clear()
    assert os.listdir(tmp_path) == ["ephemeral"]
