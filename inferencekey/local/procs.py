"""What the operating system knows about processes: start times, groups, and who carries a mark.

A process id alone names nobody for long, since the system gives it to the next process. So a
process is remembered with its start time, and engines carry a mark in their environment which their
children inherit.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

MARK = "INFERENCEKEY_ENGINE_MARK"
"""Environment variable of every engine process; its value is random per start."""

_PROC = Path("/proc")
HAS_PROC = (_PROC / "self" / "stat").exists()


def start_time(pid: int) -> str | None:
    """When process `pid` started, in the system's own words; None if there is no such process."""
    if HAS_PROC:
        fields = _stat_fields(pid)
        return fields[19] if fields else None
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None


def is_alive(pid: int, started: str | None) -> bool:
    """Whether the process that had `pid` and `started` runs; a zombie does not run."""
    if started is None or start_time(pid) != started:
        return False
    fields = _stat_fields(pid) if HAS_PROC else None
    return fields is None or fields[0] not in "ZX"


def ending(code: int) -> str:
    """How a process ended, in words, from the return code as `subprocess` gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"  # real-time signals have no names


def group_alive(group: int) -> bool:
    """Whether any process of the group runs. A zombie that nobody has reaped yet does not count."""
    if not HAS_PROC:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    return any(
        fields[0] not in "ZX" and fields[2] == str(group)
        for pid in _all_pids()
        if (fields := _stat_fields(pid))
    )


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of the group, if there still is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # gone meanwhile; on macOS a group of zombies answers "not permitted"


def kill_marked(mark: str) -> int:
    """Kill every process that carries `mark`, also one that left its group; return how many there
    were.

    Only Linux shows the environment of processes; elsewhere nothing is found."""
    killed = 0
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            continue
    return killed


def marked(mark: str) -> list[int]:
    """The processes that carry `mark` and run."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _all_pids() if wanted in _environ(pid)] if HAS_PROC else []


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]


def _environ(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # gone, or somebody else's


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat behind the command's name: state, ppid, pgrp, session, …,
    starttime."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
