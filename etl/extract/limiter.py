"""Admission of requests: a declared rate, a concurrency that adapts to the server, and one pause for the whole source.

The limit grows while that helps and shrinks when the server pushes back (AIMD with a latency guard, as Vector and
Envoy do it): doubling each round trip until the first sign of trouble, then by one per round trip; a cut to 0.7 once
per round trip on 429, 503 and timeouts. It grows only while it is used: when we are the bottleneck, more requests in
flight would only wait in our own memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from etl.errors import GaveUp
from etl.extract.retry import LONGEST_PAUSE_S
from etl.model.events import SourcePaused
from etl.model.stream import Limits
from etl.ports import Clock, Listener

_START: Final = 8
_CUT: Final = 0.7
_SMOOTH: Final = 0.1
_DRIFT: Final = 0.005
_SLACK_S: Final = 0.02
"""Latencies below this are our own scheduling; they say nothing about the server."""


class SourceLimiter:
    """Implements `ports.Limiter`, and `turn` for every single try. `fixed` switches the adaptation off."""

    def __init__(
        self, source: str, limits: Limits, *, clock: Clock, listener: Listener, fixed: int | None = None
    ) -> None:
        self._source = source
        self._clock = clock
        self._listener = listener
        self._cap = fixed or limits.concurrency
        self._adapts = fixed is None
        self._limit = float(fixed or min(_START, limits.concurrency))
        self._given = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._interval = 1 / limits.rate if limits.rate else 0.0
        self._tolerance = self._interval * (limits.burst - 1)
        self._next_at = 0.0
        self._paused_until = 0.0
        self._slow_start = True
        self._latency = self._floor = 0.0
        self._cut_at = float("-inf")
        self.waited_s = 0.0

    @property
    def in_flight(self) -> int:
        """Permits given and not yet returned."""
        return self._given

    @property
    def limit(self) -> int:
        """How many permits may be out at once, at the moment."""
        return int(self._limit)

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """First come, first served; a cancelled wait leaves no trace."""
        await self._take()
        try:
            yield
        finally:
            self._given -= 1
            self._hand_on()

    async def turn(self) -> None:
        """Wait for the pause of the source to end and for a token of the declared rate. Called before every try."""
        if self._interval:
            now = self._clock.monotonic()
            at = max(self._next_at, now - self._tolerance)
            self._next_at = at + self._interval
            await self._wait(at - now)
        while (left := self._paused_until - self._clock.monotonic()) > 0:
            await self._wait(left)

    def pause(self, seconds: float, reason: str) -> None:
        """Hold every request of the source back for so many seconds from now.

        Raises GaveUp beyond a quarter of an hour: waiting longer is the schedule's business.
        """
        if seconds > LONGEST_PAUSE_S:
            raise GaveUp(
                f"{self._source} asks to wait {seconds:,.0f} s ({reason})",
                why=f"that is longer than a run waits, {LONGEST_PAUSE_S:,.0f} s",
                hint="the next run goes on from here; ask less often, or lower limits.rate",
            )
        until = self._clock.monotonic() + seconds
        if until > self._paused_until + _SLACK_S:
            self._paused_until = until
            self._listener(SourcePaused(source=self._source, seconds=seconds, reason=reason))

    def answered(self, latency_s: float) -> None:
        """A good answer after so many seconds to its first byte."""
        if not self._floor:
            self._latency = self._floor = latency_s
        self._latency += (latency_s - self._latency) * _SMOOTH
        # The floor follows slowly upwards: a server that became slower for good must not hold the limit down.
        self._floor = min(latency_s, self._floor + (latency_s - self._floor) * _DRIFT)
        if not self._adapts or self._given < self.limit or self.limit >= self._cap:
            return
        if self._latency > 2 * self._floor + _SLACK_S:
            self._slow_start = False
            return
        self._limit = min(self._limit + (1.0 if self._slow_start else 1 / self._limit), float(self._cap))
        self._hand_on()

    def pushed_back(self) -> None:
        """The server refused for load, or did not answer in time: cut once per round trip."""
        now = self._clock.monotonic()
        self._slow_start = False
        if self._adapts and now - self._cut_at > max(self._latency, 0.1):
            self._cut_at = now
            self._limit = max(1.0, self._limit * _CUT)

    async def _take(self) -> None:
        if self._given < self.limit and not self._waiting:
            self._given += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._given -= 1  # it was handed over in the same turn of the loop
            else:
                self._waiting.remove(place)
            self._hand_on()
            raise

    def _hand_on(self) -> None:
        while self._waiting and self._given < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._given += 1
                place.set_result(None)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.waited_s += seconds
            await self._clock.sleep(seconds)
