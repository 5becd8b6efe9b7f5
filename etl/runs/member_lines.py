"""The members of a stream's run, as people look at them: the sums of the ledger, and how each of them ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select

from etl.db import state
from etl.db.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """One member. `verdict` is also `failed` or `gone`; None where the run did not end, or had too many members."""

    stream: str
    member: str
    verdict: str | None
    pages: int
    rows: int


async def member_lines(database: Database, run_id: str) -> tuple[MemberLine, ...]:
    """Every member of a run's streams, by name. Pages of a pruned ledger are not counted any more."""
    streams, pages = state.run_streams, state.pages
    brought = func.sum(pages.c.inserted + pages.c.updated + pages.c.unchanged)
    read = func.sum(case((pages.c.attempt == 0, 1), else_=0))
    of_run = select(streams.c.ordinal).where(streams.c.run_id == run_id)
    sums = (
        select(pages.c.ordinal, pages.c.member, read.label("pages"), brought.label("rows"))
        .where(pages.c.ordinal.in_(of_run), pages.c.member != "")
        .group_by(pages.c.ordinal, pages.c.member)
    )
    told = select(streams.c.ordinal, streams.c.stream, streams.c.members).where(streams.c.run_id == run_id)
    found: list[MemberLine] = []
    async with database.read() as connection:
        ended = (await connection.execute(told)).all()
        seen: dict[int, dict[str, tuple[int, int]]] = {}
        for row in await connection.execute(sums):
            seen.setdefault(row.ordinal, {})[row.member] = (int(row.pages), int(row.rows))
    for run in ended:
        words = json.loads(run.members) if run.members else {}
        found += _lines(run.stream, words, seen.get(run.ordinal, {}))
    return tuple(found)


def _lines(stream: str, words: Mapping[str, object], sums: Mapping[str, tuple[int, int]]) -> list[MemberLine]:
    others = words.get("others")
    apart = others if isinstance(others, dict) else {}
    common = words.get("common") if words.get("whole") else None
    return [
        MemberLine(
            stream=stream, member=member, verdict=apart.get(member, common),
            pages=sums.get(member, (0, 0))[0], rows=sums.get(member, (0, 0))[1],
        )
        for member in sorted({*sums, *apart})
    ]  # fmt: skip
