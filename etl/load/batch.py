"""The writer's buffer: bounded in bytes, and cut into batches.

Easy to get wrong: a full buffer that is not yet a full batch must be committed at once, or the one who waits for room
and the writer who waits for pages wait for each other.
"""

from __future__ import annotations

import asyncio

from etl.model.page import Page
from etl.ports import Clock

ROWS = 4_000
PAGES = 128
SECONDS = 1.0
BYTES = 32 * 1024 * 1024


class Buffer:
    """Pages between `put` and commit. One task takes, any number put.

    A page weighs until its batch is done. `bound` is in bytes; one page larger than it passes alone.
    """

    def __init__(self, clock: Clock, *, bound: int = BYTES) -> None:
        self._clock = clock
        self._bound = bound
        self._pages: list[Page] = []
        self._rows = 0
        self._weight = 0
        self._taken: list[Page] = []
        self._handed_over = 0
        self._done = 0
        self._hurry = False
        self._finished = False
        self._failure: BaseException | None = None
        self._turn = asyncio.Lock()  # first come, first in: a large page is not starved by small ones
        self._waiting = False
        self._ready = asyncio.Event()
        self._moved = asyncio.Event()

    async def put(self, page: Page) -> None:
        """Hand a page over; waits for room. Raises the failure that ended the writer."""
        async with self._turn:
            self._raise_failure()
            try:
                while self._weight and self._weight + page.weight > self._bound:
                    self._waiting = True
                    self._look()
                    await self._moved.wait()
                    self._raise_failure()
            finally:
                self._waiting = False
            self._pages.append(page)
            self._rows += len(page.block.rows)
            self._weight += page.weight
            self._handed_over += 1
            self._look()

    def hurry(self) -> None:
        """Do not wait for more: what is there becomes a batch now."""
        self._hurry = bool(self._pages)
        self._look()

    def finish(self) -> None:
        """No more pages will come."""
        self._finished = True
        self._look()

    async def settle(self) -> None:
        """Wait until everything handed over so far is done."""
        target = self._handed_over
        while self._done < target:
            self._raise_failure()
            self.hurry()
            await self._moved.wait()
        self._raise_failure()

    async def take(self) -> list[Page]:
        """The next batch; empty when finished and nothing is left."""
        while not self._pages and not self._finished:
            self._ready.clear()
            await self._ready.wait()
        if not self._is_ready():
            await self._wait_for_more()
        self._cut()
        return self._taken

    def done(self) -> None:
        """The batch taken last is stored; its room is free."""
        self._weight -= sum(page.weight for page in self._taken)
        self._done += len(self._taken)
        self._taken = []
        self._move()

    def fail(self, failure: BaseException) -> None:
        """Nothing will be stored any more; everybody who waits is told."""
        self._failure = failure
        self._move()

    def _cut(self) -> None:
        """Take pages in order of arrival up to a full batch; a put that never had to wait may have left more."""
        rows = count = 0
        for page in self._pages[:PAGES]:
            if rows >= ROWS:
                break
            rows += len(page.block.rows)
            count += 1
        self._taken, self._pages = self._pages[:count], self._pages[count:]
        self._rows -= rows
        self._hurry = self._hurry and bool(self._pages)

    async def _wait_for_more(self) -> None:
        self._ready.clear()
        async with asyncio.TaskGroup() as tasks:
            timer = tasks.create_task(self._time_is_up())
            await self._ready.wait()
            timer.cancel()

    async def _time_is_up(self) -> None:
        await self._clock.sleep(SECONDS)
        self._ready.set()

    def _is_ready(self) -> bool:
        full = self._rows >= ROWS or len(self._pages) >= PAGES
        return full or self._hurry or self._finished or self._waiting

    def _look(self) -> None:
        if self._is_ready() or len(self._pages) == 1:
            self._ready.set()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
