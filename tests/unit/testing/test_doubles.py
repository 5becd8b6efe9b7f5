"""The stand-ins do what the ports promise, so that a test that passes over them means something."""

from __future__ import annotations

import asyncio

import pytest

from etl.errors import DatabaseRefused, GaveUp, LeaseLost
from etl.model.events import Warned
from etl.model.page import PageRequest
from etl.model.verdict import Verdict
from etl.model.window import Window
from etl.testing.doubles import (
    FakeLease,
    FakeLedger,
    FakeLimiter,
    FakeProof,
    FakeSource,
    FakeStop,
    FakeWriter,
    RecordingListener,
)
from etl.testing.pages import FakeList, digest_of, page_of

WINDOW = Window()


def numbered(page: int) -> PageRequest:
    return PageRequest(window=WINDOW, position=f"page:{page}", ordinal=page, page=page)


def test_a_list_answers_by_number_offset_and_cursor() -> None:
    """The same five keys, two at a time, three ways."""
    keys: list[object] = [1, 2, 3, 4, 5]
    by_number = FakeList(keys=keys, size=2, first_page=1)
    by_cursor = FakeList(keys=keys, size=2, by_cursor=True)

    last = by_number.answer(numbered(3))
    second = by_number.answer(PageRequest(window=WINDOW, position="offset:2", offset=2))
    end = by_cursor.answer(PageRequest(window=WINDOW, position="cursor:4", cursor=4))

    assert [row[0] for row in last.block.rows] == [5]
    assert (last.facts.count, last.facts.total_rows, last.facts.total_pages) == (1, 5, 3)
    assert (second.facts.first_key, second.facts.last_key) == ("3", "4")
    assert (end.facts.next_cursor, end.facts.more) == (None, False)


def test_pages_with_equal_keys_have_equal_digests() -> None:
    """A repeated page is known by its digest, a different one by another."""
    one, same, other = page_of(numbered(0), [1, 2]), page_of(numbered(1), [1, 2]), page_of(numbered(2), [2, 1])

    assert one.facts.digest == same.facts.digest != other.facts.digest
    assert one.facts.key_digests == digest_of(1) + digest_of(2)


async def test_a_source_raises_what_it_was_told_and_recovers() -> None:
    """The first fetch of page 1 gives up, the second is answered."""
    source = FakeSource(FakeList(keys=[1, 2, 3], size=2), errors={"page:1": [GaveUp("no answer")]})

    with pytest.raises(GaveUp):
        await source.fetch(numbered(1))
    page = await source.fetch(numbered(1))

    assert page.block.keys == [(3,)]
    assert [request.position for request in source.requests] == ["page:1", "page:1"]


async def test_a_held_source_shows_how_many_were_in_flight() -> None:
    """Three requests wait together, and are answered together."""
    source = FakeSource(FakeList(keys=[1, 2, 3], size=1))
    source.hold()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(source.fetch(numbered(page))) for page in range(3)]
        while source.in_flight < 3:
            await asyncio.sleep(0)
        source.release()

    assert source.peak_in_flight == 3
    assert [task.result().facts.first_key for task in tasks] == ["1", "2", "3"]


async def test_a_writer_commits_full_batches_and_the_rest_at_the_end() -> None:
    """Five pages in batches of two: two, two, one."""
    writer = FakeWriter(batch=2)

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        for page in range(5):
            await writer.put(page_of(numbered(page), [page]))
        writer.finish()

    assert [len(batch) for batch in writer.committed] == [2, 2, 1]


async def test_a_writer_commits_early_when_nothing_is_in_flight() -> None:
    """`idle` does not wait for a batch to fill."""
    writer = FakeWriter(batch=100)

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        await writer.put(page_of(numbered(0), [0]))
        writer.idle()
        while not writer.committed:
            await asyncio.sleep(0)
        writer.finish()

    assert len(writer.pages) == 1


async def test_a_writer_fails_where_it_was_told_to() -> None:
    """The second commit raises, in `run` and in every `put` after it; the first stays."""
    writer = FakeWriter(batch=1, fail_after=1, error=DatabaseRefused("disk full"))
    await writer.put(page_of(numbered(0), [0]))
    await writer.put(page_of(numbered(1), [1]))

    with pytest.raises(DatabaseRefused):
        await writer.run()
    with pytest.raises(DatabaseRefused):
        await writer.put(page_of(numbered(2), [2]))

    assert [page.request.position for page in writer.pages] == ["page:0"]


async def test_a_limiter_never_gives_more_than_its_limit() -> None:
    """Five tasks want a permit, two have one at a time."""
    limiter = FakeLimiter(2)

    async def work() -> None:
        async with limiter.permit():
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(work())

    assert (limiter.peak_in_flight, limiter.in_flight, limiter.limit) == (2, 0, 2)


def test_a_ledger_knows_pages_by_window_position_and_attempt() -> None:
    """The same position in another window was not read."""
    page = page_of(numbered(0), [1])
    ledger = FakeLedger([page])

    assert ledger.recall(numbered(0)) == page.facts
    assert ledger.recall(PageRequest(window=Window(member="other"), position="page:0", page=0)) is None
    assert ledger.recall(PageRequest(window=WINDOW, position="page:0", page=0, attempt=1)) is None


def test_a_proof_asks_in_rounds_and_then_judges() -> None:
    """Each call of `probes` is one round; afterwards there is nothing to ask."""
    proof = FakeProof(asks=[[numbered(0)]])

    assert [list(proof.probes()), list(proof.probes())] == [[numbered(0)], []]
    assert proof.judge(7).verdict is Verdict.CONSISTENT
    assert proof.distinct_keys == 7


async def test_a_lease_is_kept_until_it_is_lost() -> None:
    """`keep` waits, then raises."""
    lease = FakeLease(token=4)
    lease.lose()

    with pytest.raises(LeaseLost):
        await lease.keep()
    assert lease.token == 4


def test_a_stop_is_requested_once_asked_for() -> None:
    """It remembers the signal."""
    stop = FakeStop()
    assert (stop.requested, stop.signal) == (False, None)

    stop.request(15)

    assert (stop.requested, stop.signal) == (True, 15)


def test_a_listener_records_in_order() -> None:
    """`of` picks the events of one kind."""
    listener = RecordingListener()

    listener(Warned(stream="a.b", message="one"))
    listener(Warned(stream="a.b", message="two"))

    assert [event.message for event in listener.of(Warned)] == ["one", "two"]
