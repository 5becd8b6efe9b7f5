"""`etl plan`: what the next sync would read, and what it would change about the tables; sends and writes nothing.

With a probe it sends the first request of each stream, since only the API knows how long a list is that was never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median

from etl.db.database import Database
from etl.db.tables import load_schema
from etl.errors import EtlError
from etl.listeners.figures import several
from etl.model.instants import CursorKind
from etl.model.member import Member
from etl.model.run import RunKind
from etl.model.schema import SchemaChange, TableSchema
from etl.model.stream import Stream
from etl.model.window import Window
from etl.runs import History, RunStore
from etl.runs.history import StreamLine
from etl.runs.watermark import show
from etl.service.app import OpenedSource, Scout
from etl.service.choice import Selection, choose
from etl.service.first_member import first_member
from etl.service.members import mark_of, told_members
from etl.service.planning import Plan, plan_sync
from etl.settings import select

LAST_RUNS = 5
"""Runs of the same reach whose middle is the estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What to plan. `full` plans a `--full` sync; `probe` sends one request a stream."""

    selection: Selection = field(default_factory=Selection)
    full: bool = False
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How much a reading costs. `basis` says where the numbers are from; None is unknown."""

    requests: int | None = None
    rows: int | None = None
    seconds: float | None = None
    basis: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """One stream of the next sync.

    `members` is how many `for_each` has, as in `2 repos`, empty without it and while nobody knows. `reach` is
    `first run`, `incremental` or `whole list`. `since` and `until` are as people read them. `changes` are those of its
    table, a line each; `problem` is what would stop it, and `hint` what to do about it.
    """

    stream: str
    table: str
    reach: str
    resumes: bool
    since: str | None
    until: str | None
    slices: int
    members: str
    watermark: str | None
    estimate: Estimate
    changes: tuple[str, ...]
    problem: str = ""
    hint: str = ""
    error_code: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """All selected streams, and what changes besides them."""

    streams: tuple[StreamPlan, ...]
    changes: tuple[str, ...] = ()
    probed: bool = False

    @property
    def pending(self) -> bool:
        """Whether a table would be made or altered."""
        return bool(self.changes) or any(stream.changes for stream in self.streams)

    @property
    def exit_code(self) -> int:
        """That of the first stream which could not run."""
        return next((stream.exit_code for stream in self.streams if stream.exit_code), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the database tells of one stream."""

    schema: TableSchema | None = None
    watermark: str | None = None
    plan: Plan
    resumes: bool = False
    members: str = ""
    runs: tuple[StreamLine, ...] = field(default=())


async def plan(scout: Scout, database: Database | None, options: PlanOptions) -> SyncPlan:
    """Plan the next sync of the selected streams. `database` is None where there is none yet.

    Raises UsageError, ConfigError for a probe without its secrets, and DatabaseRefused.
    """
    streams = await choose(scout.settings, options.selection, database, scout.clock)
    if options.probe:
        scout.settings.require_secrets(streams)
    planned: dict[str, StreamPlan] = {}
    for name in dict.fromkeys(stream.source for stream in streams):
        source = scout.settings.sources[name]
        source = replace(source, limits=replace(source.limits, retries=min(source.limits.retries, 1)))
        async with scout.open_source(source, concurrency=1) as opened:
            for stream in streams:
                if stream.source == name:
                    planned[stream.id] = await _plan_stream(scout, database, opened, stream, options)
    return SyncPlan(
        streams=tuple(planned[stream.id] for stream in streams),
        changes=("create the state tables",) if database is None and streams else (),
        probed=options.probe,
    )


async def _plan_stream(
    scout: Scout, database: Database | None, opened: OpenedSource, stream: Stream, options: PlanOptions
) -> StreamPlan:
    now = scout.clock.now()
    known = _Known(
        plan=plan_sync(stream, None, full=options.full, now=now),
        members=await told_members(None, scout.settings.streams, stream),
    )
    estimate, error = Estimate(), None
    changes: tuple[str, ...] = ()
    try:
        if database is not None:
            known = await _known(database, stream, options, scout, now)
        changes = _changes(scout, opened, stream, known.schema)
        estimate = _from_history(known.runs, whole=options.full or known.watermark is None)
        if options.probe:
            estimate = await _probed(scout, opened, stream, known, estimate)
    except EtlError as refused:
        error = refused
    reading = known.plan
    return StreamPlan(
        stream=stream.id,
        table=stream.table,
        reach=_reach(known),
        resumes=known.resumes,
        since=_shown(stream, reading.since),
        until=_shown(stream, reading.until),
        slices=len(reading.windows),
        members=known.members,
        watermark=known.watermark,
        estimate=estimate,
        changes=changes,
        problem="" if error is None else str(error),
        hint="" if error is None else error.hint,
        error_code="" if error is None else error.code,
        exit_code=0 if error is None else error.exit_code,
    )


async def _known(database: Database, stream: Stream, options: PlanOptions, scout: Scout, now: datetime) -> _Known:
    store, kind = RunStore(database, scout.clock), RunKind.FULL if options.full else RunKind.SYNC
    async with database.read() as connection:
        schema = await load_schema(connection, stream.table)
    mark = mark_of(stream, await store.watermarks(stream.id))
    generation = await store.open_generation(stream=stream.id, kind=kind, fingerprint=stream.fingerprint)
    goes_on = generation is not None and stream.for_each is None  # members go on from their own watermarks
    bounds = generation.bounds(_kind(stream)) if generation is not None and goes_on else None
    value = None if mark is None else mark.value
    return _Known(
        schema=schema,
        watermark=None if mark is None else str(mark),
        plan=plan_sync(stream, value, full=options.full, now=now, resumed=bounds),
        resumes=generation is not None,
        members=await told_members(database, scout.settings.streams, stream),
        runs=await History(database, scout.clock).successes(stream.id),
    )


def _from_history(runs: Sequence[StreamLine], *, whole: bool) -> Estimate:
    """The middle of the last runs that reached as far: a whole reading tells nothing about an incremental one."""
    alike = [run for run in runs if _was_whole(run) == whole and run.kind != RunKind.BACKFILL][:LAST_RUNS]
    if not alike:
        return Estimate()
    times = "last run" if len(alike) == 1 else f"last {len(alike)} runs"
    return Estimate(
        requests=round(median(run.requests for run in alike)),
        rows=round(median(run.fetched for run in alike)),
        seconds=median(run.seconds or 0.0 for run in alike),
        basis=times,
    )


def _was_whole(run: StreamLine) -> bool:
    """A run before which nothing was read began at `incremental.start`, or at everything."""
    return run.kind == RunKind.FULL or run.watermark_before is None


async def _probed(scout: Scout, opened: OpenedSource, stream: Stream, known: _Known, estimate: Estimate) -> Estimate:
    """What the first page tells of all windows as one; what it tells of one member says nothing of the others."""
    sampler = scout.sample(opened, stream, known.schema)
    member = await first_member(scout, opened, stream)
    slices = known.plan.windows
    page = await sampler.fetch(sampler.pages.first(_of(member, Window(start=slices[0].start, end=slices[-1].end))))
    rows, count = page.facts.total_rows, page.facts.count
    pages = page.facts.total_pages or (-(-rows // count) if rows is not None and count else None)
    if member is not None or (rows is None and pages is None):
        held = several(count if rows is None else rows, "row")
        told = f"the first {'page' if member is None else 'member'} has {held}"
        known_before = f"{estimate.basis}; " if estimate.requests is not None else ""
        return replace(estimate, basis=f"{known_before}{told}")
    # Each slice has a last page of its own, which is not full.
    requests = None if pages is None else pages if len(slices) == 1 else pages + len(slices) - 1
    return replace(estimate, requests=requests, rows=rows, basis="asked the API")


def _of(member: Member | None, window: Window) -> Window:
    return window if member is None else window.of(member)


def _changes(scout: Scout, opened: OpenedSource, stream: Stream, stored: TableSchema | None) -> tuple[str, ...]:
    """What the configuration alone changes about the table; fields that the API may bring are not foreseen."""
    if stored is None:
        return (f"+ create table {stream.table}",)
    return tuple(map(_change, scout.sample(opened, stream, stored).changes))


def _change(change: SchemaChange) -> str:
    if change.old is None:
        return f"+ column {change.column} ({change.new})"
    return f"~ column {change.column}: {change.old} to {change.new}"


def _reach(known: _Known) -> str:
    if known.plan.since is not None and (known.runs or known.watermark):
        return "incremental"
    if not known.runs and known.watermark is None:
        return "first run"
    return "whole list"


def _kind(stream: Stream) -> CursorKind:
    return CursorKind.TEXT if stream.incremental is None else stream.incremental.format.kind


def _shown(stream: Stream, cursor: int | str | None) -> str | None:
    return None if cursor is None else show(cursor, _kind(stream))


def written(scout: Scout, selection: Selection) -> Mapping[str, Mapping[str, object]]:
    """The keys of the selected streams after defaults, variables not filled."""
    streams = select(scout.settings.streams, selection.named, selection.exclude)
    return {stream.id: scout.settings.written[stream.id] for stream in streams}
