"""The pace that is found where a server counts requests per time, and told nobody."""

from __future__ import annotations

from collections import deque

import pytest

from etl.extract.pace import Pace, spelled


class Server:
    """Lets `count` requests through in any `span_s`, and refuses the next with the time until it would not."""

    def __init__(self, count: int, span_s: float) -> None:
        self.count, self.span_s = count, span_s
        self.taken: deque[float] = deque()

    def asks_to_wait(self, now: float) -> float:
        while self.taken and self.taken[0] <= now - self.span_s:
            self.taken.popleft()
        if len(self.taken) < self.count:
            self.taken.append(now)
            return 0.0
        return self.taken[0] + self.span_s - now


def read(pace: Pace, server: Server, pages: int, *, latency_s: float = 0.02) -> tuple[int, float]:
    """Read pages one after the other; how many requests were refused, and how long it took."""
    now, refused = 0.0, 0
    while pages:
        pace.begins(now)
        wait_s = server.asks_to_wait(now)
        if wait_s:
            refused += 1
            pace.refused(now, wait_s, alone=True)
            now += wait_s
        else:
            pages -= 1
            pace.answered()
            now += max(latency_s, pace.interval_s)
    return refused, now


@pytest.mark.parametrize(("count", "span_s"), [(2, 1.0), (60, 60.0), (10, 1.0)])
def test_a_rate_that_nobody_declared_is_found_and_kept(count: int, span_s: float) -> None:
    """Two thousand pages, hardly a refusal, and little slower than the server allows."""
    refused, took_s = read(Pace(), Server(count, span_s), 2000)

    assert refused <= 0.01 * 2000
    assert took_s <= 1.15 * 2000 * span_s / count


def test_without_a_pace_every_few_requests_would_be_refused() -> None:
    """What the pace is for: nearly every answer is followed by a refusal."""
    pace = Pace()
    pace.refused = lambda now, wait_s, *, alone: False  # type: ignore[method-assign]

    refused, _ = read(pace, Server(2, 1.0), 2000)

    assert refused > 900


def test_a_crowd_that_was_refused_gives_no_pace() -> None:
    """Fewer at once may be all that the server wants."""
    pace = Pace()
    pace.begins(0.0)
    for _ in range(10):
        pace.answered()

    assert not pace.refused(0.5, 1.0, alone=False)
    assert pace.interval_s == 0.0


def test_what_went_well_between_two_refusals_is_the_rate() -> None:
    """Ten answers in half a second and a second of pause: one in 0.15 s, and a little slower. The crowd adds none."""
    pace = Pace()
    pace.begins(0.0)
    for _ in range(10):
        pace.answered()

    assert pace.refused(0.5, 1.0, alone=True)
    assert pace.interval_s == pytest.approx(0.1575)
    assert not pace.refused(0.6, 1.0, alone=True)
    assert pace.interval_s == pytest.approx(0.1575)


def test_refusals_that_a_slower_pace_does_not_end_have_another_cause() -> None:
    """A server that refuses one in twenty at random is not read ever more slowly."""
    pace, now = Pace(), 0.0
    for _ in range(4):
        pace.begins(now)
        for _ in range(20):
            pace.answered()
        now += 5.0
        pace.refused(now, 1.0, alone=True)
        now += 1.0

    assert pace.interval_s == 0.0


@pytest.mark.parametrize(("interval_s", "rate"), [(0.53, "1.9/s"), (0.0831, "12/s"), (2.5, "24/min")])
def test_a_rate_is_spelled_as_in_the_configuration(interval_s: float, rate: str) -> None:
    """So that it can be copied from the log."""
    assert spelled(interval_s) == rate
