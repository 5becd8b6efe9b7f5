"""Runs, their states and their results, and the rule that turns them into an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from etl.model.verdict import Verdict


class RunKind(StrEnum):
    """What a reading is for; runs of different kinds never share a generation."""

    SYNC = "sync"
    FULL = "full"
    BACKFILL = "backfill"
    REPLAY = "replay"


class RunTrigger(StrEnum):
    """Who asked for the run."""

    MANUAL = "manual"
    SCHEDULE = "schedule"


class RunStatus(StrEnum):
    """How a run of one stream, or of all selected streams, ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    FENCED = "fenced"
    REFUSED = "refused"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened, in numbers. They add up: `a + b` is what two parts did together."""

    pages: int = 0
    requests: int = 0
    retries: int = 0
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    bytes: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """The outcome of one stream in one run.

    `stream` is `source.stream`. `exit_code` is what this stream alone would end the process with.
    `watermark` is an ISO instant or the raw value, None before the first.
    """

    stream: str
    status: RunStatus
    exit_code: int
    verdict: Verdict | None
    reason: str
    counts: Counts = field(default_factory=Counts)
    watermark: str | None = None
    seconds: float = 0.0
    hint: str = ""
    error_code: str = ""
    schema_changes: tuple[str, ...] = ()
    partial: bool = False
    """Cut short on request (`--limit`, `--max-pages`): incomplete, and yet exit 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Where the wall time of a run went, in seconds. They overlap, so the largest share names the bottleneck.

    `rate_limit_s` is the time in which no request might be sent (a declared rate, or a pause the server asked for);
    `database_s` the time in transactions; `network_s` what is left: waiting for answers, and decoding them.
    """

    network_s: float = 0.0
    rate_limit_s: float = 0.0
    database_s: float = 0.0

    @classmethod
    def of(cls, wall_s: float, *, rate_limit_s: float, database_s: float) -> TimeSplit:
        """Streams side by side may spend more than the wall time together; a share is at most the whole."""
        rate, database = min(rate_limit_s, wall_s), min(database_s, wall_s)
        return cls(network_s=max(wall_s - rate - database, 0.0), rate_limit_s=rate, database_s=database)

    @property
    def bottleneck(self) -> str:
        """`network`, `rate limit` or `database`."""
        shares = {"network": self.network_s, "rate limit": self.rate_limit_s, "database": self.database_s}
        return max(shares, key=shares.__getitem__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The outcome of one command: all its streams, in the order they were selected."""

    run_id: str
    kind: RunKind
    started_at: datetime
    seconds: float
    streams: tuple[StreamResult, ...]
    signal: int | None = None
    """The number of the signal that stopped the run, None when nothing did."""
    time: TimeSplit | None = None

    @property
    def was_dry(self) -> bool:
        """Nothing ran: the streams only tell what would have been read."""
        return not self.run_id

    @property
    def exit_code(self) -> int:
        """The first that applies of 1, 130/143, 6, 7 (all refused), 5 (any), 4 (all failed), 3."""
        return exit_code(self.streams, self.signal)

    @property
    def status(self) -> RunStatus:
        """The one status of the whole: the common one, else what the exit code stands for."""
        distinct = {stream.status for stream in self.streams}
        if len(distinct) == 1:
            return distinct.pop()
        if self.signal is not None:
            return RunStatus.INTERRUPTED
        code = self.exit_code
        if code == 0:
            return RunStatus.SUCCEEDED
        return RunStatus.INCOMPLETE if code == 5 else RunStatus.FAILED


def exit_code(streams: Sequence[StreamResult], signal: int | None = None) -> int:
    """What the process ends with; the table stands in the reference of the command line.

    4 and 7 only when every stream ended so; a mixture with anything better is 3, some streams failed.
    """
    codes = [stream.exit_code for stream in streams]
    if 1 in codes:
        return 1
    if signal is not None:
        return 128 + signal
    if 6 in codes:
        return 6
    if not any(codes):
        return 0
    if all(code == 7 for code in codes):
        return 7
    if 5 in codes:
        return 5
    return 4 if all(code == 4 for code in codes) else 3
