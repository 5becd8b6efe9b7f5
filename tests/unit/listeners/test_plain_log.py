"""The plain log: a line of words an event."""

from __future__ import annotations

import io

from etl.listeners.levels import Level
from etl.listeners.plain_log import PlainLog
from etl.model.events import (
    PageFetched,
    RequestRetried,
    RunFinished,
    StreamFinished,
    StreamPlanned,
    StreamScheduled,
    StreamStarted,
)
from etl.model.run import RunKind


def test_a_run_reads_as_a_story(clock, started, good, ended) -> None:
    """One line an event, with the time of day."""
    out = io.StringIO()
    log = PlainLog(out, clock=clock)

    log(started)
    log(StreamStarted(stream="shop.orders", kind=RunKind.SYNC, since="2026-11-22T13:00:00Z"))
    log(RequestRetried(stream="shop.orders", position="4", reason="server", attempt=1, wait_s=1.6, status=503))
    log(StreamFinished(result=good))
    log(RunFinished(result=ended))

    assert out.getvalue().splitlines() == [
        "14:02:11 run 01JDB7Q4 (sync): 1 stream into sqlite data.db",
        "14:02:11 shop.orders: since 2026-11-22 13:00:00Z",
        "14:02:11 warning: shop.orders: page 4 again in 1.6 s (503 server, try 1)",
        (
            "14:02:11 ok shop.orders succeeded in 0.6 s: 2 pages, 1 inserted, 0 updated, 162 unchanged; "
            "verified: 163 of 163"
        ),
        "14:02:11 run 01JDB7Q4 succeeded in 29.3 s, exit 0",
    ]


def test_a_daemon_begins_each_run_at_zero(clock, started) -> None:
    """Once it said "63 of 30 pages": the figures of all runs of the process were added up."""
    out = io.StringIO()
    log = PlainLog(out, clock=clock)
    page = PageFetched(stream="shop.orders", position="7", items=10, wire_bytes=9, seconds=0.2, in_flight=1, limit=8)
    for _ in range(2):
        log(started)
        log(StreamPlanned(stream="shop.orders", pages=2, rows=20))
        log(page)
        clock.forward(11)
        log(page)

    assert out.getvalue().splitlines() == [
        "14:02:11 run 01JDB7Q4 (sync): 1 stream into sqlite data.db",
        "14:02:22 shop.orders: 2 of 2 pages, 20 rows, 0.1 pages/s",
        "14:02:22 run 01JDB7Q4 (sync): 1 stream into sqlite data.db",
        "14:02:33 shop.orders: 2 of 2 pages, 20 rows, 0.1 pages/s",
    ]


def test_what_a_daemon_is_going_to_do_is_no_warning(clock) -> None:
    """A line for each stream, when it begins to serve."""
    out = io.StringIO()

    PlainLog(out, clock=clock)(StreamScheduled(stream="shop.orders", due_at=clock.now()))

    assert out.getvalue() == "14:02:11 shop.orders: next run at 2026-11-22 14:02:11Z\n"


def test_a_failed_stream_is_an_error_with_its_cause(clock, bad) -> None:
    """What an API wrote cannot colour the terminal."""
    out = io.StringIO()

    PlainLog(out, clock=clock, least=Level.ERROR)(StreamFinished(result=bad))

    assert "error: x shop.orders failed" in out.getvalue()
    assert "401 on page 1: bad \\u001b[31mkey" in out.getvalue()


def test_progress_comes_every_ten_seconds(clock, started) -> None:
    """Pages themselves are told only with -vv."""
    out = io.StringIO()
    log = PlainLog(out, clock=clock)
    page = PageFetched(stream="shop.orders", position="7", items=10, wire_bytes=9, seconds=0.2, in_flight=1, limit=8)
    log(started)
    log(page)
    clock.forward(11)

    log(page)

    assert out.getvalue().splitlines()[1:] == ["14:02:22 shop.orders: 2 pages, 20 rows, 0.1 pages/s"]
