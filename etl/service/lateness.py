"""When a stream is late: against its schedule, or against what it was promised to be."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

from etl.model.stream import Stream
from etl.runs import Tick
from etl.runs.history import StreamStatus as LastRun
from etl.schedule.triggers import next_due

LATE: Final = timedelta(minutes=5)
"""A tick that was not acted upon so long after it came makes a stream stale: nothing serves the schedule."""


def acted_upon(tick: Tick | None, last: LastRun | None) -> datetime | None:
    """Up to when a schedule is settled: its newest tick that was acted upon, before that one a sync by hand."""
    if tick is not None and tick.last_scheduled_at is not None:
        return tick.last_scheduled_at
    return None if last is None else last.last_success_at


def is_stale(stream: Stream, last: LastRun | None, tick: Tick | None, zone: tzinfo, now: datetime) -> bool:
    """Later than `expect.fresh`, or than its schedule: a tick came, and no success followed it."""
    success = None if last is None else last.last_success_at
    ticked = None if tick is None else tick.last_scheduled_at
    if stream.expect.fresh is not None:
        return success is None or now - success > stream.expect.fresh
    if stream.schedule is None or ticked is None:
        return False
    # The first tick that was left out, not the newest: who is gone for days is late right after a tick too.
    if now - next_due(stream.schedule, ticked, zone) > LATE:
        return True
    return success is None or success < ticked - LATE
