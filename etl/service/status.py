"""`etl status`: how fresh every stream is, against its schedule and what it was promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.model.run import RunStatus
from etl.model.stream import Stream
from etl.runs import Catalog, History, Tick
from etl.runs.history import StreamStatus as LastRun
from etl.schedule.triggers import next_due
from etl.service.app import App
from etl.service.members import mark_of
from etl.settings import select

LATE = timedelta(minutes=5)
"""A tick that was not acted upon so long after it came makes a stream stale: nothing serves the schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One stream. `lag` is the time since its last success; `rows` what the last successful reading fetched."""

    stream: str
    status: str | None
    last_success_at: datetime | None
    lag: timedelta | None
    schedule: str | None
    next_due_at: datetime | None
    verdict: str | None
    watermark: str | None
    rows: int | None
    reason: str
    stale: bool


async def status(app: App, selectors: tuple[str, ...]) -> tuple[StreamStatus, ...]:
    """Every selected stream, in the order of the configuration."""
    streams = select(app.settings.streams, selectors)
    known = await History(app.database, app.clock).status()
    ticks = await Catalog(app.database, app.clock).ticks()
    return tuple([await _one(app, stream, known.get(stream.id), ticks.get(stream.id)) for stream in streams])


def acted_upon(tick: Tick | None, last: LastRun | None) -> datetime | None:
    """Up to when a schedule is settled: its newest tick that was acted upon, before that one a sync by hand."""
    if tick is not None and tick.last_scheduled_at is not None:
        return tick.last_scheduled_at
    return None if last is None else last.last_success_at


async def _one(app: App, stream: Stream, last: LastRun | None, tick: Tick | None) -> StreamStatus:
    now = app.clock.now()
    marks = await app.store.watermarks(stream.id)
    mark = mark_of(stream, marks)
    success = None if last is None else last.last_success_at
    ticked = None if tick is None else tick.last_scheduled_at
    acted = acted_upon(tick, last)
    zone = app.settings.project.timezone
    return StreamStatus(
        stream=stream.id,
        status=None if last is None else last.last.status,
        last_success_at=success,
        lag=None if success is None else now - success,
        schedule=stream.schedule,
        next_due_at=None if stream.schedule is None else (next_due(stream.schedule, acted, zone) if acted else now),
        verdict=None if last is None else last.last.verdict,
        watermark=None if mark is None else str(mark),
        rows=None if last is None else last.rows,
        reason="" if last is None or last.last.status == RunStatus.SUCCEEDED else last.last.reason,
        stale=_is_stale(app, stream, success, ticked, now),
    )


def _is_stale(app: App, stream: Stream, success: datetime | None, acted: datetime | None, now: datetime) -> bool:
    """Later than `expect.fresh`, or than its schedule: a tick came, and no success followed it."""
    if stream.expect.fresh is not None:
        return success is None or now - success > stream.expect.fresh
    if stream.schedule is None:
        return False
    if acted is None:
        return False
    # The first tick that was left out, not the newest: who is gone for days is late right after a tick too.
    if now - next_due(stream.schedule, acted, app.settings.project.timezone) > LATE:
        return True
    return success is None or success < acted - LATE
