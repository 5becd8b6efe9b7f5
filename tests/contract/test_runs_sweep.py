"""The sweep over both databases: keys of every kind, names of any kind, and what is remembered between readings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from etl.db.database import open_database
from etl.db.evolution import apply_schema
from etl.db.layout import quote
from etl.model.run import RunKind, RunStatus, RunTrigger
from etl.model.schema import Column, ColumnType, TableSchema
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Deletes, DeletesKind, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.normalize import digest_of_key
from etl.runs import Ending, RunStore, Sweep

ODD = 'a %s b"c'
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)
STREAM = Stream(
    source="shop",
    name="rows",
    table="shop_rows",
    request=RequestTemplate(path=Template.parse("/rows")),
    records=Records(path=Selector(SelectorKind.BODY, "")),
    pages=Paging(kind=PagesKind.NONE),
    key=((ODD,), ("n",)),
    deletes=Deletes(kind=DeletesKind.INFER),
    fingerprint="f",
)
SCHEMA = TableSchema(
    version=1,
    columns=(
        Column(name=ODD, type=ColumnType.TEXT, path=(ODD,)),
        Column(name="n", type=ColumnType.BIGINT, path=("n",)),
    ),
    key=(ODD, "n"),
)
ROWS = [("a", 1), ("a", 2), ("%s", 1), ("'", 2**62)]


@pytest.fixture
async def database(database_url, clock):
    async with open_database(database_url, clock=clock) as opened:
        await opened.migrate()
        await apply_schema(opened, STREAM, SCHEMA, (), ordinal=None, now=clock.now())
        at = EARLIER if opened.dialect == "postgresql" else "2020-01-01 00:00:00.000000"
        mark = "%s" if opened.dialect == "postgresql" else "?"
        name = quote(ODD).replace("%", "%%") if opened.dialect == "postgresql" else quote(ODD)
        async with opened.write() as connection:
            for row in ROWS:
                await connection.exec_driver_sql(
                    f"INSERT INTO shop_rows ({name}, n, _etl_seq, _etl_first_seen_at) "
                    f"VALUES ({mark}, {mark}, 1, {mark})",
                    (*row, at),
                )
        yield opened


async def reading(database, clock, brought, *, twice):
    store = RunStore(database, clock)
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM _etl_leases"))
        await connection.execute(text("INSERT INTO _etl_leases (stream, token, holder) VALUES ('shop.rows', 1, 'me')"))
    run_id = await store.begin(kind=RunKind.SYNC, trigger=RunTrigger.MANUAL, version="0")
    run = await store.begin_stream(
        run_id, stream=STREAM.id, table=STREAM.table, kind=RunKind.SYNC, token=1, fingerprint="f"
    )
    from sqlalchemy import insert

    from etl.db import state

    async with database.write() as connection:
        await connection.execute(
            insert(state.pages).values(
                ordinal=run.ordinal,
                generation=run.generation,
                stream=STREAM.id,
                position="all",
                seq=1,
                items=len(brought),
                key_digests=b"".join(map(digest_of_key, brought)),
                status=200,
                requested_at=clock.now(),
                seconds=0.0,
                committed_at=clock.now(),
            )
        )
    sweep = Sweep(database, STREAM, run, digest_of_key)
    missing = await sweep.look(twice=twice, confirmed=None)
    ending = Ending(status=RunStatus.SUCCEEDED, exit_code=0, seconds=0.0, deleted=missing.count)
    await store.finish_stream(run, ending, sweep.removal(missing, keep=twice))
    clock.advance(60)
    return missing


async def dead(database):
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM shop_rows WHERE _etl_deleted_at IS NOT NULL"))
        return sorted(tuple(row[:2]) for row in rows)


async def test_keys_of_several_columns_and_any_name_are_found_and_marked(database, clock):
    """`%`, quotes and numbers of 63 bits included."""
    missing = await reading(database, clock, ROWS[1:3], twice=False)

    assert (missing.live, missing.count) == (4, 2)
    assert await dead(database) == sorted([ROWS[0], ROWS[3]])
    assert (await reading(database, clock, ROWS[1:3], twice=False)).count == 0


async def test_two_weak_readings_have_to_miss_the_same_row(database, clock):
    """What only one of them missed stays."""
    first = await reading(database, clock, [ROWS[0], ROWS[1]], twice=True)
    assert (first.count, first.unproved) == (0, 2)

    second = await reading(database, clock, [ROWS[1], ROWS[2]], twice=True)

    assert (second.count, second.unproved) == (1, 1)
    assert await dead(database) == [ROWS[3]]
