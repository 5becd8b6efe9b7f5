"""The runs that a schedule started: who is running, who waits for a place, and how all of them end.

The tasks belong to our own task group, not to APScheduler: its shutdown cancels what it runs and cannot wait. Easy to
get wrong: a stream has at most one task, waiting or running, so the queue is as short as the list of streams, and
first come, first served is fair.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from etl.model.instants import iso
from etl.schedule.job import Job

_logger = logging.getLogger(__name__)

Run = Callable[[Job, datetime], Awaitable[bool | None]]
"""Bring one stream up to date for the tick `due_at`. It records its own outcome; what it raises is only logged.

False says that a stop cut it short: the tick stays open, and is due again at the next start.
"""
OnSkip = Callable[[Job, datetime, str], Awaitable[None]]
"""A tick came and was not run; the reason is a line for a person."""
OnTicked = Callable[[Job, datetime], Awaitable[None]]
"""Everything up to this tick has been acted upon: to be stored as the job's `last_scheduled_at`."""


@dataclass(slots=True, kw_only=True)
class _Turn:
    job: Job
    due_at: datetime
    acted_upon: datetime
    """The newest tick this turn stands for: its own, or one that was skipped in its favour."""
    task: asyncio.Task[None] | None = None
    is_running: bool = False


class Turns:
    """Runs at most `at_once` jobs side by side, and never one job twice at a time.

    `on_ticked` comes *after* a run, whatever its outcome, and not at all when the run was cut short: a tick that a
    crash or a stop interrupted is due again at the next start, which then resumes where the run ended.
    """

    def __init__(
        self, group: asyncio.TaskGroup, *, run: Run, on_skip: OnSkip, on_ticked: OnTicked, at_once: int
    ) -> None:
        self._group = group
        self._run = run
        self._on_skip = on_skip
        self._on_ticked = on_ticked
        self._places = asyncio.Semaphore(at_once)
        self._turns: dict[str, _Turn] = {}
        self._reports: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> tuple[str, ...]:
        """The streams that have a place, in the order they asked for one."""
        return tuple(stream for stream, turn in self._turns.items() if turn.is_running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The streams that wait for a place, in the order they will get one."""
        return tuple(stream for stream, turn in self._turns.items() if not turn.is_running)

    def offer(self, job: Job, due_at: datetime) -> bool:
        """Start the job as soon as there is a place. False, and a report, while its turn of before is not over."""
        current = self._turns.get(job.stream_id)
        if current is not None:
            current.acted_upon = max(current.acted_upon, due_at)
            state = "is still going" if current.is_running else "still waits for a free place"
            reason = f"skipped, the run of {iso(current.due_at)} {state}"
            report = self._group.create_task(self._skip(job, due_at, reason), name=f"skip {job.stream_id}")
            self._reports.add(report)
            report.add_done_callback(self._reports.discard)
            return False
        turn = _Turn(job=job, due_at=due_at, acted_upon=due_at)
        self._turns[job.stream_id] = turn
        turn.task = self._group.create_task(self._take(turn), name=f"scheduled {job.stream_id}")
        turn.task.add_done_callback(lambda _: self._turns.pop(job.stream_id, None))
        return True

    async def drain(self, grace_s: float) -> bool:
        """Drop who waits, let who runs end within `grace_s` seconds, cut off the rest, and wait for all of them.

        False when somebody had to be cut off.
        """
        self._cancel(lambda turn: not turn.is_running)
        pending = {turn.task for turn in self._turns.values() if turn.task is not None} | self._reports
        if not pending:
            return True
        _, late = await asyncio.wait(pending, timeout=grace_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    def cut_off(self) -> None:
        """Cancel everything at once."""
        self._cancel(lambda _: True)

    def _cancel(self, which: Callable[[_Turn], bool]) -> None:
        for turn in self._turns.values():
            if turn.task is not None and which(turn):
                turn.task.cancel()

    async def _take(self, turn: _Turn) -> None:
        async with self._places:
            turn.is_running = True
            try:
                is_acted_upon = await self._run(turn.job, turn.due_at)
            except Exception:
                _logger.exception("the scheduled run of %s failed unexpectedly", turn.job.stream_id)
                is_acted_upon = True
        if is_acted_upon is not False:
            await self._tell(turn)

    async def _tell(self, turn: _Turn) -> None:
        try:
            await self._on_ticked(turn.job, turn.acted_upon)
        except Exception:
            _logger.exception("the tick of %s could not be recorded; it will be due again", turn.job.stream_id)

    async def _skip(self, job: Job, due_at: datetime, reason: str) -> None:
        try:
            await self._on_skip(job, due_at, reason)
        except Exception:
            _logger.exception("the skipped tick of %s could not be recorded", job.stream_id)
