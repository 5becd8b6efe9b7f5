"""`etl serve`: run every stream by its schedule, until told to stop; or what is due now, for cron and systemd."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl import __version__
from etl.errors import DatabaseRefused, UsageError
from etl.model.events import StreamScheduled, Warned
from etl.model.instants import iso
from etl.model.run import RunKind, RunResult, RunStatus, RunTrigger, exit_code
from etl.model.stream import Stream
from etl.ports import Stop
from etl.runs import Catalog, History
from etl.schedule.job import Job, due_now
from etl.schedule.scheduler import Scheduler
from etl.schedule.triggers import next_due
from etl.service.app import App
from etl.service.kin import parents_first
from etl.service.lateness import acted_upon
from etl.service.sync import SyncOptions, sync

_A_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """`run_due` does what is due and ends. `grace` bounds how long a stop may take."""

    run_due: bool = False
    grace: timedelta = timedelta(seconds=25)


async def serve(app: App, options: ServeOptions, stop: Stop) -> int:
    """The exit code: 0 after a stop within the grace, else that of the signal; under `run_due` that of the runs."""
    scheduled = tuple(stream for stream in app.settings.streams if stream.schedule is not None)
    if not scheduled:
        raise UsageError("no stream has a schedule", hint="write schedule: every 15m into a source or a stream")
    app.settings.require_secrets(scheduled)
    clockwork = _Clockwork(app=app, stop=stop, catalog=Catalog(app.database, app.clock))
    await clockwork.catalog.see(scheduled)
    jobs = await clockwork.jobs(scheduled)
    if options.run_due:
        return await clockwork.run_due(jobs)
    async with Scheduler(
        jobs,
        clockwork.run,
        clockwork.skipped,
        clockwork.ticked,
        clock=app.clock,
        timezone=app.settings.project.timezone,
        grace_s=options.grace.total_seconds(),
    ) as scheduler:
        for stream_id, at in sorted(scheduler.upcoming.items(), key=lambda pair: pair[1]):
            app.listener(StreamScheduled(stream=stream_id, due_at=at))
        async with asyncio.TaskGroup() as tasks:
            pruning = tasks.create_task(_prune_daily(app), name="prune")
            in_time = await scheduler.wait(stop)
            pruning.cancel()
    return 0 if in_time or stop.signal is None else 128 + stop.signal


async def _prune_daily(app: App) -> None:
    """Old ledger lines go while the daemon runs, so that a year of runs does not outgrow its data."""
    while True:
        try:
            await History(app.database, app.clock).prune()
        except DatabaseRefused as refused:
            app.listener(Warned(stream="", message=f"old ledger lines were not pruned: {refused}"))
        await app.clock.sleep(_A_DAY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clockwork:
    """What the scheduler calls: a run, a skipped tick, and the memory of ticks in our own tables."""

    app: App
    stop: Stop
    catalog: Catalog

    async def jobs(self, streams: Sequence[Stream]) -> list[Job]:
        """Every scheduled stream with the newest tick that was acted upon."""
        ticks = await self.catalog.ticks()
        known = await History(self.app.database, self.app.clock).status()
        return [
            Job(
                stream_id=stream.id,
                schedule=stream.schedule or "",
                last_scheduled_at=acted_upon(ticks.get(stream.id), known.get(stream.id)),
            )
            for stream in parents_first(streams)
        ]

    async def run_due(self, jobs: Sequence[Job]) -> int:
        """One run for each stream that is due, the longest waiting first; one after the other."""
        results: list[RunResult] = []
        for job, due in due_now(jobs, self.app.clock.now(), self.app.settings.project.timezone):
            if self.stop.requested:
                break
            result = await self._sync(job)
            results.append(result)
            if result.signal is None:
                await self.ticked(job, due.due_at)
        signal = next((result.signal for result in results if result.signal is not None), None)
        return exit_code([stream for result in results for stream in result.streams], signal)

    async def run(self, job: Job, _due_at: datetime) -> bool:
        """False says that a stop cut the run short, or that the database could not even take its beginning.

        Its tick stays open then. A daemon outlives a database that is away for an hour.
        """
        try:
            return (await self._sync(job)).signal is None
        except DatabaseRefused as refused:
            self.app.listener(Warned(stream=job.stream_id, message=f"the run could not be recorded: {refused}"))
            return False

    async def skipped(self, job: Job, due_at: datetime, reason: str) -> None:
        """A tick that was not run leaves a line in the history."""
        told = f"tick of {iso(due_at)}: {reason}"
        self.app.listener(Warned(stream=job.stream_id, message=f"skipped the {told}"))
        try:
            await self._note_skipped(job, told)
        except DatabaseRefused as refused:
            self.app.listener(Warned(stream=job.stream_id, message=f"that could not be recorded: {refused}"))

    async def _note_skipped(self, job: Job, told: str) -> None:
        app = self.app
        table = next(stream.table for stream in app.settings.streams if stream.id == job.stream_id)
        run_id = await app.store.begin(
            kind=RunKind.SYNC, trigger=RunTrigger.SCHEDULE, version=__version__, selection=job.stream_id
        )
        await app.store.skip(run_id, stream=job.stream_id, table=table, kind=RunKind.SYNC, reason=told)
        await app.store.finish(run_id, status=RunStatus.SKIPPED, exit_code=0, seconds=0.0)

    async def ticked(self, job: Job, due_at: datetime) -> None:
        """Remember the tick, so that the next process does not run it again."""
        after = next_due(job.schedule, due_at, self.app.settings.project.timezone)
        await self.catalog.ticked(job.stream_id, due_at, after)

    async def _sync(self, job: Job) -> RunResult:
        options = SyncOptions(selectors=(job.stream_id,), trigger=RunTrigger.SCHEDULE)
        return await sync(self.app, options, self.stop)
