"""Where the embedded platform keeps files. Everything it writes is readable by its owner only."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from .errors import LocalError

_LONGEST_NAME = 200


def default_data_dir() -> Path:
    """`$XDG_STATE_HOME/inferencekey/local`, or the same under `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "inferencekey" / "local"


def runtime_dir() -> Path | None:
    """A directory of this user that outlives the platform's process, but not the machine's next
    boot.

    None where no safe one can be had: a directory in a shared place must be ours and closed to
    others."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = (
        Path(base) / "inferencekey"
        if base
        else Path(tempfile.gettempdir()) / f"inferencekey-{os.getuid()}"
    )
    try:
        private_dir(path)
        found = path.lstat()
    except OSError:
        return None
    private = (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    )
    return path if private else None


def engine_log_path(data_dir: Path, project: str, slug: str) -> Path:
    """Where the log of a workload's engine is. A slug has no length cap, a file's name has one."""
    if len(slug) > _LONGEST_NAME:
        slug = f"{slug[:_LONGEST_NAME]}-{hashlib.sha256(slug.encode()).hexdigest()[:12]}"
    return data_dir / "logs" / project / f"{slug}.log"


def private_dir(path: Path) -> Path:
    """`path` as a directory, made where it is missing, as its parents are, with mode 0700."""
    if not path.parent.exists():
        private_dir(path.parent)  # `mkdir(parents=True)` would leave them open to others
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def own_dir(path: Path) -> Path:
    """The platform's data directory, made where it is missing. Raises LocalError if it cannot
    be."""
    try:
        return private_dir(path)
    except OSError as cause:
        raise LocalError(
            f"cannot make the directory {path}: {cause.strerror}",
            hint="name another with `--data-dir`",
        ) from cause


def write_private(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in one step, mode 0600 from its first byte on."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
