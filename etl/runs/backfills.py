"""Backfills: a past range cut into slices that are read one by one, and can be continued.

A backfill never moves the watermark; its slices go into the coverage like every other reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, exists, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.errors import UsageError
from etl.model.instants import Cursor, CursorKind
from etl.model.run import RunKind, RunStatus
from etl.model.verdict import Verdict
from etl.ports import Clock
from etl.runs.coverage import Coverage
from etl.runs.cursors import cursor_text, new_run_id, read_cursor

PENDING = "pending"
Only = Literal["missing", "failed", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A planned range. `step` is as the user wrote it, `""` for the default."""

    backfill_id: str
    stream: str
    kind: CursorKind
    start: Cursor
    end: Cursor
    step: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One window of a backfill. `number` counts from 0, oldest first; `status` is `pending` or a RunStatus."""

    number: int
    start: Cursor
    end: Cursor
    status: str
    verdict: Verdict | None
    reason: str
    rows: int
    attempts: int

    @property
    def is_done(self) -> bool:
        """Read completely."""
        return self.status == RunStatus.SUCCEEDED.value


class Backfills:
    """Stores backfills and what became of their slices."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        *,
        stream: str,
        kind: CursorKind,
        bounds: Sequence[tuple[Cursor, Cursor]],
        fingerprint: str,
        step: str = "",
    ) -> Backfill:
        """Store a plan; `bounds` are its slices in order. Raises UsageError when there are none."""
        if not bounds:
            raise UsageError(f"the range to backfill {stream} with is empty", hint="--from has to lie before --to")
        now = self._clock.now()
        plan = Backfill(
            backfill_id=new_run_id(now),
            stream=stream,
            kind=kind,
            start=bounds[0][0],
            end=bounds[-1][1],
            step=step,
            fingerprint=fingerprint,
            created_at=now,
        )

        async def work(connection: AsyncConnection) -> None:
            await _insert(connection, plan, bounds)

        async def is_stored(connection: AsyncConnection) -> bool:
            query = select(state.backfills.c.backfill_id).where(state.backfills.c.backfill_id == plan.backfill_id)
            return (await connection.execute(query)).first() is not None

        await self._database.transact(work, settled=is_stored)
        return plan

    async def find(self, backfill_id: str) -> Backfill:
        """By its id or that of one of its runs, or the beginning of one. Raises UsageError when none or several fit."""
        table, runs, given = state.backfills, state.runs, backfill_id.upper()
        # A run names its backfill at the end of what was selected.
        has_run = exists().where(
            runs.c.run_id.startswith(given, autoescape=True),
            runs.c.kind == RunKind.BACKFILL,
            runs.c.selection.like(literal("%(") + table.c.backfill_id + literal(")")),
        )
        query = select(table).where(table.c.backfill_id.startswith(given, autoescape=True) | has_run).limit(2)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        if len(rows) != 1 or not backfill_id:
            what = "several backfills begin" if len(rows) > 1 else "no backfill begins"
            raise UsageError(f"{what} with {backfill_id!r}", hint="`etl runs list` names them")
        return _backfill(rows[0])

    async def of_stream(self, stream: str) -> tuple[Backfill, ...]:
        """Every backfill of a stream, newest first."""
        table = state.backfills
        query = select(table).where(table.c.stream == stream).order_by(table.c.backfill_id.desc())
        async with self._database.read() as connection:
            return tuple(_backfill(row) for row in (await connection.execute(query)).all())

    async def slices(
        self, plan: Backfill, *, only: Only = "missing", members: Sequence[str] = ("",)
    ) -> tuple[Slice, ...]:
        """The slices to read, oldest first.

        `missing`: not done, and not covered by any complete reading of the stream; with `members` those that one of
        them lacks, for it may be newer than the backfill, and with none those that are not done. `failed`: those that
        were tried and are not done. `all`: every one.
        """
        table = state.slices
        query = select(table).where(table.c.backfill_id == plan.backfill_id).order_by(table.c.number)
        async with self._database.read() as connection:
            found = [_slice(row, plan.kind) for row in (await connection.execute(query)).all()]
        if only == "all":
            return tuple(found)
        if only == "failed":
            return tuple(one for one in found if not one.is_done and one.status != PENDING)
        if not members:
            return tuple(one for one in found if not one.is_done)
        gaps = await Coverage(self._database).missing(plan.stream, plan.start, plan.end, members)
        named = any(members)
        return tuple(one for one in found if (named or not one.is_done) and _touches(one, gaps))

    async def mark(
        self,
        plan: Backfill,
        number: int,
        *,
        status: RunStatus,
        verdict: Verdict | None = None,
        reason: str = "",
        ordinal: int | None = None,
        rows: int = 0,
    ) -> None:
        """Note what became of a slice; every call that ends one counts as an attempt."""
        table, now = state.slices, self._clock.now()
        this = (table.c.backfill_id == plan.backfill_id, table.c.number == number)

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(
                update(table)
                .where(*this)
                .values(
                    status=status.value,
                    verdict=None if verdict is None else verdict.value,
                    reason=reason,
                    ordinal=ordinal,
                    rows=rows,
                    attempts=table.c.attempts + (0 if status is RunStatus.RUNNING else 1),
                    updated_at=now,
                )
            )

        async def is_stored(connection: AsyncConnection) -> bool:
            query = select(table.c.number).where(*this, table.c.updated_at == now, table.c.status == status.value)
            return (await connection.execute(query)).first() is not None

        await self._database.transact(work, settled=is_stored)

    async def remaining(self, plan: Backfill) -> int:
        """How many slices are not done."""
        table = state.slices
        query = (
            select(func.count())
            .select_from(table)
            .where(table.c.backfill_id == plan.backfill_id, table.c.status != RunStatus.SUCCEEDED.value)
        )
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()


async def _insert(connection: AsyncConnection, plan: Backfill, bounds: Sequence[tuple[Cursor, Cursor]]) -> None:
    """A plan with its slices."""
    await connection.execute(
        insert(state.backfills).values(
            backfill_id=plan.backfill_id,
            stream=plan.stream,
            kind=plan.kind.value,
            start=cursor_text(plan.start),
            end=cursor_text(plan.end),
            step=plan.step,
            fingerprint=plan.fingerprint,
            created_at=plan.created_at,
        )
    )
    slices = [
        {
            "backfill_id": plan.backfill_id,
            "number": number,
            "start": cursor_text(start),
            "end": cursor_text(end),
            "status": PENDING,
            "updated_at": plan.created_at,
        }
        for number, (start, end) in enumerate(bounds)
    ]
    await connection.execute(insert(state.slices), slices)


def _touches(one: Slice, gaps: Sequence[tuple[Cursor | None, Cursor | None]]) -> bool:
    """Whether a gap lies in the slice. Gaps lie within the backfill, whose bounds are never open."""
    for low, high in gaps:
        assert low is not None
        assert high is not None
        if low < one.end and one.start < high:  # type: ignore[operator]  # cursors of one kind
            return True
    return False


def _backfill(row: Row[Any]) -> Backfill:
    kind = CursorKind(row.kind)
    start, end = read_cursor(row.start, kind), read_cursor(row.end, kind)
    assert start is not None  # the columns are not nullable
    assert end is not None
    return Backfill(
        backfill_id=row.backfill_id,
        stream=row.stream,
        kind=kind,
        start=start,
        end=end,
        step=row.step,
        fingerprint=row.fingerprint,
        created_at=row.created_at,
    )


def _slice(row: Row[Any], kind: CursorKind) -> Slice:
    start, end = read_cursor(row.start, kind), read_cursor(row.end, kind)
    assert start is not None  # the columns are not nullable
    assert end is not None
    return Slice(
        number=row.number,
        start=start,
        end=end,
        status=row.status,
        verdict=None if row.verdict is None else Verdict(row.verdict),
        reason=row.reason,
        rows=row.rows,
        attempts=row.attempts,
    )
