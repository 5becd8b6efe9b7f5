"""Generations: the runs that together complete one reading, and which of them can still be gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.errors import ForeignHost, PagingLoop, RequestRefused
from etl.model.instants import Cursor, CursorKind
from etl.model.run import RunKind, RunStatus
from etl.runs.cursors import read_cursor

MAX_AGE: Final = timedelta(hours=6)
"""No row that a generation delivered is older than its start, so a start must not lie too far back."""

OPEN: Final = frozenset({RunStatus.RUNNING, RunStatus.INTERRUPTED, RunStatus.FAILED, RunStatus.FENCED})
"""Ends that leave a generation open. `running` is one that never ended: its process is gone or was replaced."""

DEAD_ENDS: Final = frozenset({PagingLoop.code, RequestRefused.code, ForeignHost.code})
"""Failures that the committed pages lead to: a cursor that expired, a chain that began anew. To go on from them would
end there again, without one request that could tell whether the API is well by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGeneration:
    """A reading that began and did not end. `since` and `until` are its bounds as stored."""

    generation: str
    since: str | None
    until: str | None
    started_at: datetime

    def bounds(self, kind: CursorKind) -> tuple[Cursor | None, Cursor | None]:
        """Its bounds as cursors of `kind`."""
        return read_cursor(self.since, kind), read_cursor(self.until, kind)


async def find(
    connection: AsyncConnection, stream: str, kind: RunKind, fingerprint: str, now: datetime
) -> OpenGeneration | None:
    """The generation of the stream's latest run of this kind, if it is open, of this configuration and young enough.

    A watermark that a person changed meanwhile closes it, and so does a failure that its own pages lead to.
    """
    table = state.run_streams
    latest = (
        select(table)
        .where(table.c.stream == stream, table.c.kind == kind.value, table.c.fingerprint != "")  # "": nothing was read
        .order_by(table.c.ordinal.desc())
        .limit(1)
    )
    row = (await connection.execute(latest)).one_or_none()
    if row is None or row.fingerprint != fingerprint or RunStatus(row.status) not in OPEN:
        return None
    if row.error_code in DEAD_ENDS:
        return None
    first = select(func.min(table.c.started_at)).where(table.c.stream == stream, table.c.generation == row.generation)
    started_at = (await connection.execute(first)).scalar_one()
    if now - started_at > MAX_AGE or await _was_overruled(connection, stream, started_at):
        return None
    return OpenGeneration(generation=row.generation, since=row.since, until=row.until, started_at=started_at)


async def _was_overruled(connection: AsyncConnection, stream: str, since: datetime) -> bool:
    """Whether a person set or removed the watermark since then: a reading with the old bounds is not what they want."""
    changes = state.watermark_changes
    query = select(changes.c.id).where(
        changes.c.stream == stream, changes.c.ordinal.is_(None), changes.c.changed_at >= since
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def drop_digests(connection: AsyncConnection, stream: str, generation: str) -> None:
    """A closed generation needs its key digests no more; they are most of the ledger's size."""
    table = state.pages
    await connection.execute(
        update(table).where(table.c.generation == generation, table.c.stream == stream).values(key_digests=None)
    )
