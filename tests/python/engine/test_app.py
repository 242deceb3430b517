"""The routes over a scripted model: what a real model does too seldom to wait for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from inferencekey.local.engine.app import Engine
from inferencekey.local.engine.bodies import ChatRequest
from inferencekey.local.engine.errors import ModelFailed
from inferencekey.local.engine.runner import Piece

LIMIT = 10.0
BODY = {"messages": [{"role": "user", "content": "Hola"}]}


class Script:
    """A model whose generations give these pieces; an exception is raised in its turn."""

    def __init__(self, *pieces: Piece | Exception, endless: Piece | None = None) -> None:
        self.pieces, self.endless = pieces, endless
        self.dropped = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def generate(self, request: ChatRequest) -> Generation:
        return Generation(self)

    def embed(self, texts: list[str]) -> tuple[list[list[float]], int]:
        raise RuntimeError("the wires are crossed")


class Generation:
    """One run of a script; says so when nobody holds it any longer."""

    def __init__(self, script: Script) -> None:
        self.script, self.left = script, list(script.pieces)

    def next(self) -> Piece | None:
        piece = self.left.pop(0) if self.left else self.script.endless
        if isinstance(piece, Exception):
            raise piece
        return piece

    def __del__(self) -> None:
        self.script.loop.call_soon_threadsafe(self.script.dropped.set)


Talk = Callable[[aiohttp.ClientSession], Awaitable[None]]


def _serve(engine: Engine, talk: Talk) -> None:
    """Run the engine on a real socket while `talk` has a client of it."""

    async def both() -> None:
        runtime = engine.runtime()
        await runtime.setup()
        await web.TCPSite(runtime, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runtime.addresses[0][1]}"
        async with aiohttp.ClientSession(base) as client:
            await asyncio.wait_for(talk(client), LIMIT)
        await runtime.cleanup()

    asyncio.run(both())


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
def test_until_the_model_is_loaded_the_answer_is_503(path: str) -> None:
    """A probe learns that the process lives and is not ready."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        async with client.get(path) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "model_loading"
        engine.serve(Script())
        async with client.get(path) as answer:
            assert answer.status == 200

    _serve(engine, talk)


def test_a_client_that_leaves_stops_the_model() -> None:
    """An endless generation is let go of as soon as its connection closes."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        script = Script(endless=Piece("word "))
        engine.serve(script)
        answer = await client.post("/v1/chat/completions", json=BODY | {"stream": True})
        await answer.content.readany()
        assert not script.dropped.is_set()
        answer.close()
        await script.dropped.wait()

    _serve(engine, talk)


def test_a_client_that_leaves_a_whole_answer_stops_the_model() -> None:
    """Without `stream` no write can fail: the closed connection itself is noticed."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        script = Script(endless=Piece("word "))
        engine.serve(script)
        timeout = aiohttp.ClientTimeout(total=0.2)
        with pytest.raises(asyncio.TimeoutError):
            await client.post("/v1/chat/completions", json=BODY, timeout=timeout)
        await script.dropped.wait()

    _serve(engine, talk)


def test_a_failure_inside_a_stream_is_its_last_event() -> None:
    """No `[DONE]` and no finish_reason: nobody takes the text for a whole answer."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        engine.serve(Script(Piece("half"), ModelFailed("out of memory")))
        answer = await client.post("/v1/chat/completions", json=BODY | {"stream": True})
        *_, half, last = (await answer.text()).strip().split("\n\n")
        assert json.loads(half.removeprefix("data: "))["choices"][0]["delta"]["content"] == "half"
        error = json.loads(last.removeprefix("data: "))["error"]
        assert error == {"message": "out of memory", "type": "server_error", "code": "engine_error"}

    _serve(engine, talk)


def test_a_failure_of_the_first_step_has_its_own_status() -> None:
    """500 and not a 200 that breaks off."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        engine.serve(Script(ModelFailed("out of memory")))
        answer = await client.post("/v1/chat/completions", json=BODY | {"stream": True})
        assert answer.status == 500
        assert (await answer.json())["error"]["message"] == "out of memory"

    _serve(engine, talk)


def test_a_defect_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 500 in the OpenAI form; the cause is in the log."""
    engine = Engine("m")

    async def talk(client: aiohttp.ClientSession) -> None:
        engine.serve(Script())
        answer = await client.post("/v1/embeddings", json={"input": "x"})
        assert answer.status == 500
        assert "crossed" not in await answer.text()

    _serve(engine, talk)
    assert "the wires are crossed" in caplog.text
