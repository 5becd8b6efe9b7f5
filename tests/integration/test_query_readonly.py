"""Questions read, attacks write nothing, and mistakes are told in the database's words; on real databases."""

import asyncio
import hashlib
import sqlite3
import threading
from decimal import Decimal

import psycopg
import pytest

from etl.errors import DatabaseRefused, UsageError
from etl.query import open_query, run_query, write

SETUP = """
CREATE TABLE t (id bigint PRIMARY KEY, name text);
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, '100% :x');
CREATE TABLE victim (id bigint);
INSERT INTO victim VALUES (42);
"""


@pytest.fixture
def filled(database_url):
    """A database with a table `t` of three rows and a table `victim`."""
    if database_url.startswith("sqlite"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(SETUP)
        connection.close()
    else:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(SETUP)
    return database_url


@pytest.fixture
def sqlite_file(tmp_path):
    path = tmp_path / "etl.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(SETUP)
    connection.close()
    return path


@pytest.fixture
def pg_filled(pg_database):
    with psycopg.connect(pg_database, autocommit=True) as connection:
        connection.execute(SETUP)
    return pg_database


def ask(url, sql, parameters=None, **options):
    with open_query(url, **options) as query:
        result = query.run(sql, parameters)
        return result.columns, list(result.rows)


def refusal(url, sql):
    """Why a statement was refused, empty if it was not."""
    try:
        ask(url, sql)
    except UsageError as error:
        return str(error)
    return ""


def test_rows_come_in_order_with_their_column_names(filled):
    columns, rows = ask(filled, "select id, name, id as id from t order by id;")
    assert columns == ("id", "name", "id")
    assert rows == [(1, "one", 1), (2, "two", 2), (3, "100% :x", 3)]


def test_named_parameters_are_bound(filled):
    _, rows = ask(filled, "select name from t where name like '%:x' or id = :id order by id", {"id": 1})
    assert rows == [("one",), ("100% :x",)]
    assert ask(filled, "select name from t where name = :n", {"n": "x' or '1'='1"})[1] == []


def test_a_percent_without_parameters_is_a_percent(filled):
    assert ask(filled, "select name from t where name like '100%'")[1] == [("100% :x",)]


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("select * from t where id = :id", {}, ":id has no value"),
        ("select 1", {"id": 1}, "no parameter :id"),
        ("select * from nowhere", {}, "nowhere"),
        ("selec 1", {}, "syntax error"),
        ("select 1; delete from victim", {}, "one statement"),
    ],
)
def test_mistakes_are_told(filled, sql, parameters, message):
    with pytest.raises(UsageError, match=message):
        ask(filled, sql, parameters)


def test_more_rows_than_a_chunk_are_all_read(filled):
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2345) select i from n"
    assert [row[0] for row in ask(filled, numbers)[1]] == list(range(1, 2346))


@pytest.mark.parametrize(("limit", "count", "cut"), [(2, 2, True), (3, 3, False), (0, 0, True), (None, 3, False)])
def test_the_limit_cuts_and_says_so(filled, limit, count, cut):
    with open_query(filled, limit=limit) as query:
        result = query.run("select * from t")
        assert len(list(result.rows)) == count
        assert result.was_cut is cut


def test_several_statements_can_be_asked_one_after_the_other(filled):
    with open_query(filled) as query:
        with pytest.raises(UsageError):
            query.run("select * from nowhere")
        query.run("select * from t")
        assert list(query.run("select 1").rows) == [(1,)]


def test_an_endless_statement_ends_at_its_timeout(filled):
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(UsageError, match="took longer than"):
        ask(filled, endless, timeout_s=0.1)


async def test_asynchronous_code_gets_the_same_answer(filled):
    async with run_query(filled, "select name from t where id = :id", {"id": "2"}) as result:
        assert await asyncio.to_thread(list, result.rows) == [("two",)]


async def test_cancellation_stops_the_statement(filled, tmp_path):
    """Without that the process would wait for the statement until its timeout."""
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"

    async def endlessly():
        async with run_query(filled, endless, timeout=60) as result:
            await write(result, "csv", tmp_path / "rows.csv")

    asking = asyncio.create_task(endlessly())
    await asyncio.sleep(0.2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 30)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_missing_file_is_refused_and_not_made(tmp_path):
    path = tmp_path / "none.db"
    with pytest.raises(DatabaseRefused, match="does not exist"):
        ask(f"sqlite:///{path}", "select 1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary " * 100)
    with pytest.raises(DatabaseRefused, match="not a SQLite database"):
        ask(f"sqlite:///{path}", "select 1")
    assert path.read_bytes() == b"dear diary " * 100


def test_an_unreachable_server_is_refused_without_its_password():
    with pytest.raises(DatabaseRefused) as refusal:
        ask("postgresql://me:hunter2@127.0.0.1:1/x", "select 1")
    assert "hunter2" not in f"{refusal.value} {refusal.value.hint}"


def test_a_query_reads_beside_a_writer(sqlite_file):
    """A consistent snapshot: what is not committed is not seen, and nobody waits."""
    writer = sqlite3.connect(sqlite_file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (4, 'four')")
    assert ask(f"sqlite:///{sqlite_file}", "select count(*) from t")[1] == [(3,)]
    writer.execute("COMMIT")
    assert ask(f"sqlite:///{sqlite_file}", "select count(*) from t")[1] == [(4,)]
    writer.close()


def test_tables_can_be_looked_up_on_sqlite(sqlite_file):
    columns, rows = ask(f"sqlite:///{sqlite_file}", "PRAGMA table_info(t)")
    assert [dict(zip(columns, row, strict=True))["name"] for row in rows] == ["id", "name"]
    assert ask(f"sqlite:///{sqlite_file}", "select name from pragma_table_info('t')")[1] == [("id",), ("name",)]
    assert ask(f"sqlite:///{sqlite_file}", "select value from json_each('[7]')")[1] == [(7,)]
    assert ask(f"sqlite:///{sqlite_file}", "EXPLAIN QUERY PLAN SELECT * FROM t")[1]


def test_values_keep_their_types_on_postgresql(pg_filled):
    with open_query(pg_filled) as query:
        assert query.run("select id, id + 1 from t").computed == {1}
    assert ask(pg_filled, "select 1.50::numeric, true, null, jsonb '{\"a\": 1}'")[1] == [
        (Decimal("1.50"), True, None, {"a": 1})
    ]


SQLITE_ATTACKS = [
    "INSERT INTO victim VALUES (1)",
    "INSERT OR REPLACE INTO victim VALUES (1)",
    "REPLACE INTO victim VALUES (1)",
    "UPDATE victim SET id = 1",
    "DELETE FROM victim",
    "DELETE FROM victim RETURNING id",
    "INSERT INTO victim VALUES (1) RETURNING *",
    "WITH x AS (SELECT 1) DELETE FROM victim",
    "WITH x AS (SELECT 1) INSERT INTO victim SELECT * FROM x",
    "DROP TABLE victim",
    "ALTER TABLE victim RENAME TO gone",
    "ALTER TABLE victim ADD COLUMN x",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)",
    "CREATE TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE INDEX x ON victim (id)",
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM victim; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "ATTACH '{other}' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO '{other}'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "RELEASE x",
    "PRAGMA query_only = 0",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = 1",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "PRAGMA incremental_vacuum",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA trusted_schema = 1",
    "UPDATE sqlite_master SET sql = ''",
    "SELECT load_extension('{other}')",
    "SELECT writefile('{other}', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('x', x'00')",
    "SELECT 1; DELETE FROM victim",
    "SELECT 1 /* ; */ ; DELETE FROM victim",
    "SELECT ';' ; DROP TABLE victim --",
    "-- nothing\nDELETE FROM victim",
    "/* select */ DELETE FROM victim",
    "EXPLAIN SELECT 1; DELETE FROM victim",
    "SELECT 1 UNION DELETE FROM victim",
    "INSERT INTO victim SELECT id FROM t ON CONFLICT DO NOTHING",
    "UPDATE OR IGNORE victim SET id = 2",
    "DELETE FROM victim WHERE id IN (SELECT id FROM victim)",
    "SELECT zeroblob(2000000000)",
    "DROP VIEW IF EXISTS victim",
]


@pytest.mark.parametrize("attack", SQLITE_ATTACKS)
def test_an_attack_on_sqlite_is_refused_and_writes_nothing(sqlite_file, attack):
    other = sqlite_file.with_name("other.db")
    before = hashlib.sha256(sqlite_file.read_bytes()).digest()
    with pytest.raises(UsageError):
        ask(f"sqlite:///{sqlite_file}", attack.replace("{other}", str(other)))
    assert hashlib.sha256(sqlite_file.read_bytes()).digest() == before
    assert not other.exists()


PG_ATTACKS = [
    "INSERT INTO victim VALUES (1)",
    "INSERT INTO victim VALUES (1) RETURNING *",
    "UPDATE victim SET id = 1",
    "DELETE FROM victim",
    "WITH x AS (DELETE FROM victim RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO victim VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE victim SET id = 1 RETURNING *) TABLE x",
    "EXPLAIN ANALYZE DELETE FROM victim",
    "TRUNCATE victim",
    "DROP TABLE victim",
    "ALTER TABLE victim ADD COLUMN x int",
    "CREATE TABLE x (a int)",
    "CREATE TEMP TABLE x (a int)",
    "CREATE TABLE x AS SELECT 1",
    "SELECT 1 INTO x",
    "CREATE VIEW x AS SELECT 1",
    "CREATE INDEX x ON victim (id)",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'select 1'",
    "CREATE ROLE x SUPERUSER",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "COPY victim TO PROGRAM 'touch {other}'",
    "COPY victim FROM PROGRAM 'touch {other}'",
    "COPY victim TO '{other}'",
    "COPY (SELECT 1) TO STDOUT",
    "DO $$ BEGIN DELETE FROM victim; END $$",
    "CALL x()",
    "BEGIN READ WRITE",
    "COMMIT",
    "ROLLBACK",
    "END",
    "SET TRANSACTION READ WRITE",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ROLE",
    "SET default_transaction_read_only = off",
    "PREPARE x AS DELETE FROM victim",
    "EXECUTE x",
    "DECLARE c CURSOR FOR SELECT 1",
    "LOCK TABLE victim",
    "NOTIFY x",
    "LISTEN x",
    "VACUUM",
    "ANALYZE victim",
    "REINDEX TABLE victim",
    "CLUSTER",
    "CHECKPOINT",
    "LOAD 'x'",
    "GRANT ALL ON victim TO PUBLIC",
    "COMMENT ON TABLE victim IS 'x'",
    "SECURITY LABEL ON TABLE victim IS 'x'",
    "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO public",
    "SELECT 1; DELETE FROM victim",
    "SELECT 1; COMMIT; DELETE FROM victim",
    "SELECT ';'; DROP TABLE victim; --",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_export(lo_import('/etc/hostname'), '{other}')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_reload_conf()",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT setval('victim_seq', 1), nextval('victim_seq')",
    "SELECT query_to_xml('delete from victim', true, true, '')",
    "SELECT id FROM victim FOR UPDATE",
]


UNDONE_BEFORE_16 = frozenset({"SELECT lo_from_bytea(0, 'x')"})
"""PostgreSQL before 16 lets a read-only transaction make large objects; the end of the transaction takes them back."""


def test_an_attack_on_postgresql_is_refused_and_writes_nothing(pg_filled, tmp_path):
    other = tmp_path / "other"
    with psycopg.connect(pg_filled, autocommit=True) as watcher:
        watcher.execute("CREATE SEQUENCE victim_seq")
        everything = (
            "SELECT count(*), (SELECT sum(id) FROM victim), (SELECT count(*) FROM pg_largeobject_metadata) "
            "FROM pg_class"
        )
        undone = UNDONE_BEFORE_16 if watcher.info.server_version < 160_000 else frozenset()
        before = watcher.execute(everything).fetchone()
        for attack in PG_ATTACKS:
            refused = refusal(pg_filled, attack.replace("{other}", str(other)))
            assert refused or attack in undone, f"was not refused: {attack}"
            assert watcher.execute(everything).fetchone() == before, attack
        assert watcher.execute("SELECT is_called FROM victim_seq").fetchone() == (False,)
    assert not other.exists()


def test_there_are_sixty_attacks_on_each_database():
    assert len(SQLITE_ATTACKS) >= 60
    assert len(PG_ATTACKS) >= 60
