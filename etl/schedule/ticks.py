"""The instants of a cron schedule in a time zone, day by day. Pure.

Easy to get wrong: twice a year a clock on the wall skips an hour or shows it again. Here a time that is skipped is
meant for the moment after the gap, and a time that is shown twice is meant once, its first showing; a schedule with
ticks in every hour of the day follows real time instead, so that `*/15 * * * *` neither pauses nor hurries.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from etl.model.schedule import Cron

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_HORIZON = 9 * 366
"""Days to look at: 29 February may be eight years away, across 2100."""


def after(cron: Cron, instant: datetime, zone: tzinfo) -> datetime:
    """The first tick later than `instant`, in UTC. Raises OverflowError at the end of the calendar."""
    day = instant.astimezone(zone).date()
    for _ in range(_HORIZON):
        found = next((tick for tick in ticks_of(cron, day, zone) if tick > instant), None)
        if found is not None:
            return found
        day += _DAY
    raise OverflowError(f"no tick within {_HORIZON} days")


def between(cron: Cron, start: datetime, end: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The ticks in `(start, end]`, newest first."""
    first = start.astimezone(zone).date()
    day = end.astimezone(zone).date()
    while day >= first:
        yield from (tick for tick in reversed(ticks_of(cron, day, zone)) if start < tick <= end)
        day -= _DAY


@lru_cache(maxsize=64)
def ticks_of(cron: Cron, day: date, zone: tzinfo) -> tuple[datetime, ...]:
    """The ticks whose time on the wall lies in `day`, in UTC, in order, each once."""
    if day.month not in cron.months or day.day not in cron.days or day.isoweekday() % 7 not in cron.weekdays:
        return ()
    walls = [datetime.combine(day, time(hour, minute)) for hour in cron.hours for minute in cron.minutes]
    instants = {tick for wall in walls for tick in _instants(wall, zone, every_showing=cron.is_hourly)}
    return tuple(sorted(instants))


def _instants(wall: datetime, zone: tzinfo, *, every_showing: bool) -> Iterator[datetime]:
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    before, later = first.utcoffset(), second.utcoffset()
    assert before is not None
    assert later is not None
    if before == later:
        yield first.astimezone(UTC)
    elif before > later:
        yield first.astimezone(UTC)
        if every_showing:
            yield second.astimezone(UTC)
    elif not every_showing:
        yield _end_of_gap(first.astimezone(UTC), later - before, zone)


def _end_of_gap(inside: datetime, width: timedelta, zone: tzinfo) -> datetime:
    """The moment the clock is turned forward; `inside` is less than `width` after it. Exact to the minute."""
    new = inside.astimezone(zone).utcoffset()
    minutes = bisect_left(
        range(width // _MINUTE), True, key=lambda n: (inside - width + n * _MINUTE).astimezone(zone).utcoffset() == new
    )
    return inside - width + minutes * _MINUTE
