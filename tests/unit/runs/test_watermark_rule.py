"""The rule that moves a watermark: capped by the first answer, less the lag, never back."""

from datetime import UTC, datetime, timedelta

import pytest

from etl.model.instants import CursorKind, to_micros
from etl.runs.cursors import cursor_text, new_run_id, read_cursor
from etl.runs.watermark import WatermarkStep, advance, next_since

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def at(**delta):
    return to_micros(NOON + timedelta(**delta))


def step(max_seen, *, lag=timedelta(minutes=5), pin=None, kind=CursorKind.INSTANT):
    return WatermarkStep(kind=kind, max_seen=max_seen, lag=lag, pin=pin)


def test_a_first_watermark_is_what_was_seen_less_the_lag():
    assert advance(step(at(minutes=-30)), None, NOON) == at(minutes=-35)


def test_a_row_of_the_year_2999_does_not_carry_it_past_the_first_answer():
    future = to_micros(datetime(2999, 1, 1, tzinfo=UTC))
    assert advance(step(future), None, NOON) == at(minutes=-5)


def test_the_upper_bound_is_floored_to_the_second():
    assert advance(step(at(hours=1), lag=timedelta(0)), None, NOON.replace(microsecond=999_999)) == at()


def test_it_never_goes_back():
    assert advance(step(at(minutes=-30)), at(minutes=-10), NOON) == at(minutes=-10)


def test_nothing_seen_leaves_it_unchanged():
    assert advance(step(None), at(minutes=-10), NOON) == at(minutes=-10)
    assert advance(step(None), None, NOON) is None


def test_it_stays_below_the_first_window_that_is_not_complete():
    assert advance(step(at(minutes=-30), pin=at(hours=-3)), None, NOON) == at(hours=-3)


def test_numbers_move_to_the_largest_without_lag():
    assert advance(step(41, kind=CursorKind.NUMBER), 17, NOON) == 41
    assert advance(step(9, kind=CursorKind.NUMBER), 17, NOON) == 17


def test_texts_move_in_the_order_of_their_bytes():
    assert advance(step("b", kind=CursorKind.TEXT), "a9", NOON) == "b"


def test_the_next_reading_begins_before_the_watermark_by_the_overlap():
    assert next_since(at(), timedelta(hours=1)) == at(hours=-1)
    assert next_since(100, 7) == 93
    assert next_since("token", 7) == "token"
    assert next_since(None, 7) is None


@pytest.mark.parametrize(
    ("cursor", "kind"),
    [(-5, CursorKind.NUMBER), (at(), CursorKind.INSTANT), ("007", CursorKind.TEXT), (None, CursorKind.TEXT)],
)
def test_a_stored_cursor_comes_back_as_it_was(cursor, kind):
    assert read_cursor(cursor_text(cursor), kind) == cursor


def test_run_ids_sort_by_time():
    earlier, later = new_run_id(NOON), new_run_id(NOON + timedelta(milliseconds=1))
    assert len(earlier) == 26
    assert earlier < later


def test_a_token_is_taken_as_it_is():
    """`9` may well come after `10`: tokens are the API's own, and are not compared."""
    opaque = WatermarkStep(kind=CursorKind.TEXT, max_seen="9", opaque=True)

    assert advance(opaque, "10", NOON) == "9"
    assert advance(WatermarkStep(kind=CursorKind.TEXT, max_seen=None, opaque=True), "10", NOON) == "10"
