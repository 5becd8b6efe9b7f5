"""One JSON object a line, with stable names: what a run says when nobody watches.

`v` is the version of the format. A stream reports its progress every ten seconds, never per page (`-vv` does), so a
long run costs a log kilobytes. Lines are ASCII: no text of an API can break out of its line or colour a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import singledispatchmethod
from typing import Final, TextIO

from etl.listeners.levels import Level, level_of
from etl.listeners.printable import Printable
from etl.listeners.tally import StreamTally, Tally, source_of
from etl.model.events import (
    BatchCommitted,
    Event,
    PageFetched,
    QuotaSeen,
    RequestRetried,
    RunFinished,
    RunStarted,
    SchemaChanged,
    SourcePaused,
    StreamFinished,
    StreamPlanned,
    StreamScheduled,
    StreamStarted,
    Warned,
)
from etl.model.instants import iso
from etl.ports import Clock

VERSION: Final = 1
EVERY_S: Final = 10.0

_NAMES: Final[Mapping[type, str]] = {
    RunStarted: "run.started",
    StreamScheduled: "stream.scheduled",
    StreamStarted: "stream.started",
    StreamPlanned: "stream.planned",
    PageFetched: "page.fetched",
    RequestRetried: "http.retry",
    SourcePaused: "http.paused",
    QuotaSeen: "http.quota",
    BatchCommitted: "batch.committed",
    SchemaChanged: "schema.changed",
    Warned: "stream.warning",
    StreamFinished: "stream.finished",
    RunFinished: "run.finished",
}

Fields = dict[str, object]


class JsonLog:
    """Writes events to `out` from `least` on; implements `ports.Listener`. Every text passes `redact`."""

    def __init__(
        self,
        out: TextIO,
        *,
        clock: Clock,
        redact: Callable[[str], str] = str,
        least: Level = Level.INFO,
    ) -> None:
        self._out = out
        self._clock = clock
        self._printable = Printable(redact)
        self._least = least
        self._tally = Tally()

    def __call__(self, event: Event) -> None:
        """Never raises: a log that cannot be written must not stop the run it tells of."""
        with suppress(Exception):
            now_s = self._clock.monotonic()
            self._tally.see(event, now_s)
            if (level := level_of(event)) >= self._least:  # before its fields are made: there is one for every page
                self._write(level, _NAMES[type(event)], self._tally.run_of(event), self._fields(event))
            if isinstance(event, PageFetched):
                self._report(event, self._tally.stream(event.stream, now_s), now_s)

    def _report(self, event: PageFetched, stream: StreamTally, now_s: float) -> None:
        if now_s - stream.reported_s < EVERY_S:
            return
        stream.reported_s = now_s
        in_flight, limit = self._tally.flow[source_of(stream.stream)]
        quota = self._tally.quota.get(source_of(stream.stream))
        self._write(
            Level.INFO,
            "stream.progress",
            self._tally.run_of(event),
            {
                "stream": stream.stream,
                "pages": stream.pages,
                "pages_total": stream.pages_total,
                "rows": stream.rows,
                "rows_total": stream.rows_total,
                "pages_per_s": round(stream.speed.per_second(now_s), 1),
                "in_flight": in_flight,
                "limit": limit,
                "retries": stream.retries,
                "quota_left": quota.remaining if quota else None,
            },
        )

    def _write(self, level: Level, name: str, run_id: str | None, fields: Fields) -> None:
        if level < self._least:
            return
        line = {
            "v": VERSION,
            "ts": iso(self._clock.now()),
            "level": level.label,
            "event": name,
            "run_id": run_id,
            **{key: self._printable(value) if isinstance(value, str) else value for key, value in fields.items()},
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    @singledispatchmethod
    def _fields(self, event: Event) -> Fields:
        raise TypeError(f"no fields are written down for {type(event).__name__}")

    @_fields.register
    def _(self, event: RunStarted) -> Fields:
        streams = [self._printable(stream) for stream in event.streams]
        return {"kind": str(event.kind), "streams": streams, "database": event.database}

    @_fields.register
    def _(self, event: StreamScheduled) -> Fields:
        return {"stream": event.stream, "due_at": iso(event.due_at)}

    @_fields.register(StreamStarted)
    @_fields.register(StreamPlanned)
    @_fields.register(PageFetched)
    @_fields.register(RequestRetried)
    @_fields.register(SourcePaused)
    @_fields.register(Warned)
    def _(self, event: Event) -> Fields:
        return asdict(event)

    @_fields.register
    def _(self, event: QuotaSeen) -> Fields:
        return {**asdict(event), "reset_at": iso(event.reset_at) if event.reset_at else None}

    @_fields.register
    def _(self, event: BatchCommitted) -> Fields:
        return {"stream": event.stream, **asdict(event.counts), "seconds": round(event.seconds, 3)}

    @_fields.register
    def _(self, event: SchemaChanged) -> Fields:
        changes = [
            {"column": self._printable(change.column), "old": change.old, "new": change.new} for change in event.changes
        ]
        return {"stream": event.stream, "table": event.table, "changes": changes}

    @_fields.register
    def _(self, event: StreamFinished) -> Fields:
        result = event.result
        return {
            "stream": result.stream,
            "status": str(result.status),
            "exit_code": result.exit_code,
            "verdict": str(result.verdict) if result.verdict else None,
            "reason": result.reason,
            "hint": result.hint,
            "error_code": result.error_code,
            **asdict(result.counts),
            "watermark": result.watermark,
            "seconds": round(result.seconds, 3),
        }

    @_fields.register
    def _(self, event: RunFinished) -> Fields:
        result = event.result
        return {
            "status": str(result.status),
            "exit_code": result.exit_code,
            "streams": len(result.streams),
            "seconds": round(result.seconds, 3),
        }
