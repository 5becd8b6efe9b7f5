"""Admission of requests: a rate, a concurrency that adapts to the server, and one pause for the whole source.

A *permit* is the right to have a page on its way, from asking for it until the writer has taken it; a *turn* is the
right to send one try now. The pause and the rate stand before every try, in the order of asking, so that nothing
bursts out when a pause ends.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final

from etl.errors import GaveUp
from etl.extract.adaptive import AdaptiveLimit
from etl.extract.pace import Pace, spelled
from etl.extract.retry import LONGEST_PAUSE_S
from etl.extract.slots import Slots
from etl.model.events import SourcePaused, Warned
from etl.model.instants import iso
from etl.model.source import Limits
from etl.ports import Clock, Listener

_SAME_PAUSE_S: Final = 0.02
"""A pause that ends only so much later than the running one is the same pause, told by a second answer."""
_LONGEST_TOLD_S: Final = 10 * 365 * 86400.0


class SourceLimiter:
    """Implements `ports.Limiter`, and `turn` for every single try. `fixed` switches the adaptation off."""

    def __init__(
        self, source: str, limits: Limits, *, clock: Clock, listener: Listener, fixed: int | None = None
    ) -> None:
        self._source = source
        self._clock = clock
        self._listener = listener
        self._adaptive = AdaptiveLimit(limits.concurrency, fixed=fixed)
        self._pace = Pace()
        self._permits = Slots(self._limit)
        self._sends = Slots(self._limit)
        self._held_back = 0
        self._declared_s = 1 / limits.rate if limits.rate else 0.0
        self._tolerance_s = self._declared_s * (max(limits.burst, 1) - 1)
        self._next_at = float("-inf")
        self._paused_until = float("-inf")
        self._turns = asyncio.Lock()
        self._sent = 0
        self._full_at = float("-inf")
        self.held_s = 0.0
        """Seconds in which no request might be sent, because of the rate or a pause."""

    @property
    def in_flight(self) -> int:
        """Permits given and not yet returned."""
        return self._permits.taken

    @property
    def limit(self) -> int:
        """How many permits may be out at once, at the moment."""
        return self._adaptive.limit

    def permit(self) -> AbstractAsyncContextManager[None]:
        """First come, first served; a cancelled wait leaves no trace."""
        return self._permits

    def sending(self) -> AbstractAsyncContextManager[None]:
        """Held around one try: after a cut, the pages that are on their way already must not come back all at once."""
        return self._sends

    async def turn(self) -> None:
        """Wait for the end of the pause and for a token of the rate, declared or found. Called before every try.

        Raises GaveUp while the source asks to be left alone for longer than a run waits.
        """
        now = self._clock.monotonic()
        if self._sends.taken - self._held_back >= self.limit:
            self._full_at = now
        self._pace.begins(now)
        if not self._interval_s and self._paused_until <= now:
            return
        self._held_back += 1
        try:
            async with self._turns:  # asyncio's lock is fair
                while (wait_s := self._take_turn()) > 0:
                    await self._clock.sleep(wait_s)
                    self.held_s += wait_s
        finally:
            self._held_back -= 1

    def pause(self, seconds: float, reason: str) -> None:
        """Hold every request of the source back for so many seconds from now.

        Raises GaveUp beyond a quarter of an hour: waiting longer is the schedule's business.
        """
        until = self._clock.monotonic() + seconds
        longer = until > self._paused_until + _SAME_PAUSE_S
        self._paused_until = max(self._paused_until, until)
        if seconds > LONGEST_PAUSE_S:
            raise self._left_alone(seconds, reason)
        if longer and seconds > 0:
            self._listener(SourcePaused(source=self._source, seconds=seconds, reason=reason))

    def count(self) -> int:
        """A request goes out now: its number among those of the source."""
        self._sent += 1
        return self._sent

    def quota(self, remaining: int, reset_s: float, number: int) -> None:
        """The answer to request `number` told how many more there may be until the reset: stop before one is refused.

        The server may not have counted what went out after that request.
        """
        if remaining <= self._sent - number and 0 < reset_s <= LONGEST_PAUSE_S:
            self.pause(reset_s, "rate limit used up")

    def answered(self, latency_s: float, size: int = 0) -> None:
        """A good answer of `size` bytes after so many seconds to its first byte. Called while `sending`."""
        self._pace.answered()
        limit, now = self.limit, self._clock.monotonic()
        # Answers come in crowds: what counts is whether the limit was reached while this one was on its way.
        used = now - self._full_at <= 2 * latency_s
        self._adaptive.answered(latency_s, now, used=used, size=size)
        if self.limit > limit:
            self._permits.hand_on()
            self._sends.hand_on()

    def pushed_back(self) -> None:
        """The server refused for load, or did not answer in time."""
        self._adaptive.pushed_back(self._clock.monotonic())

    def rate_limited(self, wait_s: float, *, alone: bool) -> None:
        """Too many requests: the source is about to be paused for so long. `alone`: one at a time was too much."""
        if self._pace.refused(self._clock.monotonic(), wait_s, alone=alone):
            self._adaptive.cleared()
            rate = spelled(self._pace.interval_s)
            told = f"{self._source}: more than about {rate} is refused; asked at that pace from now on"
            self._listener(Warned(stream="", message=f"{told} (limits: {{rate: {rate}}} would say so)"))

    @property
    def _interval_s(self) -> float:
        return max(self._declared_s, self._pace.interval_s)

    def _limit(self) -> int:
        return self._adaptive.limit

    def _take_turn(self) -> float:
        """Seconds to wait before asking again; 0 when the turn was taken."""
        now = self._clock.monotonic()
        paused_s = self._paused_until - now
        if paused_s > LONGEST_PAUSE_S:
            raise self._left_alone(paused_s, "asked for by an earlier answer")
        if paused_s > 0:
            return paused_s
        if self._interval_s:
            due = max(self._next_at, now - (0.0 if self._pace.interval_s else self._tolerance_s))
            if due > now:
                return due - now
            self._next_at = due + self._interval_s
        return 0.0

    def _left_alone(self, seconds: float, reason: str) -> GaveUp:
        until = self._clock.now() + timedelta(seconds=min(seconds, _LONGEST_TOLD_S))
        return GaveUp(
            f"{self._source} is rate limited until {iso(until.replace(microsecond=0))}",
            why=f"{reason}; a run waits at most {LONGEST_PAUSE_S / 60:g} minutes",
            hint="the next run goes on from what is committed; ask less often, or lower limits.rate",
        )
