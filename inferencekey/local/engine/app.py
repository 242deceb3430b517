"""The routes: `/health`, `/v1/models`, `/v1/chat/completions`, `/v1/embeddings`.

A model step blocks, so it runs on a thread; the event loop only moves bytes. Each step is asked for
when the piece before it has been written: a client that reads slowly holds up nothing but itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

from . import answers, bodies
from .errors import BadRequest, EngineError, Loading, ModelFailed, error_body
from .runner import Model, Piece, Pieces

log = logging.getLogger("inferencekey.engine")

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_STEPS = 32
"""Model steps at once; as many as mistralrs runs sequences. More requests wait their turn."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_T = TypeVar("_T")


class Engine:
    """The served model and its routes. The model comes later: until then they answer 503."""

    def __init__(self, served_name: str) -> None:
        self.served_name = served_name
        self._model: Model | None = None
        self._loaded_at = 0
        self._threads = ThreadPoolExecutor(MAX_STEPS, thread_name_prefix="model")

    def serve(self, model: Model) -> None:
        """From now on, answer with this model."""
        self._loaded_at = int(time.time())
        self._model = model

    def runtime(self) -> web.AppRunner:
        """The routes, ready for set-up. A client that leaves cancels its handler, so work ends."""
        return web.AppRunner(self._application(), handler_cancellation=True, access_log=None)

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[_answer_errors], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embeddings)
        return app

    def _loaded(self) -> Model:
        if self._model is None:
            raise Loading
        return self._model

    async def _health(self, request: web.Request) -> web.Response:
        self._loaded()
        return web.json_response({"status": "ok"})

    async def _models(self, request: web.Request) -> web.Response:
        self._loaded()
        return web.json_response(answers.models(self.served_name, self._loaded_at))

    async def _embeddings(self, request: web.Request) -> web.Response:
        model = self._loaded()
        wish = bodies.embeddings(await _json(request))
        rows, tokens = await self._on_thread(model.embed, wish.inputs)
        return _json_answer(
            answers.embeddings(self.served_name, rows, tokens, as_base64=wish.base64)
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        model = self._loaded()
        wish = bodies.chat(await _json(request))
        pieces = await self._on_thread(model.generate, wish)
        # The model's refusal comes with the first step, and must be an answer of its own status.
        first = await self._step(pieces)
        answer = answers.ChatAnswer(self.served_name)
        if wish.stream:
            return await self._stream(request, wish, answer, first, pieces)
        return await self._whole(answer, first, pieces)

    async def _whole(
        self, answer: answers.ChatAnswer, piece: Piece, pieces: Pieces
    ) -> web.Response:
        texts = [piece.text]
        while piece.finish_reason is None:
            piece = await self._step(pieces)
            texts.append(piece.text)
        usage = piece.usage or answers.Usage(0, 0)
        return _json_answer(answer.whole("".join(texts), piece.finish_reason, usage))

    async def _stream(
        self,
        request: web.Request,
        wish: bodies.ChatRequest,
        answer: answers.ChatAnswer,
        piece: Piece,
        pieces: Pieces,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream", "cache-control": "no-cache"}
        )
        await response.prepare(request)
        await response.write(answers.frame(answer.chunk({"role": "assistant", "content": ""})))
        try:
            while True:
                if piece.text:
                    await response.write(answers.frame(answer.chunk({"content": piece.text})))
                if piece.finish_reason is not None:
                    break
                piece = await self._step(pieces)
        except ModelFailed as cause:
            await response.write(answers.frame(cause.body()))
            return response
        await response.write(answers.frame(answer.chunk({}, piece.finish_reason)))
        if wish.include_usage and piece.usage:
            await response.write(answers.frame(answer.usage_chunk(piece.usage)))
        await response.write(answers.DONE)
        return response

    async def _step(self, pieces: Pieces) -> Piece:
        piece = await self._on_thread(pieces.next)
        if piece is None:
            raise ModelFailed("the model ended without a finish_reason")
        return piece

    async def _on_thread(self, function: Callable[..., _T], *values: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *values)


@web.middleware
async def _answer_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Give every refusal the OpenAI form, and log one line per request that is not a probe."""
    began = time.monotonic()
    status: int | str = "client left"
    try:
        response = await _refusals_answered(request, handler)
        status = response.status
        return response
    except ConnectionResetError:
        # Nobody is there to read it; aiohttp wants a response all the same.
        return web.Response()
    finally:
        if request.path != "/health":
            log.info(
                "%s %s %s %.3f s", request.method, request.path, status, time.monotonic() - began
            )


async def _refusals_answered(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except EngineError as error:
        return web.json_response(error.body(), status=error.status)
    except web.HTTPException as error:
        kind = "invalid_request_error"
        message = f"{error.reason.lower()}: {request.method} {request.path}"
        code = error.reason.lower().replace(" ", "_")
        headers = {"allow": error.headers["allow"]} if "allow" in error.headers else None
        return web.json_response(
            error_body(message, kind, code), status=error.status, headers=headers
        )
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        body = error_body(
            "the engine failed; its log has the cause", "server_error", "engine_error"
        )
        return web.json_response(body, status=500)


async def _json(request: web.Request) -> object:
    with contextlib.suppress(ValueError):
        return json.loads(await request.read())
    raise BadRequest("the body is not JSON in UTF-8")


def _json_answer(body: answers.Json) -> web.Response:
    return web.Response(text=json.dumps(body, ensure_ascii=False), content_type="application/json")
