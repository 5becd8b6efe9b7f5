"""`expect.fresh`: a reading may be whole and still bring nothing new, because the feed stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from etl.errors import ExpectationBroken
from etl.model.instants import CursorKind, from_micros, iso, to_micros
from etl.model.run import RunStatus
from etl.model.stream import Stream
from etl.pipeline import Reading
from etl.runs import StreamRun
from etl.service.outcome import Outcome


def judged_by_age(stream: Stream, run: StreamRun, reading: Reading, outcome: Outcome, now: datetime) -> Outcome:
    """The outcome, or exit 5 where the newest row is older than `expect.fresh` allows. `now` is the source's time."""
    fresh = stream.expect.fresh
    if fresh is None or outcome.status is not RunStatus.SUCCEEDED or outcome.partial:
        return outcome
    newest, oldest = _newest(stream, run, reading), (now - fresh).replace(microsecond=0)
    if newest is None or newest >= to_micros(oldest):
        return outcome
    return replace(
        outcome,
        status=RunStatus.INCOMPLETE,
        exit_code=ExpectationBroken.exit_code,
        error_code=ExpectationBroken.code,
        reason=f"the newest row is of {iso(from_micros(newest))}, expect.fresh asks for one after {iso(oldest)}",
        moves_watermark=False,
    )


def _newest(stream: Stream, run: StreamRun, reading: Reading) -> int | None:
    """The newest instant that is known of the list, None where rows have none.

    Where nothing came, nothing is newer than the watermark, from which the reading began.
    """
    incremental = stream.incremental
    if incremental is None or incremental.format.kind is not CursorKind.INSTANT:
        return None
    seen = [int(member.max_cursor) for member in reading.members.values() if member.max_cursor is not None]
    return max(seen or (int(mark.value) for mark in run.watermarks.values()), default=None)
