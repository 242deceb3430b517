"""The platform as one object on an event loop: everything put together, started and stopped in
order."""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
import socket
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from .admin import Admin
from .app import build_app, http_logger
from .control import ControlPlane
from .credentials import default_credentials, forget
from .data import DataPlane
from .engines import resolve
from .errors import LocalError
from .orphans import EngineRecords
from .paths import own_dir
from .reconciler import Reconciler
from .settings import Settings
from .store import Store
from .supervisor import LocalPlacement

LAST_ANSWERS_TIMEOUT = 0.5
"""Seconds that answers under way have left once the engines are gone."""


class Server:
    """One running platform. All methods belong to the event loop's thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.admin_token = f"ik_local_{secrets.token_hex(32)}"
        self.stopping = asyncio.Event()
        """Set when somebody asks the platform to stop; whoever runs it waits for this."""
        self._exit = AsyncExitStack()

    async def start(self) -> None:
        """Begin to serve. Raises LocalError, with nothing left behind, where that is not
        possible."""
        try:
            await self._start()
        except BaseException:
            await self._exit.aclose()
            raise

    async def stop(self) -> None:
        """Stop accepting, stop all engines, end what is open, close the store: in this order."""
        await self._exit.aclose()

    def hurry(self) -> None:
        """Give engines no more time to end by themselves."""
        self._placement.hurry()

    async def _start(self) -> None:
        settings, on_exit = self.settings, self._exit
        listener = _listen(settings.host, settings.port)
        on_exit.callback(listener.close)
        self.data_dir = self._data_dir()
        self.store = Store(settings.db)
        on_exit.callback(self.store.close)
        self.store.ensure_project(settings.project)
        self.credentials = default_credentials(self.store, self._tokens_file(), settings.project)
        records = EngineRecords()
        await asyncio.to_thread(records.sweep)

        # A new connection per request: on loopback it costs little, and no request can meet a
        # connection that the engine is closing at that moment, which nobody may send again.
        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        on_exit.push_async_callback(http.close)
        self._placement = LocalPlacement(self.data_dir, records, settings.timings.stop_grace)
        start_engine = partial(resolve, stand_in=settings.stand_in)
        self.reconciler = Reconciler(
            self.store, self._placement, start_engine, http, settings.timings
        )

        runner = web.AppRunner(
            self._app(http),
            access_log=None,
            logger=http_logger,
            handler_cancellation=True,
            shutdown_timeout=LAST_ANSWERS_TIMEOUT,
        )
        await runner.setup()
        on_exit.push_async_callback(runner.cleanup)
        site = web.SockSite(runner, listener)
        await site.start()
        on_exit.push_async_callback(self.reconciler.stop)
        on_exit.push_async_callback(site.stop)
        self.base_url = _url(listener)
        self.reconciler.start()

    def env(self) -> dict[str, str]:
        """The four variables that `from_env` reads (wire.md 1.1)."""
        return {
            "INFERENCEKEY_BASE_URL": self.base_url,
            "INFERENCEKEY_PROJECT": self.settings.project,
            "INFERENCEKEY_SDK_TOKEN": self.credentials.sdk_token,
            "INFERENCEKEY_API_KEY": self.credentials.api_key,
        }

    def revoke_token(self, token_id: str) -> bool:
        """Revoke a token at once and for good; whether it was in force."""
        revoked = self.store.revoke_token(token_id)
        if revoked:
            forget(self._tokens_file(), token_id)
        return revoked

    def _app(self, http: aiohttp.ClientSession) -> web.Application:
        settings = self.settings
        control = ControlPlane(self.store, self.reconciler, settings.timings, settings.on_taken)
        data = DataPlane(self.store, self.reconciler, http, settings.timings)
        admin = Admin(
            self.store,
            self.reconciler,
            self.admin_token,
            settings.project,
            revoke=self.revoke_token,
            shut_down=self.stopping.set,
        )
        return build_app(
            [*control.routes(), *data.routes(), *admin.routes()], any_host=settings.allow_remote
        )

    def _data_dir(self) -> Path:
        if self.settings.data_dir:
            return own_dir(self.settings.data_dir)
        path = Path(tempfile.mkdtemp(prefix="inferencekey-"))
        self._exit.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def _tokens_file(self) -> Path:
        # Beside the database if there is one: hashes are of no use without their texts.
        db = self.settings.db
        return db.with_name(f"{db.name}.tokens") if db else self.data_dir / "tokens"


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, or LocalError that says why there is none."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as cause:
        raise LocalError(f"{host} is no address of this machine: {cause.strerror}") from cause
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as cause:
        listener.close()
        if cause.errno == errno.EADDRINUSE:
            raise LocalError(
                f"port {port} on {host} is in use",
                hint="take another with `--port`; 0 takes a free one",
            ) from cause
        raise LocalError(f"cannot listen on {host} port {port}: {cause.strerror}") from cause
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # all addresses: this machine's is one
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
