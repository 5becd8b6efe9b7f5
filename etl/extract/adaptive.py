"""How many requests at once a server can take: found by trying, never by guessing.

Additive increase, multiplicative decrease, with a latency guard: doubling each round trip until the first sign of
trouble, then one more per round trip; a cut to 0.7 once per round trip on 429, 503 and timeouts. A limit at which the
server refused is not tried again for a while: each such try may cost all requests of the source a pause. The limit
grows only while it is used at the server: when we are the bottleneck, more requests would only wait in our own memory.
"""

from __future__ import annotations

from typing import Final

START: Final = 8
_CUT: Final = 0.7
_SMOOTH: Final = 0.1
_DRIFT: Final = 0.005
_SLACK_S: Final = 0.02
"""Latencies below this are our own scheduling; they say nothing about the server."""
_SHORTEST_ROUND_TRIP_S: Final = 0.1
_REMEMBERED_S: Final = 30.0
"""How long a limit that was too much is kept away from; servers that scale do it in minutes."""


class AdaptiveLimit:
    """Between 1 and `cap`. `fixed` is a limit that never moves, whatever the cap."""

    def __init__(self, cap: int, *, fixed: int | None = None) -> None:
        self._cap = float(fixed or cap)
        self._adapts = fixed is None
        self._limit = float(fixed or min(START, cap))
        self._slow_start = True
        self._latency_s = self._floor_s = -1.0
        self._cut_at = float("-inf")
        self._too_much = float("inf")

    @property
    def limit(self) -> int:
        """Whole requests, at least 1."""
        return int(self._limit)

    def answered(self, latency_s: float, now: float, *, used: bool) -> None:
        """A good answer after so many seconds to its first byte; `used`: as many were at the server as may be."""
        self._learn(latency_s)
        if now - self._cut_at > _REMEMBERED_S:
            self._too_much = float("inf")
        if not (self._adapts and used) or self._limit >= self._cap:
            return
        if self._latency_s >= 2 * self._floor_s + _SLACK_S:
            self._slow_start = False
            return
        grown = min(self._limit + (1.0 if self._slow_start else 1 / self._limit), self._cap)
        if grown < self._too_much:
            self._limit = grown

    def pushed_back(self, now: float) -> None:
        """Cut once per round trip: the answers to requests that were already out say the same thing again."""
        self._slow_start = False
        if self._adapts and now - self._cut_at >= max(self._latency_s, _SHORTEST_ROUND_TRIP_S):
            self._cut_at = now
            self._too_much = max(2.0, float(self.limit))
            self._limit = max(1.0, self._limit * _CUT)

    def _learn(self, latency_s: float) -> None:
        if self._floor_s < 0:
            self._latency_s = self._floor_s = latency_s
        self._latency_s += (latency_s - self._latency_s) * _SMOOTH
        # The floor follows slowly upwards: a server that became slower for good must not hold the limit down.
        self._floor_s = min(latency_s, self._floor_s + (latency_s - self._floor_s) * _DRIFT)
