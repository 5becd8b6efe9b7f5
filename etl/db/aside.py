"""A second event loop, on a thread of its own and with connections of its own, for what may not wait for the first one.

A page is decoded in one go, and nothing else of its loop runs meanwhile; for a large one that may be longer than a
lease lasts.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Self, TypeVar

from etl.db.database import Database

_PATIENCE_S: Final = 10.0
"""How long the thread may take to begin, and to end."""
T = TypeVar("T")
Opened = Callable[[], Awaitable[Database]]
"""The database of the second loop, opened when it is asked for first: short runs never need it."""


class Aside:
    """Entered and left as a context; the thread begins with the first `run`."""

    def __init__(self, open_database: Callable[[], AbstractAsyncContextManager[Database]]) -> None:
        self._open = open_database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._database: Database | None = None

    async def run(self, work: Callable[[Opened], Coroutine[Any, Any, T]]) -> T:
        """Do `work` on the second loop and wait for it here. Cancelling the one cancels the other."""
        loop = self._loop or self._begin()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(self._opened), loop))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the thread, after what was cancelled there has ended."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._over.set)
            await asyncio.to_thread(self._thread.join, _PATIENCE_S)

    def _begin(self) -> asyncio.AbstractEventLoop:
        begun = concurrent.futures.Future[asyncio.AbstractEventLoop]()
        self._thread = threading.Thread(target=asyncio.run, args=(self._live(begun),), name="aside", daemon=True)
        self._thread.start()
        self._loop = begun.result(_PATIENCE_S)
        return self._loop

    async def _live(self, begun: concurrent.futures.Future[asyncio.AbstractEventLoop]) -> None:
        self._over, self._opening = asyncio.Event(), asyncio.Lock()
        async with AsyncExitStack() as self._stack:
            begun.set_result(asyncio.get_running_loop())
            await self._over.wait()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if left:
                await asyncio.wait(left, timeout=_PATIENCE_S)

    async def _opened(self) -> Database:
        async with self._opening:
            if self._database is None:
                self._database = await self._stack.enter_async_context(self._open())
        return self._database
