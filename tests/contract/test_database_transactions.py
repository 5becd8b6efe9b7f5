"""What a transaction promises on both databases: order, rollback, and refusals that name their cause."""

from __future__ import annotations

import asyncio
import sqlite3
import stat

import psycopg
import pytest
from sqlalchemy import make_url, text

from etl.db.database import open_database
from etl.db.refusals import CommitUnknown, refused
from etl.errors import DatabaseRefused, UsageError


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock, busy_timeout_s=0.2) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (n bigint)"))
        yield database


async def numbers(database):
    async with database.read() as connection:
        return list((await connection.execute(text("SELECT n FROM t ORDER BY n"))).scalars())


@pytest.mark.parametrize("touched", [True, False])
async def test_a_rollback_takes_raw_driver_calls_with_it(database, touched):
    """Even when nothing but the raw call happened in the transaction."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what raises
        async with database.write("lane") as connection:
            if touched:
                await connection.execute(text("SELECT 1"))
            driver = (await connection.get_raw_connection()).driver_connection
            await driver.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
    assert await numbers(database) == []


async def test_ddl_is_part_of_the_transaction(database):
    """A table made in a transaction that fails does not exist."""
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what raises
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE u (n bigint)"))
            raise ZeroDivisionError
    with pytest.raises(DatabaseRefused, match="u"):
        async with database.read() as connection:
            await connection.execute(text("SELECT * FROM u"))


async def test_cancellation_rolls_back_and_leaves_the_lane_usable(database):
    """A writer that is stopped half way holds nothing."""
    inside = asyncio.Event()

    async def write():
        async with database.write("lane") as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.write("lane") as connection:
        await connection.execute(text("INSERT INTO t VALUES (2)"))
    assert await numbers(database) == [2]


async def test_a_statement_that_was_cancelled_gives_its_lock_back(database):
    """An interrupted run could not be ended: whoever kept the error kept a cursor, and with it SQLite's lock."""
    inside = asyncio.Event()

    async def write():
        async with database.write("lane") as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))
            inside.set()
            await connection.execute(
                text(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) "
                    "SELECT max(i) FROM n UNION ALL SELECT 2"
                )
            )

    task = asyncio.ensure_future(write())
    await inside.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as kept:
        await task
    async with database.write("lane") as connection:
        await connection.execute(text("INSERT INTO t VALUES (2)"))
    assert await numbers(database) == [2]
    assert kept.value.__traceback__ is not None


async def test_a_commit_that_was_sent_is_not_torn_by_cancellation(database, monkeypatch):
    """The cancellation is raised after the outcome is known."""
    from sqlalchemy.ext.asyncio import AsyncTransaction

    commit = AsyncTransaction.commit
    tasks: list[asyncio.Task[None]] = []

    async def cancelled_meanwhile(self):
        tasks[0].cancel()
        await asyncio.sleep(0)
        await commit(self)

    async def write():
        async with database.write("lane") as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))

    monkeypatch.setattr(AsyncTransaction, "commit", cancelled_meanwhile)
    tasks.append(asyncio.ensure_future(write()))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await numbers(database) == [1]


async def test_two_lanes_write_side_by_side_on_postgresql_and_in_turn_on_sqlite(database):
    """On SQLite the second waits for the first instead of failing."""
    first_in, order = asyncio.Event(), []

    async def first():
        async with database.write("a") as connection:
            await connection.execute(text("INSERT INTO t VALUES (1)"))
            first_in.set()
            if database.dialect == "postgresql":
                await second_done.wait()
            else:
                await asyncio.sleep(0.01)
            order.append("first")

    async def second():
        await first_in.wait()
        async with database.write("b") as connection:
            await connection.execute(text("INSERT INTO t VALUES (2)"))
            order.append("second")
        second_done.set()

    second_done = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        tasks.create_task(second())
    assert order == (["second", "first"] if database.dialect == "postgresql" else ["first", "second"])
    assert await numbers(database) == [1, 2]


async def test_a_lock_of_somebody_else_is_named(database, database_url):
    """After the wait it is exit 6, and says that somebody holds the lock."""
    async with open_database(database_url, clock=database.clock) as other, other.write("x") as holding:
        lock = "LOCK TABLE t" if other.dialect == "postgresql" else "SELECT 1"
        await holding.execute(text(lock))
        with pytest.raises(DatabaseRefused, match="is locked by another") as caught:
            async with database.write() as connection:
                await connection.execute(text("INSERT INTO t VALUES (1)"))
    assert caught.value.exit_code == 6
    assert caught.value.hint


async def test_a_raw_driver_error_is_refused_like_any_other(database):
    """Calls past SQLAlchemy are translated too."""
    with pytest.raises(DatabaseRefused, match="nothing_here"):  # noqa: PT012 - the transaction is what raises
        async with database.write() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            await driver.execute("SELECT * FROM nothing_here")


async def test_a_deadlock_is_repeated(pg_database, clock):
    """The loser of two crossing transactions runs again, and both are stored."""
    async with open_database(pg_database, clock=clock) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (n int primary key, v int)"))
            await connection.execute(text("INSERT INTO t VALUES (1, 0), (2, 0)"))
        ready = asyncio.Barrier(2)
        runs: list[str] = []

        def crossing(name, first, second):
            async def work(connection):
                runs.append(name)
                await connection.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                await connection.execute(text("UPDATE t SET v = v + 1 WHERE n = :n"), {"n": first})
                if runs.count(name) == 1:
                    await ready.wait()
                await connection.execute(text("UPDATE t SET v = v + 1 WHERE n = :n"), {"n": second})

            return work

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(database.transact(crossing("a", 1, 2), lane="a"))
            tasks.create_task(database.transact(crossing("b", 2, 1), lane="b"))
        async with database.read() as connection:
            assert list((await connection.execute(text("SELECT v FROM t"))).scalars()) == [2, 2]
        assert len(runs) == 3


async def test_an_unknown_commit_without_a_ledger_says_so(pg_database, clock, monkeypatch):
    """Nobody can tell, so nobody guesses."""
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncTransaction

    async def cut(self):
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    async def work(connection):
        await connection.execute(text("SELECT 1"))

    async with open_database(pg_database, clock=clock) as database:
        monkeypatch.setattr(AsyncTransaction, "commit", cut)
        with pytest.raises(CommitUnknown):
            await database.transact(work, lane="x")


async def test_the_file_is_private_and_its_folders_are_made(tmp_path, clock):
    """Rows may be personal: nobody else reads them."""
    path = tmp_path / "a" / "b" / "etl 100%.db"
    async with open_database(f"sqlite:///{path}", clock=clock) as database, database.read() as connection:
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_is_no_database_is_not_touched(tmp_path, clock):
    """It is refused by name."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)
    with pytest.raises(DatabaseRefused, match="is not a SQLite database"):
        async with open_database(f"sqlite:///{path}", clock=clock):
            pass
    assert path.read_text() == "dear diary, " * 100


async def test_a_missing_file_is_not_made_unless_asked(tmp_path, clock):
    """Commands that only read must not leave empty databases behind."""
    path = tmp_path / "none.db"
    with pytest.raises(DatabaseRefused, match="does not exist"):
        async with open_database(f"sqlite:///{path}", clock=clock, create=False):
            pass
    assert not path.exists()


async def test_a_full_disk_is_named(tmp_path, clock):
    """The database stays whole; what was committed is still there."""
    path = tmp_path / "etl.db"
    async with open_database(f"sqlite:///{path}", clock=clock) as database:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE t (v text)"))
            await connection.execute(text("PRAGMA max_page_count = 3"))
        with pytest.raises(DatabaseRefused, match="disk is full"):
            async with database.write() as connection:
                await connection.execute(text("INSERT INTO t VALUES (:v)"), {"v": "x" * 100_000})
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/d", "sqlite://", "sqlite:///:memory:", "no url: geheim"])
async def test_other_urls_are_refused_without_their_password(url, clock):
    """What is supported is said instead."""
    with pytest.raises(UsageError) as caught:
        async with open_database(url, clock=clock):
            pass
    assert "geheim" not in str(caught.value) + caught.value.hint
    assert "sqlite:///" in caught.value.hint


async def test_a_server_that_is_not_there_is_named_without_the_password(clock):
    """Refused at once, at the opening."""
    with pytest.raises(DatabaseRefused) as caught:
        async with open_database("postgresql://me:geheim@127.0.0.1:1/db", clock=clock):
            pass
    assert "geheim" not in str(caught.value)
    assert caught.value.what == "postgresql://me@127.0.0.1:1/db cannot be reached"
    assert caught.value.hint == "is the server up, and is the port right?"
    assert caught.value.data == "what was committed before is stored"


async def test_a_host_a_database_and_a_user_that_are_not_there_are_told_apart(pg_url, clock):
    """Each has a way out of its own, and the driver has one error for all three."""
    server = make_url(pg_url)
    for url, what, hint in (
        (make_url("postgresql://h.invalid/db"), "cannot be reached", "is the host name in the database URL right?"),
        (server.set(database="nobodys_db"), "does not exist", "create it (`createdb`), or name another one"),
        (server.set(username="nobody_at_all"), "refused the login", "check user and password in the database URL"),
    ):
        with pytest.raises(DatabaseRefused) as caught:
            async with open_database(url.render_as_string(hide_password=False), clock=clock):
                pass
        assert (caught.value.what.split(" ", 1)[1], caught.value.hint) == (what, hint)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('FATAL: password authentication failed for user "etl"', "refused the login"),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.7", user "etl", database "shop"', "refused the login"),
        ("fe_sendauth: no password supplied", "refused the login"),
        ("FATAL: the database system is starting up", "cannot be reached"),
        ("FATAL: sorry, too many clients already", "cannot be reached"),
    ],
)
def test_a_connection_that_did_not_come_about_is_told_by_the_servers_words(text, what):
    """The driver gives these errors no code. The words are those of PostgreSQL 15."""
    error = psycopg.OperationalError(f'connection failed: connection to server at "10.0.0.1", port 5432 failed: {text}')

    assert refused(error, "db").what == f"db {what}"


async def test_without_the_driver_the_extra_is_named(clock, monkeypatch):
    """A plain installation has SQLite only."""
    from etl.errors import OperatorError

    monkeypatch.setattr("etl.db.engines.find_spec", lambda _: None)
    with pytest.raises(OperatorError) as caught:
        async with open_database("postgresql://h/db", clock=clock):
            pass
    assert caught.value.hint == "pip install 'everypage[postgres]'"
