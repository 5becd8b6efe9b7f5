"""Batches after one of new rows alone: rows and counts are exact whether the guess that it goes on so holds or not."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from etl.load import postgresql
from etl.load.writer import TableWriter
from etl.model.run import Counts
from tests.contract.test_writer_batches import (
    GUARD,
    PLAIN,
    GrowingDecoder,
    LedgerBook,
    a_page,
    a_stream,
    counts,
    opened,
    rows,
    write,
)


@pytest.fixture
async def database(database_url, clock):
    async with opened(database_url, clock) as database:
        yield database


@pytest.fixture
def looks(monkeypatch):
    """How many keys each look on PostgreSQL asked for."""
    seen: list[int] = []
    look = postgresql.prefetch

    async def watched(connection, shape, keys):
        seen.append(len(keys))
        return await look(connection, shape, keys)

    monkeypatch.setattr(postgresql, "prefetch", watched)
    return seen


async def write_each(database, batches, *, stream=None, upper=None, table=None, before=None):
    """Write pages as batches of one run; `before` names what happens before a batch. Returns the events."""
    events: list = []
    writer = TableWriter(
        database=database,
        stream=stream or a_stream(),
        decoder=GrowingDecoder(PLAIN),
        journal=LedgerBook(),
        clock=database.clock,
        listener=events.append,
        ordinal=2,
        run_id="run-2",
        table=table,
        upper_bound=lambda: upper,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        for number, page in enumerate(batches):
            if before and number in before:
                await before[number]()
            await writer.put(page)
            await writer.settle()
        writer.finish()
    return events


async def test_a_first_load_looks_once(database, looks):
    """The first batch finds nothing; from then on the database itself tells that every row was new."""
    batches = [a_page([(number, "x"), (number + 100, "y")], seq=number) for number in range(5)]
    events = await write_each(database, batches)
    assert counts(events) == Counts(pages=5, requests=5, fetched=10, inserted=10)
    assert await rows(
        database, "SELECT count(*), min(_etl_run_id), max(_etl_seq) - min(_etl_seq) FROM shop_orders"
    ) == [(10, "run-2", 4)]
    assert looks == ([2] if database.dialect == "postgresql" else [])


async def test_a_wrong_guess_is_taken_back_and_done_again(database, looks):
    """A row moved from page to page: the batch that brings it again counts what is new, changed and as it was."""
    batches = [
        a_page([(1, "a"), (2, "b")], seq=1),
        a_page([(2, "B"), (1, "a"), (3, "c")], seq=2),
        a_page([(4, "d")], seq=3),
        a_page([(5, "e")], seq=4),
    ]
    events = await write_each(database, batches)
    assert counts(events) == Counts(pages=4, requests=4, fetched=7, inserted=5, updated=1, unchanged=1)
    assert await rows(database, "SELECT id, name FROM shop_orders ORDER BY id") == [
        (1, "a"), (2, "B"), (3, "c"), (4, "d"), (5, "e"),
    ]  # fmt: skip
    assert await rows(database, "SELECT * FROM ledger ORDER BY position") == [
        ("1", 2, 0, 0), ("2", 1, 1, 1), ("3", 1, 0, 0), ("4", 1, 0, 0),
    ]  # fmt: skip
    assert looks == ([2, 3, 1, 1] if database.dialect == "postgresql" else []), "one wrong guess a run, not more"


@pytest.mark.parametrize(("old", "old_seq", "new", "new_seq", "upper", "wins"), GUARD)
async def test_a_guess_does_not_decide_which_version_wins(database, old, old_seq, new, new_seq, upper, wins):
    """What the rule says of two versions holds for a row that a guess took for new."""
    batches = [
        a_page([(1, "old")], seq=old_seq, cursors=[old]),
        a_page([(1, "new"), (2, "b")], seq=new_seq, cursors=[new, 1]),
    ]
    await write_each(database, batches, stream=a_stream(incremental="number"), upper=upper)
    assert await rows(database, "SELECT name FROM shop_orders WHERE id = 1") == [("new" if wins else "old",)]


async def test_a_row_that_somebody_else_inserts_meanwhile_is_found(database):
    """Another run that lost its lease too late, or a user: the row is compared, not trampled on nor refused."""

    async def somebody() -> None:
        await write(database, [a_page([(7, "theirs")], seq=9)], table=PLAIN, ordinal=5)

    batches = [a_page([(1, "a")], seq=1), a_page([(7, "ours"), (8, "h")], seq=2)]
    events = await write_each(database, batches, before={1: somebody})
    assert counts(events) == Counts(pages=2, requests=2, fetched=3, inserted=2, unchanged=1)
    assert await rows(database, "SELECT id, name FROM shop_orders ORDER BY id") == [(1, "a"), (7, "theirs"), (8, "h")]


async def test_a_page_read_again_for_a_proof_is_looked_up(database, looks):
    """Its rows are stored already; a guess would be wrong for sure."""
    batches = [a_page([(1, "a")], seq=1), a_page([(1, "a")], seq=2, attempt=1), a_page([(2, "b")], seq=3)]
    events = await write_each(database, batches)
    assert counts(events) == Counts(pages=2, requests=3, fetched=2, inserted=2)
    assert looks == ([1, 1, 1] if database.dialect == "postgresql" else [])


SWALLOW = {
    "sqlite": ("CREATE TRIGGER swallow BEFORE INSERT ON shop_orders WHEN NEW.id = 3 BEGIN SELECT RAISE(IGNORE); END",),
    "postgresql": (
        """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.id = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER swallow BEFORE INSERT ON shop_orders FOR EACH ROW EXECUTE FUNCTION swallow()",
    ),
}


async def test_a_trigger_that_drops_rows_is_no_reason_to_fail(database):
    """A user's trigger swallows some rows: what went in is less than what was sent, and the run goes on."""

    async def trigger() -> None:
        async with database.write() as connection:
            for statement in SWALLOW[database.dialect]:
                await connection.execute(text(statement))

    batches = [a_page([(1, "a")], seq=1), a_page([(2, "b"), (3, "c")], seq=2)]
    await write_each(database, batches, before={1: trigger})
    assert await rows(database, "SELECT id FROM shop_orders ORDER BY id") == [(1,), (2,)]
