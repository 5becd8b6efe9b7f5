"""The progress screen, line by line."""

from __future__ import annotations

from dataclasses import replace

from etl.listeners.figures import ASCII, UNICODE
from etl.listeners.frame import Frame
from etl.listeners.printable import Printable
from etl.listeners.tally import Tally
from etl.model.events import (
    PageFetched,
    QuotaSeen,
    RequestRetried,
    SourcePaused,
    StreamFinished,
    StreamPlanned,
    StreamStarted,
)
from etl.model.run import RunKind


def page(stream: str = "shop.orders", **changes: object) -> PageFetched:
    return replace(
        PageFetched(stream=stream, position="7", items=100, wire_bytes=9, seconds=0.2, in_flight=3, limit=8), **changes
    )


def drawn(tally: Tally, now_s: float, width: int = 100, marks=UNICODE) -> list[str]:
    lines = Frame(tally, marks, Printable()).lines(now_s, width)
    return ["".join(text for text, _ in line) for line in lines]


def begun(*streams: str) -> Tally:
    tally = Tally()
    for stream in streams:
        tally.see(StreamStarted(stream=stream, kind=RunKind.SYNC, since=None), 0.0)
    return tally


def test_a_known_total_has_a_bar_a_percentage_and_an_eta() -> None:
    """Half of the pages at four a second: the other half takes as long."""
    tally = begun("shop.orders")
    tally.see(StreamPlanned(stream="shop.orders", pages=16, rows=None), 0.0)
    for number in range(8):
        tally.see(page(), number * 0.25)

    line = drawn(tally, 2.0)[0]

    assert "━" in line
    assert "50%   8/16 pages   800 rows   eta 0:02" in line


def test_what_a_proof_reads_again_does_not_pass_the_end_of_the_bar() -> None:
    """A list of two pages ended at 4/2 pages, with every row counted twice."""
    tally = begun("shop.orders")
    tally.see(StreamPlanned(stream="shop.orders", pages=2, rows=200), 0.0)
    for again in (False, False, True, True):
        tally.see(page(again=again), 1.0)

    assert "100%   2/2 pages   200 rows" in drawn(tally, 2.0)[0]


def test_an_unknown_total_has_neither_bar_nor_percentage() -> None:
    """No fake bars: the count and where the chain is."""
    tally = begun("shop.orders")
    tally.see(page(position="cursor abc"), 1.0)

    assert drawn(tally, 2.0)[0] == "  shop.orders  1 page   100 rows   at cursor abc"


def test_the_member_at_work_stands_before_its_page() -> None:
    """Which of two hundred repositories is being read, and how far."""
    tally = begun("github.issues")
    tally.see(page("github.issues", position="page 97", member="pallets/flask"), 1.0)

    assert drawn(tally, 2.0)[0].endswith("   at pallets/flask page 97")


def test_the_footer_tells_speed_flow_retries_and_quota() -> None:
    """Retries are counted by their reason."""
    tally = begun("shop.orders")
    for number in range(10):
        tally.see(page(), float(number))
    for status, reason in ((503, "server"), (None, "timeout"), (None, "timeout")):
        tally.see(
            RequestRetried(stream="shop.orders", position="1", reason=reason, attempt=1, wait_s=1.0, status=status), 9.0
        )
    tally.see(QuotaSeen(source="shop", remaining=4212, limit=5000, reset_at=None), 9.0)

    footer = drawn(tally, 10.0)[-1]

    assert footer == ("  1.0 pages/s · 100 rows/s · 3 of 8 in flight · retries 3 (2×timeout 1×503) · quota 4,212/5,000")


def test_a_pause_counts_down_and_goes() -> None:
    """A waiting screen says what it waits for, and how long."""
    tally = begun("shop.orders")
    tally.see(SourcePaused(source="shop", seconds=41.0, reason="Retry-After"), 0.0)

    assert drawn(tally, 1.0)[-1] == "  shop paused 0:40 for Retry-After"
    assert not any("paused" in line for line in drawn(tally, 42.0))


def test_more_than_twelve_streams_fold_and_failed_ones_stay(good, bad) -> None:
    """Twelve lines of streams at most, then what is folded, then the footer."""
    names = [f"shop.s{number}" for number in range(20)]
    tally = begun(*names)
    tally.see(StreamFinished(result=replace(bad, stream="shop.s19")), 1.0)
    tally.see(StreamFinished(result=replace(good, stream="shop.s0")), 1.0)

    lines = drawn(tally, 2.0)

    assert len(lines) == 15
    assert any("shop.s19" in line and "✘ failed" in line for line in lines)
    assert lines[12] == "  ✔ 1 stream done   0 rows"
    assert lines[13] == "    7 more streams at work   0 rows"


def test_a_failed_stream_shows_its_cause_escaped(bad) -> None:
    """An escape code of the API is shown, not obeyed."""
    tally = begun("shop.orders")
    tally.see(StreamFinished(result=bad), 1.0)

    assert drawn(tally, 2.0)[0] == "  shop.orders  ✘ failed   401 on page 1: bad \\u001b[31mkey"


def test_the_ascii_screen_is_ascii(good) -> None:
    """A terminal without UTF-8 gets signs that it has."""
    tally = begun("shop.orders", "shop.items")
    tally.see(StreamPlanned(stream="shop.orders", pages=16, rows=None), 0.0)
    tally.see(page(), 0.5)
    tally.see(RequestRetried(stream="shop.orders", position="1", reason="timeout", attempt=1, wait_s=1.0), 0.6)
    tally.see(StreamFinished(result=replace(good, stream="shop.items")), 1.0)

    assert "\n".join(drawn(tally, 2.0, marks=ASCII)).isascii()
