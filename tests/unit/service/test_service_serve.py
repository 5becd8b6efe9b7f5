"""The schedule over our own tables: what is due, what was skipped, what a stop leaves open."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from etl.errors import DatabaseRefused, UsageError
from etl.model.events import Warned
from etl.model.run import RunTrigger
from etl.runs import Catalog, History
from etl.service.serve import ServeOptions, serve

DUE = ServeOptions(run_due=True)


async def runs(world):
    return await History(world.app.database, world.clock).runs()


async def test_what_never_ran_is_due_and_then_is_not(world):
    """Only scheduled streams are run, by the schedule's trigger."""
    assert await serve(world.app, DUE, world.stop) == 0
    assert await serve(world.app, DUE, world.stop) == 0
    (run,) = await runs(world)
    assert (run.selection, run.trigger) == ("shop.items", RunTrigger.SCHEDULE)


async def test_many_missed_ticks_are_one_run_and_the_grid_stays(world):
    """After five and a half hours the newest tick was at five."""
    await serve(world.app, DUE, world.stop)
    began = world.clock.now()
    world.clock.advance(hours=5, minutes=30)
    await serve(world.app, DUE, world.stop)
    assert len(await runs(world)) == 2
    tick = (await Catalog(world.app.database, world.clock).ticks())["shop.items"]
    assert (tick.last_scheduled_at, tick.next_due_at) == (began + timedelta(hours=5), began + timedelta(hours=6))


async def test_a_failed_run_is_told_and_its_tick_acted_upon(world):
    """A source that is down must not be asked in a tight loop."""
    world.down("items")
    assert await serve(world.app, DUE, world.stop) == 4
    assert await serve(world.app, DUE, world.stop) == 0
    assert len(await runs(world)) == 1


async def test_a_run_that_a_stop_cut_short_leaves_its_tick_open(world):
    """The next start goes on with it."""
    world.api.before = lambda name, request: world.stop.request(15)
    assert await serve(world.app, DUE, world.stop) == 143
    assert (await Catalog(world.app.database, world.clock).ticks())["shop.items"].last_scheduled_at is None
    world.api.before = lambda name, request: None
    world.clock.advance(seconds=1)
    assert await serve(world.app, DUE, type(world.stop)()) == 0
    assert [run.status for run in await runs(world)] == ["succeeded", "interrupted"]


async def test_serving_runs_what_is_due_and_ends_with_zero(world):
    """A stop while nothing runs is an end without a grace."""
    serving = asyncio.create_task(serve(world.app, ServeOptions(), world.stop))
    async with asyncio.timeout(20):
        while not [run for run in await runs(world) if run.status == "succeeded"]:
            await asyncio.sleep(0.01)
        world.stop.request(15)
        assert await serving == 0


async def test_a_database_that_is_away_ends_neither_the_daemon_nor_the_tick(world):
    """It was logged as an unexpected failure with a traceback, and the tick counted as acted upon."""

    class Away:
        async def begin(self, **_):
            raise DatabaseRefused("the database is locked by another process")

    app = replace(world.app, store=Away())
    serving = asyncio.create_task(serve(app, ServeOptions(), world.stop))
    async with asyncio.timeout(20):
        while not [told for told in world.heard.of(Warned) if "could not be recorded" in told.message]:
            await asyncio.sleep(0.01)
        world.stop.request(15)
        assert await serving == 0
    assert (await Catalog(world.app.database, world.clock).ticks())["shop.items"].last_scheduled_at is None


async def test_without_a_schedule_there_is_nothing_to_serve(world):
    """Said at once."""
    streams = tuple(replace(stream, schedule=None) for stream in world.app.settings.streams)
    app = replace(world.app, settings=replace(world.app.settings, streams=streams))
    with pytest.raises(UsageError):
        await serve(app, DUE, world.stop)
