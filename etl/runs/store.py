"""Runs: their beginning, the generation they go on with, and the finalising transaction that ends them.

Easy to get wrong: a run that crashed left no trace of its end, so whoever begins next calls it `interrupted`; and
nothing moves a watermark but `finish_stream`, in one transaction with the verdict, after the token check.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from sqlalchemy import insert, literal, select, update
from sqlalchemy import table as sql_table
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database, same_again
from etl.db.tables import recorded_schema
from etl.model.instants import Cursor, CursorKind
from etl.model.run import Counts, RunKind, RunStatus, RunTrigger
from etl.ports import Clock
from etl.runs import generation, ledger_sums, stale
from etl.runs.conclusion import conclude, give_up, has_ended
from etl.runs.cursors import cursor_text, new_run_id
from etl.runs.generation import OpenGeneration
from etl.runs.lease import check_token
from etl.runs.ledger import StreamLedger
from etl.runs.stream_run import Ending, Finished, Removal, StreamRun
from etl.runs.watermark import Watermark, load, lowest, show

__all__ = ["Ending", "Finished", "OpenGeneration", "RunStore", "StreamRun"]


class RunStore:
    """Begins and ends runs in the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(
        self, *, kind: RunKind, trigger: RunTrigger, version: str, selection: str = "", run_id: str | None = None
    ) -> str:
        """Open a run; its id sorts by time. Runs of this host whose process is gone are called interrupted."""
        now = self._clock.now()
        name = run_id or new_run_id(now)

        async def work(connection: AsyncConnection) -> None:
            await stale.end_dead_runs(connection, now)
            await connection.execute(
                insert(state.runs).values(
                    run_id=name,
                    kind=kind.value,
                    trigger=trigger.value,
                    status=RunStatus.RUNNING.value,
                    selection=selection,
                    version=version,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_at=now,
                )
            )

        await self._database.transact(work, settled=lambda connection: _exists(connection, name))
        return name

    async def finish(self, run_id: str, *, status: RunStatus, exit_code: int, seconds: float) -> None:
        """Close a run."""
        runs = state.runs

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(
                update(runs)
                .where(runs.c.run_id == run_id)
                .values(status=status.value, exit_code=exit_code, seconds=seconds, finished_at=self._clock.now())
            )

        await self._database.transact(work, settled=same_again)

    async def open_generation(self, *, stream: str, kind: RunKind, fingerprint: str) -> OpenGeneration | None:
        """The newest reading of this kind and configuration that began at most 6 h ago and did not end.

        Its bounds are those to plan with: a resumed run reads the very windows of the first one.
        """
        async with self._database.read() as connection:
            return await generation.find(connection, stream, kind, fingerprint, self._clock.now())

    async def begin_stream(
        self,
        run_id: str,
        *,
        stream: str,
        table: str,
        kind: RunKind,
        token: int,
        fingerprint: str,
        since: Cursor | None = None,
        until: Cursor | None = None,
        cursor_kind: CursorKind = CursorKind.TEXT,
        resume: bool = True,
        again: bool = False,
    ) -> StreamRun:
        """Open a stream's part of a run, in the open generation with the same bounds when there is one.

        `again`: the run had begun the stream already, and has to read it in another way; the two share no page.
        Raises LeaseLost when the token is outdated. Earlier runs of the stream that never ended are called interrupted.
        """
        now = self._clock.now()

        async def work(connection: AsyncConnection) -> StreamRun:
            await check_token(connection, stream, token)
            await stale.end_stale_streams(connection, stream, token, now)
            found = await generation.find(connection, stream, kind, fingerprint, now) if resume else None
            if found is not None and (found.since, found.until) != (cursor_text(since), cursor_text(until)):
                found = None
            name = f"{run_id}/again" if again else run_id
            marks = await load(connection, stream)
            before = lowest(marks)
            ordinal = await _add_line(
                connection,
                run_id=run_id,
                stream=stream,
                table_name=table,
                kind=kind.value,
                generation=name if found is None else found.generation,
                fingerprint=fingerprint,
                token=token,
                status=RunStatus.RUNNING.value,
                since=cursor_text(since),
                until=cursor_text(until),
                watermark_before=None if before is None else show(before.value, before.kind),
                started_at=now,
            )
            return StreamRun(
                run_id=run_id,
                ordinal=ordinal,
                stream=stream,
                kind=kind,
                generation=name if found is None else found.generation,
                resumed=found is not None,
                token=token,
                cursor_kind=cursor_kind,
                watermarks=marks,
                started_at=now,
                began_at=now if found is None else found.started_at,
            )

        return await self._database.transact(
            work, settled=lambda connection: _has_begun(connection, run_id, stream, token)
        )

    async def ledger(self, run: StreamRun) -> StreamLedger:
        """The ledger of a stream's run; a resumed one remembers what its generation has committed."""
        made = StreamLedger(
            self._database,
            self._clock,
            stream=run.stream,
            generation=run.generation,
            ordinal=run.ordinal,
            token=run.token,
            kind=run.cursor_kind,
        )
        if run.resumed:
            await made.load()
        return made

    async def watermarks(self, stream: str) -> Mapping[str, Watermark]:
        """Every watermark of a stream by member (`""` without `for_each`)."""
        async with self._database.read() as connection:
            return await load(connection, stream)

    async def counts(self, run: StreamRun) -> Counts:
        """The sums over what the run's generation has committed so far: a resumed reading is weighed as a whole."""
        async with self._database.read() as connection:
            return await ledger_sums.generation_counts(connection, run.stream, run.generation)

    async def holds_rows(self, table: str) -> bool:
        """Whether a data table holds any row; one that does not exist holds none."""
        async with self._database.read() as connection:
            if await recorded_schema(connection, table) is None:
                return False
            query = select(literal(1)).select_from(sql_table(table)).limit(1)
            return (await connection.execute(query)).first() is not None

    async def schema_changes(self, run: StreamRun) -> tuple[str, ...]:
        """What the run changed in the table, a line each: `+ gift_note text`, `total bigint to numeric`."""
        table = state.schema_changes
        query = select(table).where(table.c.ordinal == run.ordinal).order_by(table.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            f"+ {row.column_name} {row.new_type}"
            if row.old_type is None
            else f"{row.column_name} {row.old_type} to {row.new_type}"
            for row in rows
        )

    async def finish_stream(self, run: StreamRun, ending: Ending, removal: Removal | None = None) -> Finished:
        """The finalising transaction: token, removal, counters, verdict, watermark, coverage, release of the lease.

        `removal` takes away the rows that the reading did not bring. All of it or nothing.
        Raises LeaseLost when a newer holder has the stream.
        """

        async def work(connection: AsyncConnection) -> Finished:
            return await conclude(connection, run, ending, removal, self._clock.now())

        finished = await self._database.transact(work, settled=lambda connection: has_ended(connection, run.ordinal))
        await ledger_sums.make_durable(self._database)
        return finished

    async def fail_stream(self, run: StreamRun, ending: Ending) -> Finished:
        """End a stream's run without a claim: no watermark, no coverage, and without the token's consent.

        A run that the finalising transaction ended keeps that end: its watermark is committed with it, even when the
        disk failed right after.
        A fenced run records its own end this way. The generation stays open to a resume.
        """

        async def work(connection: AsyncConnection) -> Finished:
            return await give_up(connection, run, ending, self._clock.now())

        return await self._database.transact(work, settled=lambda connection: has_ended(connection, run.ordinal))

    async def skip(
        self,
        run_id: str,
        *,
        stream: str,
        table: str,
        kind: RunKind,
        reason: str,
        status: RunStatus = RunStatus.SKIPPED,
        exit_code: int = 0,
        error_code: str = "",
    ) -> None:
        """Note a stream that was not read at all: its turn was taken by a longer run, or its lease is held."""
        now = self._clock.now()

        async def work(connection: AsyncConnection) -> None:
            await _add_line(
                connection,
                run_id=run_id,
                stream=stream,
                table_name=table,
                kind=kind.value,
                generation=run_id,
                fingerprint="",
                status=status.value,
                exit_code=exit_code,
                error_code=error_code,
                reason=reason,
                started_at=now,
                finished_at=now,
                seconds=0.0,
            )

        await self._database.transact(work, settled=lambda connection: _has_begun(connection, run_id, stream, token=0))


async def _add_line(connection: AsyncConnection, **values: object) -> int:
    """A stream's line of a run; its ordinal."""
    table = state.run_streams
    return int((await connection.execute(insert(table).values(**values).returning(table.c.ordinal))).scalar_one())


async def _exists(connection: AsyncConnection, run_id: str) -> bool:
    runs = state.runs
    return (await connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id))).first() is not None


async def _has_begun(connection: AsyncConnection, run_id: str, stream: str, token: int) -> bool:
    """Whether the stream has its line in the run, under the token (0: it was skipped)."""
    table = state.run_streams
    query = select(table.c.ordinal).where(table.c.run_id == run_id, table.c.stream == stream, table.c.token == token)
    return (await connection.execute(query)).first() is not None
