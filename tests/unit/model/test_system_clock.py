"""The real clock."""

from datetime import UTC, datetime

import pytest
import time_machine

from etl.model.clock import SystemClock


def test_now_is_aware_and_in_utc():
    """Naive instants never enter the package."""
    with time_machine.travel(datetime(2026, 3, 4, 5, 6, tzinfo=UTC), tick=False):
        assert SystemClock().now() == datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
        assert SystemClock().now().tzinfo is UTC


def test_monotonic_ignores_the_wall_clock():
    """A clock that is set back does not make a duration negative."""
    clock = SystemClock()
    before = clock.monotonic()
    with time_machine.travel(datetime(1999, 1, 1, tzinfo=UTC), tick=False):
        assert clock.monotonic() >= before


@pytest.mark.parametrize("seconds", [0, -5, 0.001])
async def test_sleep_returns(seconds):
    """Also for a wait that is over before it began."""
    await SystemClock().sleep(seconds)
