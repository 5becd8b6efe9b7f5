"""The real clock. Whatever needs time gets it as a `ports.Clock`; only entrypoints and bootstrap name this one."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine tells it; implements `ports.Clock`."""

    __slots__ = ()

    def now(self) -> datetime:
        """The wall clock, aware, in UTC; it may jump in either direction."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; returns at once, without yielding, for 0 or less."""
        if seconds > 0:
            await asyncio.sleep(seconds)
