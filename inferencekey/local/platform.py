"""The platform inside a program: `with Platform() as p:` (tests, notebooks, demos)."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from .direct import directly
from .errors import HttpError, LocalError
from .issue import issue_token
from .paths import engine_log_path
from .phases import Timings
from .server import Server
from .settings import Settings
from .types import DEFAULT_PROJECT, OnTaken, TokenKind

T = TypeVar("T")


class Platform:
    """An embedded platform, served by a thread of its own.

    project: slug of its project. host, port: where it listens; port 0 takes a free one.
    db: file that keeps workloads and tokens; None keeps them in memory.
    data_dir: directory for logs and tokens; None takes a temporary one that is removed with the
    platform.
    stand_in: serve the bundled model, openly, in place of an engine that is not installed.
    on_taken: what a create does when its slug is taken, `"suffix"` or `"conflict"` (wire.md 2.9).
    allow_remote: let `host` be an address that other machines reach.
    timings: lengths of time, for tests.
    Raises LocalError, at the start, where the platform cannot serve."""

    def __init__(
        self,
        *,
        project: str = DEFAULT_PROJECT,
        host: str = "127.0.0.1",
        port: int = 0,
        db: str | os.PathLike[str] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        stand_in: bool = False,
        on_taken: OnTaken = "suffix",
        allow_remote: bool = False,
        timings: Timings | None = None,
    ) -> None:
        self._settings = Settings(
            project=project,
            host=host,
            port=port,
            db=Path(db) if db else None,
            data_dir=Path(data_dir) if data_dir else None,
            stand_in=stand_in,
            on_taken=on_taken,
            allow_remote=allow_remote,
            timings=timings or Timings(),
        )
        self._thread: threading.Thread | None = None
        self._pid = 0

    def start(self) -> Platform:
        """Begin to serve; returns when requests are answered. Raises LocalError."""
        if self._thread:
            raise LocalError("this platform has been started already")
        started: Future[tuple[Server, asyncio.AbstractEventLoop]] = Future()
        # A daemon, so that a program which forgets to stop its platform can end; then `atexit`
        # stops it.
        self._thread = threading.Thread(
            target=self._serve, args=(started,), name="inferencekey-local", daemon=True
        )
        self._pid = os.getpid()
        self._thread.start()
        try:
            self._server, self._loop = started.result()
        except BaseException:
            self._thread = None
            raise
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop the platform and all its engines; returns when they are gone. Stopping twice is
        allowed."""
        thread, self._thread = self._thread, None
        # In a forked child there is no such thread, and the platform is the parent's.
        if thread is None or self._pid != os.getpid():
            return
        atexit.unregister(self.stop)
        if thread.is_alive():
            self._loop.call_soon_threadsafe(self._server.stopping.set)
            thread.join()

    def __repr__(self) -> str:
        where = self._server.base_url if self._thread else "not running"
        return f"<inferencekey.local.Platform {where}, project {self.project}>"

    def __enter__(self) -> Platform:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The origin of both planes, `http://127.0.0.1:<port>`."""
        return self._running().base_url

    @property
    def project(self) -> str:
        """The slug of the project."""
        return self._settings.project

    @property
    def sdk_token(self) -> str:
        """A control token for the project."""
        return self._running().credentials.sdk_token

    @property
    def api_key(self) -> str:
        """A data key that is granted the whole project."""
        return self._running().credentials.api_key

    def env(self) -> dict[str, str]:
        """The four `INFERENCEKEY_*` variables for `from_env` and for child processes.

        Where the environment has a proxy, also NO_PROXY, with the platform's host added to it.
        """
        return directly(self._running().env(), os.environ)

    def create_token(
        self,
        kind: TokenKind = "sdk",
        *,
        project: str | None = None,
        scopes: tuple[str, ...] = (),
        grants: tuple[str, ...] = (),
    ) -> str:
        """The text of a new control token (`sdk`) or data key (`live`).

        project: another project is made where it is missing. scopes: of a control token, by default
        those of wire.md 1.3. grants: of a data key, `project/slug` or `project/*`, by default the
        whole project.
        Raises ValueError for an unknown kind, scope or form of grant."""
        store = self._running().store
        try:
            return self._on_loop(
                lambda: issue_token(
                    store, kind, project=project or self.project, scopes=scopes, grants=grants
                )
            )[1]
        except HttpError as refusal:
            raise ValueError(refusal.message) from None

    def revoke_token(self, token: str) -> bool:
        """Revoke a token, given by its text, at once; whether it was in force."""
        server = self._running()

        def revoke() -> bool:
            known = server.store.token_by_text(token)
            return known is not None and server.revoke_token(known.id)

        return self._on_loop(revoke)

    def log(self, slug: str) -> str:
        """What the engine of a workload has written so far; empty if it never started."""
        file = engine_log_path(self._running().data_dir, self.project, slug)
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _running(self) -> Server:
        if self._thread is None:
            raise LocalError(
                "the platform is not running", hint="use it inside `with Platform() as p:`"
            )
        return self._server

    def _on_loop(self, work: Callable[[], T]) -> T:
        """Run `work` on the loop's thread, the only one that uses the store."""

        async def call() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _serve(self, started: Future[tuple[Server, asyncio.AbstractEventLoop]]) -> None:
        async def main() -> None:
            server = Server(self._settings)
            try:
                await server.start()
            except BaseException as cause:
                started.set_exception(cause)
                return
            started.set_result((server, asyncio.get_running_loop()))
            await server.stopping.wait()
            await server.stop()

        asyncio.run(main())
