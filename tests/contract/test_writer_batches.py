"""The writer over both databases: exact counts, the guard, evolution, and what a failed batch leaves."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from etl.db.database import Database, open_database
from etl.db.journal import Line
from etl.db.tables import load_schema
from etl.errors import DatabaseRefused, LeaseLost
from etl.load.writer import TableWriter
from etl.model.events import BatchCommitted, SchemaChanged
from etl.model.instants import CursorFormat
from etl.model.page import Page, PageFacts, PageRequest, Response, RowBlock
from etl.model.run import Counts
from etl.model.schema import Column, ColumnType, SchemaChange, TableSchema
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Deletes, DeletesKind, Incremental, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window

AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_stream(*, incremental: str | None = None, table: str = "shop_orders") -> Stream:
    return Stream(
        source="shop",
        name="orders",
        table=table,
        request=RequestTemplate(path=Template.parse("/orders")),
        records=Records(path=Selector(SelectorKind.BODY, "")),
        pages=Paging(kind=PagesKind.NONE),
        incremental=Incremental(field=("at",), format=CursorFormat(incremental)) if incremental else None,
    )


def a_schema(*columns: tuple[str, ColumnType], key: tuple[str, ...] = ("id",), version: int = 1) -> TableSchema:
    made = tuple(Column(name=name, type=kind, path=(name,)) for name, kind in columns)
    return TableSchema(version=version, columns=made, key=key)


PLAIN = a_schema(("id", ColumnType.BIGINT), ("name", ColumnType.TEXT))


def a_page(rows: Sequence[tuple], *, schema=PLAIN, seq=0, cursors=None, attempt=0, body=b"") -> Page:
    places = [[c.name for c in schema.columns].index(name) for name in schema.key]
    block = RowBlock(
        version=schema.version,
        rows=list(rows),
        keys=[tuple(row[place] for place in places) for row in rows],
        hashes=[hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in rows],
        cursors=list(cursors) if cursors else [None] * len(rows),
    )
    request = PageRequest(window=Window(), position=str(seq), attempt=attempt)
    response = Response(status=200, headers={}, body=body, url="", started_at=AT, seq=seq)
    return Page(request=request, response=response, facts=PageFacts(count=len(rows)), block=block)


class LedgerBook:
    """A journal that keeps its lines in a table of its own."""

    def __init__(self) -> None:
        self.lost = False
        self.fails = False

    async def check(self, connection) -> None:
        await connection.execute(text("SELECT 1"))
        if self.lost:
            raise LeaseLost("another run took over")

    async def record(self, connection, lines: Sequence[Line]) -> None:
        if self.fails:
            await connection.execute(text("SELECT * FROM no_such_ledger"))
        for line in lines:
            values = {"p": line.page.request.position, "i": line.inserted, "u": line.updated, "n": line.unchanged}
            await connection.execute(text("INSERT INTO ledger VALUES (:p, :i, :u, :n)"), values)

    async def committed(self, connection, lines: Sequence[Line]) -> set[int]:
        found = set((await connection.execute(text("SELECT position FROM ledger"))).scalars())
        return {index for index, line in enumerate(lines) if line.page.request.position in found}


class GrowingDecoder:
    """Pads pages of older versions with nulls."""

    def __init__(self, schema: TableSchema, changes: tuple[SchemaChange, ...] = ()) -> None:
        self.schema = schema
        self.changes = changes

    def decode(self, request, response):
        raise AssertionError

    def again(self, page: Page) -> Page:
        width = len(self.schema.columns)
        rows = [row + (None,) * (width - len(row)) for row in page.block.rows]
        return a_page(rows, schema=self.schema, seq=page.response.seq, cursors=page.block.cursors)

    def changes_since(self, version: int) -> tuple[SchemaChange, ...]:
        return self.changes


@asynccontextmanager
async def opened(url, clock):
    async with open_database(url, clock=clock) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(
                text("CREATE TABLE ledger (position text, inserted int, updated int, unchanged int)")
            )
        yield database


@pytest.fixture
async def database(database_url, clock):
    async with opened(database_url, clock) as database:
        yield database


async def write(database: Database, pages, *, stream=None, decoder=None, book=None, ordinal=1, upper=None, table=None):
    """Write pages as one batch; returns the events."""
    events: list = []
    writer = TableWriter(
        database=database,
        stream=stream or a_stream(),
        decoder=decoder or GrowingDecoder(PLAIN),
        journal=book or LedgerBook(),
        clock=database.clock,
        listener=events.append,
        ordinal=ordinal,
        run_id=f"run-{ordinal}",
        table=table,
        upper_bound=lambda: upper,
    )
    for page in pages:
        await writer.put(page)
    writer.finish()
    await writer.run()
    return events


async def rows(database: Database, query: str):
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


def counts(events) -> Counts:
    return sum((event.counts for event in events if isinstance(event, BatchCommitted)), Counts())


async def stored_schema(database, table="shop_orders"):
    async with database.read() as connection:
        return await load_schema(connection, table)


async def test_the_first_batch_makes_the_table_and_inserts(database):
    """Rows carry their run, their order and when they were seen; the ledger has a line for every page."""
    events = await write(database, [a_page([(1, "a"), (2, "b")], seq=7), a_page([(3, None)], seq=8)])
    assert counts(events) == Counts(pages=2, requests=2, fetched=3, inserted=3)
    assert await rows(database, "SELECT id, name, _etl_run_id, _etl_seq FROM shop_orders ORDER BY id") == [
        (1, "a", "run-1", (1 << 32) + 7),
        (2, "b", "run-1", (1 << 32) + 7),
        (3, None, "run-1", (1 << 32) + 8),
    ]
    assert await rows(database, "SELECT * FROM ledger ORDER BY position") == [("7", 2, 0, 0), ("8", 1, 0, 0)]
    assert await stored_schema(database) == PLAIN


async def test_only_new_and_changed_rows_are_written(database):
    """An unchanged row keeps the run that wrote it; a changed one keeps when it was first seen."""
    await write(database, [a_page([(1, "a"), (2, "b")])])
    database.clock.advance(60)
    events = await write(database, [a_page([(1, "a"), (2, "B"), (3, "c")])], ordinal=2, table=PLAIN)
    assert counts(events) == Counts(pages=1, requests=1, fetched=3, inserted=1, updated=1, unchanged=1)
    assert await rows(
        database,
        "SELECT id, name, _etl_run_id, _etl_first_seen_at < _etl_changed_at FROM shop_orders ORDER BY id",
    ) == [(1, "a", "run-1", False), (2, "B", "run-2", True), (3, "c", "run-2", False)]


async def test_a_key_that_comes_several_times_in_a_batch_is_counted_once(database):
    """The request started last wins, whatever the order of arrival; the other copies count as unchanged."""
    pages = [a_page([(1, "new"), (9, "x")], seq=5), a_page([(1, "old"), (1, "older")], seq=3)]
    events = await write(database, pages)
    assert counts(events) == Counts(pages=2, requests=2, fetched=4, inserted=2, unchanged=2)
    assert await rows(database, "SELECT id, name FROM shop_orders ORDER BY id") == [(1, "new"), (9, "x")]
    assert await rows(database, "SELECT * FROM ledger ORDER BY position") == [("3", 0, 0, 2), ("5", 2, 0, 0)]


async def test_a_page_read_again_for_a_proof_counts_only_what_it_finds(database):
    """A list of three rows came to 3 fetched, not 6: the probe's rows count where they were read first."""
    first = a_page([(1, "a"), (2, "b"), (3, "c")], seq=1)
    probe = a_page([(1, "a"), (2, "B"), (4, "d")], seq=2, attempt=1)
    events = await write(database, [first, probe])
    assert counts(events) == Counts(pages=1, requests=2, fetched=4, inserted=4)
    assert await rows(database, "SELECT id, name FROM shop_orders ORDER BY id") == [
        (1, "a"), (2, "B"), (3, "c"), (4, "d"),
    ]  # fmt: skip
    assert await rows(database, "SELECT inserted, updated, unchanged FROM ledger") == [(3, 0, 0), (1, 0, 2)]


async def test_a_probe_in_a_batch_of_its_own_counts_what_changed_meanwhile(database):
    """fetched = inserted + updated + unchanged + rejected, whatever was read twice."""
    await write(database, [a_page([(1, "a"), (2, "b")], seq=1)])
    events = await write(database, [a_page([(1, "a"), (2, "B"), (3, "c")], seq=2, attempt=1)], table=PLAIN)
    assert counts(events) == Counts(pages=0, requests=1, fetched=2, inserted=1, updated=1)


async def test_an_older_answer_that_arrives_late_changes_nothing(database):
    """Across batches of one run the request started later wins."""
    await write(database, [a_page([(1, "new")], seq=5)])
    events = await write(database, [a_page([(1, "old")], seq=3)], table=PLAIN)
    assert counts(events).unchanged == 1
    assert await rows(database, "SELECT name FROM shop_orders") == [("new",)]


GUARD = [
    # stored cursor and seq, sent cursor and seq, U, whether the sent row wins
    (10, 5, 11, 3, 100, True),
    (10, 5, 9, 7, 100, False),
    (10, 5, 10, 6, 100, True),
    (10, 5, 10, 4, 100, False),
    (None, 5, 10, 6, 100, True),
    (10, 5, None, 6, 100, True),
    (10, 5, None, 4, 100, False),
    (999, 5, 50, 6, 100, True),
    (999, 5, 50, 6, None, False),
    (999, 5, 998, 6, 100, True),
    (50, 5, 999, 6, 100, True),
]


@pytest.mark.parametrize(("old", "old_seq", "new", "new_seq", "upper", "wins"), GUARD)
@pytest.mark.parametrize("together", [False, True])
async def test_the_newer_version_wins(database, old, old_seq, new, new_seq, upper, wins, together):
    """By cursor; by order of requests for ties, missing cursors and versions beyond U; in one batch and in two."""
    stream = a_stream(incremental="number")
    first = a_page([(1, "old")], seq=old_seq, cursors=[old])
    second = a_page([(1, "new")], seq=new_seq, cursors=[new])
    if together:
        await write(database, [first, second], stream=stream, upper=upper)
    else:
        await write(database, [first], stream=stream, upper=upper)
        await write(database, [second], stream=stream, upper=upper, table=PLAIN)
    assert await rows(database, "SELECT name FROM shop_orders") == [("new" if wins else "old",)]


@pytest.mark.parametrize(("old", "old_seq", "new", "new_seq", "upper", "wins"), GUARD)
async def test_the_guard_holds_in_the_sql_too(database, monkeypatch, old, old_seq, new, new_seq, upper, wins):
    """A row that the comparison in Python let through is still measured against the stored one."""
    stream = a_stream(incremental="number")
    await write(database, [a_page([(1, "old")], seq=old_seq, cursors=[old])], stream=stream, upper=upper)
    monkeypatch.setattr("etl.load.merge.is_newer", lambda *_: True)
    second = a_page([(1, "new")], seq=new_seq, cursors=[new])
    await write(database, [second], stream=stream, upper=upper, table=PLAIN)
    assert await rows(database, "SELECT name FROM shop_orders") == [("new" if wins else "old",)]


async def test_cursors_of_text_are_compared_byte_by_byte(database):
    """`Z` is before `a`, whatever the collation of the database."""
    stream = a_stream(incremental="text")
    await write(database, [a_page([(1, "old")], seq=1, cursors=["a"])], stream=stream)
    await write(database, [a_page([(1, "new")], seq=2, cursors=["Z"])], stream=stream, table=PLAIN)
    assert await rows(database, "SELECT name FROM shop_orders") == [("old",)]


async def test_a_key_of_several_columns(database):
    """Rows are told apart by the whole key."""
    schema = a_schema(("a", ColumnType.TEXT), ("b", ColumnType.BIGINT), ("v", ColumnType.TEXT), key=("a", "b"))
    decoder = GrowingDecoder(schema)
    await write(database, [a_page([("x", 1, "1"), ("x", 2, "2"), ("y", 1, "3")], schema=schema)], decoder=decoder)
    again = a_page([("x", 1, "1"), ("x", 2, "two"), ("y", 2, "4")], schema=schema)
    events = await write(database, [again], decoder=decoder, table=schema, ordinal=2)
    assert counts(events) == Counts(pages=1, requests=1, fetched=3, inserted=1, updated=1, unchanged=1)
    assert await rows(database, "SELECT a, b, v FROM shop_orders ORDER BY a, b") == [
        ("x", 1, "1"),
        ("x", 2, "two"),
        ("y", 1, "3"),
        ("y", 2, "4"),
    ]


async def test_a_table_without_key_takes_every_row(database):
    """Nothing is compared; a page that a proof reads again adds nothing."""
    schema = a_schema(("v", ColumnType.TEXT), key=())
    decoder = GrowingDecoder(schema)
    pages = [a_page([("x",), ("x",)], schema=schema), a_page([("x",)], schema=schema, attempt=1, seq=1)]
    events = await write(database, pages, decoder=decoder)
    assert counts(events) == Counts(pages=1, requests=2, fetched=2, inserted=2)
    assert await rows(database, "SELECT v FROM shop_orders") == [("x",), ("x",)]


async def test_pages_of_an_older_schema_are_decoded_again(database):
    """A field that appears on a later page becomes a column before either page is written."""
    newer = a_schema(("id", ColumnType.BIGINT), ("name", ColumnType.TEXT), ("tag", ColumnType.TEXT), version=2)
    await write(database, [a_page([(1, "a")])])
    change = SchemaChange(column="tag", old=None, new=ColumnType.TEXT, sample='"t"')
    decoder = GrowingDecoder(newer, (change,))
    pages = [a_page([(2, "b")], seq=1), a_page([(3, "c", "t")], schema=newer, seq=2)]
    events = await write(database, pages, decoder=decoder, table=PLAIN)
    assert [event.changes for event in events if isinstance(event, SchemaChanged)] == [(change,)]
    assert await rows(database, "SELECT id, name, tag FROM shop_orders ORDER BY id") == [
        (1, "a", None),
        (2, "b", None),
        (3, "c", "t"),
    ]
    assert await rows(database, "SELECT column_name, sample FROM etl_schema_changes") == [("tag", '"t"')]


async def test_a_failed_batch_leaves_nothing(database):
    """Rows written by raw driver calls are rolled back with the rest, and the waiting are told."""
    await write(database, [a_page([(1, "a")])])
    book = LedgerBook()
    book.fails = True
    with pytest.raises(DatabaseRefused, match="no_such_ledger"):
        await write(database, [a_page([(1, "A"), (2, "b")], seq=1)], book=book, table=PLAIN)
    assert await rows(database, "SELECT id, name FROM shop_orders") == [(1, "a")]


async def test_a_lost_lease_writes_nothing(database):
    """The check stands before everything else, the table's creation included."""
    book = LedgerBook()
    book.lost = True
    with pytest.raises(LeaseLost):
        await write(database, [a_page([(1, "a")])], book=book)
    assert await stored_schema(database) is None


async def test_who_waits_gets_the_failure(database):
    """`settle` raises what ended the writer instead of waiting for ever."""
    book = LedgerBook()
    book.lost = True
    writer = TableWriter(
        database=database,
        stream=a_stream(),
        decoder=GrowingDecoder(PLAIN),
        journal=book,
        clock=database.clock,
        listener=lambda _: None,
        ordinal=1,
        run_id="r",
        table=None,
        upper_bound=lambda: None,
    )
    await writer.put(a_page([(1, "a")]))
    running = asyncio.create_task(writer.run())
    with pytest.raises(LeaseLost):
        await writer.settle()
    with pytest.raises(LeaseLost):
        await running


HOSTILE = [
    'a"b',
    "x; DROP TABLE shop_orders;--",
    "'",
    "100%",
    "%s",
    "%(name)s",
    ":bind",
    "naïve ☃ 🎉",
    "select",
    " spaced ",
    "$1",
    "{brace}",
    "back\\slash",
    "?",
    "c0",
    "excluded",
    "k0",
]


async def test_column_and_table_names_may_hold_anything(database):
    """Names are quoted, never read; keys among them, and in every statement of the way."""
    table = 'odd "% :t; -- 🎉'
    stream = a_stream(table=table, incremental="number")
    names = [(name, ColumnType.TEXT) for name in HOSTILE]
    schema = a_schema(*names, key=(HOSTILE[0], HOSTILE[4]))
    row = tuple(f"v{i}" for i in range(len(names)))
    newer = a_schema(*names, ('new % " :c', ColumnType.JSON), key=schema.key, version=2)
    await write(database, [a_page([row], schema=schema)], stream=stream, decoder=GrowingDecoder(schema), upper=3)
    changed = (*row[:-1], "other", '{"a": 1}')
    page = a_page([changed], schema=newer, seq=1)
    events = await write(database, [page], stream=stream, decoder=GrowingDecoder(newer), table=schema, upper=3)
    assert counts(events).updated == 1
    quoted = table.replace('"', '""').replace(":", "\\:")
    got = await rows(database, f'SELECT * FROM "{quoted}"')
    assert len(got) == 1
    assert set(changed[:-1]) <= {value for value in got[0] if isinstance(value, str)}


EVERY = [
    ColumnType.BIGINT,
    ColumnType.DOUBLE,
    ColumnType.NUMERIC,
    ColumnType.BOOLEAN,
    ColumnType.TEXT,
    ColumnType.TIMESTAMP,
    ColumnType.DATE,
    ColumnType.JSON,
    ColumnType.UNKNOWN,
]


async def test_every_type_is_stored_and_found_again(database):
    """A second delivery of the same values is unchanged; a big number keeps all its digits."""
    from datetime import date
    from decimal import Decimal

    schema = a_schema(*((kind.value, kind) for kind in EVERY), key=("bigint",))
    if database.dialect == "sqlite":
        row = (
            2**62,
            0.1,
            "12345678901234567890.123",
            1,
            "☃",
            "2026-01-02 03:04:05.000006",
            "2026-01-02",
            '{"a":1}',
            None,
        )
    else:
        at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        row = (2**62, 0.1, Decimal("12345678901234567890.123"), True, "☃", at, date(2026, 1, 2), '{"a":1}', None)
    decoder = GrowingDecoder(schema)
    await write(database, [a_page([row], schema=schema)], decoder=decoder)
    events = await write(database, [a_page([row], schema=schema)], decoder=decoder, table=schema, ordinal=2)
    assert counts(events).unchanged == 1
    (got,) = await rows(
        database, 'SELECT "bigint", "double", "numeric", "boolean", "text", "date", json FROM shop_orders'
    )
    assert got[:2] == (2**62, 0.1)
    assert str(got[2]) == "12345678901234567890.123"
    assert got[3:5] == (True, "☃")
    assert str(got[5]) == "2026-01-02"
    assert (json.loads(got[6]) if isinstance(got[6], str) else got[6]) == {"a": 1}


@pytest.mark.parametrize(
    "kind",
    [ColumnType.DOUBLE, ColumnType.NUMERIC, ColumnType.BOOLEAN, ColumnType.TEXT, ColumnType.TIMESTAMP, ColumnType.DATE],
)
async def test_keys_of_every_type_are_found_again(database, kind):
    """The prefetch and the guard compare keys in the database's own type."""
    from datetime import date
    from decimal import Decimal

    sqlite = database.dialect == "sqlite"
    value = {
        ColumnType.DOUBLE: 0.1 + 0.2,
        ColumnType.NUMERIC: "12345678901234567890.5" if sqlite else Decimal("12345678901234567890.5"),
        ColumnType.BOOLEAN: 1 if sqlite else True,
        ColumnType.TEXT: "12",
        ColumnType.TIMESTAMP: "2026-01-02 03:04:05.000006" if sqlite else datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        ColumnType.DATE: "2026-01-02" if sqlite else date(2026, 1, 2),
    }[kind]
    schema = a_schema(("id", kind), ("v", ColumnType.TEXT))
    decoder = GrowingDecoder(schema)
    await write(database, [a_page([(value, "a")], schema=schema)], decoder=decoder)
    events = await write(database, [a_page([(value, "b")], schema=schema)], decoder=decoder, table=schema, ordinal=2)
    assert counts(events).updated == 1
    assert await rows(database, "SELECT v FROM shop_orders") == [("b",)]


async def test_an_empty_list_makes_no_table(database):
    """There is nothing to infer columns from; the page is in the ledger all the same."""
    empty = TableSchema(version=0, columns=(), key=("id",))
    page = Page(
        request=PageRequest(window=Window(), position="1"),
        response=Response(status=200, headers={}, body=b"", url="", started_at=AT),
        facts=PageFacts(count=0),
        block=RowBlock(version=0, rows=[], keys=[], hashes=[], cursors=[]),
    )
    await write(database, [page], decoder=GrowingDecoder(empty))
    assert await rows(database, "SELECT * FROM ledger") == [("1", 0, 0, 0)]
    assert await stored_schema(database) is None


async def test_a_connection_that_dies_in_the_middle_is_opened_again(pg_database, clock):
    """The batch is repeated whole; its rows and its line are there once."""
    async with opened(pg_database, clock) as database:
        book = LedgerBook()
        killed: list[int] = []
        record = book.record

        async def kill_once(connection, lines):
            if not killed:
                killed.append((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
                async with database.write() as other:
                    await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": killed[0]})
            await record(connection, lines)

        book.record = kill_once
        events = await write(database, [a_page([(1, "a")])], book=book)
        assert killed
        assert counts(events).inserted == 1
        assert await rows(database, "SELECT inserted FROM ledger") == [(1,)]


@pytest.mark.parametrize("stored", [True, False])
async def test_a_commit_without_an_answer_is_looked_up_in_the_ledger(pg_database, clock, monkeypatch, stored):
    """Found there, it counts as done; not found, the batch is repeated. Never twice, never not at all."""
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncTransaction

    async with opened(pg_database, clock) as database:
        await write(database, [a_page([(0, "z")], seq=9)])
        commit = AsyncTransaction.commit
        cuts: list[int] = []

        async def cut_once(self):
            if cuts:
                await commit(self)
                return
            cuts.append(1)
            if stored:
                await commit(self)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(AsyncTransaction, "commit", cut_once)
        events = await write(database, [a_page([(1, "a")])], table=PLAIN)
        assert counts(events).inserted == 1
        assert await rows(database, "SELECT position, inserted FROM ledger ORDER BY 1") == [("0", 1), ("9", 1)]
        assert await rows(database, "SELECT id FROM shop_orders ORDER BY id") == [(0,), (1,)]


class Unchanging(GrowingDecoder):
    """Pages are of its version, marks included."""

    def again(self, page: Page) -> Page:
        return page


def tombstones(page: Page, *gone: int) -> Page:
    return replace(page, block=replace(page.block, gone=frozenset(gone)))


@pytest.mark.parametrize(("kind", "stored"), [(PagesKind.CURSOR, []), (PagesKind.OFFSET, [(9, None, True)])])
async def test_a_tombstone_of_a_row_that_is_not_stored(database, kind, stored):
    """A chain brings nothing older afterwards, so it leaves no row; pages side by side may, so it leaves a mark."""
    stream = replace(a_stream(), pages=Paging(kind=kind), deletes=Deletes(kind=DeletesKind.FIELD, field=("gone",)))
    await write(database, [tombstones(a_page([(9, None)]), 0)], stream=stream, decoder=Unchanging(PLAIN))
    query = "SELECT id, name, _etl_deleted_at IS NOT NULL FROM shop_orders"
    assert await rows(database, query) == stored


async def test_a_tombstone_leaves_the_columns_it_does_not_tell(database):
    """It holds the key and little more; what it does tell is taken over."""
    schema = a_schema(("id", ColumnType.BIGINT), ("name", ColumnType.TEXT), ("state", ColumnType.TEXT))
    paging, deletes = Paging(kind=PagesKind.CURSOR), Deletes(kind=DeletesKind.FIELD, field=("state",))
    stream = replace(a_stream(), pages=paging, deletes=deletes)
    living = a_page([(1, "one", "open"), (2, "two", "open")], schema=schema, seq=1)
    later = tombstones(a_page([(1, None, "gone"), (2, None, None)], schema=schema, seq=2), 0)
    await write(database, [living], stream=stream, decoder=Unchanging(schema))
    await write(database, [later], stream=stream, decoder=Unchanging(schema), table=schema)
    query = "SELECT id, name, state, _etl_deleted_at IS NOT NULL FROM shop_orders ORDER BY id"
    assert await rows(database, query) == [(1, "one", "gone", True), (2, None, None, False)]
