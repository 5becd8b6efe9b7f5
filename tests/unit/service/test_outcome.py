"""How the windows of a reading become a status, an exit code, and a move of the watermark."""

from __future__ import annotations

from dataclasses import replace

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


def read(*windows: WindowReading, by_member: bool = True) -> Reading:
    reading = Reading(by_member=by_member)
    for window in windows:
        reading.take(window)
    return reading


def whole(judgement: Judgement) -> Reading:
    return read(WindowReading(window=Window(), judgement=judgement))


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

    outcome = conclude(read(*windows), Counts(fetched=151), Expect(), strict=False)

    assert (outcome.verdict, outcome.reason) == (Verdict.CONSISTENT, "2 windows, the weakest: 4 of 4")


def test_an_incomplete_reading_holds_the_watermark() -> None:
    """What is missing must be asked for again."""
    outcome = conclude(whole(MISSING), Counts(fetched=4), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code, outcome.moves_watermark) == (RunStatus.INCOMPLETE, 5, False)
    assert outcome.reason == "3 of 4 rows"


def test_a_failed_window_pins_the_watermark_at_its_start() -> None:
    """Later windows stay committed; the watermark never passes the hole."""
    reading = read(
        WindowReading(window=Window(start=20, end=30), judgement=CONSISTENT),
        WindowReading(window=Window(start=10, end=20), failure=GaveUp("page:1 gave up")),
        WindowReading(window=Window(start=0, end=10), judgement=CONSISTENT),
    )

    outcome = conclude(reading, Counts(), Expect(), strict=False)

    assert (outcome.exit_code, outcome.moves_watermark, reading.members[""].gap) == (5, True, 10)
    assert outcome.reason == "1 of 3 windows failed: page:1 gave up"


def test_a_failed_first_window_without_a_start_holds_the_watermark() -> None:
    """There is nothing below an unbounded window that could be kept."""
    reading = read(
        WindowReading(window=Window(start=10, end=20), judgement=CONSISTENT),
        WindowReading(window=Window(end=10), failure=GaveUp("gave up")),
    )

    assert conclude(reading, Counts(), Expect(), strict=False).moves_watermark is False


def test_a_stream_whose_only_window_failed_is_failed_with_the_cause() -> None:
    """Exit 4, and the reason is the error's own line."""
    reading = read(WindowReading(window=Window(), failure=GaveUp("GET x gave up", why="503 six times")))

    outcome = conclude(reading, Counts(), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 4)
    assert outcome.reason == "GET x gave up: 503 six times"


def of(member: str, *, judgement: Judgement | None = None, failure: GaveUp | None = None) -> WindowReading:
    return WindowReading(window=Window(member=member, start=1), judgement=judgement, failure=failure)


def test_of_several_members_the_weakest_speaks_by_its_name() -> None:
    """The stream claims what its weakest member can claim."""
    reading = read(of("a", judgement=replace(CONSISTENT, verdict=Verdict.VERIFIED)), of("b", judgement=CONSISTENT))

    outcome = conclude(reading, Counts(fetched=4), Expect(), strict=False)

    assert (outcome.verdict, outcome.reason) == (Verdict.CONSISTENT, "2 members, the weakest b: 4 of 4")


def test_a_failed_member_pins_only_its_own_watermark() -> None:
    """The others are as complete as without it; the reason names it, and how many there are."""
    reading = read(of("a", judgement=CONSISTENT), of("b", failure=GaveUp("503")), of("c", judgement=CONSISTENT))

    outcome = conclude(reading, Counts(fetched=4), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code, outcome.moves_watermark) == (RunStatus.INCOMPLETE, 5, True)
    assert outcome.reason == "1 of 3 members failed, the first b: 503"
    assert {name: member.has_gap for name, member in reading.members.items()} == {"a": False, "b": True, "c": False}


@pytest.mark.parametrize("by_member", [True, False])
def test_a_stream_all_of_whose_members_failed_is_failed(by_member: bool) -> None:
    """Exit 4, as for a list that failed; with or without a watermark a member."""
    windows = [of("a", failure=GaveUp("503")), of("b", failure=GaveUp("504"))]

    outcome = conclude(read(*windows, by_member=by_member), Counts(), Expect(), strict=False)

    assert (outcome.status, outcome.exit_code) == (RunStatus.FAILED, 4)
    assert outcome.reason == "all 2 members failed, the first a: 503"


def test_a_member_that_is_gone_is_counted_and_no_failure() -> None:
    """The row it came from was deleted since; its list is complete, for there is none."""
    gone = WindowReading(window=Window(member="b", may_be_gone=True), gone=True)

    outcome = conclude(read(of("a", judgement=CONSISTENT), gone), Counts(fetched=4), Expect(), strict=False)

    assert (outcome.status, outcome.reason) == (RunStatus.SUCCEEDED, "4 of 4; 1 member is gone")


def test_a_stream_without_a_cursor_keeps_sums_and_no_members() -> None:
    """Ten thousand members cost no memory where nothing hangs on them one by one."""
    reading = read(*(of(str(n), judgement=CONSISTENT) for n in range(10_000)), by_member=False)

    assert (reading.count, reading.members) == (10_000, {})


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


def test_a_list_that_did_not_change_brings_no_rows_and_needs_none() -> None:
    """The rows that `expect.min_rows` asks for came in an earlier run; where something came, it is asked for."""
    unchanged = read(WindowReading(window=Window(start="e1"), judgement=CONSISTENT, unchanged=True))

    assert conclude(unchanged, Counts(), Expect(min_rows=1), strict=False).status is RunStatus.SUCCEEDED
    assert conclude(whole(CONSISTENT), Counts(), Expect(min_rows=1), strict=False).exit_code == 5
