"""Tries, waits and pauses against a server that says no, under a clock that needs no time."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from etl.errors import AuthRefused, GaveUp
from etl.model.events import QuotaSeen, RequestRetried, SourcePaused, Warned


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 529])
async def test_a_passing_failure_is_tried_again(bench, server, wire, status):
    """The page carries its failed tries, and listeners hear of each."""
    server.plays(wire.reply(b"no", status), wire.reply(b"no", status), wire.reply([1]))

    page = await bench.fetch(server.url)

    assert [(failed.reason, failed.status) for failed in page.failed_tries] == [(str(status), status)] * 2
    assert [(event.attempt, event.status, event.position) for event in bench.of(RequestRetried)] == [
        (1, status, "first"),
        (2, status, "first"),
    ]
    assert bench.clock.slept == [failed.wait_s for failed in page.failed_tries]


async def test_tries_end_and_are_told(bench, server, wire):
    """Two extra tries are three requests; the error holds them, and how the last answer began."""
    server.plays(wire.reply(b"database is down", 500))

    with pytest.raises(GaveUp, match=r"answered 500 .*: tried 3 times; .*database is down") as caught:
        await bench.fetch(server.url, retries=2)

    assert len(server.seen) == 3
    assert [failed.status for failed in caught.value.failed_tries] == [500] * 3


async def test_without_retries_there_is_one_request(bench, server, wire):
    """`limits.retries: 0`."""
    server.plays(wire.reply(b"", 503))

    with pytest.raises(GaveUp, match="tried once"):
        await bench.fetch(server.url, retries=0)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("headers", "paused_s"),
    [
        ({"Retry_After": "30"}, 30),
        ({"Retry_After": "Fri, 02 Jan 2026 09:00:30 GMT", "Date": "Fri, 02 Jan 2026 09:00:00 GMT"}, 30),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "45"}, 45),
        ({"RateLimit": '"default";r=0;t=50'}, 50),
    ],
)
async def test_the_wait_that_a_429_names_pauses_the_source(bench, server, wire, headers, paused_s):
    """In every spelling; one pause, told once."""
    server.plays(wire.reply(b"", 429, **headers), wire.reply([1]))

    page = await bench.fetch(server.url)

    assert page.facts.count == 1
    assert bench.clock.monotonic() - 1000 == pytest.approx(paused_s)
    assert bench.of(SourcePaused) == [SourcePaused(source="api", seconds=paused_s, reason="answered 429")]


@pytest.mark.parametrize("value", ["0", "-3", "later", None])
async def test_a_429_without_a_usable_wait_is_backed_off(bench, server, wire, value):
    """`Retry-After: 0` is real; coming back at once in a crowd would not help."""
    headers = {} if value is None else {"Retry_After": value}
    server.plays(wire.reply(b"", 429, **headers), wire.reply(b"", 429, **headers), wire.reply([1]))

    page = await bench.fetch(server.url)

    first, second = (failed.wait_s for failed in page.failed_tries)
    assert 0 < first <= 0.5
    assert 0 < second <= 1.0


async def test_a_rate_that_nobody_declared_is_found(bench, server, wire):
    """Three answers and a refusal to wait for, one request at a time: a pace of three in its ten seconds."""
    refusal = wire.reply(b"", 429, Retry_After="10")
    server.plays(wire.reply([1]), wire.reply([2]), wire.reply([3]), refusal, wire.reply([4]))
    await bench.client(server.url, concurrency=1)
    stream = bench.stream()
    for _ in range(4):
        await stream.fetch(wire.first())
    began = bench.clock.monotonic()

    for _ in range(3):
        await stream.fetch(wire.first())

    assert bench.clock.monotonic() - began == pytest.approx(3 * 1.05 * 10 / 3, rel=0.01)
    assert [event.message for event in bench.of(Warned)] == [
        "api: more than about 17/min is refused; asked at that pace from now on (limits: {rate: 17/min} would say so)"
    ]


async def test_always_429_ends_after_the_tries(bench, server, wire):
    """Not after the first, and not never."""
    server.plays(wire.reply(b"", 429, Retry_After="0"))

    with pytest.raises(GaveUp, match="429"):
        await bench.fetch(server.url, retries=3)

    assert len(server.seen) == 4


@pytest.mark.parametrize("wait", ["901", "315360000", "Thu, 31 Dec 2099 00:00:00 GMT"])
async def test_a_wait_that_no_run_waits_for_ends_it_with_the_time(bench, server, wire, wait):
    """At once, for every request of the source."""
    server.plays(wire.reply(b"", 429, Retry_After=wait))

    with pytest.raises(GaveUp, match="api is rate limited until 20") as caught:
        await bench.fetch(server.url)
    with pytest.raises(GaveUp, match="rate limited until"):
        await bench.stream("/other").fetch(wire.first())

    assert len(server.seen) == 1
    assert [failed.status for failed in caught.value.failed_tries] == [429]


async def test_a_403_that_speaks_of_limits_is_no_refusal(bench, server, wire):
    """GitHub's primary limit; a 403 without such signs is final."""
    server.plays(wire.reply(b"", 403, X_RateLimit_Remaining="0", X_RateLimit_Reset="10"), wire.reply([1]))
    assert (await bench.fetch(server.url)).facts.count == 1

    server.plays(wire.reply(b"", 403, X_RateLimit_Remaining="10"))
    with pytest.raises(AuthRefused):
        await bench.stream().fetch(wire.first())


async def test_a_503_that_names_a_wait_pauses_the_source_too(bench, server, wire):
    """Maintenance."""
    server.plays(wire.reply(b"", 503, Retry_After="20"), wire.reply([1]))

    await bench.fetch(server.url)

    assert [pause.seconds for pause in bench.of(SourcePaused)] == [20]


async def test_a_used_up_quota_pauses_before_the_server_says_no(bench, server, wire):
    """The page that told it is fine; the next one waits for the reset."""
    server.plays(
        wire.reply([1], X_RateLimit_Remaining="0", X_RateLimit_Limit="60", X_RateLimit_Reset="12"),
        wire.reply([2], X_RateLimit_Remaining="59"),
    )
    await bench.fetch(server.url)
    assert bench.clock.monotonic() == 1000

    await bench.stream().fetch(wire.first())

    assert bench.clock.monotonic() == 1012
    assert bench.of(QuotaSeen) == [
        QuotaSeen(source="api", remaining=0, limit=60, reset_at=datetime(2026, 1, 2, 3, 4, 17, tzinfo=UTC)),
        QuotaSeen(source="api", remaining=59, limit=None, reset_at=None),
    ]


async def test_a_good_page_is_kept_although_the_quota_comes_back_tomorrow(bench, server, wire):
    """The last page of a day must not be thrown away."""
    server.plays(wire.reply([1], X_RateLimit_Remaining="0", X_RateLimit_Reset="86400"))

    assert (await bench.fetch(server.url)).facts.count == 1
    assert bench.of(SourcePaused) == []


async def test_signs_of_load_cut_the_limit(bench, server, wire):
    """429, 503 and timeouts; an ordinary 500 says nothing about load."""
    for status, limit in ((500, 8), (503, 5)):
        server.plays(wire.reply(b"", status), wire.reply([1]))
        await bench.fetch(server.url)
        assert bench.source.limiter.limit == limit


async def test_a_declared_rate_spaces_the_requests(bench, server):
    """2 a second: the fifth leaves 2 s after the first; tries count like any request."""
    await bench.client(server.url, rate=2.0)
    stream = bench.stream()

    for _ in range(5):
        await stream.fetch(_first())

    assert bench.clock.monotonic() == 1002


def _first():
    from etl.model.page import PageRequest
    from etl.model.window import Window

    return PageRequest(window=Window(), position="first")


async def test_all_pages_arrive_through_a_server_that_fails_every_fifth_time(bench, server, wire):
    """400 pages, 8 at a time, half of the failures by hanging up."""
    rng = random.Random(3)

    def answer(seen):
        if rng.random() < 0.2:
            return wire.reply(b"", 500) if rng.random() < 0.5 else wire.Reply(then="close")
        return wire.reply([seen.target])

    server.plays(answer)
    await bench.client(server.url, concurrency=8, retries=12)
    stream = bench.stream("/{page}")
    from dataclasses import replace

    async def one(number):
        async with bench.source.limiter.permit():
            return await stream.fetch(replace(_first(), page=number))

    pages = await asyncio.gather(*(one(number) for number in range(400)))

    assert [page.block.rows for page in pages] == [[(f"/{number}",)] for number in range(400)]
    assert bench.source.limiter.in_flight == 0


async def test_a_storm_of_cancellations_leaves_every_connection_usable(bench, server, wire):
    """300 requests cancelled before, during and after their answer, on 5 connections; then 20 of 20 are served."""
    rng = random.Random(5)
    server.plays(lambda _: wire.Reply([*wire.reply([1] * 50, then="keep").chunks], gap_s=rng.random() * 0.003))
    await bench.client(server.url, concurrency=5)
    stream = bench.stream()

    async def one():
        async with bench.source.limiter.permit():
            return await stream.fetch(_first())

    for _ in range(30):
        tasks = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(rng.random() * 0.004)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert bench.source.limiter.in_flight == 0
    pages = await asyncio.wait_for(asyncio.gather(*(one() for _ in range(20))), 10)
    assert [page.facts.count for page in pages] == [50] * 20


async def test_the_wait_of_a_429_counts_although_its_text_cannot_be_read(bench, server, wire):
    """Proxies answer in Brotli whatever was asked for; the status and its wait were lost in the complaint about it."""
    server.plays(wire.reply(b"\x0b\x02", 429, Content_Encoding="br", Retry_After="30"), wire.reply([1]))

    page = await bench.fetch(server.url)

    assert [failed.status for failed in page.failed_tries] == [429]
    assert bench.clock.monotonic() == 1030


async def test_one_429_holds_back_the_requests_of_every_stream(bench, server, wire):
    """Ten requests of two streams: whatever was not out yet waits for the one pause."""
    asked_at = []

    def answer(seen):
        asked_at.append(bench.clock.monotonic() - 1000)
        return wire.reply(b"", 429, Retry_After="60") if len(server.seen) == 1 else wire.reply([1])

    server.plays(answer)
    await bench.client(server.url, concurrency=1)
    streams = [bench.stream("/a"), bench.stream("/b")]

    await asyncio.gather(*(streams[n % 2].fetch(_first()) for n in range(10)))

    assert asked_at == [0, *[60] * 10]
    assert [pause.seconds for pause in bench.of(SourcePaused)] == [60]


async def test_a_server_that_takes_one_request_at_a_time_serves_every_page(bench, server, wire):
    """Eight went out, seven were refused, and came back together until the tries of two were spent."""
    busy = []

    def answer(seen):
        if busy:  # told after the other one is done: the pause takes no real time here
            return wire.Reply([b"", *wire.reply(b"", 429, Retry_After="1").chunks], gap_s=0.02)
        busy.append(seen)
        asyncio.get_running_loop().call_later(0.009, busy.clear)
        return wire.Reply([b"", wire.reply([1]).chunks[0]], gap_s=0.01)

    server.plays(answer)
    await bench.client(server.url)
    stream = bench.stream()

    async def one():
        async with bench.source.limiter.permit():
            return await stream.fetch(_first())

    pages = await asyncio.gather(*(one() for _ in range(20)))

    assert len(pages) == 20
    assert bench.source.limiter.in_flight == 0


async def test_the_deadline_of_a_request_begins_when_it_is_sent(bench, server, wire):
    """It waits 20 s for its turn under a rate of one in 10 s, and has 0.2 s for its answer."""
    await bench.client(server.url, rate=0.1, timeout_s=0.2)

    pages = await asyncio.gather(*(bench.stream().fetch(_first()) for _ in range(3)))

    assert [page.failed_tries for page in pages] == [(), (), ()]
    assert bench.clock.monotonic() == 1020
