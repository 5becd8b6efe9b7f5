"""Places for a number of tasks that changes while they wait: first come, first served, and none is ever lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType


class Slots:
    """`limit` is asked whenever a place becomes free; a limit that falls takes nothing back, it lets nobody in.

    Used with `async with`, by any number of tasks at once.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0

    async def take(self) -> None:
        """Wait for a place. A cancelled wait leaves no trace."""
        if self.taken < self._limit() and not self._waiting:
            self.taken += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.taken -= 1  # it was handed over in the same turn of the loop
            with suppress(ValueError):  # `hand_on` drops cancelled places that it meets
                self._waiting.remove(place)
            self.hand_on()
            raise

    def give_back(self) -> None:
        """Return what `take` got."""
        self.taken -= 1
        self.hand_on()

    def hand_on(self) -> None:
        """Let in who fits; called when the limit grew."""
        while self._waiting and self.taken < self._limit():
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
