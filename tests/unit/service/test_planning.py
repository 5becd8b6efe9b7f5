"""Which windows a run reads."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl.errors import UsageError
from etl.model.feed import Feed
from etl.model.instants import CursorFormat, parse_instant, to_micros
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Incremental, Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.service.planning import plan_sync, read_bound, slice_bounds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(text: str) -> int:
    return to_micros(parse_instant(text))


def stream(incremental: Incremental | None, **params: str) -> Stream:
    return Stream(
        source="shop",
        name="orders",
        table="shop_orders",
        request=RequestTemplate(
            path=Template.parse("/orders"),
            params=tuple((name, Template.parse(text)) for name, text in params.items()),
        ),
        records=Records(path=Selector(SelectorKind.BODY, "data")),
        pages=Paging(kind=PagesKind.NONE),
        incremental=incremental,
    )


ISO = Incremental(field=("updated_at",), format=CursorFormat("iso"), start=at("2026-01-01"))


def test_a_stream_without_incremental_reads_the_whole_list() -> None:
    """One window without bounds."""
    assert plan_sync(stream(None), None, full=False, now=NOW).windows == (Window(),)


def test_the_first_run_begins_at_start_and_the_next_at_the_watermark_less_the_overlap() -> None:
    """The overlap is taken off when asking, not when the watermark moves."""
    incremental = Incremental(
        field=("updated_at",), format=CursorFormat("iso"), start=at("2026-01-01"), overlap=timedelta(days=1)
    )
    orders = stream(incremental, since="{start}")

    first = plan_sync(orders, None, full=False, now=NOW)
    second = plan_sync(orders, at("2026-02-10"), full=False, now=NOW)

    assert first.windows == (Window(start=at("2026-01-01")),)
    assert second.windows == (Window(start=at("2026-02-09")),)


def test_a_first_run_without_start_and_a_full_run_ask_for_everything() -> None:
    """No lower bound is sent, so that rows with a null cursor arrive too."""
    unbounded = Incremental(field=("updated_at",), format=CursorFormat("iso"))

    first = plan_sync(stream(unbounded, since="{start}"), None, full=False, now=NOW)
    full = plan_sync(stream(ISO, since="{start}"), at("2026-02-10"), full=True, now=NOW)

    assert first.windows == (Window(),)
    assert (full.windows, full.since) == ((Window(),), None)


def test_a_full_reading_in_steps_leaves_only_its_oldest_window_without_a_start() -> None:
    """Every window without a lower bound would read everything before it again: six windows, six times the rows."""
    incremental = Incremental(
        field=("updated_at",), format=CursorFormat("iso"), start=at("2026-01-01"), step=timedelta(days=30)
    )

    plan = plan_sync(stream(incremental, since="{start}", until="{end}"), at("2026-02-10"), full=True, now=NOW)

    assert plan.windows == (
        Window(end=at("2026-01-31")),
        Window(start=at("2026-01-31"), end=at("2026-03-01T12:00:00Z")),
    )


def test_a_request_with_an_end_is_frozen_at_now_less_the_delay() -> None:
    """Slices are repeatable: the upper bound does not move while a run goes on."""
    incremental = Incremental(
        field=("updated_at",), format=CursorFormat("iso"), start=at("2026-01-01"), delay=timedelta(hours=1)
    )

    plan = plan_sync(stream(incremental, since="{start}", until="{end}"), None, full=False, now=NOW)

    assert plan.windows == (Window(start=at("2026-01-01"), end=at("2026-03-01T11:00:00Z")),)


def test_a_step_cuts_the_interval_into_windows_side_by_side() -> None:
    """The last one is as short as it has to be."""
    incremental = Incremental(
        field=("updated_at",), format=CursorFormat("iso"), start=at("2026-01-01"), step=timedelta(days=30)
    )

    plan = plan_sync(stream(incremental, since="{start}", until="{end}"), None, full=False, now=NOW)

    assert plan.windows == (
        Window(start=at("2026-01-01"), end=at("2026-01-31")),
        Window(start=at("2026-01-31"), end=at("2026-03-01T12:00:00Z")),
    )


def test_a_request_without_start_reads_the_whole_list_whatever_the_watermark() -> None:
    """The API cannot filter: only what is older than `start` is left out, after the download."""
    windows = plan_sync(stream(ISO), at("2026-02-10"), full=False, now=NOW).windows

    assert windows == (Window(start=at("2026-01-01")),)
    assert plan_sync(stream(ISO), at("2026-02-10"), full=True, now=NOW).windows == (Window(),)


def test_number_cursors_go_back_by_units() -> None:
    """An overlap of 5 under a watermark of 100 asks from 95."""
    incremental = Incremental(field=("id",), format=CursorFormat("number"), start=0, overlap_units=5)

    assert plan_sync(stream(incremental, after="{start}"), 100, full=False, now=NOW).windows == (Window(start=95),)


def test_a_year_in_slices_of_thirty_days_is_thirteen_slices_without_gaps() -> None:
    """Neighbours share their bound; the last slice ends at the end."""
    bounds = slice_bounds(stream(ISO, since="{start}"), at("2025-01-01"), at("2026-01-01"), "30d")

    assert len(bounds) == 13
    assert all(left[1] == right[0] for left, right in itertools.pairwise(bounds))
    assert (bounds[0][0], bounds[-1][1]) == (at("2025-01-01"), at("2026-01-01"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-02-01", at("2026-02-01"), id="date"),
        pytest.param("2026-02-01T10:00:00+02:00", at("2026-02-01T08:00:00Z"), id="instant"),
        pytest.param("10d", at("2026-02-19T12:00:00Z"), id="that-long-ago"),
    ],
)
def test_bounds_are_read_as_people_type_them(text: str, expected: int) -> None:
    """Dates, instants and durations."""
    assert read_bound(stream(ISO), text, now=NOW) == expected


def test_a_bound_that_is_none_and_a_stream_without_a_past_are_usage_errors() -> None:
    """Nothing is sent; the message names what is possible."""
    with pytest.raises(UsageError, match="'yesterday-ish' is no bound of its cursor updated_at"):
        read_bound(stream(ISO), "yesterday-ish", now=NOW)
    with pytest.raises(UsageError, match="has no `incremental`"):
        slice_bounds(stream(None), 0, 1, None)


def test_a_feed_is_read_from_its_token_on() -> None:
    """Before there is one from its start, and with `--full` from where the API begins; a resume keeps its bounds."""
    token = Selector(SelectorKind.BODY, "last_seq")
    followed = replace(stream(None, since="{start}"), feed=Feed(token=token, start="0"))

    assert plan_sync(followed, "17", full=False, now=NOW).windows == (Window(start="17"),)
    assert plan_sync(followed, None, full=False, now=NOW).windows == (Window(start="0"),)
    assert plan_sync(followed, "17", full=True, now=NOW).windows == (Window(),)
    assert plan_sync(followed, "17", full=False, now=NOW, resumed=("9", None)).windows == (Window(start="9"),)


def test_a_feed_has_no_past_range() -> None:
    """A token tells no time."""
    followed = replace(stream(None, since="{start}"), feed=Feed(token=Selector(SelectorKind.BODY, "last_seq")))

    with pytest.raises(UsageError, match="followed by a token"):
        read_bound(followed, "2024-01-01", now=NOW)


SORTED = Order(by=(("updated_at",), ("id",)), unique=True)
HALF_OPEN = {"since": "{start}", "until": "{end}", "page": "{page}"}


def closing(**incremental: object) -> Stream:
    """A stream whose windows are proved by being over."""
    made = stream(Incremental(field=("updated_at",), format=CursorFormat("iso"), **incremental), **HALF_OPEN)
    return replace(made, key=(("id",),), order=SORTED, pages=Paging(kind=PagesKind.NUMBER, first=0))


def test_what_is_still_being_written_is_read_in_a_window_of_its_own() -> None:
    """Five minutes of lag and one for clocks that differ: everything before can only lose rows."""
    windows = plan_sync(closing(), at("2026-02-28"), full=False, now=NOW).windows

    assert windows == (
        Window(start=at("2026-02-28"), end=at("2026-03-01T11:54:00")),
        Window(start=at("2026-03-01T11:54:00"), end=at("2026-03-01T12:00:00")),
    )


def test_a_delay_as_long_as_the_lag_leaves_only_windows_that_are_over() -> None:
    """It is stretched to lag and slack, so that the server's clock agrees."""
    plan = plan_sync(closing(delay=timedelta(minutes=5)), at("2026-02-28"), full=False, now=NOW)

    assert plan.windows == (Window(start=at("2026-02-28"), end=at("2026-03-01T11:54:00")),)
    assert plan.until == at("2026-03-01T11:54:00")


@pytest.mark.parametrize("delay", [0, 2, 5, 60])
def test_a_resumed_reading_is_cut_where_it_was_cut_at_first(delay: int) -> None:
    """An hour later the same windows are asked for, or their committed pages would not be recognized."""
    orders = closing(delay=timedelta(minutes=delay), step=timedelta(days=1))
    first = plan_sync(orders, at("2026-02-26"), full=False, now=NOW)

    again = plan_sync(
        orders, at("2026-02-26"), full=False, now=NOW + timedelta(hours=1), resumed=(first.since, first.until)
    )

    assert again == first


def test_a_full_reading_of_closed_windows_keeps_what_is_before_their_start_apart() -> None:
    """A window without a start may gain rows that have no cursor; it is never over."""
    windows = plan_sync(closing(start=at("2026-01-01")), None, full=True, now=NOW).windows

    assert windows[:2] == (
        Window(end=at("2026-01-01")),
        Window(start=at("2026-01-01"), end=at("2026-03-01T11:54:00")),
    )
