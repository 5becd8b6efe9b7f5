"""What `runs`, `rejects` and `state` read and change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from etl.errors import LeaseHeld, UsageError
from etl.model.run import RunStatus
from etl.service import inspect
from etl.service.sync import SyncOptions, sync


async def test_runs_are_filtered_by_age_and_status(world):
    """Newest first."""
    first = await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(hours=3)
    world.down("items")
    second = await sync(world.app, SyncOptions(), world.stop)
    found = await inspect.runs(world.app, since=None, status=None, limit=10)
    assert [run.run_id for run in found] == [second.run_id, first.run_id]
    assert len(await inspect.runs(world.app, since=timedelta(hours=1), status=None, limit=10)) == 1
    assert await inspect.runs(world.app, since=None, status=RunStatus.SKIPPED, limit=10) == ()


async def test_a_run_shows_its_watermark_as_people_read_it(world):
    """An ISO instant, as everywhere else."""
    result = await sync(world.app, SyncOptions(), world.stop)
    detail = await inspect.run(world.app, result.run_id[:20])
    assert {line.stream: line.watermark_after for line in detail.streams} == {
        "shop.items": None,
        "shop.orders": "2026-01-08T00:00:00Z",
        "shop.notes": None,
    }


async def test_a_watermark_names_the_run_that_set_it_or_a_person(world):
    """`etl state show` ended in a traceback: it asked for a run that was not there."""
    result = await sync(world.app, SyncOptions(), world.stop)
    (mark,) = await inspect.watermarks(world.app, ())
    assert (mark.stream, mark.watermark, mark.run_id) == ("shop.orders", "2026-01-08T00:00:00Z", result.run_id)
    assert await inspect.set_watermark(world.app, "shop.orders", "2026-01-05", member="") == "2026-01-05T00:00:00Z"
    (mark,) = await inspect.watermarks(world.app, ())
    assert (mark.watermark, mark.run_id) == ("2026-01-05T00:00:00Z", None)
    assert await inspect.reset_watermark(world.app, "shop.orders", member="") == 1
    assert await inspect.watermarks(world.app, ()) == ()


async def test_a_watermark_is_not_set_while_a_run_writes_the_stream(world):
    """The lease is asked first."""
    async with world.app.leases.hold("shop.orders"):
        with pytest.raises(LeaseHeld):
            await inspect.set_watermark(world.app, "shop.orders", "2026-01-05", member="")
    with pytest.raises(UsageError):
        await inspect.set_watermark(world.app, "shop.items", "2026-01-05", member="")


async def test_pruning_keeps_runs_and_counts_what_went(world):
    """The ledger of closed generations goes; a run keeps its counters."""
    result = await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(days=31)
    removed = await inspect.prune(world.app, timedelta(days=30))
    assert removed.pages == sum(line.counts.requests for line in result.streams)
    detail = await inspect.run(world.app, result.run_id)
    assert sum(line.fetched for line in detail.streams) == 14


async def test_rejects_are_found_by_stream_and_run(world):
    """Newest first; a number that is none is a usage error."""
    world.api.lists["items"][1] = {"id": None}
    result = await sync(world.app, SyncOptions(), world.stop)
    (kept,) = await inspect.rejects(world.app, (), run_id=None, limit=10)
    assert kept.stream == "shop.items"
    assert await inspect.rejects(world.app, ("shop.orders",), run_id=None, limit=10) == ()
    assert await inspect.rejects(world.app, ("shop.items",), run_id=result.run_id, limit=10) == (kept,)
    assert await inspect.reject(world.app, kept.id) == kept
    with pytest.raises(UsageError):
        await inspect.reject(world.app, 99)
