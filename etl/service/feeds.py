"""How a reading moves the token of a change feed: only when all of it is stored, and never by comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl.model.feed import Feed
from etl.model.instants import CursorKind
from etl.model.run import RunStatus
from etl.pipeline import Reading
from etl.runs import WatermarkStep
from etl.service.outcome import Outcome


def feed_steps(feed: Feed, reading: Reading) -> Sequence[WatermarkStep]:
    """The new token of every member whose reading is complete and brought one."""
    found = []
    for name, member in reading.members.items():
        token = member.first_token if feed.of_first else member.last_token
        if not member.has_gap and token is not None:
            found.append(WatermarkStep(kind=CursorKind.TEXT, max_seen=token, member=name, opaque=True))
    return found


def untold(feed: Feed | None, reading: Reading, outcome: Outcome) -> Outcome:
    """A feed that brought no token reads the same again next time; the hint says so."""
    if feed is None or outcome.hint or outcome.status is not RunStatus.SUCCEEDED:
        return outcome
    if reading.unchanged or feed_steps(feed, reading):
        return outcome
    where = f"{feed.token.kind}:{feed.token.path}" if feed.token.kind != "body" else feed.token.path
    return replace(outcome, hint=f"no page had a token at {where}, so the next run begins where this one did")
