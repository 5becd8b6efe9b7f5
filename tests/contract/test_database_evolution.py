"""How a data table follows its schema, on both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from etl.db.database import open_database
from etl.db.evolution import apply_schema
from etl.db.tables import load_schema
from etl.errors import DatabaseRefused, DataRefused
from etl.model.schema import Column, ColumnType, SchemaChange, TableSchema
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template

C = ColumnType
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = Stream(
    source="shop",
    name="orders",
    table="shop_orders",
    request=RequestTemplate(path=Template.parse("/orders")),
    records=Records(path=Selector(SelectorKind.BODY, "")),
    pages=Paging(kind=PagesKind.NONE),
)


def schema(version: int = 1, *, key: tuple[str, ...] = ("id",), **columns: ColumnType) -> TableSchema:
    made = tuple(Column(name=name, type=kind, path=(name,)) for name, kind in columns.items())
    return TableSchema(version=version, columns=made, key=key)


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        yield database


async def evolve(database, wanted: TableSchema, **options):
    return await apply_schema(database, STREAM, wanted, (), ordinal=1, now=NOW, **options)


async def execute(database, statement: str, **values):
    async with database.write() as connection:
        await connection.execute(text(statement), values)


async def fetch(database, statement: str):
    async with database.read() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def test_a_schema_is_read_back_as_it_was_applied(database):
    """Paths, declarations and the key included."""
    wanted = TableSchema(
        version=3,
        columns=(
            Column(name="id", type=C.BIGINT, path=("id",), declared=True),
            Column(name="a__b", type=C.UNKNOWN, path=("a", "b"), volatile=True),
        ),
        key=("id",),
    )
    await evolve(database, wanted)
    async with database.read() as connection:
        assert await load_schema(connection, "shop_orders") == wanted
        assert await load_schema(connection, "other") is None


async def test_applying_twice_changes_nothing(database):
    """A crash after the change and before anything else is harmless."""
    await evolve(database, schema(id=C.BIGINT))
    wider = schema(2, id=C.BIGINT, v=C.TEXT)
    assert await evolve(database, wider) == (SchemaChange(column="v", old=None, new=C.TEXT),)
    assert await evolve(database, wider) == ()
    assert await fetch(database, "SELECT column_name, new_type, version FROM etl_schema_changes") == [("v", "text", 2)]


async def test_starters_that_evolve_at_once_all_succeed(database, database_url, clock):
    """One makes the change, the others find it made."""
    await evolve(database, schema(id=C.BIGINT))
    wider = schema(2, id=C.BIGINT, v=C.TEXT)

    async def another():
        async with open_database(database_url, clock=clock) as other:
            return await evolve(other, wider)

    async with asyncio.timeout(60):
        results = await asyncio.gather(*(another() for _ in range(3)))
    assert sorted(map(len, results)) == [0, 0, 1]


async def test_a_column_that_somebody_added_meanwhile_is_taken_over(database):
    """The change that was wanted has happened."""
    await evolve(database, schema(id=C.BIGINT))
    await execute(database, "ALTER TABLE shop_orders ADD COLUMN n BIGINT")
    await evolve(database, schema(2, id=C.BIGINT, n=C.BIGINT))
    await execute(database, "INSERT INTO shop_orders (id, n) VALUES (1, 2)")
    assert await fetch(database, "SELECT id, n FROM shop_orders") == [(1, 2)]


async def test_a_table_that_is_not_ours_is_refused_by_name(database):
    """And not touched."""
    await execute(database, "CREATE TABLE shop_orders (mine text)")
    with pytest.raises(DatabaseRefused, match="the table shop_orders exists"):
        await evolve(database, schema(id=C.BIGINT))
    assert await fetch(database, "SELECT * FROM shop_orders") == []


async def test_a_table_that_was_dropped_is_not_made_anew(database):
    """Its rows are gone, and a new empty table would hide that."""
    await evolve(database, schema(id=C.BIGINT))
    await execute(database, "DROP TABLE shop_orders")
    with pytest.raises(DatabaseRefused, match="shop_orders is gone"):
        await evolve(database, schema(2, id=C.BIGINT, v=C.TEXT))


async def test_keys_of_json_are_refused(database):
    """They have no order and no equality worth the name."""
    with pytest.raises(DataRefused, match="the key id"):
        await evolve(database, schema(id=C.JSON))


async def test_a_type_never_becomes_narrower(database):
    """The message has the line to write."""
    await evolve(database, schema(id=C.BIGINT, v=C.TEXT))
    with pytest.raises(DataRefused, match="v of shop_orders is text and cannot become bigint") as caught:
        await evolve(database, schema(2, id=C.BIGINT, v=C.BIGINT))
    assert "columns: {v: text}" in caught.value.hint


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WIDENED = [
    (C.BIGINT, C.TEXT, 2**60, 2**60, str(2**60)),
    (C.BIGINT, C.JSON, 7, 7, 7),
    (C.BIGINT, C.NUMERIC, 7, 7, 7),
    (C.BIGINT, C.DOUBLE, 7, 7, 7.0),
    (C.DOUBLE, C.TEXT, 0.1, 0.1, "0.1"),
    (C.DOUBLE, C.NUMERIC, 0.30000000000000004, 0.30000000000000004, 0.30000000000000004),
    (C.BOOLEAN, C.TEXT, 1, True, "true"),
    (C.BOOLEAN, C.JSON, 0, False, False),
    (C.NUMERIC, C.TEXT, "12345678901234567890.5", Decimal("12345678901234567890.5"), "12345678901234567890.5"),
    (C.TEXT, C.JSON, 'a "b" ☃', 'a "b" ☃', 'a "b" ☃'),
    (C.TIMESTAMP, C.TEXT, "2026-01-02 03:04:05.000000", AT, "2026-01-02T03:04:05Z"),
    (C.TIMESTAMP, C.TEXT, "2026-01-02 03:04:05.500000", AT.replace(microsecond=500000), "2026-01-02T03:04:05.500000Z"),
    (C.TIMESTAMP, C.JSON, "2026-01-02 03:04:05.000000", AT, "2026-01-02T03:04:05Z"),
    (C.DATE, C.TEXT, "2026-01-02", date(2026, 1, 2), "2026-01-02"),
    (C.JSON, C.TEXT, '{"a": 1}', '{"a": 1}', '{"a": 1}'),
]


@pytest.mark.parametrize(("old", "new", "sqlite", "postgresql", "expected"), WIDENED)
async def test_a_wider_type_keeps_every_value_in_its_json_spelling(database, old, new, sqlite, postgresql, expected):
    """Nulls stay null; indexes, views and the private columns survive."""
    await evolve(database, schema(id=C.BIGINT, v=old, w=C.TEXT))
    value = sqlite if database.dialect == "sqlite" else postgresql
    bound = "CAST(:v AS jsonb)" if (database.dialect, old) == ("postgresql", C.JSON) else ":v"
    await execute(database, f"INSERT INTO shop_orders (id, v, w, _etl_seq) VALUES (1, {bound}, 'w', 5)", v=value)
    await execute(database, "INSERT INTO shop_orders (id) VALUES (2)")
    await execute(database, "CREATE INDEX by_w ON shop_orders (w)")
    if database.dialect == "sqlite":
        await execute(database, "CREATE VIEW mine AS SELECT id FROM shop_orders")
    await evolve(database, schema(2, id=C.BIGINT, v=new, w=C.TEXT))
    (one, two) = await fetch(database, "SELECT v, w, _etl_seq FROM shop_orders ORDER BY id")
    stored = (
        json.loads(one[0]) if new is C.JSON and isinstance(one[0], str) and database.dialect == "sqlite" else one[0]
    )
    assert (float(stored) if isinstance(stored, Decimal) else stored) == expected
    assert one[1:] == ("w", 5)
    assert two == (None, None, None)
    with pytest.raises(DatabaseRefused):
        await execute(database, "INSERT INTO shop_orders (id) VALUES (1)")
    with pytest.raises(DatabaseRefused, match="by_w"):
        await execute(database, "CREATE INDEX by_w ON shop_orders (w)")


@pytest.mark.parametrize("kind", [kind for kind in C if kind is not C.UNKNOWN])
async def test_a_column_of_nulls_takes_the_type_of_its_first_value(database, kind):
    """On PostgreSQL without a rewrite, whatever the size of the table."""
    await evolve(database, schema(id=C.BIGINT, v=C.UNKNOWN))
    await execute(database, "INSERT INTO shop_orders (id) VALUES (1)")
    await evolve(database, schema(2, id=C.BIGINT, v=kind), rewrite_cap=0)
    assert await fetch(database, "SELECT id, v FROM shop_orders") == [(1, None)]


async def test_a_key_becomes_text(database):
    """The primary key stays one."""
    await evolve(database, schema(id=C.BIGINT))
    await execute(database, "INSERT INTO shop_orders (id) VALUES (7)")
    await evolve(database, schema(2, id=C.TEXT))
    await execute(database, "INSERT INTO shop_orders (id) VALUES ('x')")
    assert await fetch(database, "SELECT id FROM shop_orders ORDER BY id") == [("7",), ("x",)]
    with pytest.raises(DatabaseRefused):
        await execute(database, "INSERT INTO shop_orders (id) VALUES ('7')")


async def test_a_large_table_is_not_rewritten(pg_database, clock):
    """The message names the line that keeps the type."""
    async with open_database(pg_database, clock=clock) as database:
        await database.migrate()
        await evolve(database, schema(id=C.BIGINT, v=C.BIGINT))
        with pytest.raises(DataRefused, match="would have to become text") as caught:
            await evolve(database, schema(2, id=C.BIGINT, v=C.TEXT), rewrite_cap=0)
        assert "columns: {v: bigint}" in caught.value.hint
