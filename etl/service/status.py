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
from etl.service.choice import Selection, choose
from etl.service.lateness import acted_upon, is_stale
from etl.service.members import mark_of


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


async def status(app: App, selection: Selection) -> tuple[StreamStatus, ...]:
    """Every selected stream, in the order of the configuration."""
    streams = await choose(app.settings, selection, app.database, app.clock)
    known = await History(app.database, app.clock).status()
    ticks = await Catalog(app.database, app.clock).ticks()
    return tuple([await _one(app, stream, known.get(stream.id), ticks.get(stream.id)) for stream in streams])


async def _one(app: App, stream: Stream, last: LastRun | None, tick: Tick | None) -> StreamStatus:
    now = app.clock.now()
    marks = await app.store.watermarks(stream.id)
    mark = mark_of(stream, marks)
    success = None if last is None else last.last_success_at
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
        stale=is_stale(stream, last, tick, zone, now),
    )
