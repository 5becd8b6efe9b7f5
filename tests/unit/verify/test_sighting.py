"""An order that nobody declared and all pages kept: which line is proposed, and when none is."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from etl.model.page import PageFacts, PageRequest, SortedBy
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.verify import prove
from etl.verify.sighting import OrderSeen

STREAM = Stream(
    source="shop",
    name="items",
    table="shop_items",
    request=RequestTemplate(path=Template.parse("/items")),
    records=Records(path=Selector(SelectorKind.BODY, "items")),
    pages=Paging(kind=PagesKind.OFFSET, first=0),
    key=(("id",),),
)
UP = frozenset({SortedBy.KEY})
Key = int | str


def page(ordinal: int, first: Key, last: Key, ways: frozenset[SortedBy] = UP) -> tuple[PageRequest, PageFacts]:
    spelled = [f'"{key}"' if isinstance(key, str) else str(key) for key in (first, last)]
    digest = f"{first}{last}".encode()[:8].ljust(8, b"-")
    return (
        PageRequest(window=Window(), position=f"offset:{ordinal}", ordinal=ordinal, offset=ordinal),
        PageFacts(
            count=2, first_key=spelled[0], last_key=spelled[1], key_digests=2 * digest, digest=digest, sorted_by=ways
        ),
    )


def line(stream: Stream, *pages: tuple[PageRequest, PageFacts]) -> str:
    seen = OrderSeen()
    for request, facts in pages:
        seen.saw(request, facts)
    return seen.line(stream)


PAGES = (page(0, 1, 3), page(1, 4, 6), page(2, 7, 9))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_ascending_key_is_proposed_in_whatever_order_pages_come(order: tuple[int, ...]) -> None:
    """What matters is the place of a page, and its neighbours."""
    assert line(STREAM, *(PAGES[place] for place in order)) == "order: {by: id, unique: true, immutable: true}"


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param((PAGES[0],), id="one-page-shows-nothing"),
        pytest.param((PAGES[0], page(1, 3, 6)), id="a-row-came-twice"),
        pytest.param((PAGES[0], page(1, 4, 6, frozenset())), id="one-page-is-not-sorted"),
        pytest.param((PAGES[0], page(1, 9, 11), page(2, 7, 8)), id="a-page-goes-back"),
    ],
)
def test_an_order_that_was_broken_once_is_not_proposed(pages: tuple[tuple[PageRequest, PageFacts], ...]) -> None:
    """Inside a page or from one to the next."""
    assert line(STREAM, *pages) == ""


def test_text_is_proposed_with_the_comparison_it_was_seen_in() -> None:
    """Byte by byte; another collation would sort it otherwise."""
    found = line(STREAM, page(0, "a", "c"), page(1, "d", "f"))

    assert found == "order: {by: id, unique: true, immutable: true, collation: binary}"


def test_a_descending_key_is_proposed_with_its_direction() -> None:
    """Newest first."""
    down = frozenset({SortedBy.KEY_DOWN})

    found = line(STREAM, page(0, 9, 7, down), page(1, 6, 4, down))

    assert found == "order: {by: id, unique: true, immutable: true, direction: desc}"


def test_nothing_is_proposed_that_would_not_help() -> None:
    """A chain of opaque cursors cannot be proved by any order."""
    chain = replace(STREAM, pages=Paging(kind=PagesKind.CURSOR, next=Selector(SelectorKind.BODY, "next")))

    assert line(chain, *PAGES) == ""


def test_what_is_remembered_does_not_grow_with_the_pages() -> None:
    """A page goes when both its neighbours have come."""
    seen = OrderSeen()
    for ordinal in range(1000):
        seen.saw(*page(ordinal, 10 * ordinal, 10 * ordinal + 9))

    assert len(seen._ends) <= 3


def test_the_run_says_which_line_would_make_it_verified() -> None:
    """In the hint, and only where it is a promise that is missing: the verdict stays what it was."""
    proof = prove(STREAM, Window())
    for request, facts in PAGES:
        proof.saw(request, facts)

    assert proof.judge(None).hint == (
        "this order was seen; if the API promises it, runs can be verified: "
        "order: {by: id, unique: true, immutable: true}"
    )
