"""Forgetting a table that somebody dropped: what was claimed about its rows must not outlive them."""

from __future__ import annotations

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.db.tables import forget_table, physical_columns, recorded_schema
from etl.ports import Clock


async def forget_lost_table(database: Database, clock: Clock, stream: str, table: str) -> bool:
    """Forget the table's schema and the stream's coverage if the table is gone; False while it is there.

    An open reading is closed with it: its pages count as stored, and they no longer are. The caller holds the lease.
    """

    async def work(connection: AsyncConnection) -> bool:
        if await recorded_schema(connection, table) is None or await physical_columns(connection, table):
            return False
        await forget_table(connection, table)
        for claims in (state.coverage, state.missing):
            await connection.execute(delete(claims).where(claims.c.stream == stream))
        overruled = {"member": "", "old_value": None, "new_value": None, "ordinal": None, "changed_at": clock.now()}
        await connection.execute(insert(state.watermark_changes).values(stream=stream, **overruled))
        return True

    return await database.transact(work)
