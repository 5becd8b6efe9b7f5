"""The JSON log: names and keys that log collectors rely on."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from etl.listeners.json_log import JsonLog
from etl.listeners.levels import Level
from etl.model.events import (
    BatchCommitted,
    PageFetched,
    QuotaSeen,
    RequestRetried,
    RunFinished,
    SchemaChanged,
    SourcePaused,
    StreamFinished,
    StreamPlanned,
    StreamStarted,
    Warned,
)
from etl.model.run import Counts, RunKind
from etl.model.schema import ColumnType, SchemaChange
from etl.model.secret import Redactor

PAGE = PageFetched(stream="shop.orders", position="7", items=100, wire_bytes=900, seconds=0.2, in_flight=3, limit=8)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_line_has_version_time_level_event_and_run(clock, started) -> None:
    """The head of a line is the same for all events."""
    out = io.StringIO()

    JsonLog(out, clock=clock)(started)

    assert lines(out) == [
        {
            "v": 1,
            "ts": "2026-11-22T14:02:11Z",
            "level": "info",
            "event": "run.started",
            "run_id": "01JDB7Q4",
            "kind": "sync",
            "streams": ["shop.orders"],
            "database": "sqlite data.db",
        }
    ]


def test_a_finished_stream_tells_its_counts_and_its_verdict(clock, started, good) -> None:
    """The keys of `stream.finished` are those of the summary object, with `hint`, `error_code` and `bytes`."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock)
    log(started)

    log(StreamFinished(result=good))

    line = lines(out)[1]
    assert line["event"] == "stream.finished"
    assert (line["verdict"], line["reason"], line["status"]) == ("verified", "163 of 163", "succeeded")
    assert (line["pages"], line["fetched"], line["inserted"], line["updated"], line["unchanged"]) == (2, 163, 1, 0, 162)
    assert line["watermark"] == "2026-11-22T14:01:58Z"
    assert line["seconds"] == 0.61


def test_progress_comes_every_ten_seconds_and_never_per_page(clock, started) -> None:
    """A hundred pages within nine seconds write nothing; the next one after ten seconds writes one line."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock)
    log(started)
    log(StreamStarted(stream="shop.orders", kind=RunKind.SYNC, since=None))
    log(StreamPlanned(stream="shop.orders", pages=608, rows=None))
    for _ in range(100):
        log(PAGE)
        clock.forward(0.09)
    clock.forward(2)

    log(PAGE)

    events = [line["event"] for line in lines(out)]
    assert events == ["run.started", "stream.started", "stream.progress"]
    progress = lines(out)[2]
    assert (progress["pages"], progress["pages_total"], progress["rows"]) == (101, 608, 10100)
    assert (progress["in_flight"], progress["limit"], progress["retries"]) == (3, 8, 0)


def test_every_kind_of_event_has_a_name(clock, started, good, ended) -> None:
    """With -vv nothing that happens is left out."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock, least=Level.TRACE)
    change = SchemaChange(column="note", old=None, new=ColumnType.TEXT)
    events = [
        started,
        StreamStarted(stream="shop.orders", kind=RunKind.SYNC, since=None),
        StreamPlanned(stream="shop.orders", pages=2, rows=163),
        PAGE,
        RequestRetried(stream="shop.orders", position="1", reason="server", attempt=2, wait_s=1.6, status=503),
        SourcePaused(source="shop", seconds=41.0, reason="Retry-After"),
        QuotaSeen(source="shop", remaining=4212, limit=5000, reset_at=None),
        BatchCommitted(stream="shop.orders", counts=Counts(pages=1), seconds=0.01),
        SchemaChanged(stream="shop.orders", table="shop_orders", changes=(change,)),
        Warned(stream="shop.orders", message="look"),
        StreamFinished(result=good),
        RunFinished(result=ended),
    ]

    for event in events:
        log(event)

    assert [line["event"] for line in lines(out)] == [
        "run.started",
        "stream.started",
        "stream.planned",
        "page.fetched",
        "http.retry",
        "http.paused",
        "http.quota",
        "batch.committed",
        "schema.changed",
        "stream.warning",
        "stream.finished",
        "run.finished",
    ]
    retry = lines(out)[4]
    assert (retry["level"], retry["status"], retry["attempt"], retry["wait_s"]) == ("warning", 503, 2, 1.6)


def test_quiet_leaves_only_what_went_wrong(clock, started, good, bad, ended) -> None:
    """Under -q a good run is silent, a failed stream is not."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock, least=Level.chosen(quiet=True, verbosity=0))
    log(started)
    log(StreamFinished(result=good))
    log(RunFinished(result=ended))
    assert out.getvalue() == ""

    log(StreamFinished(result=bad))

    assert [(line["event"], line["level"]) for line in lines(out)] == [("stream.finished", "error")]


def test_a_text_of_the_api_stays_in_its_line_and_without_secrets(clock, started, bad) -> None:
    """Neither a line break nor a secret in a reason gets out."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock, redact=Redactor(["sekret-value"]))
    log(started)

    log(StreamFinished(result=replace(bad, reason='x sekret-value\n{"v":1,"event":"run.finished"}')))

    assert len(lines(out)) == 2
    assert lines(out)[1]["reason"] == 'x ***\\n{"v":1,"event":"run.finished"}'


@pytest.mark.parametrize("failure", [BrokenPipeError, ValueError])
def test_a_log_that_cannot_be_written_stops_nothing(clock, started, failure) -> None:
    """A closed pipe is no reason to lose a run."""

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise failure

    JsonLog(Closed(), clock=clock)(started)


def test_runs_of_a_daemon_that_overlap_keep_their_ids(clock, started) -> None:
    """A collector finds the lines of a run by its id, also while another run goes on beside it."""
    out = io.StringIO()
    log = JsonLog(out, clock=clock)
    log(started)
    log(replace(started, run_id="01JDB7Q5", streams=("shop.users",)))
    log(StreamStarted(stream="shop.orders", kind=RunKind.SYNC, since=None))
    log(StreamStarted(stream="shop.users", kind=RunKind.SYNC, since=None))

    assert [(line["event"], line["run_id"]) for line in lines(out)[2:]] == [
        ("stream.started", "01JDB7Q4"),
        ("stream.started", "01JDB7Q5"),
    ]
