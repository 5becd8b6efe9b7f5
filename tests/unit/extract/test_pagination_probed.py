"""Numbered pages with a small page across each boundary: which requests are named, and when."""

from __future__ import annotations

import pytest

from etl.extract.pagination import strategy
from etl.model.page import PageFacts, Purpose
from etl.model.proof import ProofMode, proof_of
from etl.model.stream import Order

FIXED = Order(by=(("id",),), unique=True, immutable=True)


@pytest.fixture
def stream(kit):
    return kit.stream(
        params={"page": "{page}", "per_page": "{size}"}, pages=kit.paging("number", first=1, size=10), order=FIXED
    )


def test_a_fixed_order_with_a_variable_size_is_probed(kit, stream):
    """Without `{size}` in the request, or without a unique and immutable order, it is not."""
    assert proof_of(stream) is ProofMode.PROBES
    rigid = kit.stream(params={"page": "{page}"}, pages=kit.paging("number", first=1, size=10), order=FIXED)
    assert proof_of(rigid) is ProofMode.CHECKS
    loose = kit.stream(
        params={"page": "{page}", "per_page": "{size}"},
        pages=kit.paging("number", first=1, size=10),
        order=Order(by=(("id",),), unique=True),
    )
    assert proof_of(loose) is ProofMode.CHECKS


def test_the_first_boundary_is_asked_for_before_all_others(kit, stream):
    """It tells whether the API gives pages of another size at all. It is read as a page, so that it names the rest."""
    pages = strategy(stream)

    (opener,) = pages.following(pages.first(kit.window), kit.facts(10, total_rows=40))

    assert (opener.position, opener.page, opener.size, opener.purpose) == ("page:3:4", 3, 4, Purpose.READ)


def test_pages_and_boundaries_are_named_in_turn(kit, stream):
    """A probe right beside the pages it joins: little can move between them. The first boundary was read."""
    pages = strategy(stream)
    (opener,) = pages.following(pages.first(kit.window), kit.facts(10, total_rows=40))

    named = list(pages.following(opener, kit.facts(3, total_rows=40)))

    assert [(request.position, request.ordinal, request.purpose) for request in named] == [
        ("page:2", 1, Purpose.READ),
        ("page:3", 2, Purpose.READ),
        ("page:7:3", 2, Purpose.PROBE),
        ("page:4", 3, Purpose.READ),
        ("page:8:4", 3, Purpose.PROBE),
    ]


@pytest.mark.parametrize("answer", [PageFacts(count=10, total_rows=40), PageFacts(count=0, refused=422)])
def test_an_api_that_gives_one_size_only_is_asked_for_plain_pages(kit, stream, answer):
    """The small page came with ten rows, or not at all."""
    pages = strategy(stream)
    (opener,) = pages.following(pages.first(kit.window), kit.facts(10, total_rows=40))

    assert [request.position for request in pages.following(opener, answer)] == ["page:2", "page:3", "page:4"]


def test_a_page_that_looks_like_another_does_not_end_the_list_when_it_was_asked_for_in_another_size(kit, stream):
    """An API that ignores the size answers page 4 for the small page 4; the real one comes later and goes on."""
    pages = strategy(stream)
    (opener,) = pages.following(pages.first(kit.window), kit.facts(10, b"one"))
    named = {request.page: request for request in pages.following(opener, kit.facts(10, b"five"))}

    assert [request.page for request in pages.following(named[5], kit.facts(10, b"five")) if not request.size] == [
        6,
        7,
        8,
        9,
    ]


def test_a_short_last_page_is_followed_by_the_one_beyond_it(kit, stream):
    """It closes the list only when nothing comes after it."""
    pages = strategy(stream)
    (opener,) = pages.following(pages.first(kit.window), kit.facts(10, total_rows=25))
    last = [request for request in pages.following(opener, kit.facts(3, total_rows=25)) if not request.size][-1]

    (beyond,) = pages.following(last, kit.facts(5, b"last", total_rows=25))

    assert (last.page, beyond.page, beyond.may_be_past_end) == (3, 4, True)


def test_a_list_of_one_page_is_one_request(kit, stream):
    """Nothing has a boundary to cross."""
    pages = strategy(stream)

    assert list(pages.following(pages.first(kit.window), kit.facts(7, total_rows=7))) == []
