"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from etl.ports import Clock

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SETTLE: Final = 50
"""Turns of the event loop after which everything that is ready has run: enough for the chains of awaits in a test."""


class FakeClock(Clock):
    """Implements the Clock port. `slept` lists the seconds every sleeper asked for, in order.

    By default sleepers wake only through `advance`. With `auto=True` the clock jumps to the next sleeper as soon as
    nothing else can run, so that code with waits runs at full speed; that needs everything awaited to be fake too,
    for real sockets and threads are not seen.
    """

    def __init__(self, start: datetime = NOON, *, auto: bool = False) -> None:
        self.slept: list[float] = []
        self._start = start
        self._elapsed = timedelta(0)
        self._auto = auto
        self._pumping = False
        self._order = count()
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []

    @property
    def sleeping(self) -> int:
        """How many are asleep."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def now(self) -> datetime:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._elapsed + timedelta(seconds=seconds), next(self._order), future))
        if self._auto and not self._pumping:
            self._pumping = True
            loop.call_soon(self._pump, loop, _SETTLE)
        await future

    def jump(self, seconds: float) -> None:
        """Move the time without waking anybody: a suspended machine, or a stalled event loop."""
        self._elapsed += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Move the time; sleepers wake in the order they are due, each at its own instant, and run before the next.

        One that goes back to sleep within the span wakes again in it.
        """
        end = self._elapsed + timedelta(seconds=seconds)
        await self.settle()
        while self._wake_next(end):
            await self.settle()
        self._elapsed = max(self._elapsed, end)

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(_SETTLE):
            await asyncio.sleep(0)

    def _wake_next(self, end: timedelta | None = None) -> bool:
        while self._sleepers and (self._sleepers[0][2].done() or end is None or self._sleepers[0][0] <= end):
            due, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._elapsed = max(self._elapsed, due)
                future.set_result(None)
                return True
        return False

    def _pump(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns > 0:
            loop.call_soon(self._pump, loop, turns - 1)
        elif self._wake_next():
            loop.call_soon(self._pump, loop, _SETTLE)
        else:
            self._pumping = False
