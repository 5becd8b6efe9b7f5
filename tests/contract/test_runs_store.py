"""Runs, generations, the ledger and the finalising transaction, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from etl.db import state
from etl.db.database import open_database
from etl.db.journal import Line
from etl.errors import LeaseLost
from etl.model.instants import CursorKind, to_micros
from etl.model.page import FailedTry, PageFacts, PageRequest, Reject
from etl.model.run import Counts, RunKind, RunStatus, RunTrigger
from etl.model.verdict import Verdict
from etl.model.window import Window
from etl.runs import Coverage, Ending, Interval, LeaseKeeper, RunStore, Watermarks, WatermarkStep
from etl.testing.pages import facts_of, page_of

WHOLE = Window()


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as opened:
        await opened.migrate()
        yield opened


class Desk:
    """A store with a stream whose lease is taken anew for every run."""

    def __init__(self, database, clock):
        self.database = database
        self.clock = clock
        self.store = RunStore(database, clock)
        self.keeper = LeaseKeeper(database, clock)

    async def begin(self, **more):
        run_id = await self.store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1.0")
        async with self.database.write() as connection:
            await connection.execute(update(state.leases).values(holder=None))
        lease = await self.keeper.acquire("s.t")
        values = {"kind": RunKind.SYNC, "fingerprint": "f", "cursor_kind": CursorKind.INSTANT} | more
        return await self.store.begin_stream(run_id, stream="s.t", table="s_t", token=lease.token, **values)

    async def commit(self, run, *lines):
        ledger = await self.store.ledger(run)
        async with self.database.write("s.t") as connection:
            await ledger.check(connection)
            await ledger.record(connection, lines)
        return ledger


@pytest.fixture
def desk(database, clock):
    return Desk(database, clock)


def line(number, keys=(), *, window=WHOLE, attempt=0, **more):
    request = PageRequest(window=window, position=f"page={number}", ordinal=number, page=number, attempt=attempt)
    return Line(page=replace(page_of(request, list(keys)), **more), inserted=len(keys))


def ending(status=RunStatus.SUCCEEDED, **more):
    return Ending(**({"status": status, "exit_code": 0, "seconds": 1.5, "verdict": Verdict.VERIFIED} | more))


async def stored(database, table):
    async with database.read() as connection:
        return (await connection.execute(select(table).order_by(*table.primary_key))).all()


async def test_a_run_is_noted_from_begin_to_finish(desk, database):
    run_id = await desk.store.begin(kind=RunKind.SYNC, trigger=RunTrigger.SCHEDULE, version="1.0", selection="shop")
    (row,) = await stored(database, state.runs)
    assert (row.run_id, row.status, row.trigger, row.selection) == (run_id, "running", "schedule", "shop")
    await desk.store.finish(run_id, status=RunStatus.SUCCEEDED, exit_code=0, seconds=2.0)
    (row,) = await stored(database, state.runs)
    assert (row.status, row.exit_code, row.seconds) == ("succeeded", 0, 2.0)


async def test_counters_are_the_sums_over_the_ledger(desk, clock):
    run = await desk.begin()
    failed = FailedTry(reason="503", status=503, seconds=0.1, wait_s=1.0, at=clock.now())
    reject = Reject(index=0, reason="no number", path="total", raw=b'{"id": 9}', key="9")
    await desk.commit(
        run,
        line(1, [1, 2], failed_tries=(failed,)),
        replace(line(2, [3, 4, 5], rejects=(reject,)), inserted=1, updated=1, unchanged=0),
    )
    finished = await desk.store.finish_stream(run, ending(deleted=7))
    assert finished.counts == Counts(
        pages=2, requests=3, retries=1, fetched=5, inserted=3, updated=1, unchanged=0, deleted=7, rejected=1
    )


async def test_a_page_read_again_counts_as_a_request_but_not_as_a_page(desk):
    """A list of 1,000 was reported as 1,020 fetched: the probes of its first and last page were counted as pages."""
    run = await desk.begin()
    await desk.commit(
        run,
        replace(line(1, [1, 2, 3]), inserted=2, unchanged=1),
        replace(line(1, [1, 2, 3, 4], attempt=1), inserted=1, updated=1, unchanged=2),
    )
    finished = await desk.store.finish_stream(run, ending())
    assert finished.counts == Counts(pages=1, requests=2, fetched=5, inserted=3, updated=1, unchanged=1)


async def test_a_reject_that_a_probe_meets_again_is_kept_once(desk, database):
    """`etl rejects list` showed a bad item on the first page twice. What only the second reading shows is kept."""
    run = await desk.begin()
    bad = Reject(index=0, reason="no number", path="total", raw=b'{"id": 9}', key="9")
    late = replace(bad, raw=b'{"id": 10}', key="10")
    await desk.commit(run, line(1, [1], rejects=(bad,)), line(1, [1], attempt=1, rejects=(bad,)))
    await desk.commit(run, line(1, [1], attempt=2, rejects=(bad, late)), line(2, [2], attempt=2, rejects=(late,)))
    kept = await stored(database, state.rejects)
    finished = await desk.store.finish_stream(run, ending())
    assert [row.raw for row in kept] == [bad.raw, late.raw]
    assert (finished.counts.rejected, finished.counts.requests, finished.counts.pages) == (2, 4, 1)


async def test_expectations_are_weighed_over_the_whole_generation(desk):
    """A resumed run that fetched only the rest was called incomplete for `expect.min_rows`."""
    crashed = await desk.begin()
    await desk.commit(crashed, line(1, [1, 2, 3]))
    resumed = await desk.begin()
    await desk.commit(resumed, line(2, [4]))
    assert (await desk.store.counts(resumed)).fetched == 4
    assert (await desk.store.finish_stream(resumed, ending())).counts.fetched == 1


async def test_a_page_has_one_line_however_often_it_is_recorded(desk, database):
    """A repeated transaction after an unknown COMMIT must not double a page."""
    run = await desk.begin()
    ledger = await desk.commit(run, line(1, [1]))
    await desk.commit(run, line(1, [1]))
    assert len(await stored(database, state.pages)) == 1
    async with database.read() as connection:
        assert await ledger.committed(connection, [line(2), line(1), line(1, attempt=1)]) == {1}


async def test_the_finalising_transaction_moves_everything_at_once(desk, database, clock):
    run = await desk.begin()
    await desk.commit(run, line(1, [1]))
    now = to_micros(clock.now())
    read = {"": [Interval(start=None, end=now, verdict=Verdict.VERIFIED)]}
    step = WatermarkStep(kind=CursorKind.INSTANT, max_seen=now, lag=timedelta(minutes=5))
    finished = await desk.store.finish_stream(run, ending(steps=[step], read=read, upper_bound=clock.now()))
    assert finished.watermark == "2026-01-02T02:59:05Z"
    mark = await Watermarks(database, clock).get("s.t")
    assert (mark.value, mark.ordinal) == (now - 300_000_000, run.ordinal)
    assert await Coverage(database).missing("s.t", 0, now + 1) == ((now, now + 1),)
    (row,) = await stored(database, state.run_streams)
    assert (row.status, row.verdict, row.pages, row.watermark_after) == ("succeeded", "verified", 1, str(mark))
    (page,) = await stored(database, state.pages)
    assert page.key_digests is None
    assert (await desk.keeper.acquire("s.t")).token == 2


async def test_an_outdated_token_finalises_nothing(desk, database, clock):
    run = await desk.begin()
    await desk.begin()
    step = WatermarkStep(kind=CursorKind.INSTANT, max_seen=5)
    with pytest.raises(LeaseLost):
        await desk.store.finish_stream(run, ending(steps=[step], upper_bound=clock.now()))
    assert await Watermarks(database, clock).get("s.t") is None


async def test_an_outdated_token_commits_no_page(desk, database):
    run = await desk.begin()
    await desk.begin()
    with pytest.raises(LeaseLost):
        await desk.commit(run, line(1, [1]))
    assert await stored(database, state.pages) == []


async def test_a_failed_stream_keeps_its_watermark_and_its_pages(desk, database, clock):
    await Watermarks(database, clock).set("s.t", "2025-01-01", _iso())
    run = await desk.begin()
    await desk.commit(run, line(1, [1]))
    step = WatermarkStep(kind=CursorKind.INSTANT, max_seen=to_micros(clock.now()))
    finished = await desk.store.fail_stream(run, ending(RunStatus.FAILED, verdict=None, reason="503", steps=[step]))
    assert (finished.watermark, finished.counts.pages) == ("2025-01-01T00:00:00Z", 1)


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.FAILED, RunStatus.FENCED, None])
async def test_a_run_that_did_not_end_is_resumed_with_its_pages(desk, status):
    """None is a crash: nobody noted an end."""
    first = await desk.begin(since=10, until=20)
    window = Window(member="m", start=10, end=20)
    page = line(1, ["a", "b"], window=window)
    facts = facts_of(
        ["a", "b"],
        total_rows=5,
        total_pages=3,
        next_cursor={"after": [1, "x"]},
        next_link="http://fake.test/2",
        more=True,
        token="seq-17",
        min_cursor=11,
        max_cursor=19,
        future_rows=1,
        outside_rows=2,
        order_broken="3 came after 5",
    )
    page = replace(page, page=replace(page.page, facts=facts))
    await desk.commit(first, page)
    if status is not None:
        await desk.store.fail_stream(first, ending(status, verdict=None))
    found = await desk.store.open_generation(stream="s.t", kind=RunKind.SYNC, fingerprint="f")
    assert found.bounds(CursorKind.INSTANT) == (10, 20)
    second = await desk.begin(since=10, until=20)
    assert (second.resumed, second.generation) == (True, first.run_id)
    assert second.ordinal > first.ordinal
    ledger = await desk.store.ledger(second)
    assert ledger.recall(page.page.request) == facts
    assert ledger.recall(replace(page.page.request, attempt=1)) is None
    assert ledger.recall(replace(page.page.request, window=Window(member="m", start=10))) is None


@pytest.mark.parametrize("code", ["E-PAGING-LOOP", "E-REQUEST-REFUSED", "E-FOREIGN-HOST"])
async def test_a_chain_that_its_own_pages_led_astray_is_read_anew(desk, code):
    """Replayed from the ledger, the loop of a deleted cursor failed every run for six hours without one request."""
    first = await desk.begin(since=10, until=20)
    await desk.commit(first, line(1, ["a", "b"]))
    await desk.store.fail_stream(first, ending(RunStatus.FAILED, verdict=None, error_code=code))

    assert await desk.store.open_generation(stream="s.t", kind=RunKind.SYNC, fingerprint="f") is None
    second = await desk.begin(since=10, until=20)
    assert (second.resumed, second.generation) == (False, second.run_id)


async def test_a_resumed_run_knows_which_page_was_refused(desk):
    """The end of a list that tells no total may have been the depth at which the API stops listing."""
    first = await desk.begin()
    page = line(9)
    response = replace(page.page.response, status=422, body=b"")
    page = replace(page, page=replace(page.page, response=response, facts=PageFacts(count=0, refused=422)))
    await desk.commit(first, page)
    ledger = await desk.store.ledger(await desk.begin())
    assert ledger.recall(page.page.request) == PageFacts(count=0, refused=422)


async def test_a_crashed_run_is_called_interrupted_by_the_next(desk, database):
    await desk.begin()
    await desk.begin()
    assert [row.status for row in await stored(database, state.run_streams)] == ["interrupted", "running"]


@pytest.mark.parametrize(
    "other",
    [{"fingerprint": "g"}, {"kind": RunKind.FULL}, {"since": 11, "until": 20}, {"until": 20}, {"resume": False}],
)
async def test_a_different_reading_begins_a_generation_of_its_own(desk, other):
    await desk.begin(since=10, until=20)
    second = await desk.begin(**({"since": 10, "until": 20} | other if "until" not in other else other))
    assert (second.resumed, second.generation) == (False, second.run_id)


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.INCOMPLETE])
async def test_a_generation_that_was_concluded_is_not_resumed(desk, status):
    run = await desk.begin()
    await desk.store.finish_stream(run, ending(status))
    assert not (await desk.begin()).resumed


async def test_a_generation_older_than_six_hours_is_not_resumed(desk, clock):
    """Its rows could be older than what a fresh reading would promise."""
    await desk.begin()
    clock.advance(5 * 3600)
    assert (await desk.begin()).resumed
    clock.advance(2 * 3600)
    assert not (await desk.begin()).resumed


async def test_an_interrupted_generation_keeps_its_digests(desk):
    run = await desk.begin()
    await desk.commit(run, line(1, [1, 2]))
    await desk.store.finish_stream(run, ending(RunStatus.INTERRUPTED, verdict=None))
    again = await desk.begin()
    ledger = await desk.commit(again, line(2, [2, 3]))
    assert await ledger.distinct_keys(WHOLE) == 3


async def test_distinct_keys_are_counted_per_window(desk):
    run = await desk.begin()
    other = Window(start=5)
    ledger = await desk.commit(run, line(1, [1, 2]), line(2, [2, 3]), line(1, [9], window=other))
    assert await ledger.distinct_keys(WHOLE) == 3
    assert await ledger.distinct_keys(other) == 1
    assert await ledger.distinct_keys(Window(member="nobody")) == 0


async def test_a_resumed_run_is_bounded_by_the_first_answer_of_its_generation(desk, clock):
    first = await desk.begin()
    page = line(1, [1])
    served = clock.now() - timedelta(hours=1)
    await desk.commit(
        first, replace(page, page=replace(page.page, response=replace(page.page.response, served_at=served)))
    )
    second = await desk.begin()
    step = WatermarkStep(kind=CursorKind.INSTANT, max_seen=to_micros(clock.now()))
    finished = await desk.store.finish_stream(second, ending(steps=[step], upper_bound=clock.now()))
    assert finished.watermark == "2026-01-02T02:04:05Z"


def answered(number, *, at, seq, told=True):
    """A line whose page was asked for and answered at a moment, as the request of that number in its run."""
    made = line(number, [number])
    response = replace(made.page.response, started_at=at, served_at=at if told else None, seq=seq)
    return replace(made, page=replace(made.page, response=response))


@pytest.mark.parametrize("told", [True, False], ids=["by-the-server", "by-our-clock"])
async def test_numbers_that_begin_anew_do_not_carry_the_bound_of_a_resumed_run_away(desk, clock, told):
    """Requests are numbered from 1 in every run: the resumed run's first answer once counted as the generation's.

    The watermark then passed what had changed between the two runs on the pages of the first one, for good.
    """
    first, now = await desk.begin(), clock.now()
    await desk.commit(first, answered(1, at=now - timedelta(hours=1), seq=4, told=told))
    second = await desk.begin()
    await desk.commit(second, answered(2, at=now, seq=1, told=told))
    step = WatermarkStep(kind=CursorKind.INSTANT, max_seen=to_micros(now))

    finished = await desk.store.finish_stream(second, ending(steps=[step], upper_bound=now))

    assert finished.watermark == "2026-01-02T02:04:05Z"


async def test_a_skipped_stream_leaves_a_line_and_does_not_hide_an_open_generation(desk, database):
    first = await desk.begin()
    await desk.store.skip("R", stream="s.t", table="s_t", kind=RunKind.SYNC, reason="still running")
    assert (await stored(database, state.run_streams))[1].reason == "still running"
    assert (await desk.begin()).generation == first.run_id


def _iso():
    from etl.model.instants import CursorFormat

    return CursorFormat("iso")
