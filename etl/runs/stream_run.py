"""One stream of one run, as values: what it begins with, how it ends, and what the end stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from etl.model.instants import Cursor, CursorKind
from etl.model.run import Counts, RunKind, RunStatus
from etl.model.verdict import Verdict
from etl.runs.coverage import Interval
from etl.runs.watermark import Watermark, WatermarkStep

Removal = Callable[[AsyncConnection, datetime], Awaitable[None]]
"""Removes rows inside the transaction that claims they are gone; `now` is its instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRun:
    """One stream of one run. `ordinal` is the high half of every `_etl_seq` it writes.

    `watermark` is the one of the stream itself (member `""`), `watermarks` has it for every member.
    """

    run_id: str
    ordinal: int
    stream: str
    kind: RunKind
    generation: str
    resumed: bool
    token: int
    cursor_kind: CursorKind
    watermarks: Mapping[str, Watermark]
    started_at: datetime
    began_at: datetime
    """When its generation began."""

    @property
    def watermark(self) -> Cursor | None:
        """The stored watermark at the beginning, None before the first."""
        mark = self.watermarks.get("")
        return None if mark is None else mark.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a stream's reading ended, for the finalising transaction.

    `upper_bound` is U; a resumed generation uses the smallest of its runs. `steps` name what each member has seen
    (empty: the watermark does not move), `read` the intervals by member for the coverage.
    """

    status: RunStatus
    exit_code: int
    seconds: float
    verdict: Verdict | None = None
    reason: str = ""
    hint: str = ""
    error_code: str = ""
    upper_bound: datetime | None = None
    total_rows: int | None = None
    members: str = ""
    """How each of them ended, as JSON."""
    deleted: int = 0
    counts: Counts | None = None
    """Of a run without a ledger of its own; None takes the sums over the ledger."""
    steps: Sequence[WatermarkStep] = ()
    read: Mapping[str, Sequence[Interval]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What the finalising transaction stored: the sums over the ledger, and the watermark as people read it."""

    counts: Counts
    watermark: str | None
