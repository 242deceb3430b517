"""Rows whose clients do the same operation in turns, round by round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from meter import Measured
from processes import Server, Skipped, Worker, pinned

from rows import Effort, Figure, Line

# A client whose call takes longer makes one call, and that one counts.
SLOW_NS = 2_000_000_000


class Taken(NamedTuple):
    """What was measured of one client."""

    first: Measured
    """The call that warmed it up."""
    rounds: list[Measured]


Value = Callable[[Taken], float]


@dataclass(frozen=True)
class Interleaved:
    """A row by the operation that it measures (see `blocking.py`)."""

    name: str
    operation: str
    figures: tuple[tuple[Figure, Value], ...]
    one_core: bool = False
    long: bool = False
    """Are its calls of seconds? Then there are few rounds."""
    threads: int = 1
    tasks: int = 1

    def measure(self, effort: Effort) -> list[Line]:
        """See Row."""
        with pinned(self.one_core), ExitStack() as stack:
            server = stack.enter_context(Server())
            self._wake(effort.clients, server)
            workers = {
                client: stack.enter_context(Worker(client, server)) for client in effort.clients
            }
            taken, skipped = self._warm_up(workers)
            for _ in range(effort.few_rounds if self.long else effort.rounds):
                for client, (first, rounds) in taken.items():
                    slow = first.wall_ns > SLOW_NS
                    rounds.append(
                        first if slow else self._round(client, workers[client], effort.seconds)
                    )
            body = server.counts()["numbers_bytes"] / 1e6
        lines = []
        for figure, value in self.figures:
            values = {client: value(one) for client, one in taken.items()}
            lines.append(Line(figure, values, skipped, body))
        return lines

    def _wake(self, clients: Sequence[str], server: Server) -> None:
        """The server makes an answer when it is first asked, which no client shall pay for: of
        large ones it takes seconds, and would count as the first client's only call."""
        for client in clients:
            with Worker(client, server) as worker, suppress(Skipped):
                worker.run(self.operation)
                return

    def _warm_up(self, workers: dict[str, Worker]) -> tuple[dict[str, Taken], dict[str, str]]:
        """One call of each that can: their answers must be the same. And why the others cannot."""
        taken: dict[str, Taken] = {}
        skipped: dict[str, str] = {}
        for client, worker in workers.items():
            try:
                taken[client] = Taken(worker.run(self.operation), [])
            except Skipped as reason:
                skipped[client] = str(reason)
        answers = {client: first.answer for client, (first, _) in taken.items()}
        if len(set(answers.values())) > 1:
            raise SystemExit(f"{self.name}: the clients did not get the same: {answers}")
        return taken, skipped

    def _round(self, client: str, worker: Worker, seconds: float) -> Measured:
        lanes = self.tasks if client.endswith(("_async", "_node")) else self.threads
        return worker.run(self.operation, 0 if self.long else seconds, lanes)


def p50(scale: float) -> Value:
    """The median time of a call, in nanoseconds times `scale`."""
    return lambda taken: median(one.p50_ns for one in taken.rounds) * scale


def cpu_of_a_call(scale: float) -> Value:
    """Processor time of a call, of the client's process alone."""
    return lambda taken: median(one.cpu_ns / one.calls for one in taken.rounds) * scale


def calls_a_second(taken: Taken) -> float:
    """Of all lanes together."""
    return median(one.calls / one.wall_ns for one in taken.rounds) * 1e9


def chunks_a_second(taken: Taken) -> float:
    """Of an operation that notes the time for a chunk."""
    return 1e9 / median(one.p50_ns for one in taken.rounds)


def peak(taken: Taken) -> float:
    """Megabytes beyond what was resident: of the first call, since later ones reuse its memory."""
    return taken.first.peak_bytes / 1e6
