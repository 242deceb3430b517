"""The log of one engine: the last lines in memory, everything (within limits) in a file."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import BinaryIO

from .paths import private_dir

RING_LINES = 200
LINE_BYTES = 4096
"""A longer line is cut into several: an engine may write without ever ending a line."""
FILE_BYTES = 8 * 1024 * 1024
"""A longer file becomes `<name>.1`, and a new one begins: at most twice this much is kept."""


class EngineLog:
    """Collects the output of the engines of one workload, one start after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: deque[str] = deque(maxlen=RING_LINES)
        self._rest = b""
        self._file: BinaryIO | None = None
        self._written = 0

    def feed(self, data: bytes) -> None:
        """Take output of the engine as it comes."""
        self._write(data)
        # A carriage return redraws a progress line: what counts is what stands behind it.
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            self._keep(line)
        while len(self._rest) > LINE_BYTES:
            self._keep(self._rest[:LINE_BYTES])
            self._rest = self._rest[LINE_BYTES:]

    def note(self, text: str) -> None:
        """Add a line of the platform's own to the file. It is not among the engine's last words."""
        self._write(f"--- {text}\n".encode("utf-8", "replace"))

    def begin(self) -> None:
        """A new start: the last words of the one before are no longer this one's."""
        self._lines.clear()
        self._rest = b""

    def tail(self, count: int = 10) -> tuple[str, ...]:
        """The engine's last lines that are not blank, oldest first, the unfinished one included."""
        lines = [*self._lines, *self._readable(self._rest)]
        return tuple(lines[-count:])

    def close(self) -> None:
        """Close the file; what comes later is kept in memory only."""
        if self._file:
            self._file.close()
            self._file = None

    def open(self) -> None:
        """Open the file for appending."""
        private_dir(self.path.parent)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._written = self.path.stat().st_size

    def _keep(self, line: bytes) -> None:
        self._lines.extend(self._readable(line))

    def _readable(self, line: bytes) -> list[str]:
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace").rstrip()
        return [text] if text else []

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        try:
            if self._written + len(data) > FILE_BYTES:
                self._rotate()
            self._file.write(data)
            self._written += len(data)
        except OSError:
            self.close()  # a full disk must not stop the engine; the last lines are still in memory

    def _rotate(self) -> None:
        self.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self.open()
