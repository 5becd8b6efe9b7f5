"""Which streams a command works on."""

from __future__ import annotations

from etl.service.choice import Selection, choose
from etl.service.status import status
from etl.service.sync import SyncOptions, sync


async def chosen(world, **wishes):
    selection = Selection(**wishes)
    return [stream.id for stream in await choose(world.app.settings, selection, world.app.database, world.clock)]


async def test_what_failed_or_is_late_is_chosen_among_what_is_named(world):
    """Exclusions hold too; both wishes together keep those of which both holds."""
    world.down("items")
    await sync(world.app, SyncOptions(), world.stop)
    world.clock.advance(hours=2)

    assert await chosen(world, failed=True) == ["shop.items"]
    assert await chosen(world, stale=True) == ["shop.notes"]
    assert await chosen(world, failed=True, stale=True) == []
    assert await chosen(world, failed=True, named=("shop.orders",)) == []
    assert await chosen(world, exclude=("*.orders", "*.notes")) == ["shop.items"]


async def test_before_the_first_run_nothing_has_failed(world):
    """There may be no database yet; what promised to be fresh and never came is late."""
    failed, stale = Selection(failed=True), Selection(stale=True)

    assert await choose(world.app.settings, failed, None, world.clock) == ()
    assert [stream.id for stream in await choose(world.app.settings, stale, None, world.clock)] == ["shop.notes"]


async def test_status_and_sync_mean_the_same_streams(world):
    """By one selection."""
    world.down("items")
    await sync(world.app, SyncOptions(), world.stop)
    selection = Selection(failed=True)

    assert [line.stream for line in await status(world.app, selection)] == ["shop.items"]
    assert [line.stream for line in (await sync(world.app, SyncOptions(failed=True), world.stop)).streams] == [
        "shop.items"
    ]
