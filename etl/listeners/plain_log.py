"""One line of words an event, with its time: for the eyes of somebody who reads a build log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import singledispatchmethod
from typing import Final, TextIO

from etl.listeners.figures import instant, marks_for, outcome, seconds, several
from etl.listeners.levels import Level, level_of
from etl.listeners.printable import Printable
from etl.listeners.tally import StreamTally, Tally
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
from etl.model.run import StreamResult
from etl.ports import Clock

EVERY_S: Final = 10.0


class PlainLog:
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
        self._marks = marks_for(out)
        self._tally = Tally()

    def __call__(self, event: Event) -> None:
        """Never raises: a log that cannot be written must not stop the run it tells of."""
        with suppress(Exception):
            now_s = self._clock.monotonic()
            self._tally.see(event, now_s)
            if (level := level_of(event)) >= self._least:  # before its sentence is made: there is one for every page
                self._write(level, self._sentence(event))
            if isinstance(event, PageFetched):
                self._report(self._tally.stream(event.stream, now_s), now_s)

    def _report(self, stream: StreamTally, now_s: float) -> None:
        if now_s - stream.reported_s < EVERY_S:
            return
        stream.reported_s = now_s
        total = f" of {stream.pages_total:,}" if stream.pages_total else ""
        speed = f"{stream.speed.per_second(now_s):.1f} pages/s"
        self._write(Level.INFO, f"{stream.stream}: {stream.pages:,}{total} pages, {stream.rows:,} rows, {speed}")

    def _write(self, level: Level, sentence: str) -> None:
        if level < self._least:
            return
        word = f"{level.label}: " if level >= Level.WARNING else ""
        line = f"{self._clock.now():%H:%M:%S} {word}{self._printable(sentence)}\n"
        encoding = self._out.encoding or "utf-8"
        self._out.write(line.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()

    @singledispatchmethod
    def _sentence(self, event: Event) -> str:
        raise TypeError(f"no sentence is written down for {type(event).__name__}")

    @_sentence.register
    def _(self, event: RunStarted) -> str:
        return f"run {event.run_id} ({event.kind}): {several(len(event.streams), 'stream')} into {event.database}"

    @_sentence.register
    def _(self, event: StreamScheduled) -> str:
        return f"{event.stream}: next run at {instant(iso(event.due_at))}"

    @_sentence.register
    def _(self, event: StreamStarted) -> str:
        start = f"since {instant(event.since)}" if event.since else "the whole list"
        return f"{event.stream}: {'continues, ' if event.resumed else ''}{start}"

    @_sentence.register
    def _(self, event: StreamPlanned) -> str:
        return f"{event.stream}: {several(event.pages, 'page') if event.pages is not None else 'unknown size'}"

    @_sentence.register
    def _(self, event: PageFetched) -> str:
        member = f"{event.member} " if event.member else ""
        return (
            f"{event.stream}: {member}page {event.position}, {several(event.items, 'item')}, {seconds(event.seconds)}"
        )

    @_sentence.register
    def _(self, event: RequestRetried) -> str:
        cause = f"{event.status} {event.reason}" if event.status and str(event.status) != event.reason else event.reason
        return f"{event.stream}: page {event.position} again in {seconds(event.wait_s)} ({cause}, try {event.attempt})"

    @_sentence.register
    def _(self, event: SourcePaused) -> str:
        return f"{event.source}: paused {seconds(event.seconds)} ({event.reason})"

    @_sentence.register
    def _(self, event: QuotaSeen) -> str:
        of = f" of {event.limit:,}" if event.limit is not None else ""
        return f"{event.source}: {event.remaining:,}{of} requests left"

    @_sentence.register
    def _(self, event: BatchCommitted) -> str:
        return f"{event.stream}: saved {several(event.counts.pages, 'page')}, {outcome(event.counts)}"

    @_sentence.register
    def _(self, event: SchemaChanged) -> str:
        changes = ", ".join(
            f"column {change.column} {change.new}" if change.old is None else f"{change.column} is now {change.new}"
            for change in event.changes
        )
        return f"{event.stream}: table {event.table}: {changes}"

    @_sentence.register
    def _(self, event: Warned) -> str:
        return f"{event.stream}: {event.message}" if event.stream else event.message

    @_sentence.register
    def _(self, event: StreamFinished) -> str:
        return self._finished(event.result)

    @_sentence.register
    def _(self, event: RunFinished) -> str:
        result = event.result
        return f"run {result.run_id} {result.status} in {seconds(result.seconds)}, exit {result.exit_code}"

    def _finished(self, result: StreamResult) -> str:
        mark = self._marks.of(result.verdict, result.exit_code)
        verdict = f"{result.verdict}: {result.reason}" if result.verdict else result.reason
        counts = result.counts
        return (
            f"{mark} {result.stream} {result.status} in {seconds(result.seconds)}: {several(counts.pages, 'page')}, "
            f"{outcome(counts)}; {verdict}"
        )
