"""What the ledger adds up to, and what makes the last transaction survive a power loss."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.model.run import Counts


async def counts(connection: AsyncConnection, ordinal: int, *, deleted: int = 0) -> Counts:
    """The sums over the ledger lines and failed tries of one stream run."""
    pages, tries = state.pages, state.failed_tries
    names = ("items", "inserted", "updated", "unchanged", "rejected", "bytes")
    sums = (func.coalesce(func.sum(pages.c[name]), 0).label(name) for name in names)
    row = (await connection.execute(select(func.count().label("pages"), *sums).where(pages.c.ordinal == ordinal))).one()
    failed = (
        await connection.execute(select(func.count()).select_from(tries).where(tries.c.ordinal == ordinal))
    ).scalar_one()
    return Counts(
        pages=row.pages,
        requests=row.pages + failed,
        retries=failed,
        fetched=int(row.items),
        inserted=int(row.inserted),
        updated=int(row.updated),
        unchanged=int(row.unchanged),
        deleted=deleted,
        rejected=int(row.rejected),
        bytes=int(row.bytes),
    )


def columns(totals: Counts) -> dict[str, int]:
    """The counters by the names of their columns."""
    return asdict(totals)


async def first_answer(connection: AsyncConnection, stream: str, generation: str) -> datetime | None:
    """The server's time at the earliest answer of a generation less its round trip; None where no time was told."""
    pages = state.pages
    query = (
        select(pages.c.served_at, pages.c.seconds)
        .where(pages.c.generation == generation, pages.c.stream == stream, pages.c.served_at.is_not(None))
        .order_by(pages.c.seq)
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else row.served_at - timedelta(seconds=row.seconds)


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
