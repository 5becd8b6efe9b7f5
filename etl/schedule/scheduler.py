"""The daemon's clockwork: the one file that knows APScheduler (3.11).

APScheduler only rings: its jobs look up whether their stream is due and hand it to `Turns`. It keeps nothing (memory
store, rebuilt at each start) and runs nothing, because its store runs jobs twice when two processes share it, its
shutdown cancels what runs, its cron reads weekdays from Monday, and its cron fires twice when a clock is turned back.

Easy to get wrong: its timer sleeps by the monotonic clock until an instant of the wall clock. When the wall clock is
set, or the machine was suspended, the two disagree; so a pulse lets it look again, and a clock that went back makes
every ring be computed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN, SchedulerEvent
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from etl.ports import Clock, Stop
from etl.schedule.job import Job
from etl.schedule.triggers import is_due, next_due
from etl.schedule.turns import OnSkip, OnTicked, Run, Turns

PULSE_S: Final = 15.0
"""How late a tick may be after a suspend or a clock that was set; a catch-up begins within a minute."""
_CLOCK_SLACK: Final = timedelta(seconds=1)


class StopSignal(Stop, Protocol):
    """A `Stop` that can be waited for."""

    async def wait(self) -> None:
        """Return once a stop is asked for."""


class Scheduler:
    """Starts every job at its ticks: `async with Scheduler(jobs, run, ...) as scheduler: await scheduler.wait(stop)`.

    What is due when it is entered runs at once, the longest waiting first, one run however many ticks were missed. A
    tick while the stream's own run is not over is skipped and reported through `on_skip`. At most `at_once_limit` runs
    go side by side, the others wait in the order of their ticks. `jitter_s` delays each ring by up to so many seconds
    at random; the ticks that are recorded stay on the grid. `grace_s` is how long runs may take to end after a stop.

    A run that raises is logged and leaves the scheduler alive. Cancelling the body cancels the runs, without a grace.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        run: Run,
        on_skip: OnSkip,
        on_ticked: OnTicked,
        *,
        clock: Clock,
        timezone: tzinfo = UTC,
        grace_s: float = 25.0,
        at_once_limit: int = 8,
        jitter_s: float = 0.0,
    ) -> None:
        self._jobs = {job.stream_id: job for job in jobs}
        self._last = {job.stream_id: job.last_scheduled_at for job in jobs}
        self._run = run
        self._on_skip = on_skip
        self._on_ticked = on_ticked
        self._clock = clock
        self._zone = timezone
        self._grace_s = grace_s
        self._at_once_limit = at_once_limit
        self._jitter_s = jitter_s
        self._group = asyncio.TaskGroup()
        self._turns: Turns
        self._clockwork: AsyncIOScheduler

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._turns = Turns(
            self._group,
            run=self._run,
            on_skip=self._on_skip,
            on_ticked=self._on_ticked,
            at_once=self._at_once_limit,
        )
        self._clockwork = AsyncIOScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._clockwork.start(paused=True)
        for job in self._jobs.values():
            rings = _Rings(partial(self._next_tick, job), self._jitter_s)
            self._clockwork.add_job(
                self._ring, rings, args=[job], id=job.stream_id, next_run_time=self._first_ring(job)
            )
        self._clockwork.resume()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._silence()
        finally:
            self._turns.cut_off()
            await self._group.__aexit__(kind, error, trace)

    async def wait(self, stop: StopSignal) -> bool:
        """Serve until `stop`, then end: no more ticks, the grace for what runs, and cancellation for what remains.

        False when the grace was not enough for a run.

        The runs have to watch the same `stop`; the scheduler only waits for them. A tick whose run did not end is not
        reported as acted upon, and so is due again at the next start.
        """
        async with asyncio.TaskGroup() as group:
            pulse = group.create_task(self._pulse(), name="scheduler pulse")
            await stop.wait()
            pulse.cancel()
        self._clockwork.pause()
        return await self._turns.drain(self._grace_s)

    @property
    def running(self) -> tuple[str, ...]:
        """The streams that are being run now."""
        return self._turns.running

    @property
    def upcoming(self) -> Mapping[str, datetime]:
        """The first tick of every stream that is later than now, without jitter."""
        now = self._clock.now()
        return {job.stream_id: self._next_tick(job, now) for job in self._jobs.values()}

    def _next_tick(self, job: Job, now: datetime) -> datetime:
        last = self._last[job.stream_id]
        due = is_due(job.schedule, last, now, self._zone)
        if due is not None:
            last = due.due_at
        assert last is not None  # a stream that never ran is due
        return next_due(job.schedule, last, self._zone)

    def _first_ring(self, job: Job) -> datetime:
        # A due job rings at its missed tick: the store sorts by that, so that the longest waiting comes first.
        now = self._clock.now()
        due = is_due(job.schedule, self._last[job.stream_id], now, self._zone)
        return due.due_at if due is not None else self._next_tick(job, now)

    async def _ring(self, job: Job) -> None:
        # A coroutine function: APScheduler would run any other one in a thread.
        due = is_due(job.schedule, self._last[job.stream_id], self._clock.now(), self._zone)
        if due is not None:
            self._last[job.stream_id] = due.due_at
            self._turns.offer(job, due.due_at)

    async def _pulse(self) -> None:
        before = self._clock.now()
        while True:
            await self._clock.sleep(PULSE_S)
            now = self._clock.now()
            if now < before - _CLOCK_SLACK:
                for job in self._jobs.values():
                    self._clockwork.modify_job(job.stream_id, next_run_time=self._first_ring(job))
            self._clockwork.wakeup()
            before = now

    async def _silence(self) -> None:
        silent = asyncio.Event()

        def heard(_event: SchedulerEvent) -> None:
            silent.set()

        self._clockwork.add_listener(heard, EVENT_SCHEDULER_SHUTDOWN)
        self._clockwork.shutdown(wait=False)
        await silent.wait()  # its shutdown is only asked for above, and happens in the loop


class _Rings(BaseTrigger):  # type: ignore[misc] # APScheduler has no types
    """Tells APScheduler when to ring next: always later than `now`, so that many missed ticks are one ring."""

    def __init__(self, next_tick: Callable[[datetime], datetime], jitter_s: float) -> None:
        self._next_tick = next_tick
        self._jitter_s = jitter_s

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        ring: datetime = self._apply_jitter(self._next_tick(now), self._jitter_s, now)
        return ring
