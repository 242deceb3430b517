"""Engines as processes of this machine: the placement that the embedded platform uses.

Each engine leads a session and process group of its own, so that the terminal's Ctrl-C does not
reach it and one signal reaches all its children. It is killed together with the platform, its
output is kept as a log.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import ports, procs
from .engine_log import EngineLog
from .engines import argv_for, env_for
from .errors import LocalError
from .orphans import EngineRecords
from .paths import engine_log_path
from .placement import Observation, Replica
from .types import Address, EngineCommand

LAST_WORDS_TIMEOUT = 0.5
"""Seconds that the rest of an ended engine's output may take: a grandchild may hold the pipe
open."""
STRAY_LOOKS, STRAY_PAUSE = 100, 0.01
"""How often, and after how many seconds each, to look whether killed children are gone."""
_EXEC = str(Path(__file__).with_name("_exec.py"))
_KEPT_FROM_ENGINES = ("INFERENCEKEY_SDK_TOKEN", "INFERENCEKEY_API_KEY")


@dataclass
class Engine:
    """One started engine process."""

    process: subprocess.Popen[bytes]
    address: Address
    generation: int
    mark: str
    log: EngineLog
    exited: asyncio.Future[int]
    output: _Output
    stopped: bool = False


class LocalPlacement:
    """Starts, observes and stops engines on this machine. Used by the event loop's thread only.

    data_dir: where the engines' logs are kept.
    stop_grace: seconds from TERM to KILL."""

    def __init__(self, data_dir: Path, records: EngineRecords, stop_grace: float) -> None:
        self._data_dir = data_dir
        self._records = records
        self._stop_grace = stop_grace
        self._in_a_hurry = False
        self._generations: defaultdict[str, int] = defaultdict(int)
        self._port_holders: dict[int, str] = {}

    async def place(self, replica: Replica, spec: EngineCommand) -> Engine:
        """Start an engine. Raises LocalError where its port is taken or the system starts no
        process."""
        address = self._reserve_address(replica, spec.fixed_port)
        try:
            return await self._start(replica, spec, address)
        except BaseException:
            del self._port_holders[address.port]
            raise

    async def _start(self, replica: Replica, spec: EngineCommand, address: Address) -> Engine:
        self._generations[replica.workload_id] += 1
        generation = self._generations[replica.workload_id]
        argv = argv_for(spec, address)
        log = EngineLog(engine_log_path(self._data_dir, replica.project, replica.slug))
        log.open()
        log.note(f"start {generation}: {' '.join(argv)}")
        if spec.note:
            log.note(spec.note)
        mark = secrets.token_hex(16)
        env = env_for(spec, address) | {procs.MARK: mark}
        try:
            process, output = await _spawn(spec.program, argv, env, log)
        except BaseException:
            log.close()
            raise
        self._records.add(mark, process.pid)
        exited = _when_reaped(process, asyncio.get_running_loop())
        return Engine(process, address, generation, mark, log, exited, output)

    def _reserve_address(self, replica: Replica, fixed_port: int | None) -> Address:
        """An address for one engine alone until it is stopped.

        That a port is free says nothing about an engine that has yet to bind it, and the first to
        answer on it would be taken for both."""
        port = fixed_port or ports.free_port()
        while not fixed_port and port in self._port_holders:
            port = ports.free_port()
        address = Address(ports.LOOPBACK, port)
        if port in self._port_holders:
            raise ports.clash(port, f"held by the engine of {self._port_holders[port]}")
        if fixed_port:
            ports.require_free(address)
        self._port_holders[port] = f"`{replica.project}/{replica.slug}`"
        return address

    async def observe(self, handle: Engine, *, until_change: float = 0.0) -> Observation:
        """What the engine does now. Waits up to `until_change` seconds, but not past its end."""
        if until_change:
            await asyncio.wait([handle.exited], timeout=until_change)
        if handle.exited.done():
            await asyncio.wait([handle.output.ended], timeout=LAST_WORDS_TIMEOUT)
        return Observation(
            address=handle.address,
            generation=handle.generation,
            alive=not handle.exited.done(),
            exit=procs.ending(handle.exited.result()) if handle.exited.done() else None,
            log_tail=handle.log.tail(),
        )

    def hurry(self) -> None:
        """From now on give no engine time to end by itself."""
        self._in_a_hurry = True

    async def stop(self, handle: Engine) -> None:
        """TERM to the engine's group, KILL to what is left of it after the grace; then forget
        it."""
        if handle.stopped:
            return
        group = handle.process.pid
        procs.signal_group(group, signal.SIGTERM)
        if not await self._group_ends(group):
            procs.signal_group(group, signal.SIGKILL)
        await handle.exited
        await self._kill_strays(handle.mark)
        handle.stopped = True
        handle.log.note(f"ended: {procs.ending(handle.exited.result())}")
        handle.output.close()
        await handle.output.ended  # else the loop may end first, and leave the pipe open
        handle.log.close()
        self._records.remove(handle.mark)
        self._port_holders.pop(handle.address.port, None)

    async def _group_ends(self, group: int) -> bool:
        """Whether the last process of the group ends within the grace."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._stop_grace
        pause = 0.005
        while procs.group_alive(group):
            if self._in_a_hurry or loop.time() >= deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)
        return True

    async def _kill_strays(self, mark: str) -> None:
        """End children in sessions of their own; a killed process is not gone at once."""
        for _ in range(STRAY_LOOKS):
            if not procs.kill_marked(mark):
                return
            await asyncio.sleep(STRAY_PAUSE)


async def _spawn(
    program: str, argv: list[str], env: dict[str, str], log: EngineLog
) -> tuple[subprocess.Popen[bytes], _Output]:
    """Start a process whose output goes to `log`.

    The only await comes before the start: a cancelled caller must not leave a process behind."""
    output, write_end = await _output_pipe(log)
    inherited = {k: v for k, v in os.environ.items() if k not in _KEPT_FROM_ENGINES}
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _EXEC, str(os.getpid()), program, *argv],
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            env=inherited | {"PYTHONUNBUFFERED": "1"} | env,
            start_new_session=True,
        )
    except OSError as cause:
        output.close()
        raise LocalError(f"the system starts no process: {cause.strerror}") from cause
    finally:
        os.close(write_end)
    return process, output


async def _output_pipe(log: EngineLog) -> tuple[_Output, int]:
    """A pipe into `log`, and its end for writing."""
    loop = asyncio.get_running_loop()
    output = _Output(log, loop.create_future())
    read_end, write_end = os.pipe()
    try:
        await loop.connect_read_pipe(lambda: output, os.fdopen(read_end, "rb", buffering=0))
    except BaseException:
        os.close(write_end)
        raise
    return output, write_end


class _Output(asyncio.Protocol):
    """Feeds an engine's output to its log."""

    def __init__(self, log: EngineLog, ended: asyncio.Future[None]) -> None:
        self._log = log
        self.ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Take no more output."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._log.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _when_reaped(
    process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop
) -> asyncio.Future[int]:
    """A future of the return code. A thread per engine waits, which every POSIX system and event
    loop can do."""
    exited: asyncio.Future[int] = loop.create_future()

    def wait() -> None:
        code = process.wait()
        try:
            loop.call_soon_threadsafe(exited.set_result, code)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=wait, name=f"inferencekey-engine-{process.pid}", daemon=True).start()
    return exited
