"""The end of a stream's run, inside its transaction: watermark, coverage, counters, verdict, and the lease given back.

Easy to get wrong: nothing moves a watermark but `conclude`, after the token check and with the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.model.instants import Cursor, CursorKind
from etl.model.run import RunStatus
from etl.runs import generation, ledger_sums
from etl.runs.coverage import extend
from etl.runs.lease import check_token, release
from etl.runs.stream_run import Ending, Finished, Removal, StreamRun
from etl.runs.watermark import Watermark, advance, load, lowest, show, store


async def conclude(
    connection: AsyncConnection, run: StreamRun, ending: Ending, removal: Removal | None, now: datetime
) -> Finished:
    """End a run with a claim. Raises LeaseLost when a newer holder has the stream."""
    await check_token(connection, run.stream, run.token)
    if removal is not None:
        await removal(connection, now)
    marks = await _move(connection, run, ending, now)
    if ending.read:
        await extend(connection, run.stream, run.cursor_kind, ending.read, ordinal=run.ordinal, now=now)
    if ending.status not in generation.OPEN:
        await generation.drop_digests(connection, run.stream, run.generation)
    return await _end(connection, run, ending, marks, now)


async def give_up(connection: AsyncConnection, run: StreamRun, ending: Ending, now: datetime) -> Finished:
    """End a run without a claim, unless it was concluded already: then that end stays, and is told."""
    marks = await load(connection, run.stream)
    if await _status(connection, run.ordinal) not in (RunStatus.SUCCEEDED.value, RunStatus.INCOMPLETE.value):
        return await _end(connection, run, ending, marks, now)
    mark = lowest(marks)
    counts = await ledger_sums.counts(connection, run.ordinal)
    return Finished(counts=counts, watermark=None if mark is None else show(mark.value, mark.kind))


async def has_ended(connection: AsyncConnection, ordinal: int) -> bool:
    """Whether a stream's run has its end."""
    return await _status(connection, ordinal) not in (None, RunStatus.RUNNING.value)


async def _status(connection: AsyncConnection, ordinal: int) -> str | None:
    table = state.run_streams
    return (await connection.execute(select(table.c.status).where(table.c.ordinal == ordinal))).scalar()


async def _move(connection: AsyncConnection, run: StreamRun, ending: Ending, now: datetime) -> Mapping[str, Watermark]:
    """Apply the steps to the watermarks as they are now; the watermarks afterwards."""
    marks = await load(connection, run.stream)
    if not ending.steps:
        return marks
    bound = ending.upper_bound or now
    if run.resumed:
        bound = min(bound, await ledger_sums.first_answer(connection, run.stream, run.generation) or bound)
    moved: dict[str, tuple[CursorKind, Cursor]] = {}
    for step in ending.steps:
        mark = marks.get(step.member)
        value = advance(step, None if mark is None else mark.value, bound)
        if value is not None:
            moved[step.member] = (step.kind, value)
    await store(connection, run.stream, moved, ordinal=run.ordinal, now=now)
    return await load(connection, run.stream)


async def _end(
    connection: AsyncConnection,
    run: StreamRun,
    ending: Ending,
    marks: Mapping[str, Watermark],
    now: datetime,
) -> Finished:
    counts = ending.counts or await ledger_sums.counts(connection, run.ordinal, deleted=ending.deleted)
    mark = lowest(marks, [step.member for step in ending.steps])
    table = state.run_streams
    await connection.execute(
        update(table)
        .where(table.c.ordinal == run.ordinal)
        .values(
            status=ending.status.value,
            verdict=None if ending.verdict is None else ending.verdict.value,
            reason=ending.reason,
            hint=ending.hint,
            error_code=ending.error_code,
            exit_code=ending.exit_code,
            upper_bound=ending.upper_bound,
            total_rows=ending.total_rows,
            members=ending.members or None,
            watermark_after=None if mark is None else show(mark.value, mark.kind),
            finished_at=now,
            seconds=ending.seconds,
            **ledger_sums.columns(counts),
        )
    )
    await release(connection, run.stream, run.token)
    return Finished(counts=counts, watermark=None if mark is None else show(mark.value, mark.kind))
