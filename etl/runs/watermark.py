"""The watermark: up to where a stream has been read. The rule that moves it is pure; the rest stores it.

Easy to get wrong: a row dated in the year 2999 must not carry the watermark there, and a row that the server commits
late must still be found, so instants are capped by the first answer's time and lose `lag` once, when moving.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.db.inserts import insert_into
from etl.errors import UsageError
from etl.model.instants import MICROSECOND, Cursor, CursorFormat, CursorKind, from_micros, iso, to_micros
from etl.ports import Clock
from etl.runs.cursors import cursor_text, read_cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """What is stored for one member (`""` without `for_each`). `ordinal` is the run's, None when a person set it."""

    member: str
    kind: CursorKind
    value: Cursor
    ordinal: int | None
    updated_at: datetime

    def __str__(self) -> str:
        """An ISO instant, or the raw value."""
        return show(self.value, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkChange:
    """One move of a watermark, as stored; None stands for "there was none" or "removed"."""

    member: str
    old_value: str | None
    new_value: str | None
    ordinal: int | None
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkStep:
    """What a reading claims for one member. `pin` is the start of the first window that is not complete.

    An `opaque` watermark is a token of the API's: it is taken as it is, since tokens cannot be compared.
    """

    kind: CursorKind
    max_seen: Cursor | None
    member: str = ""
    lag: timedelta = timedelta(0)
    pin: Cursor | None = None
    opaque: bool = False


def show(value: Cursor, kind: CursorKind) -> str:
    """A cursor as people read it: ISO for instants, the value itself otherwise."""
    return iso(from_micros(int(value))) if kind is CursorKind.INSTANT else str(value)


def advance(step: WatermarkStep, current: Cursor | None, upper_bound: datetime) -> Cursor | None:
    """The new watermark: `max(W, min(max_seen, floor(U)) - lag)` for instants, `max(W, max_seen)` otherwise.

    It never passes the pin, never goes back, and stays where it is when nothing was seen. `upper_bound` (U) is
    floored to the second.
    """
    if step.max_seen is None:
        return current
    if step.opaque:
        return step.max_seen
    candidate = step.max_seen
    if step.kind is CursorKind.INSTANT:
        bound = to_micros(upper_bound.replace(microsecond=0))
        candidate = min(int(candidate), bound) - step.lag // MICROSECOND
    if step.pin is not None:
        candidate = _smaller(candidate, step.pin)
    return candidate if current is None else _larger(current, candidate)


def lowest(marks: Mapping[str, Watermark], members: Collection[str] = ()) -> Watermark | None:
    """Up to where a stream has been read: its own watermark, or the lowest of its members'.

    `members` are those that count, all without them. One that never brought a row has none, and holds nobody back.
    """
    names = members or ([""] if "" in marks else list(marks))
    found = [marks[name] for name in names if name in marks]
    return min(found, key=lambda mark: mark.value, default=None)


def next_since(watermark: Cursor | None, overlap: timedelta | int = 0) -> Cursor | None:
    """Where the next reading begins, inclusive: the watermark less `overlap` (a duration, or units of a number)."""
    if watermark is None or isinstance(watermark, str):
        return watermark
    return watermark - (overlap // MICROSECOND if isinstance(overlap, timedelta) else overlap)


def _smaller(one: Cursor, other: Cursor) -> Cursor:
    return min(one, other)


def _larger(one: Cursor, other: Cursor) -> Cursor:
    return max(one, other)


class Watermarks:
    """Reads, sets and removes watermarks, for `etl state`; runs move them in their finalising transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, stream: str, member: str = "") -> Watermark | None:
        """The watermark of one member, None before the first."""
        return (await self.all(stream)).get(member)

    async def all(self, stream: str) -> Mapping[str, Watermark]:
        """Every watermark of a stream by member."""
        async with self._database.read() as connection:
            return await load(connection, stream)

    async def changes(self, stream: str, *, limit: int = 20) -> tuple[WatermarkChange, ...]:
        """The latest moves, newest first."""
        table = state.watermark_changes
        query = select(table).where(table.c.stream == stream).order_by(table.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(
            WatermarkChange(
                member=row.member,
                old_value=row.old_value,
                new_value=row.new_value,
                ordinal=row.ordinal,
                changed_at=row.changed_at,
            )
            for row in rows
        )

    async def set(self, stream: str, text: str, cursor: CursorFormat, member: str = "") -> Watermark:
        """Set by hand, forward or back. The caller holds the lease.

        Raises UsageError when `text` is no cursor of that format, or an instant in the future.
        """
        try:
            value = cursor.parse(text)
        except (ValueError, TypeError) as error:
            raise UsageError(f"{text!r} is no watermark of {stream}", why=str(error)) from None
        now = self._clock.now()
        if cursor.kind is CursorKind.INSTANT and int(value) > to_micros(now):
            raise UsageError(
                f"{text!r} lies in the future",
                why="rows changed before it would never be read",
                hint=f"now is {iso(now.replace(microsecond=0))}",
            )

        async def work(connection: AsyncConnection) -> None:
            await store(connection, stream, {member: (cursor.kind, value)}, ordinal=None, now=now)

        await self._database.transact(work)
        return Watermark(member=member, kind=cursor.kind, value=value, ordinal=None, updated_at=now)

    async def reset(self, stream: str, member: str | None = None) -> int:
        """Forget the watermark of a member, or all of the stream's; how many there were. The caller holds the lease."""

        async def work(connection: AsyncConnection) -> int:
            found = await load(connection, stream)
            gone = {name: mark for name, mark in found.items() if member in (None, name)}
            table = state.watermarks
            for name, mark in gone.items():
                await connection.execute(delete(table).where(table.c.stream == stream, table.c.member == name))
                change = {"stream": stream, "member": name, "old_value": cursor_text(mark.value), "new_value": None}
                await _note(connection, [{**change, "ordinal": None, "changed_at": self._clock.now()}])
            return len(gone)

        return await self._database.transact(work)


async def load(connection: AsyncConnection, stream: str) -> dict[str, Watermark]:
    """Every watermark of a stream by member."""
    table = state.watermarks
    rows = (await connection.execute(select(table).where(table.c.stream == stream))).all()
    marks = {}
    for row in rows:
        kind = CursorKind(row.kind)
        value = read_cursor(row.value, kind)
        assert value is not None  # the column is not nullable
        marks[row.member] = Watermark(
            member=row.member, kind=kind, value=value, ordinal=row.ordinal, updated_at=row.updated_at
        )
    return marks


async def store(
    connection: AsyncConnection,
    stream: str,
    values: Mapping[str, tuple[CursorKind, Cursor]],
    *,
    ordinal: int | None,
    now: datetime,
) -> None:
    """Write new values by member, with their history; values that did not change are left alone."""
    old = await load(connection, stream)
    moved = {
        member: (kind, value)
        for member, (kind, value) in values.items()
        if member not in old or (old[member].value, old[member].kind) != (value, kind)
    }
    if not moved:
        return
    statement = insert_into(state.watermarks, connection.dialect.name)
    names = ("kind", "value", "ordinal", "updated_at")
    upsert = statement.on_conflict_do_update(
        index_elements=["stream", "member"], set_={name: statement.excluded[name] for name in names}
    )
    await connection.execute(
        upsert,
        [
            {
                "stream": stream,
                "member": member,
                "kind": kind.value,
                "value": cursor_text(value),
                "ordinal": ordinal,
                "updated_at": now,
            }
            for member, (kind, value) in moved.items()
        ],
    )
    await _note(
        connection,
        [
            {
                "stream": stream,
                "member": member,
                "old_value": cursor_text(old[member].value) if member in old else None,
                "new_value": cursor_text(value),
                "ordinal": ordinal,
                "changed_at": now,
            }
            for member, (_, value) in moved.items()
        ],
    )


async def _note(connection: AsyncConnection, changes: Sequence[Mapping[str, object]]) -> None:
    """Keep the history of watermarks, thousands of members in one statement."""
    await connection.execute(insert(state.watermark_changes), [dict(change) for change in changes])
