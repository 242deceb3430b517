"""Prompts of an async iterable, drawn one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from inferencekey._window import Prompt


class Source:
    """An iterator over what an async iterable gives; `is_ready` says whether `next` has something.

    One task asks the iterable from its first prompt to its last: a timeout or a task group around
    one of its `yield`s stays in the task that entered it.
    """

    def __init__(self, prompts: AsyncIterator[Prompt]) -> None:
        self._prompts = prompts
        self._wanted: asyncio.Queue[asyncio.Future[Prompt]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._drawing: asyncio.Future[Prompt] | None = None

    def is_ready(self, wake: Callable[[], None]) -> bool:
        """Is the next prompt, or the end, here? If not it is asked for, and `wake` comes then."""
        if self._task is None:
            self._task = asyncio.ensure_future(_draw(self._prompts, self._wanted))
        if self._drawing is None:
            self._drawing = self._task.get_loop().create_future()
            self._drawing.add_done_callback(lambda _: wake())
            self._wanted.put_nowait(self._drawing)
        return self._drawing.done()

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Prompt:
        drawing, self._drawing = self._drawing, None
        assert drawing is not None, "`is_ready` was true"
        try:
            return drawing.result()
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Asks for nothing more."""
        if self._task is not None and not self._task.get_loop().is_closed():
            _end(self._task, self._drawing)

    def __del__(self) -> None:
        # On any thread, perhaps.
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.get_loop().call_soon_threadsafe(_end, self._task, self._drawing)


async def _draw(
    prompts: AsyncIterator[Prompt], wanted: asyncio.Queue[asyncio.Future[Prompt]]
) -> None:
    """Holds nothing of the map, which may be dropped meanwhile."""
    while True:
        drawing = await wanted.get()
        try:
            prompt = await anext(prompts)
        except Exception as ended:
            # The end, or the caller's own failure.
            if not drawing.done():
                drawing.set_exception(ended)
            # The exception's traceback holds this frame, and that would hold the exception.
            del drawing
            return
        except BaseException:
            drawing.cancel()
            raise
        if not drawing.done():
            drawing.set_result(prompt)


def _end(task: asyncio.Task[None], drawing: asyncio.Future[Prompt] | None) -> None:
    task.cancel()
    if drawing is not None:
        # If it has failed meanwhile, the loop does not complain either.
        drawing.cancel()
