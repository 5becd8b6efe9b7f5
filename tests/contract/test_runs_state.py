"""Watermarks by hand, backfills, read models and pruning, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from etl.db import state
from etl.db.database import open_database
from etl.errors import UsageError
from etl.model.instants import CursorFormat, CursorKind
from etl.model.run import RunKind, RunStatus, RunTrigger
from etl.model.verdict import Verdict
from etl.runs import Backfills, Coverage, History, Interval, LeaseKeeper, RunStore, Watermarks
from etl.runs.coverage import extend


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as opened:
        await opened.migrate()
        yield opened


@pytest.fixture
def marks(database, clock):
    return Watermarks(database, clock)


async def test_a_watermark_is_set_shown_and_reset_with_its_history(marks):
    await marks.set("s.t", "2025-01-01", CursorFormat("iso"))
    await marks.set("s.t", "2024-06-01T12:00:00+02:00", CursorFormat("iso"))
    assert str(await marks.get("s.t")) == "2024-06-01T10:00:00Z"
    assert await marks.reset("s.t") == 1
    assert await marks.get("s.t") is None
    changes = await marks.changes("s.t")
    assert [(c.old_value, c.new_value) for c in changes] == [
        ("1717236000000000", None),
        ("1735689600000000", "1717236000000000"),
        (None, "1735689600000000"),
    ]


async def test_setting_the_same_value_again_is_no_change(marks):
    await marks.set("s.t", "5", CursorFormat("number"))
    await marks.set("s.t", "5", CursorFormat("number"))
    assert len(await marks.changes("s.t")) == 1


@pytest.mark.parametrize(("text", "form"), [("yesterday", "iso"), ("2026-01-03", "iso"), ("x", "number")])
async def test_a_watermark_that_cannot_be_or_lies_in_the_future_is_refused(marks, text, form):
    with pytest.raises(UsageError):
        await marks.set("s.t", text, CursorFormat(form))
    assert await marks.get("s.t") is None


async def test_members_have_watermarks_of_their_own(marks):
    await marks.set("s.t", "5", CursorFormat("number"), "a")
    await marks.set("s.t", "7", CursorFormat("number"), "b")
    assert await marks.reset("s.t", "a") == 1
    assert {name: mark.value for name, mark in (await marks.all("s.t")).items()} == {"b": 7}


async def cover(database, clock, start, end, verdict, member=""):
    async with database.write() as connection:
        await extend(
            connection,
            "s.t",
            CursorKind.NUMBER,
            {member: [Interval(start=start, end=end, verdict=verdict)]},
            ordinal=1,
            now=clock.now(),
        )


async def test_stored_coverage_is_merged(database, clock):
    for start, end, verdict in [(0, 10, Verdict.VERIFIED), (10, 20, Verdict.VERIFIED), (15, 30, Verdict.ASSUMED)]:
        await cover(database, clock, start, end, verdict)
    await cover(database, clock, 100, 200, Verdict.VERIFIED, "other")
    assert await Coverage(database).intervals("s.t") == (
        Interval(start=0, end=20, verdict=Verdict.VERIFIED),
        Interval(start=20, end=30, verdict=Verdict.ASSUMED),
    )
    assert await Coverage(database).missing("s.t", 0, 40) == ((30, 40),)


async def test_what_any_member_lacks_is_missing(database, clock):
    """A member that is newer than a backfill makes its slices wanted again."""
    await cover(database, clock, 0, 40, Verdict.VERIFIED, "old")
    await cover(database, clock, 20, 30, Verdict.VERIFIED, "new")

    assert await Coverage(database).missing("s.t", 0, 40, ("old",)) == ()
    assert await Coverage(database).missing("s.t", 0, 40, ("old", "new")) == ((0, 20), (30, 40))
    assert await Coverage(database).missing("s.t", 0, 40, ("old", "unread")) == ((0, 40),)


async def test_runs_of_thousands_of_members_are_told_in_statements_a_database_bears(database, clock):
    """Both bound the number of parameters: 32,766 on SQLite, 65,535 on PostgreSQL."""
    assert await History(database, clock).run_ids(range(70_000)) == {}


@pytest.fixture
async def plan(database, clock):
    return await Backfills(database, clock).create(
        stream="s.t", kind=CursorKind.NUMBER, bounds=[(0, 10), (10, 20), (20, 25)], fingerprint="f", step="10"
    )


async def test_a_backfill_is_found_by_the_beginning_of_its_id(database, clock, plan):
    backfills = Backfills(database, clock)
    assert (plan.start, plan.end) == (0, 25)
    assert await backfills.find(plan.backfill_id[:20].lower()) == plan
    assert await backfills.of_stream("s.t") == (plan,)
    for unknown in ("nothing", "", "%"):
        with pytest.raises(UsageError):
            await backfills.find(unknown)


async def test_a_backfill_is_found_by_the_id_of_its_run(database, clock, plan):
    """`--json` and `etl runs list` begin with the run, and resuming by it said that there is no such backfill."""
    await Backfills(database, clock).create(
        stream="s.t", kind=CursorKind.NUMBER, bounds=[(50, 60)], fingerprint="f", step="10"
    )
    run_id = await RunStore(database, clock).begin(
        kind=RunKind.BACKFILL, trigger=RunTrigger.MANUAL, version="1", selection=f"s.t 0 to 25 ({plan.backfill_id})"
    )

    assert await Backfills(database, clock).find(run_id) == plan


async def test_slices_are_chosen_by_what_became_of_them(database, clock, plan):
    backfills = Backfills(database, clock)
    await backfills.mark(plan, 0, status=RunStatus.RUNNING)
    await backfills.mark(plan, 0, status=RunStatus.SUCCEEDED, verdict=Verdict.VERIFIED, rows=3, ordinal=1)
    await backfills.mark(plan, 1, status=RunStatus.FAILED, reason="503")
    await cover(database, clock, 20, 25, Verdict.CONSISTENT)
    assert [s.number for s in await backfills.slices(plan)] == [1]
    assert [s.number for s in await backfills.slices(plan, only="failed")] == [1]
    assert [(s.number, s.status, s.rows, s.attempts) for s in await backfills.slices(plan, only="all")] == [
        (0, "succeeded", 3, 1),
        (1, "failed", 0, 1),
        (2, "pending", 0, 0),
    ]
    assert await backfills.remaining(plan) == 2


async def test_an_empty_range_is_refused(database, clock):
    with pytest.raises(UsageError, match="empty"):
        await Backfills(database, clock).create(stream="s.t", kind=CursorKind.NUMBER, bounds=[], fingerprint="f")


@pytest.fixture
async def run_id(database, clock):
    """A run that read `s.t` and skipped `s.u`, with a page, a failed try and a reject."""
    store = RunStore(database, clock)
    run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1.0")
    lease = await LeaseKeeper(database, clock).acquire("s.t")
    run = await store.begin_stream(
        run_id, stream="s.t", table="s_t", kind=RunKind.SYNC, token=lease.token, fingerprint="f"
    )
    from dataclasses import replace

    from etl.db.journal import Line
    from etl.model.page import FailedTry, PageRequest, Reject
    from etl.model.window import Window
    from etl.runs import Ending
    from etl.testing.pages import page_of

    page = page_of(
        PageRequest(window=Window(), position="page=1"),
        [1],
        rejects=(Reject(index=1, reason="no number", path="total", raw=b"\xff{", key="9"),),
    )
    failed = FailedTry(reason="503", status=503, seconds=0.1, wait_s=1.0, at=clock.now())
    ledger = await store.ledger(run)
    async with database.write() as connection:
        await ledger.check(connection)
        await ledger.record(connection, [Line(page=replace(page, failed_tries=(failed,)), inserted=1)])
    await store.finish_stream(
        run, Ending(status=RunStatus.SUCCEEDED, exit_code=0, seconds=1.0, verdict=Verdict.VERIFIED)
    )
    await store.skip(run_id, stream="s.u", table="s_u", kind=RunKind.SYNC, reason="held")
    await store.finish(run_id, status=RunStatus.SUCCEEDED, exit_code=0, seconds=1.0)
    return run_id


async def test_history_shows_runs_streams_and_rejects(database, clock, run_id):
    history = History(database, clock)
    assert [run.run_id for run in await history.runs()] == [run_id]
    assert await history.runs(status="failed") == ()
    assert (await history.run(run_id[:12].lower())).status == "succeeded"
    assert [(s.stream, s.status) for s in await history.streams_of(run_id)] == [
        ("s.t", "succeeded"),
        ("s.u", "skipped"),
    ]
    status = await history.status()
    assert list(status) == ["s.t"]
    assert status["s.t"].last_success_at == clock.now()
    (reject,) = await history.rejects(stream="s.t", run_id=run_id)
    assert (reject.key, reject.raw, reject.replayed_at) == ("9", b"\xff{", None)
    assert await history.reject(reject.id) == reject
    assert await history.rejects(stream="s.u") == ()
    with pytest.raises(UsageError):
        await history.reject(10_000)
    with pytest.raises(UsageError):
        await history.run("ZZZ")


async def test_pruning_removes_what_is_old_and_keeps_the_counters(database, clock, run_id):
    history = History(database, clock)
    clock.advance(31 * 86400)
    first = await history.prune()
    assert (first.pages, first.failed_tries) == (1, 0)
    clock.advance(60 * 86400)
    second = await history.prune()
    assert (second.pages, second.failed_tries) == (0, 1)
    assert (await history.streams_of(run_id))[0].pages == 1


async def test_a_run_of_this_host_whose_process_is_gone_is_called_interrupted(database, clock):
    from socket import gethostname

    async with database.write() as connection:
        await connection.execute(
            insert(state.runs).values(
                run_id="0", kind="sync", trigger="manual", status="running", version="1", host=gethostname(),
                pid=2**22 + 5, started_at=clock.now() - timedelta(hours=1),
            )
        )  # fmt: skip
    await RunStore(database, clock).begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1")
    statuses = [run.status for run in await History(database, clock).runs()]
    assert statuses == ["running", "interrupted"]
