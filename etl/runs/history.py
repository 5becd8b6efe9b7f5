"""What the runs left behind, for people: read models over the state tables, and the pruning of what is old."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Column, Select, Table, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.errors import UsageError
from etl.model.run import RunKind, RunStatus
from etl.ports import Clock

T = TypeVar("T")
_CHUNK = 500
"""Parameters of one statement; databases bound them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run as `etl runs list` shows it."""

    run_id: str
    kind: str
    trigger: str
    status: str
    exit_code: int | None
    selection: str
    version: str
    host: str
    pid: int
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLine:
    """One stream of a run. Watermarks are as people read them, `since` and `until` canonical cursors as text."""

    run_id: str
    ordinal: int
    stream: str
    table_name: str
    kind: str
    status: str
    verdict: str | None
    reason: str
    hint: str
    error_code: str
    exit_code: int | None
    generation: str
    since: str | None
    until: str | None
    watermark_before: str | None
    watermark_after: str | None
    total_rows: int | None
    pages: int
    requests: int
    retries: int
    fetched: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    bytes: int
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """A stream as `etl status` shows it: its latest run; when one last succeeded, and how many rows that fetched."""

    last: StreamLine
    last_success_at: datetime | None
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectLine:
    """An item that did not become a row. `raw` is its JSON, cut at 64 KiB."""

    id: int
    ordinal: int
    stream: str
    member: str
    position: str
    item: int
    key: str | None
    path: str
    reason: str
    raw: bytes
    rejected_at: datetime
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many lines were removed."""

    pages: int
    failed_tries: int


class History:
    """Reads what runs left behind; nothing here writes but `prune`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def runs(self, *, limit: int = 20, status: str | None = None) -> tuple[RunLine, ...]:
        """The latest runs, newest first."""
        runs = state.runs
        query = select(*_columns(runs, RunLine)).order_by(runs.c.run_id.desc()).limit(limit)
        return await self._read(query if status is None else query.where(runs.c.status == status), RunLine)

    async def run(self, run_id: str) -> RunLine:
        """A run by its id or the beginning of one. Raises UsageError when none or several fit."""
        runs = state.runs
        query = select(*_columns(runs, RunLine)).where(runs.c.run_id.startswith(run_id.upper(), autoescape=True))
        found = await self._read(query.limit(2), RunLine)
        if len(found) != 1 or not run_id:
            what = "several runs begin" if len(found) > 1 else "no run begins"
            raise UsageError(f"{what} with {run_id!r}", hint="`etl runs list` names them")
        return found[0]

    async def streams_of(self, run_id: str) -> tuple[StreamLine, ...]:
        """The streams of a run, in the order they began."""
        streams = state.run_streams
        query = select(*_columns(streams, StreamLine)).where(streams.c.run_id == run_id).order_by(streams.c.ordinal)
        return await self._read(query, StreamLine)

    async def run_ids(self, ordinals: Iterable[int]) -> Mapping[int, str]:
        """The runs that stream runs belong to; thousands of members may ask for them."""
        streams, wanted = state.run_streams, sorted(set(ordinals))
        query = select(streams.c.ordinal, streams.c.run_id)
        found: dict[int, str] = {}
        async with self._database.read() as connection:
            for low in range(0, len(wanted), _CHUNK):
                some = query.where(streams.c.ordinal.in_(wanted[low : low + _CHUNK]))
                found |= {row.ordinal: row.run_id for row in await connection.execute(some)}
        return found

    async def status(self) -> Mapping[str, StreamStatus]:
        """By stream: its latest run that was not skipped, and its latest success; a backfill is none.

        Streams without a run are absent.
        """
        streams = state.run_streams
        newest = (
            select(func.max(streams.c.ordinal))
            .where(streams.c.status != RunStatus.SKIPPED.value)
            .group_by(streams.c.stream)
        )
        lines = await self._read(
            select(*_columns(streams, StreamLine)).where(streams.c.ordinal.in_(newest)).order_by(streams.c.stream),
            StreamLine,
        )
        successes = (
            select(func.max(streams.c.ordinal))
            .where(streams.c.status == RunStatus.SUCCEEDED.value, streams.c.kind != RunKind.BACKFILL.value)
            .group_by(streams.c.stream)
        )
        async with self._database.read() as connection:
            query = select(streams.c.stream, streams.c.finished_at, streams.c.fetched)
            found = await connection.execute(query.where(streams.c.ordinal.in_(successes)))
            ended = {row.stream: (row.finished_at, row.fetched) for row in found}
        return {
            line.stream: StreamStatus(
                last=line,
                last_success_at=ended.get(line.stream, (None, None))[0],
                rows=ended.get(line.stream, (None, None))[1],
            )
            for line in lines
        }

    async def successes(self, stream: str, *, limit: int = 20) -> tuple[StreamLine, ...]:
        """The latest runs of a stream that succeeded, newest first."""
        streams = state.run_streams
        query = select(*_columns(streams, StreamLine)).where(
            streams.c.stream == stream, streams.c.status == RunStatus.SUCCEEDED.value
        )
        return await self._read(query.order_by(streams.c.ordinal.desc()).limit(limit), StreamLine)

    async def rejects(
        self, *, stream: str | None = None, run_id: str | None = None, limit: int = 50, replayed: bool = False
    ) -> tuple[RejectLine, ...]:
        """The latest rejects, newest first; those that were replayed only when asked for."""
        rejects, streams = state.rejects, state.run_streams
        query = select(*_columns(rejects, RejectLine)).order_by(rejects.c.id.desc()).limit(limit)
        if stream is not None:
            query = query.where(rejects.c.stream == stream)
        if run_id is not None:
            query = query.where(rejects.c.ordinal.in_(select(streams.c.ordinal).where(streams.c.run_id == run_id)))
        if not replayed:
            query = query.where(rejects.c.replayed_at.is_(None))
        return await self._read(query, RejectLine)

    async def reject(self, number: int) -> RejectLine:
        """One reject. Raises UsageError when there is none of that number."""
        rejects = state.rejects
        found = await self._read(select(*_columns(rejects, RejectLine)).where(rejects.c.id == number), RejectLine)
        if not found:
            raise UsageError(f"there is no reject {number}", hint="`etl rejects list` names them")
        return found[0]

    async def prune(
        self,
        *,
        pages: timedelta = timedelta(days=30),
        failed_tries: timedelta = timedelta(days=90),
    ) -> Pruned:
        """Remove ledger lines of closed generations and failed tries beyond their age.

        The counters of a run stay: they were stored with it. A line of a generation that may be resumed stays too.
        """
        now = self._clock.now()

        async def work(connection: AsyncConnection) -> Pruned:
            lines, tries, streams = state.pages, state.failed_tries, state.run_streams
            running = exists().where(
                streams.c.generation == lines.c.generation,
                streams.c.stream == lines.c.stream,
                streams.c.status == RunStatus.RUNNING.value,
            )
            old = await connection.execute(delete(lines).where(lines.c.committed_at < now - pages, ~running))
            failed = await connection.execute(delete(tries).where(tries.c.requested_at < now - failed_tries))
            return Pruned(pages=old.rowcount, failed_tries=failed.rowcount)

        return await self._database.transact(work)

    async def _read(self, query: Select[Any], model: type[T]) -> tuple[T, ...]:
        async with self._database.read() as connection:
            return tuple(model(**row) for row in (await connection.execute(query)).mappings())


def _columns(table: Table, model: type[Any]) -> list[Column[Any]]:
    return [table.c[field.name] for field in fields(model)]
