"""A past range, slice by slice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.errors import UsageError
from etl.model.run import RunStatus
from etl.model.verdict import Verdict
from etl.runs import Backfills
from etl.service.backfill import BackfillOptions, backfill

WEEK = BackfillOptions(selector="shop.orders", start="2026-01-01", end="2026-01-09", step="2d")


async def known(world):
    return await Backfills(world.app.database, world.clock).of_stream("shop.orders")


async def test_every_slice_is_read_and_the_watermark_stays(world):
    """Four slices of two days, one line for all of them."""
    result = await backfill(world.app, WEEK, world.stop)
    (line,) = result.streams
    assert (line.status, line.counts.inserted, line.watermark) == (RunStatus.SUCCEEDED, 8, None)
    assert line.reason.startswith("4 of 4 slices")
    assert line.verdict is not Verdict.INCOMPLETE


async def test_the_reason_is_that_of_the_weakest_slice(world):
    """The last slice's `one response held all 1 rows` stood beside the first one's `consistent`."""
    result = await backfill(world.app, replace(WEEK, step="7d"), world.stop)

    (line,) = result.streams
    assert line.verdict is Verdict.CONSISTENT
    assert line.reason.startswith("2 of 2 slices; 7 of 7")


async def test_the_same_range_again_has_nothing_to_do(world):
    """It is found again, not planned twice; `all` reads it once more."""
    await backfill(world.app, WEEK, world.stop)
    world.api.asked.clear()
    again = await backfill(world.app, WEEK, world.stop)
    assert (again.exit_code, again.streams[0].reason) == (0, "nothing is missing in this range")
    assert world.api.asked == []
    whole = await backfill(world.app, replace(WEEK, only="all"), world.stop)
    assert whole.streams[0].counts.unchanged == 8


async def test_a_failed_slice_leaves_five_and_the_way_on(world):
    """The others are read; `--resume` with its id reads that one."""
    calls = []

    def before(name, request):
        calls.append(request)
        if len(calls) == 1:
            from etl.errors import SourceFailed

            raise SourceFailed("the shop is closed")

    world.api.before = before
    first = await backfill(world.app, WEEK, world.stop)
    (plan,) = await known(world)
    assert first.exit_code == 5
    assert first.streams[0].hint == f"etl backfill --resume {plan.backfill_id}"
    assert first.streams[0].reason.startswith("3 of 4 slices, 1 remaining; the shop is closed")
    second = await backfill(world.app, BackfillOptions(resume=plan.backfill_id), world.stop)
    assert (second.exit_code, second.streams[0].counts.inserted) == (0, 2)


async def test_a_stop_between_slices_keeps_what_is_done(world):
    """130, and the rest later."""
    world.api.before = lambda name, request: world.stop.request(2) if len(world.api.asked) == 3 else None
    first = await backfill(world.app, WEEK, world.stop)
    assert (first.exit_code, first.status) == (130, RunStatus.INTERRUPTED)
    world.api.before = lambda name, request: None
    (plan,) = await known(world)
    second = await backfill(world.app, BackfillOptions(resume=plan.backfill_id), type(world.stop)())
    assert second.exit_code == 0
    assert first.streams[0].counts.inserted + second.streams[0].counts.inserted == 8


async def test_a_dry_run_lists_the_slices_and_stores_no_plan(world):
    """As they would be read."""
    result = await backfill(world.app, replace(WEEK, dry_run=True), world.stop)
    assert len(result.streams) == 4
    assert result.streams[0].reason == "dry run: slice 1 from 2026-01-01T00:00:00Z to 2026-01-03T00:00:00Z"
    assert await known(world) == ()


@pytest.mark.parametrize("step", ["often", "0s", "1s", "-1d"])
async def test_a_step_that_is_none_is_a_usage_error(world, step):
    """`--step often` ended in a traceback, `--step 1s` in thirty million slices."""
    with pytest.raises(UsageError):
        await backfill(world.app, replace(WEEK, step=step), world.stop)
    assert await known(world) == ()
