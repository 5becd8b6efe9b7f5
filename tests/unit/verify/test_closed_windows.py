"""Windows that are over: when a reading backwards proves them, and what takes the proof away."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from etl.model.instants import CursorFormat, parse_instant, to_micros
from etl.model.page import PageFacts, PageRequest
from etl.model.proof import Closing, ProofMode, proof_of
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Incremental, Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.verify import prove


def at(text: str) -> int:
    return to_micros(parse_instant(text))


NOON = at("2026-03-01T12:00:00")
SORTED = Order(by=(("updated_at",), ("id",)), unique=True)
STREAM = Stream(
    source="shop",
    name="orders",
    table="shop_orders",
    request=RequestTemplate(
        path=Template.parse("/orders"),
        params=(("since", Template.parse("{start}")), ("until", Template.parse("{end}"))),
    ),
    records=Records(path=Selector(SelectorKind.BODY, "data")),
    pages=Paging(kind=PagesKind.NUMBER, first=0, size=2, total_rows=Selector(SelectorKind.BODY, "total")),
    key=(("id",),),
    order=SORTED,
    incremental=Incremental(field=("updated_at",), format=CursorFormat("iso")),
)
OVER = Window(start=at("2026-02-01"), end=at("2026-03-01"))
CLOSING = Closing(stream=STREAM, began=NOON)


def page(ordinal: int, *keys: int, attempt: int = 0, **facts: object) -> tuple[PageRequest, PageFacts]:
    digests = b"".join(key.to_bytes(8, "big") for key in keys)
    return (
        PageRequest(window=OVER, position=f"page:{ordinal}", ordinal=ordinal, page=ordinal, stride=2, attempt=attempt),
        PageFacts(count=len(keys), key_digests=digests, digest=digests[:8], **({"total_rows": 4} | facts)),
    )


DESCENT = (page(0, 1, 2), page(2), page(1, 3, 4, attempt=1), page(0, 1, 2, attempt=1))


def judged(*pages: tuple[PageRequest, PageFacts], behind: int = 0, distinct: int | None = 4) -> Judgement:
    proof = prove(STREAM, OVER, CLOSING, lambda: behind)
    for request, facts in pages:
        proof.saw(request, facts)
    assert proof.probes() == ()
    return proof.judge(distinct)


def test_a_way_from_an_empty_page_down_to_the_first_one_is_a_proof() -> None:
    """Rows that leave the window move the others towards its beginning, where the reading still goes."""
    assert judged(*DESCENT) == Judgement(
        verdict=Verdict.VERIFIED, reason="closed window: read backwards, one page after the other"
    )


def test_a_descent_that_does_not_begin_behind_the_end_is_none() -> None:
    """The page above it held rows, so there may be more."""
    up = page(2, 5, 6, total_rows=4)

    assert judged(DESCENT[0], up, *DESCENT[2:]).verdict is Verdict.INCOMPLETE


def test_a_page_that_repeats_a_lower_one_lies_behind_the_end() -> None:
    """Where the server answers its last page for ever, the way down begins below the first repetition."""
    up = (page(0, 1, 2), page(2, 3, 4), page(4, 3, 4), page(3, 3, 4))
    down = (page(2, 3, 4, attempt=1), page(1, 3, 4, attempt=1), page(0, 1, 2, attempt=1))

    assert judged(*up, *down).verdict is Verdict.VERIFIED


def test_a_descent_with_a_page_left_out_is_none() -> None:
    """Only page by page does every row get met."""
    assert judged(DESCENT[0], page(3), page(2, attempt=1), page(0, 1, 2, attempt=1), distinct=None).verdict is (
        Verdict.INCOMPLETE
    )


def test_rows_from_outside_the_window_take_the_proof_away() -> None:
    """Who ignores the filter lists rows that come and go; how many there were is told."""
    strayed = page(1, 3, 4, attempt=1, min_cursor=at("2026-02-10"), max_cursor=at("2026-03-02"), outside_rows=1)

    judgement = judged(*DESCENT[:2], strayed, DESCENT[3])

    assert judgement.verdict is Verdict.CONSISTENT
    assert judgement.reason.startswith("no proof: closed window")
    assert judgement.reason.endswith("; 1 row came from outside the window")


def test_a_row_at_the_bound_itself_is_an_api_that_includes_it() -> None:
    """The window is over with its last instant, too."""
    at_the_bound = page(1, 3, 4, attempt=1, max_cursor=at("2026-03-01"), outside_rows=1)

    assert judged(*DESCENT[:2], at_the_bound, DESCENT[3]).verdict is Verdict.VERIFIED


def test_a_server_whose_clock_is_behind_has_not_ended_the_window() -> None:
    """By its clock rows may still come into it."""
    half_a_day = 12 * 3600 * 1_000_000

    assert judged(*DESCENT, behind=half_a_day).verdict is Verdict.CONSISTENT


@pytest.mark.parametrize(
    ("window", "is_over"),
    [
        pytest.param(Window(start=0, end=NOON - 300_000_000), True, id="ended-lag-ago"),
        pytest.param(Window(start=0, end=NOON - 299_999_999), False, id="ended-just-now"),
        pytest.param(Window(start=0), False, id="never-ends"),
        pytest.param(Window(end=NOON - 300_000_000), False, id="has-no-start"),
    ],
)
def test_a_window_is_over_when_it_ended_lag_before_the_reading_began(window: Window, is_over: bool) -> None:
    """Rows that are committed late have arrived by then; a window without a start may gain rows without a cursor."""
    assert CLOSING(window) is is_over


def test_a_bound_is_taken_as_it_is_sent() -> None:
    """A filter by days that includes its end asks for the whole day, whatever the clock says."""
    days = Incremental(field=("day",), format=CursorFormat("date"), inclusive=True, lag=timedelta(0))
    closes = Closing(stream=replace(STREAM, incremental=days), began=NOON)

    assert not closes(Window(start=0, end=at("2026-03-01T11:00:00")))
    assert closes(Window(start=0, end=at("2026-03-01")))


@pytest.mark.parametrize(
    ("order", "mode"),
    [
        pytest.param(SORTED, ProofMode.CLOSED, id="cursor-and-key"),
        pytest.param(Order(by=(("id",),), unique=True), ProofMode.CLOSED, id="key"),
        pytest.param(Order(by=(("rank",),), unique=True, immutable=True), ProofMode.CLOSED, id="immutable"),
        pytest.param(Order(by=(("rank",),), unique=True), ProofMode.CHECKS, id="may-change-inside"),
        pytest.param(Order(by=(("updated_at",),)), ProofMode.CHECKS, id="ties"),
    ],
)
def test_rows_that_stay_must_keep_their_order(order: Order, mode: ProofMode) -> None:
    """A row whose cursor changes leaves; a key never changes; ties have no order at all."""
    assert proof_of(replace(STREAM, order=order)) is mode


def test_a_window_that_is_not_over_says_what_would_let_it_be_proved() -> None:
    """The newest one, and the one without a start."""
    for window, words in ((Window(start=0, end=NOON), "incremental.delay"), (Window(end=1), "incremental.start")):
        proof = prove(STREAM, window, CLOSING)
        for ordinal, keys in enumerate(((1, 2), (3, 4))):
            proof.saw(*page(ordinal, *keys))
        assert words in proof.judge(4).hint
