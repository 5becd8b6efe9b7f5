"""Which handler answers which path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from etl.testing import doors, kin, lists, shapes, shop
from etl.testing.exchange import Answer, Call, Refusal, error, ok
from etl.testing.pieces import whole_number
from etl.testing.state import ShopState

Handler = Callable[[ShopState, Call], Answer]


def index(state: ShopState, _call: Call) -> Answer:
    """What there is, for people who open the server in a browser."""
    sizes = {"items": len(state.items), "orders": len(state.orders), "customers": len(state.customers)}
    return ok({"shop": sizes, "round": state.round, "lists": [f"{method} {path}" for method, path in sorted(ROUTES)]})


def advance(state: ShopState, call: Call) -> Answer:
    """`POST /_/advance?deletes=0`: the next round of the shop's clock, for whoever has no Python at hand."""
    changed = state.advance(deletes=whole_number(call.query, "deletes", 0))
    counts = {
        name: {"updated": len(of.updated), "inserted": len(of.inserted), "deleted": len(of.deleted)}
        for name, of in changed.items()
    }
    return ok({"round": state.round, "changed": counts})


ROUTES: Final[Mapping[tuple[str, str], Handler]] = {
    ("GET", "/"): index,
    ("POST", "/_/advance"): advance,
    ("GET", "/api/items"): shop.items,
    ("GET", "/api/orders"): shop.orders,
    ("GET", "/api/customers"): shop.customers,
    ("GET", "/lists/none"): lists.none,
    ("GET", "/lists/number"): lists.number,
    ("GET", "/lists/number/header"): lists.number_header,
    ("GET", "/lists/number/untold"): lists.number_untold,
    ("GET", "/lists/offset"): lists.offset,
    ("GET", "/lists/offset/header"): lists.offset_header,
    ("GET", "/lists/offset/untold"): lists.offset_untold,
    ("GET", "/lists/cursor"): lists.cursor,
    ("GET", "/lists/cursor/starting-after"): lists.starting_after,
    ("GET", "/lists/link"): lists.link,
    ("GET", "/lists/link/body"): lists.link_body,
    ("POST", "/lists/search"): shapes.search,
    ("POST", "/lists/search/page"): shapes.search_page,
    ("POST", "/graphql"): shapes.graphql,
    ("GET", "/lists/columns"): shapes.columns,
    ("GET", "/lists/rows"): shapes.rows,
    ("GET", "/lists/map"): shapes.mapped,
    ("GET", "/lists/nested"): shapes.nested,
    ("GET", "/auth/bearer/items"): doors.bearer,
    ("GET", "/auth/basic/items"): doors.basic,
    ("GET", "/auth/header/items"): doors.header,
    ("GET", "/auth/query/items"): doors.query,
}


def answer(state: ShopState, call: Call) -> Answer:
    """The honest answer to a request: no faults, no limits."""
    method = "GET" if call.method == "HEAD" else call.method
    path = call.path.rstrip("/") or "/"
    handler = kin.of_customer if method == "GET" and kin.answers(path) else ROUTES.get((method, path))
    if handler is None:
        allowed = [known for known, place in ROUTES if place == path]
        if allowed:
            return error(405, f"{path} wants {allowed[0]}", ("Allow", ", ".join(allowed)))
        return error(404, f"there is nothing at {path}")
    try:
        return handler(state, call)
    except Refusal as refusal:
        return refusal.answer
