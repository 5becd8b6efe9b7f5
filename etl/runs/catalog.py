"""The catalog: which streams are configured, when each is due, and which tick of its schedule was last acted upon.

The schedule's memory lives here and not in a scheduler: after a downtime, or from cron, the next process goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database, same_again
from etl.db.inserts import insert_into
from etl.model.stream import Stream
from etl.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The newest tick that was acted upon, and the one after it; None before the first."""

    last_scheduled_at: datetime | None
    next_due_at: datetime | None


class Catalog:
    """Keeps `etl_streams` in step with the configuration."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def see(self, streams: Iterable[Stream]) -> None:
        """Note the streams of the configuration; their ticks stay as they are."""
        now = self._clock.now()
        table = state.streams
        rows = [
            {
                "stream": stream.id,
                "table_name": stream.table,
                "schedule": stream.schedule,
                "file": stream.file,
                "seen_at": now,
            }
            for stream in sorted(streams, key=lambda stream: stream.id)
        ]

        async def work(connection: AsyncConnection) -> None:
            for row in rows:
                told = insert_into(table, self._database.dialect).values(row)
                same = {name: told.excluded[name] for name in row if name != "stream"}
                await connection.execute(told.on_conflict_do_update(index_elements=["stream"], set_=same))

        if rows:
            await self._database.transact(work, settled=same_again)

    async def ticks(self) -> Mapping[str, Tick]:
        """By stream, for every stream that was ever seen."""
        table = state.streams
        async with self._database.read() as connection:
            rows = await connection.execute(select(table.c.stream, table.c.last_scheduled_at, table.c.next_due_at))
            return {
                row.stream: Tick(last_scheduled_at=row.last_scheduled_at, next_due_at=row.next_due_at) for row in rows
            }

    async def ticked(self, stream: str, at: datetime, next_due_at: datetime) -> None:
        """Everything up to the tick `at` was acted upon. A tick older than the stored one changes nothing."""
        table = state.streams

        async def work(connection: AsyncConnection) -> None:
            newer = table.c.last_scheduled_at.is_(None) | (table.c.last_scheduled_at <= at)
            await connection.execute(
                update(table)
                .where(table.c.stream == stream, newer)
                .values(last_scheduled_at=at, next_due_at=next_due_at)
            )

        await self._database.transact(work, settled=same_again)
