"""What is left behind by a COMMIT or a BEGIN that failed, and by a request that was given up."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import text

from etl.db.database import open_database, same_again
from etl.db.refusals import CommitUnknown
from etl.errors import DatabaseRefused, GaveUp
from etl.model.page import FailedTry, PageRequest
from etl.model.run import RunKind, RunStatus, RunTrigger
from etl.model.window import Window
from etl.runs import Ending, LeaseKeeper, RunStore


async def rows(database, query: str) -> list[tuple]:
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def test_a_commit_that_met_a_full_disk_leaves_no_transaction_behind(tmp_path, clock, monkeypatch) -> None:
    """The next writer of the process met the dead transaction of the one before, and the run ended as a bug."""
    async with open_database(f"sqlite:///{tmp_path / 'etl.db'}", clock=clock) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (n INTEGER)"))

        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"

        def fails(*_: object) -> None:
            raise full

        with monkeypatch.context() as patched:
            patched.setattr("sqlalchemy.dialects.sqlite.aiosqlite.SQLiteDialect_aiosqlite.do_commit", fails)
            with pytest.raises(DatabaseRefused, match="disk is full"):
                async with database.write() as connection:
                    await connection.execute(text("INSERT INTO t VALUES (1)"))

        async with database.write() as connection:
            await connection.execute(text("INSERT INTO t VALUES (2)"))
        assert await rows(database, "SELECT n FROM t") == [(2,)]


async def test_a_begin_that_failed_is_followed_by_one_that_works(tmp_path, clock) -> None:
    """A lock of somebody else that was not waited for long enough."""
    path = tmp_path / "etl.db"
    async with open_database(f"sqlite:///{path}", clock=clock, busy_timeout_s=0.05) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (n INTEGER)"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(DatabaseRefused, match="locked"):
                async with database.write() as connection:
                    await connection.execute(text("INSERT INTO t VALUES (1)"))
        other.execute("ROLLBACK")
        other.close()

        async with database.write() as connection:
            await connection.execute(text("INSERT INTO t VALUES (2)"))
        assert await rows(database, "SELECT n FROM t") == [(2,)]


class LostAnswers:
    """The next COMMITs are stored, and their answers are lost."""

    def __init__(self, monkeypatch, count: int) -> None:
        from etl.db.database import Database

        plain = Database._commit
        left = count

        async def commit(database, connection, transaction):
            nonlocal left
            await plain(database, connection, transaction)
            if left:
                left -= 1
                raise CommitUnknown("the answer was lost")

        monkeypatch.setattr(Database, "_commit", commit)


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_the_answer_to_the_question_after_a_lost_answer_may_be_lost_too(
    database_url, clock, monkeypatch, count
) -> None:
    """Asking whether a transaction is stored ends with a COMMIT of its own."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        store, leases = RunStore(database, clock), LeaseKeeper(database, clock)
        LostAnswers(monkeypatch, count)

        run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1")
        LostAnswers(monkeypatch, count)
        lease = await leases.acquire("s.t")
        LostAnswers(monkeypatch, count)
        run = await begun(store, run_id, lease.token)
        LostAnswers(monkeypatch, count)
        await lease.beat()
        LostAnswers(monkeypatch, count)
        await store.finish(run_id, status=RunStatus.FAILED, exit_code=4, seconds=1.0)

        assert (run.token, lease.token) == (1, 1)
        assert await rows(database, "SELECT run_id, status FROM _etl_runs") == [(run_id, "failed")]
        assert await rows(database, "SELECT run_id, token FROM _etl_run_streams") == [(run_id, 1)]


async def begun(store: RunStore, run_id: str, token: int):
    return await store.begin_stream(run_id, stream="s.t", table="s_t", kind=RunKind.SYNC, token=token, fingerprint="f")


async def test_a_request_that_was_given_up_is_in_the_history_with_all_its_tries(database_url, clock) -> None:
    """Three requests were sent, two of them because the one before had failed; no page came of it."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        store, leases = RunStore(database, clock), LeaseKeeper(database, clock)
        run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1")
        lease = await leases.acquire("s.t")
        run = await begun(store, run_id, lease.token)
        failure = GaveUp("GET http://api/x answered 503", why="tried 3 times")
        failure.failed_url = "http://api/x?page=3"
        failure.failed_tries = tuple(
            FailedTry(reason="503", status=503, seconds=0.1, wait_s=wait, at=clock.now() + timedelta(seconds=n))
            for n, wait in enumerate((0.5, 1.0, 0.0))
        )

        ledger = await store.ledger(run)
        await ledger.gave_up(PageRequest(window=Window(), position="page:3"), failure)
        ended = await store.fail_stream(run, Ending(status=RunStatus.FAILED, exit_code=4, seconds=1.0))

        assert (ended.counts.pages, ended.counts.requests, ended.counts.retries) == (0, 3, 2)
        kept = await rows(database, "SELECT position, url, outcome, status FROM etl_requests")
        assert kept == [("page:3", "http://api/x?page=3", "503", 503)] * 3


async def test_work_that_may_be_done_twice_is_done_again(tmp_path, clock, monkeypatch) -> None:
    """`same_again` needs no look into the database."""
    async with open_database(f"sqlite:///{tmp_path / 'etl.db'}", clock=clock) as database:
        done: list[int] = []

        async def work(connection) -> int:
            done.append(len(done))
            return done[-1]

        LostAnswers(monkeypatch, 1)

        assert await database.transact(work, settled=same_again) == 1


async def test_a_disk_that_fails_after_the_finalising_transaction_does_not_undo_its_end(database_url, clock) -> None:
    """The watermark had moved, and the history said that the run had failed."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        store, leases = RunStore(database, clock), LeaseKeeper(database, clock)
        run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="1")
        run = await begun(store, run_id, (await leases.acquire("s.t")).token)
        await store.finish_stream(run, Ending(status=RunStatus.SUCCEEDED, exit_code=0, seconds=1.0))

        await store.fail_stream(run, Ending(status=RunStatus.FAILED, exit_code=6, seconds=1.0))

        assert await rows(database, "SELECT status, exit_code FROM _etl_run_streams") == [("succeeded", 0)]
