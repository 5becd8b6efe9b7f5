"""What the events of a run add up to so far: the state that a screen draws and a log reports.

Memory is bounded by the number of streams, not of pages: rates come from a few half-second buckets.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Final

from etl.model.events import (
    BatchCommitted,
    Event,
    PageFetched,
    QuotaSeen,
    RequestRetried,
    RunFinished,
    RunStarted,
    SourcePaused,
    StreamFinished,
    StreamPlanned,
    StreamStarted,
)
from etl.model.run import Counts, StreamResult

_SPAN_S: Final = 10.0
_BUCKET_S: Final = 0.5


class Rate:
    """Things per second over the last ten seconds; the time since the first one while that is shorter."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[float, int]] = deque()
        self._first_s: float | None = None

    def add(self, count: int, now_s: float) -> None:
        """`count` things happened just now."""
        if self._first_s is None:
            self._first_s = now_s
        if self._buckets and now_s - self._buckets[-1][0] < _BUCKET_S:
            began_s, sum_ = self._buckets.pop()
            self._buckets.append((began_s, sum_ + count))
        else:
            self._buckets.append((now_s, count))
        while now_s - self._buckets[0][0] > _SPAN_S:
            self._buckets.popleft()

    def per_second(self, now_s: float) -> float:
        """0.0 before the first one, and when nothing happened for ten seconds."""
        if self._first_s is None:
            return 0.0
        recent = sum(count for began_s, count in tuple(self._buckets) if now_s - began_s <= _SPAN_S)
        return recent / min(max(now_s - self._first_s, 1.0), _SPAN_S)


@dataclass(slots=True)
class StreamTally:
    """One stream while it is read. `rows` are items of answered pages, `counts` those that are committed.

    Pages that a proof reads again are not counted, lest the bar pass its end.
    """

    stream: str
    began_s: float = 0.0
    reported_s: float = 0.0
    """When a log last told how far it is; at first when it began."""
    pages: int = 0
    rows: int = 0
    pages_total: int | None = None
    rows_total: int | None = None
    position: str = ""
    since: str | None = None
    resumed: bool = False
    retries: int = 0
    counts: Counts = field(default_factory=Counts)
    result: StreamResult | None = None
    speed: Rate = field(default_factory=Rate)

    def eta_s(self, now_s: float) -> float | None:
        """Seconds until the known number of pages is read at the present speed; None when that is a guess."""
        speed = self.speed.per_second(now_s)
        if not self.pages_total or not speed or self.pages < 2:
            return None
        return max(self.pages_total - self.pages, 0) / speed


class Tally:
    """The whole run, or those of a daemon. `see` takes every event with the monotonic time at which it came."""

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.streams: dict[str, StreamTally] = {}
        self._runs: dict[str, str] = {}
        self.flow: dict[str, tuple[int, int]] = {}
        """Requests in flight and the limit, by source."""
        self.retries: Counter[str] = Counter()
        self.paused_until_s: dict[str, tuple[float, str]] = {}
        self.quota: dict[str, QuotaSeen] = {}
        self.pages = Rate()
        self.rows = Rate()

    def stream(self, name: str, now_s: float) -> StreamTally:
        """The tally of a stream, begun now when it is new."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = StreamTally(stream=name, began_s=now_s, reported_s=now_s)
        return found

    def run_of(self, event: Event) -> str | None:
        """The run an event belongs to: a daemon has several at a time. None before the first."""
        if isinstance(event, RunFinished):
            return event.result.run_id
        stream = event.result.stream if isinstance(event, StreamFinished) else getattr(event, "stream", "")
        return self._runs.get(stream, self.run.run_id if self.run else None)

    @singledispatchmethod
    def see(self, event: Event, now_s: float) -> None:
        """Count an event; those that change no number are passed over."""

    @see.register
    def _(self, event: RunStarted, _now_s: float) -> None:
        self.run = event
        for stream in event.streams:
            # A daemon reads it anew: its figures begin at zero, lest they add up over a year.
            self.streams.pop(stream, None)
            self._runs[stream] = event.run_id

    @see.register
    def _(self, event: StreamStarted, now_s: float) -> None:
        stream = self.stream(event.stream, now_s)
        stream.began_s = stream.reported_s = now_s
        stream.since, stream.resumed = event.since, event.resumed

    @see.register
    def _(self, event: StreamPlanned, now_s: float) -> None:
        stream = self.stream(event.stream, now_s)
        stream.pages_total, stream.rows_total = event.pages, event.rows

    @see.register
    def _(self, event: PageFetched, now_s: float) -> None:
        stream = self.stream(event.stream, now_s)
        if not event.again:
            stream.pages += 1
            stream.rows += event.items
        stream.position = f"{event.member} {event.position}" if event.member else event.position
        stream.speed.add(1, now_s)
        self.pages.add(1, now_s)
        self.rows.add(event.items, now_s)
        self.flow[source_of(event.stream)] = (event.in_flight, event.limit)

    @see.register
    def _(self, event: RequestRetried, now_s: float) -> None:
        self.stream(event.stream, now_s).retries += 1
        self.retries[str(event.status) if event.status else event.reason] += 1

    @see.register
    def _(self, event: SourcePaused, now_s: float) -> None:
        self.paused_until_s[event.source] = (now_s + event.seconds, event.reason)

    @see.register
    def _(self, event: QuotaSeen, _now_s: float) -> None:
        self.quota[event.source] = event

    @see.register
    def _(self, event: BatchCommitted, now_s: float) -> None:
        stream = self.stream(event.stream, now_s)
        stream.counts = stream.counts + event.counts

    @see.register
    def _(self, event: StreamFinished, now_s: float) -> None:
        self.stream(event.result.stream, now_s).result = event.result

    @property
    def in_flight(self) -> int:
        """Requests on their way, over all sources."""
        return sum(in_flight for in_flight, _ in tuple(self.flow.values()))

    @property
    def limit(self) -> int:
        """How many requests may be on their way, over all sources that were asked."""
        return sum(limit for _, limit in tuple(self.flow.values()))


def source_of(stream: str) -> str:
    """`github` of `github.issues`."""
    return stream.partition(".")[0]
