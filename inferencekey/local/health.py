"""From "its process runs" to "it answers": the looks that the platform takes at an engine.

In this order: a TCP connection; `/health`, else `/v1/models`; then one real request of one token.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp

from .errors import LocalError
from .types import Address, EngineCommand, Json, Workload

Say = Callable[[str, str], None]
"""Called with (step, message) for each thing that has happened."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_LOOK = aiohttp.ClientTimeout(total=5)
_NOT_OFFERED = (404, 405, 501)
_LATER = (408, 425, 429)
"""Answers below 500 that promise more: the same request may be answered later."""


class Prober:
    """Looks at one engine at `address`.

    http: the session for requests to engines."""

    def __init__(self, http: aiohttp.ClientSession, address: Address, workload: Workload) -> None:
        self._http = http
        self._address = address
        self._workload = workload

    async def wait_until_serving(self, command: EngineCommand, say: Say) -> str:
        """Wait, for ever if need be, until the engine has answered a real request; return its
        model's name. Raises LocalError where it refuses its workload's kind of request."""
        await self._until(self._listens)
        say("listen", f"{command.label} listens on {self._address}")
        await self._until(self.healthy)
        say("health", f"{command.label} is healthy")
        if command.pull:
            await self._pull(say)
        model = await self._served_model(command)
        await self._warm_up(model, say)
        return model

    async def healthy(self, timeout: float = 5.0) -> bool:
        """Whether the engine says that it can serve; an engine that knows neither route can."""
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            for path in ("/health", "/v1/models"):
                async with self._http.get(self._address.url + path, timeout=limit) as answer:
                    if answer.status not in _NOT_OFFERED:
                        return answer.status < 300
        except (aiohttp.ClientError, asyncio.TimeoutError):
            return False
        return True

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self._address.host, self._address.port)
        except OSError:
            return False
        writer.close()
        return True

    async def _until(self, look: Callable[[], Awaitable[bool]]) -> None:
        pause = _FIRST_PAUSE
        while not await look():
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _served_model(self, command: EngineCommand) -> str:
        """The name by which the engine knows its model: the spec's, the slug, or the only one it
        lists."""
        wanted = command.stand_in or self._workload.model_name
        names = await self._listed_models()
        for name in (wanted, self._workload.slug):
            if name in names:
                return name
        return names[0] if len(names) == 1 else wanted

    async def _listed_models(self) -> list[str]:
        try:
            async with self._http.get(self._address.url + "/v1/models", timeout=_LOOK) as answer:
                listed = await answer.json(content_type=None)
            return [str(model["id"]) for model in listed["data"]]
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError, KeyError, TypeError):
            return []  # not every engine lists its models; the spec's own name is used then

    async def _warm_up(self, model: str, say: Say) -> None:
        """Send the test request until the engine answers it.

        Raises LocalError where it refuses: it will refuse the workload's callers as well."""
        request = _test_request(self._workload.task_type, model)
        if request is None:
            say("warm_up", f"no test request is known for {self._workload.task_type}")
            return
        path, body = request
        pause = _FIRST_PAUSE
        began = time.monotonic()
        told = ""
        while True:
            status, text = await self._ask(path, body)
            if status < 300:
                say("warm_up", f"test request answered in {_ms_since(began)} ms")
                return
            verdict = f"test request to {path} answered with {status}: {text[:300]}"
            if status < 500 and status not in _LATER:
                raise LocalError(
                    verdict,
                    hint=f"check that the model does the spec's task_type, "
                    f"{self._workload.task_type}",
                )
            if verdict != told:
                told = verdict
                say("warm_up", verdict)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _ask(self, path: str, body: Json) -> tuple[int, str]:
        """Status and text of an answer; a broken connection counts as one that promises more."""
        try:
            async with self._http.post(self._address.url + path, json=body) as answer:
                return answer.status, await answer.text(errors="replace")
        except aiohttp.ClientError as cause:
            return 503, str(cause)

    async def _pull(self, say: Say) -> None:
        """Ask ollama for the model; it loads nothing that is there already."""
        name = self._workload.model_name
        told = None
        try:
            async with self._http.post(
                self._address.url + "/api/pull", json={"model": name}
            ) as answer:
                async for line in answer.content:
                    news = json.loads(line)
                    if "error" in news:
                        raise LocalError(f"ollama has no model `{name}`: {news['error']}")
                    if news.get("status") != told:
                        told = news.get("status")
                        say("pull", f"ollama pull {name}: {told}")
        except (aiohttp.ClientError, ValueError) as cause:
            raise LocalError(f"ollama broke off the pull of `{name}`: {cause}") from cause


def _test_request(task_type: str, model: str) -> tuple[str, dict[str, Json]] | None:
    """The smallest real request for a kind of task, None where even the smallest is costly."""
    if task_type in ("text2text", "omni"):
        messages = [{"role": "user", "content": "ping"}]
        return "/v1/chat/completions", {
            "model": model,
            "messages": messages,
            "max_tokens": 1,
            "stream": False,
        }
    if task_type == "embedding":
        return "/v1/embeddings", {"model": model, "input": ["ping"]}
    return None


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
