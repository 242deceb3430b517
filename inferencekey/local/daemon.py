"""A platform as a process: in the foreground, detached, found again and stopped by other commands.

The data directory knows which platform runs over it: a lock that the system drops with the process,
and a file (mode 0600) with its address and tokens. Two platforms never share a data directory.
"""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import procs
from .errors import LocalError
from .paths import own_dir, write_private
from .types import Json

if TYPE_CHECKING:
    from .server import Server
    from .settings import Settings

START_TIMEOUT = 30.0
"""Seconds until a detached platform must answer."""
STOP_TIMEOUT = 20.0
"""Seconds until a platform that was asked to stop must be gone."""
_START_HINT = "start one with `inferencekey local up`, or name the directory of one by `--data-dir`"
_STOP_HINT = "if one runs with another directory, name it by `--data-dir`"


@dataclass(frozen=True, repr=False)
class Running:
    """What the data directory says about the platform that runs over it. Holds tokens: no repr."""

    pid: int
    started: str | None
    base_url: str
    env: dict[str, str]
    admin_token: str
    db: str | None

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return procs.is_alive(self.pid, self.started)

    def call(self, method: str, path: str, body: Json = None) -> Json:
        """Ask the platform through its own routes (`admin.py`); the answer's JSON, None if empty.

        Raises LocalError with the platform's words, or where it does not answer."""
        origin = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(origin.hostname or "", origin.port, timeout=10)
        try:
            headers = {"authorization": f"Bearer {self.admin_token}"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except OSError as cause:
            raise LocalError(
                f"the platform at {self.base_url} (process {self.pid}) does not answer: {cause}"
            ) from cause
        finally:
            connection.close()
        content: Json = json.loads(text) if text else None
        if answer.status >= 300:
            raise LocalError(content["error"]["message"])
        return content


def find_running(data_dir: Path, *, hint: str = _START_HINT) -> Running:
    """The platform that runs over this data directory.

    hint: of the LocalError that is raised if none does."""
    running = _read(data_dir)
    if running is None or not running.is_alive():
        raise LocalError(f"no platform is running with the directory {data_dir}", hint=hint)
    return running


def run_foreground(settings: Settings, data_dir: Path, on_ready: Callable[[Running], None]) -> None:
    """Run a platform until SIGINT, SIGTERM, SIGHUP or `local down`; a second signal hurries it."""
    with _locked(data_dir):
        asyncio.run(_run(settings, data_dir, on_ready))


def start_detached(argv: Sequence[str], data_dir: Path) -> Running:
    """Run `argv`, a command that runs a platform in the foreground, in the background.

    Returns once it answers. Raises LocalError with the command's own words if it ends before."""
    with _locked(data_dir):
        pass  # refuses here and now, in words, if one is running
    log = log_file(data_dir)
    log_start = log.stat().st_size if log.exists() else 0
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        running = _read(data_dir)
        if running and running.pid == process.pid:
            return running
        if process.poll() is not None:
            raise _startup_error(log, log_start)
        time.sleep(0.02)
    process.terminate()
    raise LocalError(f"the platform did not start within {START_TIMEOUT:g} s", hint=f"see {log}")


def stop(data_dir: Path) -> Running:
    """Stop the platform of this data directory and wait for its end; what it was.

    Raises LocalError if none runs. One that does not answer is ended by signals."""
    running = find_running(data_dir, hint=_STOP_HINT)
    try:
        running.call("POST", "/local/shutdown")
    except LocalError:
        os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while running.is_alive():
        if time.monotonic() > deadline:
            os.kill(running.pid, signal.SIGKILL)  # its engines go with it
        time.sleep(0.02)
    return running


def log_file(data_dir: Path) -> Path:
    """Where a detached platform writes its own log."""
    return data_dir / "platform.log"


async def _run(settings: Settings, data_dir: Path, on_ready: Callable[[Running], None]) -> None:
    from .server import Server

    server = Server(settings)
    await server.start()
    file = _run_file(data_dir)
    try:
        running = _describe(server)
        write_private(file, json.dumps(asdict(running), indent=2) + "\n")
        _stop_on_signals(server)
        on_ready(running)
        await server.stopping.wait()
    finally:
        file.unlink(missing_ok=True)
        await server.stop()


def _stop_on_signals(server: Server) -> None:
    def on_signal() -> None:
        if server.stopping.is_set():
            server.hurry()
        server.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def _describe(server: Server) -> Running:
    return Running(
        pid=os.getpid(),
        started=procs.start_time(os.getpid()),
        base_url=server.base_url,
        env=server.env(),
        admin_token=server.admin_token,
        db=str(server.settings.db.absolute()) if server.settings.db else None,
    )


def _run_file(data_dir: Path) -> Path:
    return data_dir / "running.json"


def _read(data_dir: Path) -> Running | None:
    try:
        return Running(**json.loads(_run_file(data_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # none runs, or the file is of another version


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory, or LocalError that names who holds it."""
    descriptor = os.open(own_dir(data_dir) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            running = _read(data_dir)
            where = f" at {running.base_url} (process {running.pid})" if running else ""
            raise LocalError(
                f"a platform is running already{where}",
                hint="stop it with `inferencekey local down`, or use another `--data-dir`",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _startup_error(log: Path, log_start: int) -> LocalError:
    """What a platform that ended at once said: its error line, and its hint if it gave one."""
    with log.open("rb") as file:
        file.seek(log_start)
        text = file.read().decode("utf-8", "replace").strip()
    message, _, hint = text.removeprefix("error: ").partition("\n\nhint: ")
    return LocalError(message or f"the platform ended at once; see {log}", hint=hint or None)
