"""The command line in a terminal of its own: what it shows, and what somebody types."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from types import TracebackType

from cli.conftest import cli

LIMIT_SECONDS = 15


class Terminal:
    """Runs `inferencekey …` with a terminal for stdin, stdout and stderr, and for Ctrl-C."""

    def __init__(self, *arguments: str, columns: int = 100, **env: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        outer = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        env = {**outer, "TERM": "xterm", **env}
        self.shown = ""
        """Everything so far; lines end in \\n."""
        self.process = subprocess.Popen(
            cli(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Send what somebody types; `\\x03` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def until(self, text: str) -> str:
        """Read until the text was shown; all that was."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in self.shown:
            assert self._read(deadline), f"it ended without {text!r}: {self.shown!r}"
        return self.shown

    def end(self) -> int:
        """Read until the program ends; its exit code."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(LIMIT_SECONDS)

    def interrupted(self) -> int:
        """Press Ctrl-C at a question; the exit code.

        A signal between question and read is seen by Python only after the read. A person would
        press again, too.
        """
        while self.process.poll() is None:
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
        return self.end()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing came: {self.shown!r}"
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux says EIO when the last program has closed the terminal.
            return False
        self.shown += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(piece)
