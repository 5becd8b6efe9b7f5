"""Which streams a sync chooses, and what becomes of them together."""

from __future__ import annotations

import asyncio

import pytest

from etl.errors import SourceFailed, UsageError
from etl.model.run import RunKind, RunStatus
from etl.model.verdict import Verdict
from etl.runs import Catalog, History
from etl.service.inspect import reset_watermark
from etl.service.sync import SyncOptions, sync


async def test_every_stream_of_the_configuration_is_read(world):
    """One line a stream, in the order of the configuration; the catalog knows them all."""
    result = await sync(world.app, SyncOptions(), world.stop)
    assert [(line.stream, line.status, line.counts.inserted) for line in result.streams] == [
        ("shop.items", RunStatus.SUCCEEDED, 5),
        ("shop.orders", RunStatus.SUCCEEDED, 8),
        ("shop.notes", RunStatus.SUCCEEDED, 1),
    ]
    assert (result.status, result.exit_code) == (RunStatus.SUCCEEDED, 0)
    assert set(await Catalog(world.app.database, world.clock).ticks()) == {"shop.items", "shop.orders", "shop.notes"}


async def test_the_second_sync_asks_from_the_watermark_on(world):
    """Inclusive: the newest row comes again and is unchanged."""
    await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)
    world.api.lists["orders"].append({"id": 9, "at": "2026-01-09T00:00:00Z"})
    again = await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)
    (line,) = again.streams
    assert (line.counts.fetched, line.counts.inserted, line.counts.unchanged) == (2, 1, 1)
    assert line.watermark == "2026-01-09T00:00:00Z"


async def test_what_a_proof_reads_again_is_not_fetched_twice(world):
    """A list of five rows was reported as seven fetched."""
    (line,) = (await sync(world.app, SyncOptions(selectors=("shop.items",)), world.stop)).streams
    assert (line.counts.fetched, line.counts.inserted, line.counts.unchanged) == (5, 5, 0)
    assert line.counts.requests >= line.counts.pages >= 3


async def test_one_failed_stream_among_others_is_three_and_failed_chooses_it(world):
    """What succeeded is committed; `--failed` reads the other one alone."""
    world.down("items")
    first = await sync(world.app, SyncOptions(), world.stop)
    assert (first.exit_code, [line.exit_code for line in first.streams]) == (3, [4, 0, 0])
    assert first.streams[0].reason == "the shop is closed"
    world.down()
    again = await sync(world.app, SyncOptions(failed=True), world.stop)
    assert [(line.stream, line.status) for line in again.streams] == [("shop.items", RunStatus.SUCCEEDED)]
    assert (await sync(world.app, SyncOptions(failed=True), world.stop)).streams == ()


async def test_stale_chooses_what_broke_its_promise(world):
    """`expect.fresh` is an hour for the notes; the others promise nothing until a schedule was served."""
    await sync(world.app, SyncOptions(), world.stop)
    assert (await sync(world.app, SyncOptions(stale=True), world.stop)).streams == ()
    world.clock.advance(hours=2)
    late = await sync(world.app, SyncOptions(stale=True), world.stop)
    assert [line.stream for line in late.streams] == ["shop.notes"]


async def test_a_partial_run_claims_nothing(world):
    """`--limit` cuts the rows exactly; the watermark stays where it was, here nowhere."""
    (line,) = (await sync(world.app, SyncOptions(selectors=("shop.orders",), limit=3), world.stop)).streams
    assert (line.status, line.verdict, line.exit_code) == (RunStatus.INCOMPLETE, Verdict.INCOMPLETE, 0)
    assert (line.counts.fetched, line.counts.inserted, line.watermark) == (3, 3, None)


async def test_full_is_a_reading_of_its_own_kind(world):
    """Nothing is left out, whatever the watermark says."""
    await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)
    result = await sync(world.app, SyncOptions(selectors=("shop.orders",), full=True), world.stop)
    assert (result.kind, result.streams[0].counts.unchanged) == (RunKind.FULL, 8)


async def test_a_dry_run_leaves_no_trace(world):
    """Neither a request nor a line."""
    result = await sync(world.app, SyncOptions(dry_run=True), world.stop)
    assert [line.status for line in result.streams] == [RunStatus.SKIPPED] * 3
    assert world.api.asked == []
    assert await Catalog(world.app.database, world.clock).ticks() == {}


async def test_a_stop_is_recorded_and_the_next_run_goes_on(world):
    """What was answered before the stop is not asked for again."""
    world.api.before = lambda name, request: world.stop.request(15) if request.page == 1 else None
    first = await sync(world.app, SyncOptions(selectors=("shop.orders",), concurrency=1), world.stop)
    assert (first.exit_code, first.streams[0].status) == (143, RunStatus.INTERRUPTED)
    saved = first.streams[0].counts.pages
    assert saved > 0
    world.api.before = lambda name, request: None
    world.api.asked.clear()
    world.stop = type(world.stop)()
    second = await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)
    assert second.streams[0].status is RunStatus.SUCCEEDED
    assert second.streams[0].counts.fetched == 8 - first.streams[0].counts.fetched


async def test_nothing_configured_is_a_usage_error(world, tmp_path):
    """Not a success that did nothing."""
    with pytest.raises(UsageError):
        await sync(world.app, SyncOptions(selectors=("shop.nothing",)), world.stop)


async def test_a_watermark_set_by_hand_ends_what_could_be_resumed(world):
    """`state reset` after a failed run was ignored: the next sync went on with the bounds of the failed one."""
    await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)
    world.api.lists["orders"] += [{"id": n, "at": f"2026-01-09T0{n - 9}:00:00Z"} for n in range(9, 14)]
    broken = []

    def before(name, request):
        if request.page == 2 and not broken:
            broken.append(request)
            raise SourceFailed("the shop is closed")

    world.api.before = before
    await sync(world.app, SyncOptions(selectors=("shop.orders",), concurrency=1), world.stop)
    await reset_watermark(world.app, "shop.orders", member="")
    world.clock.advance(minutes=1)
    (line,) = (await sync(world.app, SyncOptions(selectors=("shop.orders",)), world.stop)).streams
    assert (line.status, line.counts.fetched) == (RunStatus.SUCCEEDED, 13)


async def test_a_run_that_is_cancelled_is_not_left_running(world):
    """A daemon whose grace ran out left `running` in the history until the next start."""
    reached = asyncio.Event()
    world.api.before = lambda name, request: reached.set()
    world.api.holds = True
    task = asyncio.create_task(sync(world.app, SyncOptions(selectors=("shop.items",)), world.stop))
    async with asyncio.timeout(20):
        await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (run,) = await History(world.app.database, world.clock).runs()
    assert (run.status, run.exit_code) == (RunStatus.INTERRUPTED, 0)
    (line,) = await History(world.app.database, world.clock).streams_of(run.run_id)
    assert line.status == RunStatus.INTERRUPTED
