"""A declared order, as far as the pages can be compared with it."""

from __future__ import annotations

from etl.model.page import PageFacts, PageRequest
from etl.model.window import Window
from etl.verify.order import OrderWatch

REQUEST = PageRequest(window=Window(), position="page:7")


def facts(*keys: int, **more: str) -> PageFacts:
    return PageFacts(count=len(keys), key_digests=b"".join(key.to_bytes(8, "big") for key in keys), **more)


def test_the_first_page_that_contradicts_the_order_is_remembered() -> None:
    """With the place where it was seen."""
    watch = OrderWatch()
    watch.saw(REQUEST, facts(1, 2))
    watch.saw(REQUEST, facts(5, 3, order_broken="3 came after 5"))
    watch.saw(REQUEST, facts(9, 8, order_broken="8 came after 9"))

    assert watch.broken == "3 came after 5 on page:7"


def test_two_rows_of_one_answer_that_share_a_key_are_no_unique_order() -> None:
    """At one instant no row stands at two places."""
    watch = OrderWatch()
    watch.saw(REQUEST, facts(1, 2, 2))

    assert watch.broken == "two rows share a key on page:7"
