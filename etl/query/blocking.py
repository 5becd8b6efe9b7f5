"""Blocking work in a thread that ends soon when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def blocking(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Run `work` in a thread.

    On cancellation `cancel` stops it, and its end is awaited: what it uses may be closed then.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen; the cancellation is what is told
        raise
