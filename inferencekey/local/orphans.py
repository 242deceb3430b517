"""Engines that outlived their platform: recorded while they run, ended by the next platform that
starts.

The system already kills an engine together with its platform (`_exec.py`), but not the engine's own
children. Each running engine has a record in a directory of this user; a record whose platform is
gone names what to end.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from . import procs
from .paths import private_dir, runtime_dir, write_private


class EngineRecords:
    """The records of all platforms of this user; None as directory keeps no records."""

    def __init__(self, directory: Path | None = None) -> None:
        base = directory or runtime_dir()
        self._directory = private_dir(base / "engines") if base else None
        self._owner = {"owner": os.getpid(), "owner_started": procs.start_time(os.getpid())}

    def add(self, mark: str, pid: int) -> None:
        """Record a running engine, the leader of its own process group."""
        if self._directory:
            record = self._owner | {"mark": mark, "pid": pid, "started": procs.start_time(pid)}
            write_private(self._directory / f"{mark}.json", json.dumps(record))

    def remove(self, mark: str) -> None:
        """Forget an engine that has ended."""
        if self._directory:
            (self._directory / f"{mark}.json").unlink(missing_ok=True)

    def sweep(self) -> int:
        """End what platforms that are gone have left behind; return how many engines that were."""
        if not self._directory:
            return 0
        return sum(_end_leftover(path) for path in self._directory.glob("*.json"))


def _end_leftover(path: Path) -> bool:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        owner, pid = (record["owner"], record["owner_started"]), (record["pid"], record["started"])
        mark = str(record["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return False  # being written or removed by another platform at this moment
    if procs.is_alive(*owner):
        return False
    ended = procs.is_alive(*pid)
    if ended:
        procs.signal_group(pid[0], signal.SIGKILL)
    # The leader may be gone while its children run; they carry its mark.
    ended = procs.kill_marked(mark) > 0 or ended
    path.unlink(missing_ok=True)
    return ended
