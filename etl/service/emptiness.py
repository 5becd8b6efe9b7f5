"""A list that is suddenly empty: a token that lost a permission is answered so as well, with status 200."""

from __future__ import annotations

from dataclasses import replace

from etl.errors import ExpectationBroken
from etl.model.run import Counts, RunStatus
from etl.model.stream import Stream
from etl.pipeline import Reading
from etl.service.app import App
from etl.service.outcome import Outcome


async def judged_when_empty(app: App, stream: Stream, reading: Reading, outcome: Outcome, counts: Counts) -> Outcome:
    """The outcome; a whole list without any row is no success while its table holds some, unless that was foreseen.

    `expect.min_rows` says how few may come, 0 included. Streams whose readings take rows away have refusals of their
    own, and a window without changes is empty all the time.
    """
    whole = reading.is_whole and reading.windows and stream.feed is None and stream.for_each is None
    if outcome.status is not RunStatus.SUCCEEDED or counts.fetched or not whole:
        return outcome
    if stream.sweeps or stream.expect.min_rows is not None or not await app.store.holds_rows(stream.table):
        return outcome
    return replace(
        outcome,
        status=RunStatus.INCOMPLETE,
        exit_code=ExpectationBroken.exit_code,
        error_code=ExpectationBroken.code,
        reason=f"the API returned no rows, and {stream.table} holds some",
        hint=f"may the token still read this list? look at it with: etl preview {stream.id}; a list that may be empty "
        "says so: expect: {min_rows: 0}",
        moves_watermark=False,
    )
