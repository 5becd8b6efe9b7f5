"""Which handler answers which path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from etl.testing import shop
from etl.testing.exchange import Answer, Call, Refusal, error
from etl.testing.state import ShopState

Handler = Callable[[ShopState, Call], Answer]

ROUTES: Final[Mapping[tuple[str, str], Handler]] = {
    ("GET", "/api/items"): shop.items,
    ("GET", "/api/orders"): shop.orders,
    ("GET", "/api/customers"): shop.customers,
}


def answer(state: ShopState, call: Call) -> Answer:
    """The honest answer to a request: no faults, no limits."""
    method = "GET" if call.method == "HEAD" else call.method
    handler = ROUTES.get((method, call.path.rstrip("/") or "/"))
    if handler is None:
        return error(404, f"there is nothing at {method} {call.path}")
    try:
        return handler(state, call)
    except Refusal as refusal:
        return refusal.answer
