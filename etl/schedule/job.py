"""A stream with its schedule, and which of several streams should run now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from etl.model.schedule import Schedule, parse_schedule
from etl.schedule.triggers import Due, is_due


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stream that has a schedule. `stream_id` is `source.stream`.

    `schedule` is the text of the configuration, or what was parsed from it; a text that is none raises ValueError.
    `last_scheduled_at` is the newest tick our tables know to be acted upon, None for a stream that never ran.
    """

    stream_id: str
    schedule: str | Schedule
    last_scheduled_at: datetime | None = None

    def __post_init__(self) -> None:
        if isinstance(self.schedule, str):
            parse_schedule(self.schedule)


def due_now(jobs: Iterable[Job], now: datetime, zone: tzinfo = UTC) -> list[tuple[Job, Due]]:
    """The jobs that are due, the longest waiting first, streams that never ran last; ties as they came."""
    found = ((job, is_due(job.schedule, job.last_scheduled_at, now, zone)) for job in jobs)
    return sorted(((job, due) for job, due in found if due is not None), key=lambda pair: pair[1].due_at)
