"""What this user's processes create for a while: one small file per workload, gone with it.

An entry is on disk before the create is sent. Its process holds a lock on the file for as long as
it lives, whatever ends it, so a file without a lock is a workload that was left behind. Entries
hold no secret.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from inferencekey._errors import ConfigurationError
from inferencekey._retry import log

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Of the files. What a newer version writes is left to it.
_VERSION = 1
_TEXTS = ("base_url", "project_slug", "workload_slug", "mark", "host")
# A draft becomes an entry within milliseconds. One of this age, in seconds, never will.
_OLD_DRAFT = 86400.0

# The files that this process has locked. A lock outlives its process in whoever inherits the file.
_held: set[int] = set()


def _forked() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_forked)


def folder() -> Path:
    """`$INFERENCEKEY_STATE_DIR/ephemeral`, or `inferencekey/ephemeral` where the user's state is.

    That is `$XDG_STATE_HOME` or `~/.local/state`.
    """
    own = os.environ.get("INFERENCEKEY_STATE_DIR", "").strip()
    if own:
        return Path(own).absolute() / "ephemeral"
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    except RuntimeError:
        raise _unusable("this user has no home") from None
    return base / "inferencekey" / "ephemeral"


def _unusable(words: str) -> ConfigurationError:
    return ConfigurationError(
        f"ephemeral: there is no place to note workloads down in: {words}; nothing was created",
        operation="ephemeral",
        hint="set INFERENCEKEY_STATE_DIR to a folder that this process may write to",
    )


class Entry:
    """One workload as its file describes it."""

    __slots__ = (*_TEXTS, "created", "id", "kept", "max_lifetime", "pid")
    base_url: str
    project_slug: str
    workload_slug: str
    mark: str
    """Stands on the workload's description since its create."""
    host: str
    pid: int
    created: float
    """Seconds since the epoch: just before the create was sent."""
    max_lifetime: float | None
    """Seconds from then on; None = for ever."""
    id: str | None
    """None until the create was answered."""
    kept: bool
    """It outlives its process on purpose, but not its lifetime."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.id, self.kept = None, False
        for name in self.__slots__:
            if name in facts:
                setattr(self, name, facts[name])

    @classmethod
    def read(cls, text: bytes) -> Entry | None:
        """The entry in a file; None if it is not one of ours, or not of this version."""
        first, *more = text.split(b"\n")
        facts = _object(first)
        # A line that was being written when its process ended is not whole: it says nothing.
        for line in more:
            facts.update(_object(line))
        return cls(facts) if _is_whole(facts) else None

    def is_over(self) -> bool:
        """Has its lifetime passed, whatever its process does?"""
        return self.max_lifetime is not None and time.time() >= self.created + self.max_lifetime


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_whole(facts: dict[str, Any]) -> bool:
    numbers = (facts.get("pid"), facts.get("created"), facts.get("max_lifetime") or 0)
    return (
        facts.get("version") == _VERSION
        and all(isinstance(facts.get(name), str) for name in _TEXTS)
        and all(isinstance(number, (int, float)) for number in numbers)
        and isinstance(facts.get("id", ""), str)
    )


class File:
    """An entry's file, open and locked."""

    def __init__(self, path: Path, descriptor: int, entry: Entry) -> None:
        self._path = path
        self._descriptor: int | None = descriptor
        self.entry = entry
        _held.add(descriptor)

    def add(self, **facts: object) -> None:
        """Notes further facts down. Nothing depends on them alone, so a full disk is no error."""
        for name, value in facts.items():
            setattr(self.entry, name, value)
        if self._descriptor is not None:
            try:
                os.write(self._descriptor, _line(facts))
                os.fsync(self._descriptor)
            except OSError:
                return

    @property
    def is_collected(self) -> bool:
        """Did somebody delete the workload to whom it was left?"""
        return self._descriptor is None and not self._path.exists()

    def release(self) -> None:
        """Leaves the entry to `gc`, though this process lives."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)

    def remove(self) -> None:
        """Forgets the workload. An entry that cannot be removed does no harm to anybody."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as cause:
            log("warning", "the note %s cannot be removed: %s", self._path, cause.strerror)
        finally:
            self.release()


def write(**facts: object) -> File:
    """A new entry, on disk once this returns. Raises ConfigurationError if it cannot be written."""
    whole = {
        "version": _VERSION,
        **facts,
        "host": _host(),
        "pid": os.getpid(),
        "created": time.time(),
    }
    place = folder()
    try:
        _private(place)
        return _write(place / f"{facts['mark']}.json", whole)
    except OSError as cause:
        raise _unusable(f"{str(place)!r}: {cause.strerror}") from None


def _write(path: Path, facts: dict[str, object]) -> File:
    """Nobody ever sees the entry half written or without its lock."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _lock(descriptor)
        os.write(descriptor, _line(facts))
        os.fsync(descriptor)
        os.rename(draft, path)
        _sync(path.parent)
    except BaseException:
        os.close(descriptor)
        for left in (draft, path):
            left.unlink(missing_ok=True)
        raise
    return File(path, descriptor, Entry(facts))


def _line(facts: dict[str, object]) -> bytes:
    return json.dumps(facts).encode("ascii") + b"\n"


def _private(path: Path) -> None:
    """The folder, made where it is missing, as its parents are, closed to other users."""
    if not path.parent.exists():
        _private(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _sync(path: Path) -> None:
    """The folder's own content on disk: a name is part of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _host() -> str:
    return os.uname().nodename


def entries() -> Iterator[tuple[Path, Entry]]:
    """All entries of this user, whoever they belong to. What is not one is passed over."""
    for path in sorted(folder().glob("*.json")):
        try:
            entry = Entry.read(path.read_bytes())
        except OSError:
            continue
        if entry is not None:
            yield path, entry


def sweep() -> None:
    """Removes what a process left that was killed while it wrote an entry: nothing was created."""
    for draft in folder().glob("*.draft"):
        try:
            if time.time() - draft.stat().st_mtime > _OLD_DRAFT:
                draft.unlink()
        except OSError:
            continue


def is_elsewhere(entry: Entry) -> bool:
    """Does it belong to a process of another machine, whose locks may not reach this one?"""
    return entry.host != _host()


def claim(path: Path) -> File | None:
    """The entry, if its workload was left behind: ours now, and other collectors let it be."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    except OSError:
        return None
    try:
        free = _lock(descriptor)
        entry = Entry.read(path.read_bytes())
        if entry is not None and _is_left_behind(entry, free):
            return File(path, descriptor, entry)
    except OSError:
        # Somebody else was faster, and the file is gone.
        pass
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool | None:
    """Locks the file: False if somebody else has, None where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_left_behind(entry: Entry, locked: bool | None) -> bool:
    if entry.is_over():
        return True
    if entry.kept:
        return False
    if locked is not None:
        return locked
    # Without locks a number that some process has is as good as its own.
    try:
        os.kill(entry.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
