"""The writer's buffer: when it is a batch, and how it bounds memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from etl.load.batch import Buffer
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.window import Window


class StoppedClock:
    """Time stands still: whoever sleeps waits until `ring`."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await self.bell.wait()


def page(rows: int = 1, body: int = 0) -> Page:
    return Page(
        request=PageRequest(window=Window(), position="1"),
        response=Response(
            status=200, headers={}, body=b"x" * body, url="", started_at=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        facts=PageFacts(count=rows),
        block=RowBlock(version=1, rows=[()] * rows, keys=[], hashes=[], cursors=[]),
    )


async def turns(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.fixture
def still() -> StoppedClock:
    return StoppedClock()


async def taken(buffer: Buffer) -> asyncio.Task[list[Page]]:
    task = asyncio.ensure_future(buffer.take())
    await turns()
    return task


@pytest.mark.parametrize(("pages", "rows"), [(128, 1), (2, 2000), (1, 4000)])
async def test_a_full_batch_does_not_wait(still, pages, rows):
    """128 pages or 4,000 rows."""
    buffer = Buffer(still)
    task = await taken(buffer)
    for _ in range(pages - 1):
        await buffer.put(page(rows))
    await turns()
    assert not task.done()
    await buffer.put(page(rows))
    assert len(await task) == pages


async def test_a_batch_is_cut_where_it_is_full(still):
    """Pages that were put at once are committed in batches all the same."""
    buffer = Buffer(still)
    for _ in range(100):
        await buffer.put(page(100))
    assert len(await buffer.take()) == 40
    assert len(await buffer.take()) == 40
    buffer.hurry()
    assert len(await buffer.take()) == 20


@pytest.mark.parametrize("end", ["hurry", "finish"])
async def test_nothing_in_flight_ends_the_waiting(still, end):
    """Two pages are a batch when no more can come soon."""
    buffer = Buffer(still)
    task = await taken(buffer)
    await buffer.put(page())
    await buffer.put(page())
    await turns()
    assert not task.done()
    getattr(buffer, end)()
    assert len(await task) == 2


async def test_a_second_ends_the_waiting(still):
    """A slow source does not hold back what it has brought."""
    buffer = Buffer(still)
    task = await taken(buffer)
    await buffer.put(page())
    await turns()
    assert not task.done()
    still.bell.set()
    assert len(await task) == 1


async def test_a_full_buffer_makes_put_wait_and_the_batch_go(still):
    """Room is there again when the batch is done, not when it is taken."""
    buffer = Buffer(still, bound=5000)
    await buffer.put(page(body=3000))
    second = asyncio.ensure_future(buffer.put(page(body=3000)))
    assert len(await buffer.take()) == 1
    await turns()
    assert not second.done()
    buffer.done()
    await second


async def test_a_page_larger_than_the_bound_passes_alone(still):
    """Else it would wait for ever."""
    buffer = Buffer(still, bound=100)
    await buffer.put(page(body=1000))
    waiting = asyncio.ensure_future(buffer.put(page()))
    assert len(await buffer.take()) == 1
    buffer.done()
    await waiting


async def test_a_large_page_is_not_starved_by_small_ones(still):
    """Who came first gets the room first."""
    buffer = Buffer(still, bound=20_000)
    await buffer.put(page(body=5000))
    large = asyncio.ensure_future(buffer.put(page(body=4000)))
    await turns()
    small = asyncio.ensure_future(buffer.put(page()))
    await turns()
    assert not small.done()
    await buffer.take()
    buffer.done()
    await asyncio.gather(large, small)


async def test_settle_waits_for_what_was_handed_over_before(still):
    """And it hurries the batch."""
    buffer = Buffer(still)
    await buffer.put(page())
    settling = asyncio.ensure_future(buffer.settle())
    await turns()
    assert len(await buffer.take()) == 1
    await turns()
    assert not settling.done()
    buffer.done()
    await settling


async def test_a_failure_reaches_everybody_who_waits(still):
    """Those who are in `put`, those in `settle`, and those who come later."""
    buffer = Buffer(still, bound=100)
    await buffer.put(page())
    waiting = [asyncio.ensure_future(buffer.put(page())), asyncio.ensure_future(buffer.settle())]
    await turns()
    buffer.fail(ValueError("gone"))
    for task in waiting:
        with pytest.raises(ValueError, match="gone"):
            await task
    with pytest.raises(ValueError, match="gone"):
        await buffer.put(page())


async def test_the_end_is_an_empty_batch(still):
    """After `finish`, when nothing is left."""
    buffer = Buffer(still)
    await buffer.put(page())
    buffer.finish()
    assert len(await buffer.take()) == 1
    assert await buffer.take() == []
