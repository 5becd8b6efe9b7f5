"""The cheap checks: what agrees, what disagrees, and what is known to be missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.verify.checks import CheapChecks

NUMBERED = Paging(kind=PagesKind.NUMBER, total_rows=Selector(SelectorKind.BODY, "total"))


def request(page: int, **changes: object) -> PageRequest:
    return replace(PageRequest(window=Window(), position=f"page:{page}", ordinal=page, page=page), **changes)


def facts(*keys: int, total: int | None = None, **more: object) -> PageFacts:
    digests = b"".join(key.to_bytes(8, "big") for key in keys)
    return PageFacts(count=len(keys), key_digests=digests, digest=digests[:8], total_rows=total, **more)


def read(checks: CheapChecks, *pages: PageFacts, attempt: int = 0) -> None:
    purpose = Purpose.REPAIR if attempt else Purpose.READ
    for number, page in enumerate(pages):
        checks.saw(request(number, attempt=attempt, purpose=purpose), page)


def answer_probes(checks: CheapChecks, *answers: PageFacts) -> None:
    for probe, answer in zip(checks.probes(), answers, strict=True):
        checks.saw(probe, answer)


def test_a_quiet_numbered_list_is_consistent_after_two_probes() -> None:
    """First and last page are read again; the total and the distinct keys agree; no proof is claimed."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, facts(1, 2, total=4), facts(3, 4, total=4))

    answer_probes(checks, facts(1, 2, total=4), facts(3, 4, total=4))

    assert checks.judge(4) == Judgement(verdict=Verdict.CONSISTENT, reason="4 of 4; first and last page unchanged")
    assert checks.repairs() == ()


def test_probes_ask_for_the_first_and_the_last_page_and_only_once() -> None:
    """At most two requests are spent on the checks of a pass."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, facts(1, 2, total=5), facts(3, 4, total=5), facts(5, total=5))

    probes = checks.probes()

    assert [(probe.page, probe.purpose, probe.attempt) for probe in probes] == [(0, "probe", 1), (2, "probe", 1)]
    assert checks.probes() == ()


def test_the_page_that_said_it_was_the_last_counts_although_pages_beyond_it_were_asked_for_ahead() -> None:
    """Reading ahead brought an empty page after it, and the verdict fell to `assumed`."""
    checks = CheapChecks(Paging(kind=PagesKind.NUMBER, more=Selector(SelectorKind.BODY, "next")), has_key=True)
    read(checks, facts(1, 2, more=True), facts(3, 4, more=False), facts(refused=404))

    answer_probes(checks, facts(1, 2, more=True), facts(3, 4, more=False))

    assert checks.judge(None) == Judgement(
        verdict=Verdict.CONSISTENT,
        reason="first and last page unchanged; the API said it was the last page; the API tells no total",
    )


def test_one_response_that_holds_as_many_rows_as_it_tells_is_verified() -> None:
    """Nothing can move between the pages of a list that came in one piece."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, facts(1, 2, 3, total=3))

    assert checks.probes() == ()
    assert checks.judge(3).verdict is Verdict.VERIFIED


def test_fewer_distinct_keys_than_the_lowest_total_are_incomplete() -> None:
    """A row that came twice stands for one that did not come at all."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, facts(1, 2, total=4), facts(2, 3, total=4))

    assert checks.judge(3) == Judgement(verdict=Verdict.INCOMPLETE, reason="3 of 4 rows")


def test_a_reject_without_a_readable_key_counts_as_delivered() -> None:
    """It is stored among the rejects, so it is not missing."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, replace(facts(1, 2, 3, total=4), count=4))

    assert checks.judge(3).verdict is Verdict.VERIFIED


def test_a_changed_total_asks_for_another_pass_and_ends_consistent_when_that_is_quiet() -> None:
    """What moved is unknown without a declared order, so the whole list is read again."""
    checks = CheapChecks(NUMBERED, has_key=True)
    read(checks, facts(1, 2, total=4), facts(3, 4, total=5))
    answer_probes(checks, facts(1, 2, total=5), facts(3, 4, total=5))

    assert checks.judge(5).verdict is Verdict.ASSUMED
    (again,) = checks.repairs()
    assert (again.page, again.purpose, again.attempt) == (0, "repair", 2)

    read(checks, facts(1, 2, total=5), facts(3, 4, 5, total=5), attempt=2)
    answer_probes(checks, facts(1, 2, total=5), facts(3, 4, 5, total=5))
    assert checks.judge(5).verdict is Verdict.CONSISTENT


def test_a_list_that_never_rests_is_assumed_after_three_passes() -> None:
    """The budget of repairs ends; the verdict says that the checks still disagree."""
    checks = CheapChecks(NUMBERED, has_key=True)
    for attempt in (0, 2, 4):
        read(checks, facts(1, 2, total=4), facts(3, 4, total=4), attempt=attempt)
        answer_probes(checks, facts(9, 1, total=4), facts(3, 4, total=4))
        judgement = checks.judge(4)

    assert judgement == Judgement(
        verdict=Verdict.ASSUMED, reason="the list moved while it was read: the first page changed"
    )
    assert checks.repairs() == ()


@pytest.mark.parametrize(
    ("paging", "last", "verdict", "reason"),
    [
        pytest.param(
            Paging(kind=PagesKind.LINK),
            facts(3),
            Verdict.CONSISTENT,
            "no next link; the API tells no total",
            id="link-ended-by-the-api",
        ),
        pytest.param(
            Paging(kind=PagesKind.CURSOR),
            facts(3),
            Verdict.CONSISTENT,
            "no next cursor; the API tells no total",
            id="cursor-ended-by-the-api",
        ),
        pytest.param(
            Paging(kind=PagesKind.CURSOR),
            facts(),
            Verdict.ASSUMED,
            "the only sign of the end was a short or an empty page",
            id="cursor-ended-by-an-empty-page",
        ),
        pytest.param(
            Paging(kind=PagesKind.CURSOR, more=Selector(SelectorKind.BODY, "has_more")),
            facts(3, more=False),
            Verdict.CONSISTENT,
            "the API said it was the last page; the API tells no total",
            id="end-flag",
        ),
        pytest.param(
            Paging(kind=PagesKind.NUMBER),
            facts(3),
            Verdict.ASSUMED,
            "the only sign of the end was a short or an empty page; first and last page unchanged",
            id="numbered-without-total",
        ),
    ],
)
def test_the_sign_of_the_end_decides_how_much_can_be_claimed(
    paging: Paging, last: PageFacts, verdict: Verdict, reason: str
) -> None:
    """A short page may be an accident of a filter; the API's own word is stronger."""
    checks = CheapChecks(paging, has_key=True)
    read(checks, facts(1, 2, next_cursor="b", next_link="/2", more=True if paging.more else None), last)
    for probe in checks.probes():
        checks.saw(probe, facts(1, 2) if probe.ordinal == 0 else last)

    judgement = checks.judge(None)

    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_a_list_at_the_cap_of_the_api_is_incomplete() -> None:
    """1,000 of who knows how many: the API never lists more of one query."""
    checks = CheapChecks(Paging(kind=PagesKind.CURSOR, cap=4), has_key=True)
    read(checks, facts(1, 2), facts(3, 4))

    judgement = checks.judge(4)

    assert (judgement.verdict, judgement.capped) == (Verdict.INCOMPLETE, True)
    assert judgement.reason == "the API lists at most 4 rows of one query"
    assert checks.repairs() == ()


def test_a_chain_that_reached_max_pages_is_incomplete_and_not_read_again() -> None:
    """A bound of the configuration ends the chain, never as a success."""
    checks = CheapChecks(Paging(kind=PagesKind.NUMBER, max_pages=2), has_key=True)
    read(checks, facts(1, 2), facts(3, 4))

    assert checks.judge(None) == Judgement(verdict=Verdict.INCOMPLETE, reason="stopped by max_pages = 2")
    assert checks.repairs() == ()


def test_a_refusal_that_may_be_a_depth_limit_is_told_as_such() -> None:
    """400 and 422 end some lists, and cut others; the reason leaves it to the reader."""
    checks = CheapChecks(Paging(kind=PagesKind.NUMBER), has_key=True)
    read(checks, facts(1, 2), facts(refused=422))
    for probe in checks.probes():
        checks.saw(probe, facts(1, 2))

    judgement = checks.judge(None)

    assert judgement.verdict is Verdict.ASSUMED
    assert judgement.reason.startswith("the API refused the next page (422), which may be its end or its depth limit")


def test_an_inclusive_chain_counts_the_row_that_comes_again_once() -> None:
    """Three pages of two rows hold four: the total of four agrees."""
    paging = Paging(kind=PagesKind.CURSOR, total_rows=Selector(SelectorKind.BODY, "total"), inclusive=True)
    checks = CheapChecks(paging, has_key=True, overlap=1)
    read(checks, facts(1, 2, total=4), facts(2, 3, total=4), facts(3, 4, total=4), facts(4, total=4))

    judged = checks.judge(4)

    assert (judged.verdict, judged.reason) == (Verdict.CONSISTENT, "4 of 4; no next cursor")


def test_a_list_that_did_not_change_is_consistent_and_not_capped() -> None:
    """A 304 is one page without rows; that is neither a short list nor the end of what `max_pages` allows."""
    checks = CheapChecks(Paging(kind=PagesKind.NONE, max_pages=1), has_key=True)
    read(checks, PageFacts(count=0, unchanged=True))

    judged = checks.judge(None)

    assert (judged.verdict, judged.reason) == (Verdict.CONSISTENT, "not changed since the last reading (304)")
    assert (checks.probes(), checks.repairs()) == ((), ())
