"""How a reading moves the token of a change feed: only when all of it is stored, and never by comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from etl.errors import RequestRefused
from etl.model.feed import Feed
from etl.model.instants import CursorKind
from etl.model.run import RunKind, RunStatus
from etl.model.stream import Stream
from etl.pipeline import Reading
from etl.runs import StreamRun, WatermarkStep
from etl.service.outcome import Outcome


def feed_steps(feed: Feed, reading: Reading) -> Sequence[WatermarkStep]:
    """The new token of every member whose reading is complete and brought one."""
    found = []
    for name, member in reading.members.items():
        token = member.first_token if feed.of_first else member.last_token
        if not member.has_gap and token is not None:
            found.append(WatermarkStep(kind=CursorKind.TEXT, max_seen=token, member=name, opaque=True))
    return found


def has_expired(stream: Stream, run: StreamRun, reading: Reading) -> bool:
    """Whether the API answered that it no longer knows the token: 410, as RFC 6578 and sync tokens everywhere have it.

    What changed since then can no longer be asked for; the whole list can.
    """
    failure = reading.failure
    gone = isinstance(failure, RequestRefused) and failure.status == HTTPStatus.GONE
    return gone and stream.feed is not None and run.kind is RunKind.SYNC and bool(run.watermarks)


EXPIRED: Final = Outcome(
    status=RunStatus.SKIPPED,
    exit_code=0,
    verdict=None,
    reason="the API no longer knows the token (410 Gone), so the whole list is read again",
)
"""The end of a reading that another one of the same run replaces."""


def untold(feed: Feed | None, reading: Reading, outcome: Outcome) -> Outcome:
    """A feed that brought no token reads the same again next time; the hint says so."""
    if feed is None or outcome.hint or outcome.status is not RunStatus.SUCCEEDED:
        return outcome
    if reading.unchanged or feed_steps(feed, reading):
        return outcome
    where = f"{feed.token.kind}:{feed.token.path}" if feed.token.kind != "body" else feed.token.path
    return replace(outcome, hint=f"no page had a token at {where}, so the next run begins where this one did")
