"""A platform behind a bad line: what happens to requests on their way is data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from double.journal import Request
from double.steps import Step, Until


@dataclass(frozen=True)
class Fault:
    """What happens to the next request of a method.

    arrivals: how often it reaches the platform: 0 is lost on its way, 2 is a proxy that repeats.
    answer: what the client gets; None is the platform's last answer.
    """

    method: str
    arrivals: int
    answer: Sequence[Step] | bytes | None = None


class BadLine:
    """The function of a Double that passes requests on to `platform`, but for its `faults`."""

    def __init__(self, platform: Callable[[Request], bytes]) -> None:
        self.faults: list[Fault] = []
        self._platform = platform
        self._missing = 0
        self._all_in = threading.Event()

    def hold_lists(self, count: int) -> None:
        """Answer the next lists only once that many have been asked for: races always happen."""
        self._missing = count
        self._all_in = threading.Event()

    def __call__(self, request: Request) -> Sequence[Step] | bytes:
        fault = next((one for one in self.faults if one.method == request.method), None)
        if fault:
            self.faults.remove(fault)
        answers = [self._platform(request) for _ in range(fault.arrivals if fault else 1)]
        script = fault.answer if fault and fault.answer is not None else answers[-1]
        if request.method == "GET" and self._missing:
            return self._held(script)
        return script

    def _held(self, script: Sequence[Step] | bytes) -> Sequence[Step]:
        self._missing -= 1
        if not self._missing:
            self._all_in.set()
        return [Until(self._all_in), *([script] if isinstance(script, bytes) else script)]
