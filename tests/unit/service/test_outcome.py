"""How the windows of a reading become a status, an exit code, and a move of the watermark."""

from __future__ import annotations

import pytest

from etl.errors import AuthRefused, GaveUp, LeaseHeld, LeaseLost
from etl.model.run import Counts, RunStatus
from etl.model.stream import Expect
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.pipeline import Reading, WindowReading
from etl.service.outcome import conclude, failed

CONSISTENT = Judgement(verdict=Verdict.CONSISTENT, reason="4 of 4")
MISSING = Judgement(verdict=Verdict.INCOMPLETE, reason="3 of 4 rows")


def whole(judgement: Judgement) -> Reading:
    return Reading(windows=[WindowReading(window=Window(), judgement=judgement)])


def test_a_consistent_reading_succeeds_and_moves_the_watermark() -> None:
    """The common case."""
    outcome = conclude(whole(CONSISTENT), Counts(fetched=4), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code, outcome.moves_watermark) == (RunStatus.SUCCEEDED, 0, True)


def test_strict_turns_consistent_into_exit_5_without_holding_the_watermark() -> None:
    """Strictness is about the exit code; the rows are as good as without it."""
    outcome = conclude(whole(CONSISTENT), Counts(fetched=4), Expect(), strict=True)

    assert (outcome.exit_code, outcome.moves_watermark) == (5, True)


def test_strict_says_why_a_clean_reading_is_refused() -> None:
    """`✘ 996 of 996; first and last page unchanged` named no cause."""
    outcome = conclude(whole(CONSISTENT), Counts(fetched=4), Expect(), strict=True)

    assert outcome.reason == f"--strict wants verified, this is consistent: {CONSISTENT.reason}"
    assert "order" in outcome.hint


def test_of_several_windows_the_weakest_speaks_and_says_that_it_is_one_of_them() -> None:
    """`850 of 850` beside 997 fetched rows looked like a loss."""
    windows = [
        WindowReading(window=Window(end=10), judgement=Judgement(verdict=Verdict.VERIFIED, reason="147 of 147")),
        WindowReading(window=Window(start=10, end=20), judgement=CONSISTENT),
    ]

    outcome = conclude(Reading(windows=windows), Counts(fetched=151), Expect(), strict=False)

    assert (outcome.verdict, outcome.reason) == (Verdict.CONSISTENT, "2 windows, the weakest: 4 of 4")


def test_an_incomplete_reading_holds_the_watermark() -> None:
    """What is missing must be asked for again."""
    outcome = conclude(whole(MISSING), Counts(fetched=4), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code, outcome.moves_watermark) == (RunStatus.INCOMPLETE, 5, False)
    assert outcome.reason == "3 of 4 rows"


def test_a_failed_window_pins_the_watermark_at_its_start() -> None:
    """Later windows stay committed; the watermark never passes the hole."""
    reading = Reading(
        windows=[
            WindowReading(window=Window(start=0, end=10), judgement=CONSISTENT),
            WindowReading(window=Window(start=10, end=20), failure=GaveUp("page:1 gave up")),
            WindowReading(window=Window(start=20, end=30), judgement=CONSISTENT),
        ]
    )

    outcome = conclude(reading, Counts(), Expect(), strict=False)

    assert (outcome.exit_code, outcome.moves_watermark, outcome.pin) == (5, True, 10)
    assert outcome.reason == "1 of 3 windows failed: page:1 gave up"


def test_a_failed_first_window_without_a_start_holds_the_watermark() -> None:
    """There is nothing below an unbounded window that could be kept."""
    reading = Reading(
        windows=[
            WindowReading(window=Window(end=10), failure=GaveUp("gave up")),
            WindowReading(window=Window(start=10, end=20), judgement=CONSISTENT),
        ]
    )

    assert conclude(reading, Counts(), Expect(), strict=False).moves_watermark is False


def test_a_stream_whose_only_window_failed_is_failed_with_the_cause() -> None:
    """Exit 4, and the reason is the error's own line."""
    reading = Reading(windows=[WindowReading(window=Window(), failure=GaveUp("GET x gave up", why="503 six times"))])

    outcome = conclude(reading, Counts(), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 4)
    assert outcome.reason == "GET x gave up: 503 six times"


def test_a_run_cut_as_asked_is_incomplete_with_exit_0() -> None:
    """`--limit` and `--max-pages` ask for less than everything; that is no failure and moves nothing."""
    outcome = conclude(Reading(partial=True), Counts(), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code, outcome.moves_watermark) == (RunStatus.INCOMPLETE, 0, False)


@pytest.mark.parametrize(
    ("counts", "expect", "reason"),
    [
        pytest.param(
            Counts(fetched=100, rejected=2),
            Expect(),
            "2 of 100 items were rejected (2.0%), more than expect.max_reject_share = 1.0%",
            id="too-many-rejects",
        ),
        pytest.param(Counts(fetched=3), Expect(min_rows=10), "3 rows came, expect.min_rows is 10", id="too-few-rows"),
        pytest.param(
            Counts(fetched=4),
            Expect(complete="verified"),
            "the verdict is consistent (4 of 4), expect.complete asks for verified",
            id="verdict-too-weak",
        ),
    ],
)
def test_a_broken_expectation_ends_with_5_and_holds_the_watermark(counts: Counts, expect: Expect, reason: str) -> None:
    """A success can still be bad; the same rows are asked for again after the fix."""
    outcome = conclude(whole(CONSISTENT), counts, expect, strict=False)

    assert (outcome.exit_code, outcome.moves_watermark, outcome.reason) == (5, False, reason)


def test_errors_that_end_a_stream_keep_their_exit_code_and_status() -> None:
    """A lost lease is `fenced`, a held one `refused`, everything else `failed`."""
    assert (failed(LeaseLost("x")).status, failed(LeaseLost("x")).exit_code) == (RunStatus.FENCED, 7)
    assert (failed(LeaseHeld("x")).status, failed(LeaseHeld("x")).exit_code) == (RunStatus.REFUSED, 7)
    assert (failed(AuthRefused("x")).status, failed(AuthRefused("x")).exit_code) == (RunStatus.FAILED, 4)
