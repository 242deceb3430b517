"""A small OpenAI-compatible engine for tests: a real process, whose faults are its options.

It answers a chat with the text of the last message, streams it word by word, and gives embeddings
of three numbers. `GET /journal` shows what reached it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

from aiohttp import web


def options() -> argparse.Namespace:
    """The faults that were asked for."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--model", default="fake-model", help="the name that it lists and answers with"
    )
    parser.add_argument("--no-health", action="store_true", help="has no /health route")
    parser.add_argument("--sick", action="store_true", help="/health is 503 for ever")
    parser.add_argument("--slow-start", type=float, default=0, help="seconds before it listens")
    parser.add_argument(
        "--die", type=int, help="exit with this code before it listens, after its last words"
    )
    parser.add_argument("--die-once", help="like --die 3, but only while this file does not exist")
    parser.add_argument("--refuse-chat", type=int, help="answer every chat with this status")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument(
        "--child", choices=["same-group", "own-session"], help="start a child that sleeps"
    )
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds between two streamed words"
    )
    return parser.parse_args()


class FakeEngine:
    """The routes."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.journal: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024 * 1024)
        if not self.args.no_health:
            app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/embeddings", self.embeddings)
        app.router.add_post("/v1/audio/transcriptions", self.upload)
        app.router.add_get("/v1/audio/voices", self.voices)
        app.router.add_get("/v1/journal", self.show_journal)
        return app

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=503 if self.args.sick else 200)

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": self.args.model}]})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.text()
        body = json.loads(raw)
        entry = {
            "raw": raw if len(raw) < 10_000 else len(raw),
            "headers": dict(request.headers),
            "cancelled": False,
        }
        self.journal.append(entry)
        if self.args.refuse_chat:
            return web.json_response({"error": "no chat here"}, status=self.args.refuse_chat)
        if body["model"] != self.args.model:
            return web.json_response(
                {"error": {"message": f"no model {body['model']}"}}, status=404
            )
        text = body["messages"][-1]["content"]
        if text == "die":
            os._exit(7)
        try:
            if text == "hang":
                await asyncio.sleep(3600)
            if body.get("stream"):
                return await self.stream(request, text)
        except (asyncio.CancelledError, ConnectionResetError):
            entry["cancelled"] = True
            raise
        message = {"role": "assistant", "content": text}
        answer = {
            "id": "1",
            "model": self.args.model,
            "choices": [{"message": message, "finish_reason": "stop"}],
        }
        return web.json_response(answer, headers={"x-engine": "fake"})

    async def stream(self, request: web.Request, text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for word in text.split(" "):
            if word == "DIE":
                os._exit(7)
            await response.write(self.frame({"content": word}))
            await asyncio.sleep(self.args.pause)
        await response.write(self.frame({}, finish_reason="stop"))
        await response.write(b"data: [DONE]\n\n")
        return response

    def frame(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        chunk = {
            "model": self.args.model,
            "choices": [{"delta": delta, "finish_reason": finish_reason}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await request.json()
        rows = [
            {"index": i, "embedding": [float(len(t)), 0.5, -1.0]}
            for i, t in enumerate(body["input"])
        ]
        return web.json_response({"model": body["model"], "data": rows})

    async def upload(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"type": request.headers["content-type"], "bytes": len(await request.read())}
        )

    async def voices(self, request: web.Request) -> web.Response:
        return web.json_response({"voices": ["a"], "query": request.raw_path.partition("?")[2]})

    async def show_journal(self, request: web.Request) -> web.Response:
        return web.json_response(self.journal)


async def serve(args: argparse.Namespace) -> None:
    """Serve until TERM."""
    runner = web.AppRunner(FakeEngine(args).app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, args.host, args.port).start()
    print(f"fake engine listens on {args.host}:{args.port}", flush=True)
    stop = asyncio.Event()
    if not args.ignore_term:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Be an engine."""
    args = options()
    print("fake engine: loading", flush=True)
    if args.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if args.child:
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        child = subprocess.Popen(sleep, start_new_session=args.child == "own-session")
        print(f"child {child.pid}", flush=True)
    if args.die_once and not os.path.exists(args.die_once):
        open(args.die_once, "w").close()
        args.die = 3
    if args.die is not None:
        print("out of memory: these are my last words", file=sys.stderr, flush=True)
        sys.exit(args.die)
    import time

    time.sleep(args.slow_start)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
