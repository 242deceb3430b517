"""Waiting that cancellation does not cut short."""

from __future__ import annotations

import asyncio
from typing import Any


async def finish(task: asyncio.Task[Any]) -> None:
    """Wait until `task` is done, whatever its outcome. Cancelled meanwhile: wait on, then obey."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
