"""A wait that is played to a display: events, ticks, lost connections, passing seconds, an end."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
from collections.abc import Callable, Iterator

import pyte

from inferencekey import ConnectionFailed, ReadinessEvent, Retry
from inferencekey._progress.output import Output
from inferencekey._progress.story import Story
from inferencekey._watcher import Silent

SCHEDULING = ReadinessEvent("scheduling", "looking for a GPU", 10)
PULLING = ReadinessEvent("provisioning", "pulling image", 1000, "pull")
LOADING = ReadinessEvent("bootstrapping", "loading weights", 2000, "load")
READY = ReadinessEvent("ready", "", 62000)
FAILED = ReadinessEvent("error", "CUDA out of memory", 3000, "load")
LOST = Retry(
    "wait_until_ready",
    2,
    1.0,
    ConnectionFailed("wait_until_ready: could not connect: connection refused (host)"),
    "reopen",
)

Step = ReadinessEvent | Retry | float | BaseException | None
"""An event, a reopening, seconds that pass, the end by an error, or a tick (None)."""


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal; how wide it is the kernel says."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self._fds = os.openpty()
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Somebody drags the window's edge."""
        fcntl.ioctl(self._fds[1], termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fds[1]

    def __del__(self) -> None:
        for fd in self._fds:
            os.close(fd)

    def rows(self, columns: int) -> list[str]:
        """What an emulator of that width shows, without the empty rows at the end."""
        screen = pyte.Screen(columns, 30)
        pyte.Stream(screen).feed(self.getvalue().replace("\n", "\r\n"))
        rows = [row.rstrip() for row in screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows


class Log(io.StringIO):
    """A stream that is no terminal."""

    encoding = "utf-8"


def play(
    kind: Callable[[Story, Output], Silent],
    steps: tuple[Step, ...],
    stream: io.StringIO,
    *,
    goes_on: bool = True,
    project: str | None = None,
) -> Iterator[None]:
    """The display gets the steps; a pause after each. It ends with `ready` or by an exception."""
    clock = Clock()
    show = kind(Story("bot", project=project, goes_on=goes_on, clock=clock), Output(stream))
    error: BaseException | None = None
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        elif isinstance(step, Retry):
            show.lost(step)
        elif isinstance(step, BaseException):
            error = step
        else:
            show(step)
        yield
    if error is not None or READY in steps:
        show.end(error)
    yield


def lines(kind: Callable[[Story, Output], Silent], *steps: Step, **how: object) -> list[str]:
    """What stands in a log after the steps."""
    stream = Log()
    for _ in play(kind, steps, stream, **how):  # type: ignore[arg-type]
        pass
    return stream.getvalue().splitlines()
