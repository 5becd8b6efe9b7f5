"""Rejects that are read again: what is kept of them, and the journal that marks the ones that became rows.

A row keeps the `_etl_seq` of the page its item came on, so that it never replaces newer data; the mark is set in the
transaction that stores the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.db.journal import Line
from etl.ports import Clock
from etl.runs.lease import check_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A rejected item: `ordinal` and `seq` are those of the page it came on."""

    id: int
    ordinal: int
    seq: int
    member: str
    raw: bytes


class Rejects:
    """The rejects of one stream that were not replayed yet."""

    def __init__(self, database: Database, stream: str) -> None:
        self._database = database
        self._stream = stream

    async def after(self, number: int, *, limit: int = 500) -> Sequence[Reject]:
        """The next rejects after the one of that number, oldest first."""
        kept = state.rejects
        query = (
            select(kept.c.id, kept.c.ordinal, kept.c.seq, kept.c.member, kept.c.raw)
            .where(kept.c.stream == self._stream, kept.c.replayed_at.is_(None), kept.c.id > number)
            .order_by(kept.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [
                Reject(id=row.id, ordinal=row.ordinal, seq=row.seq, member=row.member, raw=bytes(row.raw))
                for row in await connection.execute(query)
            ]


class ReplayJournal:
    """Implements `db.journal.Journal` for pages whose position is the number of a reject."""

    def __init__(self, clock: Clock, *, stream: str, token: int) -> None:
        self._clock = clock
        self._stream = stream
        self._token = token

    async def check(self, connection: AsyncConnection) -> None:
        """Raises LeaseLost when a newer holder has the stream."""
        await check_token(connection, self._stream, self._token)

    async def record(self, connection: AsyncConnection, lines: Sequence[Line]) -> None:
        """Mark the rejects that are rows now, or that newer data made needless."""
        kept, fits = state.rejects, [int(line.page.request.position) for line in lines if line.page.block.rows]
        if fits:
            await connection.execute(update(kept).where(kept.c.id.in_(fits)).values(replayed_at=self._clock.now()))

    async def committed(self, connection: AsyncConnection, lines: Sequence[Line]) -> set[int]:
        """The lines whose reject is marked already; one that did not become a row has nothing to store."""
        kept = state.rejects
        numbers = [int(line.page.request.position) for line in lines]
        query = select(kept.c.id).where(kept.c.id.in_(numbers), kept.c.replayed_at.is_not(None))
        marked = set((await connection.execute(query)).scalars())
        return {n for n, line in enumerate(lines) if numbers[n] in marked or not line.page.block.rows}
