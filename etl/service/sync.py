"""`etl sync`: bring the selected streams up to date, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from etl import __version__
from etl.errors import UsageError
from etl.model.events import RunFinished, RunStarted
from etl.model.run import RunKind, RunResult, RunStatus, RunTrigger, StreamResult
from etl.model.stream import Stream
from etl.ports import Stop
from etl.runs import Catalog
from etl.service.app import App, OpenedSource
from etl.service.choice import Selection, choose
from etl.service.cut_off import recorded
from etl.service.kin import awaited, parents_first
from etl.service.members import mark_of, told_members
from etl.service.planning import plan_sync
from etl.service.stream_run import Job, run_stream

AT_ONCE = 16
"""Streams that are read side by side; each holds a writer, and on PostgreSQL a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """What a sync was asked for. `limit` is rows, `max_pages` pages, each per stream."""

    selectors: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    full: bool = False
    failed: bool = False
    stale: bool = False
    strict: bool = False
    limit: int | None = None
    max_pages: int | None = None
    concurrency: int | None = None
    confirm_deletes: int | None = None
    dry_run: bool = False
    trigger: RunTrigger = RunTrigger.MANUAL

    @property
    def selection(self) -> Selection:
        """Which streams were asked for."""
        return Selection(named=self.selectors, exclude=self.exclude, failed=self.failed, stale=self.stale)

    @property
    def kind(self) -> RunKind:
        """A full reading never shares a generation with an incremental one."""
        return RunKind.FULL if self.full else RunKind.SYNC


async def sync(app: App, options: SyncOptions, stop: Stop) -> RunResult:
    """Read what is new of every selected stream, and store it.

    Raises UsageError and ConfigError before anything is sent; every later end is in the result.
    """
    streams = await _chosen(app, options)
    if options.dry_run:
        return await _dry_run(app, streams, options)
    app.settings.require_secrets(streams)
    started_at, started = app.clock.now(), app.clock.monotonic()
    run_id = await app.store.begin(
        kind=options.kind, trigger=options.trigger, version=__version__, selection=" ".join(options.selectors)
    )
    await Catalog(app.database, app.clock).see(streams)
    app.listener(
        RunStarted(
            run_id=run_id,
            kind=options.kind,
            streams=tuple(stream.id for stream in streams),
            database=app.database.label,
            at=started_at,
        )
    )
    job = Job(
        run_id=run_id,
        kind=options.kind,
        strict=options.strict,
        max_rows=options.limit,
        max_pages=options.max_pages,
        confirm_deletes=options.confirm_deletes,
    )
    with awaited(app.arrivals, streams):
        async with recorded(app, run_id, stop):
            results = await _side_by_side(app, streams, job, options.concurrency, stop)
    return await end_run(
        app,
        RunResult(
            run_id=run_id,
            kind=options.kind,
            started_at=started_at,
            seconds=app.clock.monotonic() - started,
            streams=tuple(results),
            signal=stop.signal if _was_cut(results) else None,
        ),
    )


async def end_run(app: App, result: RunResult) -> RunResult:
    """Close a run in the database and tell its end."""
    result = replace(result, time=app.spent.split(result.seconds))
    await app.store.finish(result.run_id, status=result.status, exit_code=result.exit_code, seconds=result.seconds)
    app.listener(RunFinished(result=result))
    return result


def _was_cut(results: Sequence[StreamResult]) -> bool:
    """A signal that came after everything was done changed nothing."""
    return any(result.status is RunStatus.INTERRUPTED for result in results)


async def _side_by_side(
    app: App, streams: Sequence[Stream], job: Job, concurrency: int | None, stop: Stop
) -> list[StreamResult]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(opened: OpenedSource, stream: Stream) -> StreamResult:
        async with places:
            return await run_stream(app, opened, stream, job, stop)

    async with AsyncExitStack() as stack:
        opened = {
            name: await stack.enter_async_context(app.open_source(app.settings.sources[name], concurrency=concurrency))
            for name in dict.fromkeys(stream.source for stream in streams)
        }
        async with asyncio.TaskGroup() as group:
            tasks = {
                stream.id: group.create_task(one(opened[stream.source], stream), name=stream.id)
                for stream in parents_first(streams)  # a child that waits must not hold the place its parent needs
            }
        app.spent.rate_limit_s = max((source.held_s for source in opened.values()), default=0.0)
    return [tasks[stream.id].result() for stream in streams]


async def _chosen(app: App, options: SyncOptions) -> tuple[Stream, ...]:
    if not app.settings.streams:
        raise UsageError(
            f"nothing is configured in {app.settings.config}",
            hint="etl init URL writes one, etl demo shows one",
        )
    return await choose(app.settings, options.selection, app.database, app.clock)


async def _dry_run(app: App, streams: Sequence[Stream], options: SyncOptions) -> RunResult:
    """What would be read, without a request and without a line in any table."""
    results = []
    for stream in streams:
        marks = await app.store.watermarks(stream.id)
        mark = mark_of(stream, marks)
        plan = plan_sync(stream, None if mark is None else mark.value, full=options.full, now=app.clock.now())
        since = "everything" if plan.since is None else f"what changed since {mark or 'incremental.start'}"
        count, members = len(plan.windows), await told_members(app.database, app.settings.streams, stream)
        of = f" of {members}" if members else ""
        results.append(
            StreamResult(
                stream=stream.id,
                status=RunStatus.SKIPPED,
                exit_code=0,
                verdict=None,
                reason=f"dry run: would read {since}{of}" + (f" in {count} windows" if count > 1 else ""),
                watermark=None if mark is None else str(mark),
            )
        )
    return RunResult(
        run_id="", kind=options.kind, started_at=app.clock.now(), seconds=0.0, streams=tuple(results), signal=None
    )
