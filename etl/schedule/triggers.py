"""When a schedule is due, from the last tick that was acted upon. Pure: no clock, no tables, no APScheduler.

Easy to get wrong: a schedule must count from its last *tick*, as our tables tell it, neither from the end of the last
run (it would drift) nor from the start of the process (a process that restarts every five hours would never reach
`every 6h`). After a downtime all missed ticks together are one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice

from etl.model.schedule import Every, Schedule, parse_schedule
from etl.schedule import ticks

_MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A stream should run now. `due_at` is the newest tick that has come, the moment itself if it never ran.

    `missed` counts the older ticks that this one run stands for; cron counts no further than 1,000.
    """

    due_at: datetime
    missed: int = 0


def next_due(schedule: str | Schedule, after: datetime, zone: tzinfo = UTC) -> datetime:
    """The first tick later than `after`, in UTC.

    `every` counts from `after` itself, so that is meant to be the tick before. `zone` matters for cron only. Raises
    ValueError for a text that is no schedule.
    """
    parsed = parse_schedule(schedule) if isinstance(schedule, str) else schedule
    if isinstance(parsed, Every):
        return after.astimezone(UTC) + parsed.interval
    return ticks.after(parsed, after, zone)


def is_due(
    schedule: str | Schedule, last_scheduled_at: datetime | None, now: datetime, zone: tzinfo = UTC
) -> Due | None:
    """What to run at `now`, None when nothing is to be run.

    `last_scheduled_at` is the `due_at` of the last run, None for a stream that never ran: it is due at once. A last
    tick two steps or more ahead of `now` was written under a clock that went wrong, and counts as none; one that is
    just ahead is waited for.
    """
    parsed = parse_schedule(schedule) if isinstance(schedule, str) else schedule
    if last_scheduled_at is None or _is_from_a_wrong_clock(parsed, last_scheduled_at, now, zone):
        return Due(due_at=now.astimezone(UTC))
    if isinstance(parsed, Every):
        steps = (now - last_scheduled_at) // parsed.interval
        if steps < 1:
            return None
        return Due(due_at=last_scheduled_at.astimezone(UTC) + steps * parsed.interval, missed=steps - 1)
    come = ticks.between(parsed, last_scheduled_at, now, zone)
    newest = next(come, None)
    return None if newest is None else Due(due_at=newest, missed=sum(1 for _ in islice(come, _MOST_COUNTED)))


def _is_from_a_wrong_clock(schedule: Schedule, last: datetime, now: datetime, zone: tzinfo) -> bool:
    return last > now and last >= next_due(schedule, next_due(schedule, now, zone), zone)
