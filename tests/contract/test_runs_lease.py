"""The lease on both databases: one holder, takeovers when the holder is dead or silent, and fencing."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, update

from etl.db import state
from etl.db.aside import Aside
from etl.db.database import open_database
from etl.errors import LeaseHeld, LeaseLost
from etl.model.clock import SystemClock
from etl.runs.lease import LeaseKeeper, check_token
from etl.runs.process import this_process


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
def keeper(database, clock):
    return LeaseKeeper(database, clock, ttl_s=8)


@asynccontextmanager
async def changed_holder(database, **values):
    async with database.write() as connection:
        await connection.execute(update(state.leases).values(**values))
    yield


async def age_beat(database, seconds):
    async with database.write() as connection:
        beat = (await connection.execute(select(state.beats.c.beat_at))).scalar_one()
        await connection.execute(update(state.beats).values(beat_at=beat - timedelta(seconds=seconds)))


async def silent_s(database):
    async with database.read() as connection:
        beat = (await connection.execute(select(state.beats.c.beat_at))).scalar_one()
    return (datetime.now(UTC) - beat).total_seconds()


async def test_a_second_taker_is_refused_and_told_who_holds_it(keeper):
    await keeper.acquire("shop.orders")
    with pytest.raises(LeaseHeld) as refusal:
        await keeper.acquire("shop.orders")
    assert socket.gethostname() in str(refusal.value)
    assert f"pid {this_process().pid}" in str(refusal.value)
    assert "last sign of life 0 s ago" in str(refusal.value)


async def test_who_holds_a_lease_can_be_seen(keeper, database):
    """A live holder, one that gave no sign of life, and none once it is released."""
    lease = await keeper.acquire("shop.orders")
    (seen,) = await keeper.holdings()
    assert (seen.stream, seen.pid, seen.is_left) == ("shop.orders", this_process().pid, False)
    await age_beat(database, 9)
    assert [one.is_left for one in await keeper.holdings()] == [True]
    await lease.release()
    assert await keeper.holdings() == ()


async def test_streams_are_leased_apart(keeper):
    await keeper.acquire("shop.orders")
    assert (await keeper.acquire("shop.items")).token == 1


async def test_of_many_takers_at_once_one_wins(keeper):
    results = await asyncio.gather(*(keeper.acquire("s.t") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(result, LeaseHeld) for result in results) == 5


async def test_a_released_lease_is_taken_with_a_larger_token(keeper):
    first = await keeper.acquire("s.t")
    await first.release()
    assert (await keeper.acquire("s.t")).token == first.token + 1


async def test_leaving_the_block_releases(keeper):
    async with keeper.hold("s.t"):
        pass
    assert (await keeper.acquire("s.t")).token == 2


async def test_a_dead_holder_of_this_host_is_replaced_at_once(keeper, database):
    await keeper.acquire("s.t")
    async with changed_holder(database, pid=2**22 + 5):
        assert (await keeper.acquire("s.t")).token == 2


async def test_a_silent_holder_of_another_host_is_replaced_only_after_the_ttl(keeper, database):
    await keeper.acquire("s.t")
    async with changed_holder(database, host="elsewhere", process_started="a/b/c"):
        await age_beat(database, 7)
        with pytest.raises(LeaseHeld, match="elsewhere"):
            await keeper.acquire("s.t")
        await age_beat(database, 2)
        assert (await keeper.acquire("s.t")).token == 2


async def test_a_live_but_silent_holder_is_replaced_after_the_ttl_and_fenced(keeper, database):
    """A frozen process that wakes up writes nothing: its token is outdated."""
    frozen = await keeper.acquire("s.t")
    await age_beat(database, 9)
    taken = await keeper.acquire("s.t")
    with pytest.raises(LeaseLost):
        await frozen.keep()
    async with database.write() as connection:
        with pytest.raises(LeaseLost):
            await check_token(connection, "s.t", frozen.token)
        await check_token(connection, "s.t", taken.token)


async def test_a_loser_does_not_release_the_lease_of_the_winner(keeper, database):
    frozen = await keeper.acquire("s.t")
    await age_beat(database, 9)
    await keeper.acquire("s.t")
    await frozen.release()
    with pytest.raises(LeaseHeld):
        await keeper.acquire("s.t")


async def test_keeping_renews_every_quarter_of_the_ttl(keeper, database, clock):
    lease = await keeper.acquire("s.t")
    await age_beat(database, 100)
    keeping = asyncio.create_task(lease.keep())
    while clock.slept.count(2.0) < 3:
        await asyncio.sleep(0.001)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    with pytest.raises(LeaseHeld):
        await keeper.acquire("s.t")


async def test_a_lease_that_is_kept_aside_is_renewed_there_and_tells_that_it_was_lost(database, database_url):
    """On a second loop with a connection of its own, which ends with the first one."""
    opening = partial(open_database, database_url, clock=SystemClock())
    async with Aside(opening) as aside:
        keeper = LeaseKeeper(database, SystemClock(), ttl_s=0.2, aside=aside)
        lease = await keeper.acquire("s.t")
        await age_beat(database, 100)
        keeping = asyncio.create_task(lease.keep())
        while await silent_s(database) > 50:
            await asyncio.sleep(0.01)
        async with database.write() as connection:
            await connection.execute(update(state.beats).values(token=2))
        with pytest.raises(LeaseLost):
            await keeping
    assert "aside" not in {thread.name for thread in threading.enumerate()}


async def test_a_takeover_waits_for_the_transaction_that_checked_the_token(keeper, database):
    """Otherwise a page of the old holder could be committed after the new one began."""
    lease = await keeper.acquire("s.t")
    await age_beat(database, 9)
    async with database.write("s.t") as connection:
        await check_token(connection, "s.t", lease.token)
        takeover = asyncio.create_task(keeper.acquire("s.t"))
        done, _ = await asyncio.wait({takeover}, timeout=0.05)
        assert not done
    assert (await takeover).token == 2
