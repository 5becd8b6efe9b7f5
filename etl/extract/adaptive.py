"""How many requests at once a server can take: found by trying, never by guessing.

Fast growth from `START` until the first sign of trouble, then one more per round trip; a cut to 0.7 once per round trip
on 429, 503 and timeouts, to 0.9 while answers take twice as long as they did alone: then requests only queue at the
server. A limit at which the server refused is not tried again for a while: each such try may cost all requests of the
source a pause. The limit grows only while it is used at the server: when we are the bottleneck, more requests would
only wait in our own memory; and only so far that the pages in flight stay small together.
"""

from __future__ import annotations

from typing import Final

START: Final = 8
_STEADY: Final = START
"""Waiting for answers is no reason to go below: some of it is our own, and it cannot be told apart."""
_CAREFUL_FROM: Final = 64
_CUT: Final = 0.7
_EASE: Final = 0.9
_NEAR: Final = 0.75
_NEARLY: Final = 0.1
"""Close to a limit that was refused, one more in so many round trips: finding it again costs the source a pause."""
_SMOOTH: Final = 0.1
_SLOW: Final = 2.0
_SLACK_S: Final = 0.02
"""Latencies below this are our own scheduling; they say nothing about the server."""
_SHORTEST_ROUND_TRIP_S: Final = 0.1
_REMEMBERED_S: Final = 30.0
"""How long a limit that was too much is kept away from; servers that scale do it in minutes."""
_BYTES_IN_FLIGHT: Final = 32 * 1024 * 1024


class AdaptiveLimit:
    """Between 1 and `cap`. `fixed` is a limit that never moves, whatever the cap."""

    def __init__(self, cap: int, *, fixed: int | None = None) -> None:
        self._cap = float(fixed or cap)
        self._adapts = fixed is None
        self._limit = float(fixed or min(START, cap))
        self._is_fast = True
        self._latency_s = self._alone_s = -1.0
        self._cut_at = self._eased_at = float("-inf")
        self._too_much = float("inf")
        self._largest = 1
        self._eased_from: tuple[float, float] | None = None

    @property
    def limit(self) -> int:
        """Whole requests, at least 1."""
        return int(self._limit)

    def answered(self, latency_s: float, now: float, *, used: bool, size: int = 0) -> None:
        """A good answer of `size` bytes after so many seconds to its first byte; `used`: the limit was reached."""
        self._largest = max(self._largest, size)
        self._learn(latency_s)
        if now - self._cut_at > _REMEMBERED_S:
            self._too_much = float("inf")
        if not self._adapts:
            return
        if self._latency_s >= _SLOW * self._alone_s + _SLACK_S:
            self._ease(now)
        elif used:
            self._eased_from = None
            self._grow()

    def pushed_back(self, now: float) -> None:
        """Cut once per round trip: the answers to requests that were already out say the same thing again."""
        self._is_fast = False
        if self._adapts and now - self._cut_at >= max(self._latency_s, _SHORTEST_ROUND_TRIP_S):
            self._cut_at = now
            self._too_much = max(2.0, float(self.limit))
            self._limit = max(1.0, self._limit * _CUT)

    def cleared(self) -> None:
        """The refusals had another cause than too many at once."""
        self._too_much = float("inf")

    def _grow(self) -> None:
        step = 1 / self._limit
        if self._is_fast:
            # Half as fast where a refused crowd would be large.
            step = 1.0 if self._limit < _CAREFUL_FROM else 0.5
        elif self._too_much < self._cap:
            # Back to where it went well, then slowly.
            step = 0.5 if self._limit < _NEAR * self._too_much else _NEARLY / self._limit
        grown = min(self._limit + step, self._cap, max(START, _BYTES_IN_FLIGHT / self._largest))
        if self._limit < grown < self._too_much:
            self._limit = grown

    def _ease(self, now: float) -> None:
        """Take some back, once per round trip; unless that changes nothing: then the server is slow by itself."""
        self._is_fast = False
        if now - self._eased_at < max(self._latency_s, _SHORTEST_ROUND_TRIP_S):
            return
        self._eased_at = now
        if self._eased_from is None:
            self._eased_from = self._limit, self._latency_s
        limit, latency_s = self._eased_from
        if self._limit <= max(limit / 2, _STEADY) and self._latency_s > 0.75 * latency_s:
            self._alone_s, self._eased_from = self._latency_s, None
        else:
            self._limit = max(min(self._limit, _STEADY), self._limit * _EASE)

    def _learn(self, latency_s: float) -> None:
        if self._alone_s < 0:
            self._latency_s = self._alone_s = latency_s
        self._latency_s += (latency_s - self._latency_s) * _SMOOTH
        # Of the smoothed latency: a few answers out of a cache say nothing about the others.
        self._alone_s = min(self._alone_s, self._latency_s)
