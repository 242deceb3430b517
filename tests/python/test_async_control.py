"""The async control plane: tasks that are cancelled, loops that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import gc
import json
import logging
import math
import pickle
import threading
from contextvars import ContextVar
from typing import Any
from weakref import ref

import pytest
from child import DEVELOPMENT, SAY_NO_SLOWNESS, run
from clients import LIVE, SDK_TOKEN, SPEC, async_management
from double import HANG, Double, Request, Send, Until, answer, chunk, chunked_head, sse
from ephemeral.hosted import Answer, Hosted

from inferencekey import (
    AsyncManagementClient,
    AsyncPlan,
    Cancelled,
    ConfigurationError,
    DriftError,
    DriftWarning,
    EndpointRef,
    NotFound,
    ReadinessEvent,
    Retry,
    ValidationError,
    WaitTimeout,
    WorkloadFailed,
)
from inferencekey._async import control


async def reached(double: Double, count: int) -> None:
    """Back once that many requests have arrived."""
    await asyncio.to_thread(double.journal.wait_for_requests, count)


def closed(double: Double) -> None:
    """Every connection was closed by the client."""
    for connection in double.journal.connections:
        assert connection.closed.wait(5)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancels the task, and waits until it has ended so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_main_job_in_loops_that_come_and_go() -> None:
    """One client, made outside of any loop, never closed."""
    hosted = Hosted()
    with Double(hosted) as double:
        mgmt = async_management(double)

        async def job() -> None:
            ref = await mgmt.ensure(SPEC)
            assert (ref, ref.changed) == (EndpointRef("acme", "bot"), True)
            await mgmt.wait_until_ready("bot", silent=True)
            assert [event.phase async for event in mgmt.readiness("bot")] == ["ready"]
            assert (await mgmt.get("bot")).slug == "bot"
            assert [one.slug for one in await mgmt.list()] == ["foreign", "bot"]
            assert (await mgmt.status("bot")).phase == "ready"
            assert (await mgmt.export("bot")).model == "m"
            assert await mgmt.delete("bot") is True
            assert await mgmt.delete("bot") is False
            with pytest.raises(NotFound):
                await mgmt.get("bot")

        asyncio.run(job())
        asyncio.run(job())
        thread = threading.Thread(target=asyncio.run, args=(job(),))
        thread.start()
        thread.join()
        assert hosted.left() == []


def test_nothing_is_said_about_a_client_that_was_never_closed() -> None:
    """Not even by an interpreter that looks for such things."""
    with Double(Hosted()) as double:
        program = """
        import asyncio
        url, = ARGS
        mgmt = AsyncManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
        async def main():
            await mgmt.ensure(SPEC)
            task = asyncio.ensure_future(mgmt.wait_until_ready("bot", silent=True))
            await mgmt.list()
        asyncio.run(main())
        asyncio.run(main())
        print("done")
        """.replace("\n        ", "\n")
        program = SAY_NO_SLOWNESS + program
        assert run(program, double.url, flags=DEVELOPMENT) == (0, "done\n", "")


@pytest.mark.parametrize(
    "call",
    [
        lambda mgmt: mgmt.ensure(SPEC),
        lambda mgmt: mgmt.plan(SPEC),
        lambda mgmt: mgmt.list(),
        lambda mgmt: mgmt.get("bot"),
        lambda mgmt: mgmt.wait_until_ready("bot", silent=True),
        lambda mgmt: anext(mgmt.readiness("bot")),
        lambda mgmt: mgmt.delete("bot"),
    ],
    ids=["ensure", "plan", "list", "get", "wait_until_ready", "readiness", "delete"],
)
def test_a_cancelled_task_ends_its_request_on_the_wire(call: Any) -> None:
    """At once for the task, and the client goes on."""
    with Double([HANG], answer([LIVE])) as double:
        mgmt = async_management(double)

        async def main() -> None:
            task = asyncio.ensure_future(call(mgmt))
            await reached(double, 1)
            await asyncio.wait_for(cancelled(task), 5)
            await asyncio.to_thread(double.journal.connections[0].closed.wait, 5)
            assert double.journal.connections[0].closed.is_set()
            assert [one.slug for one in await mgmt.list()] == ["bot"]

        asyncio.run(main())


def test_a_create_that_was_cancelled_is_found_by_the_next_ensure() -> None:
    """Nothing is created twice."""
    release = threading.Event()

    def slow(request: Request) -> Answer | None:
        if request.method == "POST" and not release.is_set():
            done = hosted.answer(request)
            return [Until(release), Send(done)]
        return None

    hosted = Hosted(slow)
    with Double(hosted) as double:
        mgmt = async_management(double)

        async def main() -> None:
            task = asyncio.ensure_future(mgmt.ensure(SPEC))
            await reached(double, 2)
            await cancelled(task)
            release.set()
            assert (await mgmt.ensure(SPEC)).changed is False
            assert hosted.left() == ["bot"]

        asyncio.run(main())


def test_a_delete_that_was_cancelled_still_gets_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task ends a little later, and the workload is gone."""
    monkeypatch.setattr(control, "DELETE_GRACE_MS", 5000)
    hold = threading.Event()

    def slow(request: Request) -> Answer | None:
        if request.method == "GET" and asked:
            return [Until(hold), Send(hosted.answer(request))]
        return None

    asked: list[bool] = []
    hosted = Hosted(slow)
    with Double(hosted) as double:
        mgmt = async_management(double)

        async def main() -> None:
            await mgmt.ensure(SPEC)
            asked.append(True)
            task = asyncio.ensure_future(mgmt.delete("bot"))
            await reached(double, 3)
            task.cancel()
            hold.set()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await reached(double, 4)

        asyncio.run(main())
        assert hosted.left() == []


DRIFT: list[tuple[str, bool, list[str]]] = [
    ("reconcile", True, ["GET", "PATCH"]),
    ("dry_run", False, ["GET"]),
    ("warn", False, ["GET"]),
    ("ignore", False, ["GET"]),
]


@pytest.mark.parametrize(("on_drift", "changed", "methods"), DRIFT, ids=[row[0] for row in DRIFT])
def test_drift(on_drift: str, changed: bool, methods: list[str]) -> None:
    """As wire.md 2.7 has it; what was not written can be applied afterwards."""
    slug = f"drift-{on_drift.replace('_', '-')}"
    spec = dataclasses.replace(SPEC, slug=slug)
    live = {**LIVE, "slug": slug, "model_name": "other"}
    hosted = Hosted()
    hosted.control.workloads.append(live)
    with Double(hosted) as double:
        mgmt = async_management(double)

        async def main() -> None:
            warned = pytest.warns(DriftWarning, match="`model`") if on_drift == "warn" else None
            with contextlib.nullcontext() if warned is None else warned as caught:
                ref = await mgmt.ensure(spec, on_drift=on_drift)
            if caught is not None:
                assert caught[0].filename == __file__
            assert ref.changed is changed
            assert [one.method for one in double.journal.requests] == methods
            assert isinstance(ref.plan, AsyncPlan)
            if not changed:
                assert (await ref.plan.apply()).changed is True
            with pytest.raises(DriftError):
                await mgmt.ensure(dataclasses.replace(spec, model="third"), on_drift="fail")

        asyncio.run(main())


def test_a_plan_is_applied_in_any_loop_and_not_without_a_client() -> None:
    """`apply` is awaited; a copy has no client."""
    hosted = Hosted()
    with Double(hosted) as double:
        mgmt = async_management(double)
        plan = asyncio.run(mgmt.plan(SPEC))
        assert plan
        assert plan.action == "create"
        assert "create" in str(plan)
        ref = asyncio.run(plan.apply())
        assert ref.changed is True
        for other in (copy.copy(plan), copy.deepcopy(plan), pickle.loads(pickle.dumps(plan))):
            assert (type(other), other, str(other)) == (type(plan), plan, str(plan))
            with pytest.raises(ConfigurationError, match="no client"):
                asyncio.run(other.apply())
        assert pickle.loads(pickle.dumps(ref)).plan == ref.plan


def test_the_hook_is_called_on_the_loops_thread_before_the_request_goes_out_again() -> None:
    """What it raises ends the call, and comes out unchanged."""
    seen: list[tuple[int, int]] = []

    def told(retry: Retry) -> None:
        seen.append((threading.get_ident(), len(double.journal.requests)))
        if len(seen) == 2:
            raise KeyError("mine")

    with Double(answer({}, 503), answer({}, 503)) as double:
        mgmt = async_management(double, on_retry=told)
        with pytest.raises(KeyError, match="mine"):
            asyncio.run(mgmt.list())
        assert seen == [(threading.get_ident(), 1), (threading.get_ident(), 2)]
        assert len(double.journal.requests) == 2


def test_hooks_and_log_lines_see_the_context_of_their_own_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As in any other call, not that of whoever came first on this loop."""
    names: ContextVar[str] = ContextVar("names", default="nobody")
    hooked: list[str] = []
    logged: list[str] = []

    def note(_: logging.LogRecord) -> bool:
        logged.append(names.get())
        return True

    async def ask(mgmt: AsyncManagementClient, name: str) -> None:
        names.set(name)
        await mgmt.list()

    async def main() -> None:
        mgmt = async_management(double, on_retry=lambda _: hooked.append(names.get()))
        for name in ("first", "second"):
            await asyncio.ensure_future(ask(mgmt, name))

    caplog.handler.addFilter(note)
    caplog.set_level("INFO", "inferencekey")
    with Double(*[answer({}, 503), answer([])] * 2) as double:
        asyncio.run(main())
    assert hooked == logged == ["first", "second"]


def test_a_loop_keeps_nothing_of_the_context_of_its_first_call() -> None:
    """A web server's loop runs for months, and a context may hold a whole request."""
    kept: ContextVar[object] = ContextVar("kept")

    async def ask(mgmt: AsyncManagementClient) -> ref[object]:
        holder = type("Holder", (), {})()
        kept.set(holder)
        await mgmt.list()
        return ref(holder)

    async def main(double: Double) -> None:
        seen = await asyncio.ensure_future(ask(async_management(double)))
        # The loop itself lets go of a task's last step with the next one.
        await asyncio.sleep(0)
        gc.collect()
        assert seen() is None

    with Double(answer([])) as double:
        asyncio.run(main(double))


def test_readiness_that_is_closed_while_a_task_waits_is_cancelled() -> None:
    """The end of the events would say that the workload is ready."""

    async def main(double: Double) -> None:
        events = async_management(double).readiness("bot")
        task = asyncio.ensure_future(events.__anext__())
        await reached(double, 1)
        events.close()
        with pytest.raises(Cancelled, match="wait_until_ready: cancelled by the caller"):
            await task

    with Double([HANG]) as double:
        asyncio.run(main(double))


def test_a_wait_gives_its_events_to_a_plain_function_on_the_loops_thread() -> None:
    """What that raises comes out unchanged, and ends the wait on the wire."""
    seen: list[Any] = []

    def show(event: ReadinessEvent) -> None:
        seen.append((event.phase, threading.get_ident()))
        if event.phase == "bootstrapping":
            raise KeyError("mine")

    events = [chunk(sse_bytes({"phase": phase})) for phase in ("scheduling", "bootstrapping")]
    with Double([Send(chunked_head()), *map(Send, events), HANG]) as double:
        mgmt = async_management(double)
        with pytest.raises(KeyError, match="mine"):
            asyncio.run(mgmt.wait_until_ready("bot", on_progress=show))
        me = threading.get_ident()
        assert seen == [("scheduling", me), ("bootstrapping", me)]
        closed(double)


def sse_bytes(event: object) -> bytes:
    """One event as it stands on the wire."""
    return f"data: {json.dumps(event)}\n\n".encode()


def test_waits_end_as_those_of_the_blocking_client() -> None:
    """In time, and with the platform's words."""
    failed = sse({"phase": "error", "message": "no GPU"})
    with Double(failed) as double, pytest.raises(WorkloadFailed, match="no GPU"):
        asyncio.run(async_management(double).wait_until_ready("bot", silent=True))
    with Double([HANG]) as double:
        mgmt = async_management(double)
        with pytest.raises(WaitTimeout):
            asyncio.run(mgmt.wait_until_ready("bot", timeout=0.2, silent=True))
        with pytest.raises(ValidationError, match="timeout"):
            asyncio.run(mgmt.wait_until_ready("bot", timeout=math.nan, silent=True))


def test_a_wait_is_shown_while_the_loop_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """If the call asks for it: a server's stderr is its own."""
    with Double(*[sse({"phase": "ready"})] * 2) as double:
        mgmt = async_management(double)
        asyncio.run(mgmt.wait_until_ready("bot"))
        assert capsys.readouterr().err == ""
        asyncio.run(mgmt.wait_until_ready("bot", progress="plain"))
        assert "bot: ready in 0:0" in capsys.readouterr().err


def test_closing_ends_what_runs_and_refuses_more() -> None:
    """As `Cancelled`; `async with` closes too."""
    with Double([HANG]) as double:
        mgmt = async_management(double)

        async def main() -> None:
            async with mgmt:
                task = asyncio.ensure_future(mgmt.list())
                await reached(double, 1)
            with pytest.raises(Cancelled):
                await task
            with pytest.raises(ConfigurationError, match="closed"):
                await mgmt.list()

        asyncio.run(main())


def test_copies_pickles_and_forked_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the blocking client: each in loops of its own, a pickle without the token."""
    with Double(Hosted()) as double:
        mgmt = async_management(double)
        asyncio.run(mgmt.list())
        assert len(asyncio.run(copy.copy(mgmt).list())) == 1
        text = pickle.dumps(mgmt)
        assert SDK_TOKEN.encode() not in text
        monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
        assert len(asyncio.run(pickle.loads(text).list())) == 1
        assert SDK_TOKEN not in repr(mgmt)
        program = """
        import asyncio
        url, = ARGS
        mgmt = AsyncManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
        async def main():
            return len(await mgmt.list())
        assert asyncio.run(main()) == 1
        child = os.fork()
        assert asyncio.run(main()) == 1
        if child:
            print(os.waitpid(child, 0)[1], flush=True)
        """.replace("\n        ", "\n")
        assert run(program, double.url) == (0, "0\n", "")
