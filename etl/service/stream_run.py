"""One stream of one run, from the lease to the finalising transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from etl.errors import DatabaseRefused, EtlError, LeaseHeld
from etl.model.events import StreamFinished, StreamStarted, Warned
from etl.model.instants import Cursor, CursorKind, from_micros, iso, to_micros
from etl.model.run import Counts, RunKind, RunStatus, StreamResult
from etl.model.stream import Stream
from etl.pipeline import MemberReading, Parts, Reading, sync_stream
from etl.pipeline.budget import Budget
from etl.ports import Stop, Windows
from etl.runs import Ending, Interval, StreamLease, StreamRun, WatermarkStep
from etl.service.app import App, OpenedSource
from etl.service.deletes import Decision, decide
from etl.service.emptiness import judged_when_empty
from etl.service.feeds import EXPIRED, feed_steps, has_expired, untold
from etl.service.freshness import judged_by_age
from etl.service.members import MemberPlan, parent_of, windows_of
from etl.service.outcome import Outcome, conclude, failed
from etl.service.planning import Plan, plan_slice, plan_sync

_RECORD_S = 5.0
"""How long a cancelled run may take to write down its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to do with a stream in this run. `bounds` make it a slice of a backfill, which never moves the watermark."""

    run_id: str
    kind: RunKind
    strict: bool = False
    max_rows: int | None = None
    max_pages: int | None = None
    bounds: tuple[int | str, int | str] | None = None
    confirm_deletes: int | None = None
    again: bool = False
    """It replaces another reading of the same run."""

    @property
    def is_cut(self) -> bool:
        """Asked to be partial: it neither resumes nor can be resumed."""
        return self.max_rows is not None or self.max_pages is not None

    def budget(self, stream: Stream) -> Budget:
        """Counted down while reading. Where the API cannot filter, rows outside the window are left out here."""
        only_inside = self.bounds is not None or not stream.asks_for_start
        return Budget(pages=self.max_pages, rows=self.max_rows, only_inside=only_inside)


async def run_stream(app: App, opened: OpenedSource, stream: Stream, job: Job, stop: Stop) -> StreamResult:
    """Bring one stream up to date. Never raises an EtlError: every end is a result, recorded and told."""
    started = app.clock.monotonic()
    try:
        result, expired = await _attempted(app, opened, stream, job, stop)
        if expired:
            app.listener(Warned(stream=stream.id, message=EXPIRED.reason))
            whole = replace(job, kind=RunKind.FULL, again=True)
            result, _ = await _attempted(app, opened, stream, whole, stop)
            result = replace(result, reason=f"the token had expired, all was read again; {result.reason}")
    except LeaseHeld as error:
        result = await _refused(app, stream, job, error, app.clock.monotonic() - started)
    except EtlError as error:
        result = _result(stream, failed(error), Counts(), None, app.clock.monotonic() - started)
    app.listener(StreamFinished(result=result))
    return result


async def _attempted(app: App, opened: OpenedSource, stream: Stream, job: Job, stop: Stop) -> tuple[StreamResult, bool]:
    """One reading, and whether it ended because the token of a feed had expired."""
    started = app.clock.monotonic()
    async with app.leases.hold(stream.id) as lease:
        attempt = await _begin(app, stream, job, lease, started)
        return await attempt.run(opened, lease, stop), attempt.expired


async def _begin(app: App, stream: Stream, job: Job, lease: StreamLease, started: float) -> _Attempt:
    begun_at = app.clock.now()
    plan = await _plan(app, stream, job, begun_at)
    run = await app.store.begin_stream(
        job.run_id,
        stream=stream.id,
        table=stream.table,
        kind=job.kind,
        token=lease.token,
        fingerprint=stream.fingerprint,
        since=plan.since,
        until=plan.until,
        cursor_kind=_cursor_kind(stream),
        resume=not job.is_cut,
        again=job.again,
    )
    since = _shown(stream, _oldest(stream, plan, run))
    app.listener(StreamStarted(stream=stream.id, kind=job.kind, since=since, resumed=run.resumed))
    members = MemberPlan(
        stream=stream,
        plan=plan,
        marks=run.watermarks,
        full=job.kind is RunKind.FULL,
        is_slice=job.bounds is not None,
        now=begun_at,
    )
    windows = windows_of(app, members, job.run_id)
    return _Attempt(app=app, stream=stream, job=job, windows=windows, record=run, started=started, begun_at=begun_at)


def _oldest(stream: Stream, plan: Plan, run: StreamRun) -> Cursor | None:
    """Since when changes are asked for, as far as one instant can tell it: the oldest of the members' watermarks."""
    if stream.for_each is None or run.kind is not RunKind.SYNC:
        return plan.since
    return min((mark.value for mark in run.watermarks.values()), default=plan.since)


async def _plan(app: App, stream: Stream, job: Job, now: datetime) -> Plan:
    if job.bounds is not None:
        return plan_slice(*job.bounds)
    full = job.kind is RunKind.FULL
    marks = await app.store.watermarks(stream.id)
    resumed = None
    if not job.is_cut:
        found = await app.store.open_generation(stream=stream.id, kind=job.kind, fingerprint=stream.fingerprint)
        resumed = None if found is None else found.bounds(_cursor_kind(stream))
    mark = marks.get("") if stream.for_each is None else None  # each member goes on from its own
    return plan_sync(stream, None if mark is None else mark.value, full=full, now=now, resumed=resumed)


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A stream's run that has begun and must end in the database, whatever happens."""

    app: App
    stream: Stream
    job: Job
    windows: Windows
    record: StreamRun
    started: float
    begun_at: datetime
    expired: bool = False

    async def run(self, opened: OpenedSource, lease: StreamLease, stop: Stop) -> StreamResult:
        """Read and end. Cancellation is recorded and raised again."""
        try:
            reading = await self._read(opened, lease, stop)
        except EtlError as error:
            return await self._end_badly(failed(error))
        except asyncio.CancelledError:
            await self._record_cancellation()
            raise
        self.expired = has_expired(self.stream, self.record, reading)
        return await (self._end_badly(EXPIRED) if self.expired else self._end(reading))

    async def _read(self, opened: OpenedSource, lease: StreamLease, stop: Stop) -> Reading:
        rooms = await self.app.assemble(opened, self.stream, self.record)
        parts = Parts(rooms=rooms, lease=lease, stop=stop, budget=self.job.budget(self.stream))
        return await sync_stream(parts, self.windows)

    async def _end(self, reading: Reading) -> StreamResult:
        """The finalising transaction: verdict, watermark, coverage and counters together."""
        try:
            counts = await self.app.store.counts(self.record)
            upper_bound = reading.server_time or self.begun_at
            outcome = conclude(
                reading, counts, self.stream.expect, strict=self.job.strict, parent=parent_of(self.app, self.stream)
            )
            outcome = untold(self.stream.feed, reading, outcome)
            if self.job.bounds is None:  # a past range has no newest row
                outcome = judged_by_age(self.stream, self.record, reading, outcome, upper_bound)
            decision = await self._decide(reading, outcome, counts)
            outcome = await judged_when_empty(self.app, self.stream, reading, decision.outcome, counts)
            ending = Ending(
                status=outcome.status,
                exit_code=outcome.exit_code,
                seconds=self._seconds,
                verdict=outcome.verdict,
                reason=outcome.reason,
                hint=outcome.hint,
                error_code=outcome.error_code,
                upper_bound=upper_bound,
                total_rows=reading.total_rows if self.stream.for_each is None else None,  # one member's
                members=reading.tally.text(),
                steps=self._steps(reading, outcome),
                deleted=decision.deleted,
                read=self._read_intervals(reading, upper_bound),
            )
            finished = await self.app.store.finish_stream(self.record, ending, decision.removal)
            changes = await self.app.store.schema_changes(self.record)
        except EtlError as error:
            return await self._end_badly(failed(error))
        result = _result(self.stream, outcome, finished.counts, finished.watermark, self._seconds)
        return replace(result, schema_changes=tuple(f"{self.stream.table} {change}" for change in changes))

    async def _decide(self, reading: Reading, outcome: Outcome, counts: Counts) -> Decision:
        return await decide(
            self.app,
            self.stream,
            run=self.record,
            reading=reading,
            outcome=outcome,
            counts=counts,
            confirmed=self.job.confirm_deletes,
            may_sweep=self.job.bounds is None and not self.job.is_cut,
        )

    async def _end_badly(self, outcome: Outcome) -> StreamResult:
        """Record a failure as far as the database lets us; what is committed stays, the watermark too."""
        counts, watermark = Counts(), None
        with suppress(DatabaseRefused):
            finished = await self.app.store.fail_stream(
                self.record,
                Ending(
                    status=outcome.status,
                    exit_code=outcome.exit_code,
                    seconds=self._seconds,
                    verdict=outcome.verdict,
                    reason=outcome.reason,
                    hint=outcome.hint,
                    error_code=outcome.error_code,
                ),
            )
            counts, watermark = finished.counts, finished.watermark
        return _result(self.stream, outcome, counts, watermark, self._seconds)

    async def _record_cancellation(self) -> None:
        """A cancelled run is still recorded; the shield is short, so that nothing hangs."""
        ending = Ending(
            status=RunStatus.INTERRUPTED, exit_code=0, seconds=self._seconds, reason="cut off; what was committed stays"
        )
        with suppress(EtlError, TimeoutError):
            await asyncio.shield(asyncio.wait_for(self.app.store.fail_stream(self.record, ending), _RECORD_S))

    @property
    def _seconds(self) -> float:
        return self.app.clock.monotonic() - self.started

    def _read_intervals(self, reading: Reading, upper_bound: datetime) -> dict[str, list[Interval]]:
        incremental = self.stream.incremental
        if incremental is None:
            return {}
        now = to_micros(upper_bound) if incremental.format.kind is CursorKind.INSTANT else None
        return {name: found for name, member in reading.members.items() if (found := _intervals(member, now))}

    def _steps(self, reading: Reading, outcome: Outcome) -> Sequence[WatermarkStep]:
        incremental, feed = self.stream.incremental, self.stream.feed
        if feed is not None:
            return feed_steps(feed, reading) if outcome.moves_watermark else ()
        if incremental is None or self.job.bounds is not None or not outcome.moves_watermark:
            return ()
        return [
            WatermarkStep(
                member=name,
                kind=incremental.format.kind,
                max_seen=member.max_cursor if member.moves else None,
                lag=incremental.lag,
                pin=member.gap,
            )
            for name, member in reading.members.items()
        ]


def _intervals(member: MemberReading, now: Cursor | None) -> list[Interval]:
    """What was read, for the coverage; an open upper end is where the server's clock stood at the first answer."""
    spans = [(start, now if end is None else end, verdict) for start, end, verdict in member.read]
    return [Interval(start=start, end=end, verdict=verdict) for start, end, verdict in spans if end is not None]


async def _refused(app: App, stream: Stream, job: Job, error: LeaseHeld, seconds: float) -> StreamResult:
    """Somebody else writes the stream: a line in the history, and nothing else."""
    outcome = failed(error)
    with suppress(DatabaseRefused):
        await app.store.skip(
            job.run_id,
            stream=stream.id,
            table=stream.table,
            kind=job.kind,
            reason=outcome.reason,
            status=outcome.status,
            exit_code=outcome.exit_code,
            error_code=outcome.error_code,
        )
    return _result(stream, outcome, Counts(), None, seconds)


def _result(stream: Stream, outcome: Outcome, counts: Counts, watermark: str | None, seconds: float) -> StreamResult:
    return StreamResult(
        stream=stream.id,
        status=outcome.status,
        exit_code=outcome.exit_code,
        verdict=outcome.verdict,
        reason=outcome.reason,
        hint=outcome.hint,
        error_code=outcome.error_code,
        counts=counts,
        watermark=watermark,
        seconds=seconds,
        partial=outcome.partial,
    )


def _cursor_kind(stream: Stream) -> CursorKind:
    return CursorKind.TEXT if stream.incremental is None else stream.incremental.format.kind


def _shown(stream: Stream, since: int | str | None) -> str | None:
    if since is None:
        return None
    return iso(from_micros(int(since))) if _cursor_kind(stream) is CursorKind.INSTANT else str(since)
