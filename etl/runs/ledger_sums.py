"""What the ledger adds up to, and what makes the last transaction survive a power loss."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.model.run import Counts


async def counts(connection: AsyncConnection, ordinal: int, *, deleted: int = 0) -> Counts:
    """The sums over the ledger lines and failed tries of one stream run.

    Requests and bytes count everything that was sent; a retry is what followed a failed try, and the last try of a
    request that was given up waited for none (`wait_s` is 0). A page that was read again for a proof brings nothing
    but the rows it found new or changed, and rejects nobody had seen: `fetched` is the sum of what became of the items.
    """
    tries = state.failed_tries
    again = func.coalesce(func.sum(case((tries.c.wait_s > 0, 1), else_=0)), 0)
    failed, retries = (
        await connection.execute(select(func.count(), again).select_from(tries).where(tries.c.ordinal == ordinal))
    ).one()
    mine = state.pages.c.ordinal == ordinal
    return await _sums(connection, mine, failed=int(failed), retries=int(retries), deleted=deleted)


async def generation_counts(connection: AsyncConnection, stream: str, generation: str) -> Counts:
    """The same over every run of a generation: what the whole reading brought. Failed tries are not told."""
    pages = state.pages
    return await _sums(connection, (pages.c.generation == generation) & (pages.c.stream == stream))


async def _sums(
    connection: AsyncConnection, mine: ColumnElement[bool], *, failed: int = 0, retries: int = 0, deleted: int = 0
) -> Counts:
    pages = state.pages
    is_first = pages.c.attempt == 0
    sums: dict[str, ColumnElement[int]] = {
        "pages": case((is_first, 1), else_=0),
        "unchanged": case((is_first, pages.c.unchanged), else_=0),
        **{name: pages.c[name] for name in ("inserted", "updated", "rejected", "bytes")},
    }
    query = select(
        func.count().label("lines"), *(func.coalesce(func.sum(each), 0).label(name) for name, each in sums.items())
    )
    row = (await connection.execute(query.where(mine))).one()
    inserted, updated, unchanged, rejected = (
        int(row.inserted),
        int(row.updated),
        int(row.unchanged),
        int(row.rejected),
    )
    return Counts(
        pages=int(row.pages),
        requests=row.lines + failed,
        retries=retries,
        fetched=inserted + updated + unchanged + rejected,
        inserted=inserted,
        updated=updated,
        unchanged=unchanged,
        deleted=deleted,
        rejected=rejected,
        bytes=int(row.bytes),
    )


def columns(totals: Counts) -> dict[str, int]:
    """The counters by the names of their columns."""
    return asdict(totals)


async def first_answer(connection: AsyncConnection, stream: str, generation: str) -> datetime | None:
    """A moment before the earliest answer of a generation, by the server's clock, by ours where it tells no time.

    None where nothing is committed. Numbers of requests begin anew with every run, so only times tell what came first;
    the longest round trip is taken off, for the answer that took it may have been on its way before all others.
    """
    pages = state.pages
    query = select(func.min(pages.c.served_at), func.min(pages.c.requested_at), func.max(pages.c.seconds)).where(
        pages.c.generation == generation, pages.c.stream == stream
    )
    served_at, requested_at, seconds = (await connection.execute(query)).one()
    asked: datetime | None = requested_at
    told: datetime | None = served_at
    return asked if told is None else told - timedelta(seconds=seconds)


async def make_durable(database: Database) -> None:
    """See to it that what is committed survives a power loss.

    PostgreSQL has done so with its COMMIT. SQLite in WAL mode with `synchronous=NORMAL` syncs its log only before a
    checkpoint, so one is asked for; it waits for nobody, and does nothing while an old reader is in the way.
    """
    if database.dialect != "sqlite":
        return
    async with database.read() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None  # a connection that was just opened
        cursor = await raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
        await cursor.close()
