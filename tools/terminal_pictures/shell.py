"""Commands in a real terminal: a pseudo-terminal, and an emulator that keeps its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pyte

ROWS = 60
LIMIT_SECONDS = 60.0


class Shell:
    """A terminal with a shell in it, which shows no prompt but the one that we write."""

    def __init__(self, columns: int, env: dict[str, str]) -> None:
        self._columns = columns
        self._env = {**env, "TERM": "xterm-256color"}
        self.screen = pyte.Screen(columns, ROWS)
        self._stream = pyte.ByteStream(self.screen)

    def run(self, command: str, *, until: str | None = None, key: str | None = None) -> None:
        """Show the command behind a prompt, run it, and show what it shows.

        until: leave at the moment when this is on the screen; or, with key, type that then.
        """
        self._stream.feed(b"\x1b[32m$\x1b[0m " + command.encode().replace(b"\n", b"\r\n") + b"\r\n")
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, self._columns, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self._env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        try:
            self._follow(ours, until, key)
        finally:
            process.terminate()
            process.wait()
            os.close(ours)

    def _follow(self, terminal: int, until: str | None, key: str | None) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], deadline - time.monotonic())[0]:
                break
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the end of a terminal, on Linux
                return
            if not piece:
                return
            self._stream.feed(piece)
            if until and re.search(until, "\n".join(self.screen.display)):
                if key is None:
                    return
                os.write(terminal, key.encode())
                until = None
        raise SystemExit("the command did not come to its end:\n" + "\n".join(self.screen.display))
