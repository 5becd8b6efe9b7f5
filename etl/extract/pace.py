"""A rate that nobody declared: found where fewer requests at once do not end the refusals.

A server that counts requests per time refuses even a single one at a time. What it let through between two refusals,
over the time from one to the other, is a rate it bears; at that pace it is asked from then on, faster step by step
until it refuses again, and then just below. Where a slower pace is refused as soon as before, there is another cause,
and the pace is given up for good.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_SEEN: Final = 3
"""Spells between refusals of which the best counts: with few requests at once the slowness may be our own."""
_FAST: Final = (50, 0.8)
_SLOW: Final = (200, 0.97)
"""After so many good answers the interval is so much shorter: before the first refusal at a pace, and after it."""
_MARGIN: Final = 1.05
_SOON: Final = 40
_SLOWER: Final = 1.5
_STRIKES: Final = 2
_LEAST: Final = 2
"""So many good answers make a rate."""


class Pace:
    """`interval_s` is the time between two requests, 0.0 while there is no reason for one."""

    def __init__(self) -> None:
        self.interval_s = 0.0
        self._proved_s = 0.0
        self._relax_every, self._relax = _FAST
        self._good = 0
        self._since: float | None = None
        self._spells: deque[float] = deque(maxlen=_SEEN)
        self._strikes = 0

    def begins(self, now: float) -> None:
        """A request may be sent now; the first one starts the count."""
        if self._since is None:
            self._since = now

    def answered(self) -> None:
        """A good answer."""
        self._good += 1
        if self.interval_s and self._good % self._relax_every == 0:
            self._proved_s = self.interval_s
            self.interval_s *= self._relax

    def refused(self, now: float, wait_s: float, *, alone: bool) -> bool:
        """The source is paused for so long; `alone`: one request at a time was too much. True when a pace was found.

        The other answers of the same crowd come while the pause is on, and say the same thing again.
        """
        if self._since is None or now < self._since or self._strikes > _STRIKES:
            return False
        found = False
        if self.interval_s:
            self._again()
        else:
            if self._good >= _LEAST:
                self._spells.append((now + wait_s - self._since) / self._good)
            if alone and self._spells:
                self.interval_s, found = _MARGIN * min(self._spells), True
        self._since, self._good = now + wait_s, 0
        return found

    def _again(self) -> None:
        if self._proved_s:
            self._relax_every, self._relax = _SLOW
            self.interval_s, self._proved_s, self._strikes = self._proved_s, 0.0, 0
            return
        self._strikes = 0 if self._good >= _SOON else self._strikes + 1
        self.interval_s = self.interval_s * _SLOWER if self._strikes <= _STRIKES else 0.0


def spelled(interval_s: float) -> str:
    """As `limits.rate` is written: `1.9/s`, `24/min`."""
    per_second = 1 / interval_s
    return f"{per_second:.2g}/s" if per_second >= 1 else f"{60 * per_second:.2g}/min"
