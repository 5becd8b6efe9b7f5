"""Coverage: which intervals of a stream have been read, with which verdict. The merge is pure; the rest stores it.

Where readings overlap the stronger verdict stays: a later weak reading does not undo what was proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.model.instants import Cursor, CursorKind
from etl.model.verdict import Verdict
from etl.runs.cursors import cursor_text, read_cursor

Point = tuple[int, Cursor]
"""A bound that can be compared: -1 is before everything, 1 after everything, 0 at the cursor."""

_LOWEST: Point = (-1, 0)
_HIGHEST: Point = (1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """`[start, end)` in canonical cursors; None is unbounded."""

    start: Cursor | None
    end: Cursor | None
    verdict: Verdict

    @property
    def low(self) -> Point:
        """The start as a point."""
        return _LOWEST if self.start is None else (0, self.start)

    @property
    def high(self) -> Point:
        """The end as a point."""
        return _HIGHEST if self.end is None else (0, self.end)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Disjoint intervals in order, neighbours of one verdict joined; the strongest verdict wins where they overlap."""
    given = [interval for interval in intervals if interval.low < interval.high]
    points = sorted({point for interval in given for point in (interval.low, interval.high)})
    merged: list[Interval] = []
    for low, high in pairwise(points):
        verdicts = [interval.verdict for interval in given if interval.low <= low and high <= interval.high]
        if not verdicts:
            continue
        verdict = max(verdicts, key=lambda found: found.strength)
        if merged and merged[-1].verdict is verdict and merged[-1].high == low:
            merged[-1] = Interval(start=merged[-1].start, end=_cursor(high), verdict=verdict)
        else:
            merged.append(Interval(start=_cursor(low), end=_cursor(high), verdict=verdict))
    return tuple(merged)


def missing(
    intervals: Iterable[Interval], start: Cursor | None, end: Cursor | None
) -> tuple[tuple[Cursor | None, Cursor | None], ...]:
    """The parts of `[start, end)` that no interval covers; what is `incomplete` counts as not covered."""
    read = merge(interval for interval in intervals if interval.verdict is not Verdict.INCOMPLETE)
    asked = Interval(start=start, end=end, verdict=Verdict.CONSISTENT)
    gaps: list[tuple[Cursor | None, Cursor | None]] = []
    reached = asked.low
    for interval in read:
        if reached < interval.low:
            gap_end = min(interval.low, asked.high)
            if reached < gap_end:
                gaps.append((_cursor(reached), _cursor(gap_end)))
        reached = max(reached, interval.high)
    if reached < asked.high:
        gaps.append((_cursor(reached), _cursor(asked.high)))
    return tuple(gaps)


def _cursor(point: Point) -> Cursor | None:
    return point[1] if point[0] == 0 else None


class Coverage:
    """Answers what of a stream has been read, and what is missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def intervals(self, stream: str, member: str = "") -> tuple[Interval, ...]:
        """The merged intervals of one member, in order."""
        async with self._database.read() as connection:
            stored = await _load(connection, stream, (member,))
        return merge(interval for _, interval in stored.get(member, []))

    async def missing(
        self, stream: str, start: Cursor | None, end: Cursor | None, members: Sequence[str] = ("",)
    ) -> tuple[tuple[Cursor | None, Cursor | None], ...]:
        """The parts of `[start, end)` that were not read, or only incompletely; each of any of the members."""
        async with self._database.read() as connection:
            stored = await _load(connection, stream, members)
        found = ((interval for _, interval in stored.get(member, [])) for member in members)
        return tuple(dict.fromkeys(gap for intervals in found for gap in missing(intervals, start, end)))


async def extend(
    connection: AsyncConnection,
    stream: str,
    kind: CursorKind,
    read: Mapping[str, Sequence[Interval]],
    *,
    ordinal: int,
    now: datetime,
) -> None:
    """Merge what a run has read, by member, into the stored coverage; rows that stay as they are are not touched."""
    table = state.coverage
    stored = await _load(connection, stream, tuple(read))
    gone: list[int] = []
    fresh: list[dict[str, object]] = []
    for member, intervals in read.items():
        old = stored.get(member, [])
        new = set(merge([*(interval for _, interval in old), *intervals]))
        gone += [number for number, interval in old if interval not in new]
        fresh += [
            {
                "stream": stream,
                "member": member,
                "kind": kind.value,
                "start": cursor_text(interval.start),
                "end": cursor_text(interval.end),
                "verdict": interval.verdict.value,
                "ordinal": ordinal,
                "recorded_at": now,
            }
            for interval in new - {interval for _, interval in old}
        ]
    for low in range(0, len(gone), 500):
        await connection.execute(delete(table).where(table.c.id.in_(gone[low : low + 500])))
    if fresh:
        await connection.execute(insert(table), fresh)


async def forget(connection: AsyncConnection, stream: str) -> None:
    """Remove all coverage of a stream: what was read before is no longer claimed."""
    await connection.execute(delete(state.coverage).where(state.coverage.c.stream == stream))


async def _load(
    connection: AsyncConnection, stream: str, members: Sequence[str]
) -> dict[str, list[tuple[int, Interval]]]:
    table = state.coverage
    query = select(table).where(table.c.stream == stream)
    if len(members) == 1:  # thousands of members are filtered here instead of in a list of parameters
        query = query.where(table.c.member == members[0])
    wanted = set(members)
    found: dict[str, list[tuple[int, Interval]]] = {}
    for row in await connection.execute(query):
        if row.member in wanted:
            kind = CursorKind(row.kind)
            interval = Interval(
                start=read_cursor(row.start, kind), end=read_cursor(row.end, kind), verdict=Verdict(row.verdict)
            )
            found.setdefault(row.member, []).append((row.id, interval))
    return found
