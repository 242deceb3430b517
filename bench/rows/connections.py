"""Connections that a client opens for streams that follow each other."""

from __future__ import annotations

from processes import Server, Skipped, Worker

from rows import Effort, Figure, Line, Target

FIGURE = Figure(
    "connections_of_230_streams",
    "Connections opened by 230 short streams",
    "",
    {"sdk_sync": Target(1), "sdk_async": Target(1)},
)


class Connections:
    """The server counts; each client starts anew."""

    name = "connections"

    def measure(self, effort: Effort) -> list[Line]:
        """See Row."""
        line = Line(FIGURE, {}, {})
        for client in effort.clients:
            # The server's own count is asked for over its first connection.
            with Server() as server, Worker(client, server) as worker:
                before = server.counts()["connections"]
                try:
                    worker.run("short-streams")
                except Skipped as reason:
                    line.skipped[client] = str(reason)
                else:
                    line.values[client] = server.counts()["connections"] - before
        return [line]
