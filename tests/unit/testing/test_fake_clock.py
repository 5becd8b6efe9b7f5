"""The clock that stands still."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from etl.testing.clock import FakeClock


async def test_time_stands_still_until_it_is_moved() -> None:
    """Both readings move by the same span; the wall clock starts at noon of the first day of 2026."""
    clock = FakeClock()
    before = clock.monotonic()

    await clock.advance(90)

    assert clock.now() == datetime(2026, 1, 1, 12, 1, 30, tzinfo=UTC)
    assert clock.monotonic() - before == 90


async def test_sleepers_wake_in_the_order_they_are_due() -> None:
    """Each finds the clock at its own instant, whoever fell asleep first."""
    clock = FakeClock()
    woke: list[tuple[str, float]] = []
    start = clock.monotonic()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append((name, clock.monotonic() - start))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 3))
        group.create_task(sleeper("early", 1))
        await clock.advance(2)
        assert woke == [("early", 1.0)]
        assert clock.sleeping == 1
        await clock.advance(2)

    assert woke == [("early", 1.0), ("late", 3.0)]


async def test_one_that_sleeps_again_wakes_again() -> None:
    """A loop with a wait of a second turns ten times in ten seconds."""
    clock = FakeClock()
    turns = 0

    async def loop() -> None:
        nonlocal turns
        while turns < 10:
            await clock.sleep(1)
            turns += 1

    async with asyncio.TaskGroup() as group:
        group.create_task(loop())
        await clock.advance(10)
        assert turns == 10


async def test_an_automatic_clock_jumps_from_sleeper_to_sleeper() -> None:
    """An hour passes while nothing else can run; `slept` kept what was asked for."""
    clock = FakeClock(auto=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(clock.sleep(3600))
        group.create_task(clock.sleep(60))

    assert clock.now() == datetime(2026, 1, 1, 13, 0, tzinfo=UTC)
    assert clock.slept == [3600, 60]


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """A timeout that fired leaves nothing behind that would stop the clock."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.settle()

    task.cancel()
    await clock.advance(10)

    assert task.cancelled()
    assert clock.sleeping == 0


async def test_a_jump_wakes_nobody() -> None:
    """A suspended machine: the time is gone, the sleepers wake with the next advance."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await clock.settle()

    clock.jump(60)
    await clock.settle()
    assert not task.done()

    await clock.advance(0)
    assert task.done()


async def test_no_time_at_all_returns_at_once() -> None:
    """Zero and negative waits do not need the clock to move."""
    clock = FakeClock()

    await clock.sleep(0)
    await clock.sleep(-1)

    assert clock.slept == [0, -1]
