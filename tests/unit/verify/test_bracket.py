"""Bracket: what the last page may show, and totals that lie."""

from __future__ import annotations

import pytest

from etl.extract.pagination import strategy
from etl.model.page import PageFacts, PageRequest
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.verdict import Judgement, Verdict
from etl.model.window import Window
from etl.verify import prove

STREAM = Stream(
    source="shop",
    name="items",
    table="shop_items",
    request=RequestTemplate(path=Template.parse("/items"), params=(("page", Template.parse("{page}")),)),
    records=Records(path=Selector(SelectorKind.BODY, "items")),
    pages=Paging(kind=PagesKind.NUMBER, first=0, size=10, total_rows=Selector(SelectorKind.BODY, "total")),
    key=(("id",),),
    order=Order(by=(("id",),), append_only=True),
)


def read(
    rows: int, total: int, past_end: str = "empty", loses_a_page_after: int | None = None, *, told_first: bool = False
) -> tuple[Judgement, set[int], list[str]]:
    """A list that holds `rows` and tells `total`, read until nothing is asked for any more.

    Quiet, unless its first ten rows are deleted after some answers.
    """
    pages, proof, keys, asked = strategy(STREAM), prove(STREAM, Window()), set[int](), []

    def answer(request: PageRequest) -> PageFacts:
        assert request.page is not None
        there = range(10 if loses_a_page_after is not None and len(asked) >= loses_a_page_after else 0, rows)
        page = request.page
        if page * 10 >= len(there):
            page = {"empty": page, "last": (len(there) - 1) // 10, "first": 0}[past_end]
        found = list(there[page * 10 : page * 10 + 10])
        keys.update(found)
        asked.append(request.position)
        digests = b"".join(key.to_bytes(8, "big") for key in found)
        first = str(found[0]) if found else None
        told = None if told_first and request.ordinal else total - there.start
        return PageFacts(
            count=len(found), first_key=first, key_digests=digests, digest=digests[:8] or b"-", total_rows=told
        )

    open_requests = [pages.first(Window())]
    while open_requests:
        while open_requests:
            request = open_requests.pop(0)
            facts = answer(request)
            proof.saw(request, facts)
            if request.purpose != "probe":
                named = list(pages.following(request, facts))
                open_requests += [
                    page if page.attempt or not request.attempt else _in_pass(page, request) for page in named
                ]
            assert len(asked) < 200, "endless"
        open_requests = list(proof.probes())
        if not open_requests:
            judgement = proof.judge(len(keys))
            open_requests = list(proof.repairs())
    return judgement, keys, asked


def _in_pass(page: PageRequest, like: PageRequest) -> PageRequest:
    from dataclasses import replace

    return replace(page, attempt=like.attempt, purpose=like.purpose)


@pytest.mark.parametrize("past_end", ["last", "first", "empty"])
@pytest.mark.parametrize("after", range(1, 9))
def test_a_page_of_rows_deleted_on_a_server_that_repeats_its_last_page(past_end: str, after: int) -> None:
    """The last page became the one before it and came again past the end, with the first row it had: a row was lost."""
    judgement, keys, _ = read(57, 57, past_end, loses_a_page_after=after)

    assert judgement.verdict is Verdict.VERIFIED
    assert keys >= set(range(10, 57))


def test_a_total_that_only_the_first_page_tells_is_no_bracket() -> None:
    """Nothing says that the closing look met the last page and not a repetition: the pass backwards is the proof."""
    judgement, keys, _ = read(57, 57, told_first=True)

    assert judgement == Judgement(verdict=Verdict.VERIFIED, reason="read backwards, one page after the other")
    assert keys == set(range(57))


@pytest.mark.parametrize("rows", [11, 15, 20, 57, 60])
def test_a_quiet_list_is_verified_with_three_requests_more_at_most(rows: int) -> None:
    """The first page again, the last page again, and what is beyond a full last page."""
    judgement, keys, asked = read(rows, rows)

    assert judgement.verdict is Verdict.VERIFIED
    assert keys == set(range(rows))
    assert len(asked) <= -(-rows // 10) + 3


@pytest.mark.parametrize("total", [20, 25, 30])
def test_a_total_that_tells_too_little_leaves_no_row_behind_and_proves_nothing_by_itself(total: int) -> None:
    """57 rows where 20 are told: the pass backwards once began in their middle, and called that verified."""
    judgement, keys, _ = read(57, total)

    assert keys == set(range(57)), sorted(set(range(57)) - keys)
    assert judgement.verdict is not Verdict.INCOMPLETE


def test_a_total_that_tells_too_much_is_incomplete() -> None:
    """Rows that are counted and not shown are known to be missing."""
    judgement, keys, _ = read(25, 60)

    assert (judgement.verdict, judgement.reason) == (Verdict.INCOMPLETE, "25 of 60 rows")
    assert keys == set(range(25))


@pytest.mark.parametrize("past_end", ["last", "first"])
@pytest.mark.parametrize("rows", [20, 57, 60])
def test_a_server_that_repeats_a_page_past_its_end_is_verified_as_well(rows: int, past_end: str) -> None:
    """Behind a full last page comes one that was met before: as good as an empty one, and no reason to read on."""
    judgement, keys, asked = read(rows, rows, past_end)

    assert judgement.verdict is Verdict.VERIFIED
    assert keys == set(range(rows))
    assert len(asked) <= -(-rows // 10) + 3


@pytest.mark.parametrize("past_end", ["last", "first"])
def test_a_total_that_tells_too_little_does_not_hide_rows_behind_a_repeated_page(past_end: str) -> None:
    """The page behind the told ones holds rows of its own: they are read, whatever comes after them."""
    judgement, keys, _ = read(45, 20, past_end)

    assert keys == set(range(45))
    assert judgement.verdict is not Verdict.INCOMPLETE
