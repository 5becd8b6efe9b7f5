"""What hangs on one customer: the customer itself, and the orders of that customer alone.

`GET /api/customers/7` and `GET /api/customers/7/orders?updated_since=&until=&page=0&pageSize=100`. A customer who is
not there, or was deleted since the list was read, is answered 404.
"""

from __future__ import annotations

import re
from typing import Final

from etl.testing.dataset import encode
from etl.testing.exchange import Answer, Call, Refusal, error
from etl.testing.pieces import listing, page_size, whole_number
from etl.testing.shop import orders_between
from etl.testing.state import ShopState

_PATH: Final = re.compile(r"/api/customers/(\d+)(/orders)?")


def answers(path: str) -> bool:
    """Whether the path is one of a customer's."""
    return _PATH.fullmatch(path) is not None


def of_customer(state: ShopState, call: Call) -> Answer:
    """The customer, or a page of the customer's orders in the order of all orders."""
    number, wants_orders = customer_of(call.path)
    if number not in state.customers:
        raise Refusal(answer=error(404, f"there is no customer {number}"))
    if not wants_orders:
        return Answer(body=encode(state.customers.get(number)))
    page, size = whole_number(call.query, "page", 0), page_size(call.query, "pageSize", 100)
    wanted = positions(state, call, number)
    some = wanted[page * size : (page + 1) * size]
    rows = [part for place in some for part in state.orders.part(place, place + 1)]
    return listing("data", rows, total=len(wanted))


def customer_of(path: str) -> tuple[int, bool]:
    """The customer's id, and whether the path is that of the orders. ValueError for another path."""
    found = _PATH.fullmatch(path.rstrip("/"))
    if found is None:
        raise ValueError(path)
    return int(found[1]), found[2] is not None


def positions(state: ShopState, call: Call, customer: int) -> list[int]:
    """Where the customer's orders within the bounds of the request stand among all orders."""
    within = orders_between(state, call)
    return [place for place in state.orders_of(customer) if within.start <= place < within.stop]
