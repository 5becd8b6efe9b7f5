"""How fresh a stream is, and when that is too little."""

from __future__ import annotations

from datetime import timedelta

from etl.runs import Catalog
from etl.service.choice import Selection
from etl.service.serve import _Clockwork
from etl.service.status import status
from etl.service.sync import SyncOptions, sync


async def lines(world):
    return {line.stream: line for line in await status(world.app, Selection())}


async def test_a_stream_that_never_ran_has_no_figures(world):
    """It is due at once where it has a schedule, and stale where it promised to be fresh."""
    found = await lines(world)
    assert (found["shop.items"].last_success_at, found["shop.items"].rows, found["shop.items"].stale) == (
        None,
        None,
        False,
    )
    assert found["shop.items"].next_due_at == world.clock.now()
    assert found["shop.notes"].stale


async def test_after_a_success_it_tells_when_and_how_much(world):
    """Rows are those of the last reading; a stream without `incremental` has no watermark."""
    await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(minutes=7)
    found = await lines(world)
    assert (found["shop.items"].rows, found["shop.items"].watermark) == (5, None)
    assert found["shop.orders"].watermark == "2026-01-08T00:00:00Z"
    assert found["shop.orders"].lag == timedelta(minutes=7)
    assert not any(line.stale for line in found.values())


async def test_a_sync_by_hand_settles_a_schedule_that_had_no_tick_yet(world):
    """The schedule goes on from there, instead of reading everything again at once; a backfill settles nothing."""
    await sync(world.app, SyncOptions(), world.stop)
    after_sync = world.clock.now()
    world.clock.advance(minutes=7)
    assert (await lines(world))["shop.items"].next_due_at == after_sync + timedelta(hours=1)
    clockwork = _Clockwork(app=world.app, stop=world.stop, catalog=Catalog(world.app.database, world.clock))
    (job,) = await clockwork.jobs([stream for stream in world.app.settings.streams if stream.id == "shop.items"])
    assert job.last_scheduled_at == after_sync


async def test_fresh_is_measured_from_the_last_success(world):
    """A failed attempt does not make data younger."""
    await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(minutes=61)
    world.down("notes")
    await sync(world.app, SyncOptions(selectors=("shop.notes",)), world.stop)
    line = (await lines(world))["shop.notes"]
    assert (line.stale, line.status, line.reason) == (True, "failed", "the shop is closed")
    assert (line.lag, line.rows) == (timedelta(minutes=61), 1)


async def test_a_tick_that_nobody_acted_upon_makes_a_stream_stale(world):
    """Five minutes are granted; then nothing seems to serve the schedule."""
    await sync(world.app, SyncOptions(), world.stop)
    catalog = Catalog(world.app.database, world.clock)
    await catalog.ticked("shop.items", world.clock.now(), world.clock.now() + timedelta(hours=1))
    world.clock.advance(minutes=64)
    assert not (await lines(world))["shop.items"].stale
    world.clock.advance(minutes=2)
    assert (await lines(world))["shop.items"].stale


async def test_a_schedule_that_nobody_served_for_days_is_stale_right_after_a_tick(world):
    """What counts is the first tick that was left out: the newest is minutes old for a part of every hour."""
    await sync(world.app, SyncOptions(), world.stop)
    catalog = Catalog(world.app.database, world.clock)
    await catalog.ticked("shop.items", world.clock.now(), world.clock.now() + timedelta(hours=1))
    world.clock.advance(hours=72, minutes=1)
    assert (await lines(world))["shop.items"].stale


async def test_a_served_schedule_whose_runs_fail_is_stale(world):
    """Ticks are acted upon, and still the data grows old."""
    await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(hours=1)
    catalog = Catalog(world.app.database, world.clock)
    await catalog.ticked("shop.items", world.clock.now(), world.clock.now() + timedelta(hours=1))
    assert (await lines(world))["shop.items"].stale
