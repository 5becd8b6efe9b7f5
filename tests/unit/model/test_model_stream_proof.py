"""Which proof the declarations of a stream allow."""

from __future__ import annotations

import pytest

from etl.model.proof import ProofMode, proof_of
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import Order, PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template


def chain(records: str, cursor: str) -> Stream:
    return Stream(
        source="shop",
        name="items",
        table="shop_items",
        request=RequestTemplate(path=Template.parse("/items"), params=(("after", Template.parse("{cursor}")),)),
        records=Records(path=Selector(SelectorKind.BODY, records)),
        pages=Paging(kind=PagesKind.CURSOR, next=Selector(SelectorKind.BODY, cursor)),
        key=(("id",),),
        order=Order(by=(("id",),), unique=True, immutable=True),
    )


@pytest.mark.parametrize(
    ("records", "cursor"),
    [("data.rows", "data.rows[-1].id"), ("", "[-1].id"), ("@", "[-1].id"), ("@", "@[-1].id"), ("", "@[-1].id")],
)
def test_a_cursor_that_is_the_ordered_field_of_the_last_row_is_a_keyset(records: str, cursor: str) -> None:
    """A bare array may be written as nothing or as `@`; with `@` it was taken for an opaque token."""
    assert proof_of(chain(records, cursor)) is ProofMode.KEYSET


@pytest.mark.parametrize(
    ("records", "cursor"), [("data", "next"), ("data", "data[-1].seq"), ("data", "rows[-1].id"), ("@", "[0].id")]
)
def test_any_other_cursor_is_opaque(records: str, cursor: str) -> None:
    """It may hide an offset."""
    assert proof_of(chain(records, cursor)) is ProofMode.CHECKS
