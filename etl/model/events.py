"""What happens during a run, as frozen values. Listeners (screen, log, metrics) hang on them; the core knows none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from etl.model.run import Counts, RunKind, RunResult, StreamResult
from etl.model.schema import SchemaChange


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A command begins; `streams` are the selected ones as `source.stream`."""

    run_id: str
    kind: RunKind
    streams: tuple[str, ...]
    database: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamScheduled:
    """A daemon will read this stream then; told once, when it begins to serve."""

    stream: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """A stream holds its lease and is about to send its first request. `since` is None for a whole reading."""

    stream: str
    kind: RunKind
    since: str | None
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlanned:
    """The number of pages of a stream became known, or changed. None: it cannot be known."""

    stream: str
    pages: int | None
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFetched:
    """A page was answered and decoded; it waits for its commit. `again` says that it was read before, for a proof.

    `member` is the member of `for_each` it belongs to, empty without one.
    """

    stream: str
    position: str
    items: int
    wire_bytes: int
    seconds: float
    in_flight: int
    limit: int
    again: bool = False
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetried:
    """A try failed and another one follows after `wait_s` seconds. `attempt` counts the failed tries from 1."""

    stream: str
    position: str
    reason: str
    attempt: int
    wait_s: float
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePaused:
    """Every request of a source waits `seconds`, because its server asked for it."""

    source: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSeen:
    """The server told how many requests are left."""

    source: str
    remaining: int
    limit: int | None
    reset_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCommitted:
    """Pages are stored for good. `counts` are those of the batch alone; `seconds` the time in the database."""

    stream: str
    counts: Counts
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChanged:
    """The table of a stream got a column or a wider type."""

    stream: str
    table: str
    changes: tuple[SchemaChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something a person should know that does not change the outcome."""

    stream: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFinished:
    """A stream ended, well or not."""

    result: StreamResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The command ends."""

    result: RunResult


Event = (
    RunStarted
    | StreamScheduled
    | StreamStarted
    | StreamPlanned
    | PageFetched
    | RequestRetried
    | SourcePaused
    | QuotaSeen
    | BatchCommitted
    | SchemaChanged
    | Warned
    | StreamFinished
    | RunFinished
)
