"""The three lists of the shop's own API, under `/api/`."""

from __future__ import annotations

from etl.model.instants import parse_instant, to_micros
from etl.testing.dataset import Place
from etl.testing.exchange import Answer, Call, Refusal, error
from etl.testing.pieces import listing, page_size, pages_of, whole_number
from etl.testing.state import ShopState


def items(state: ShopState, call: Call) -> Answer:
    """`GET /api/items?page=0&pageSize=10`: pages from zero; a page past the end is empty."""
    page, size = whole_number(call.query, "page", 0), page_size(call.query, "pageSize")
    total = len(state.items)
    rows = state.items.part(page * size, (page + 1) * size)
    return listing("items", rows, page=page, pageSize=size, totalPages=pages_of(total, size), totalItems=total)


def orders(state: ShopState, call: Call) -> Answer:
    """`GET /api/orders?updated_since=&until=&page=0&pageSize=100`, by (`updated_at`, `id`), bounds half-open."""
    page, size = whole_number(call.query, "page", 0), page_size(call.query, "pageSize", 100)
    wanted = orders_between(state, call)
    part = wanted[page * size : (page + 1) * size]
    return listing("data", state.orders.part(part.start, part.stop), total=len(wanted))


def orders_between(state: ShopState, call: Call) -> range:
    """The positions of the orders that a request's bounds select; all of them without bounds."""
    table = state.orders
    start = table.position_from(_bound(call, "updated_since")) if "updated_since" in call.query else 0
    stop = table.position_from(_bound(call, "until")) if "until" in call.query else len(table)
    return range(start, max(start, stop))


def customers(state: ShopState, call: Call) -> Answer:
    """`GET /api/customers?offset=0&limit=100`, by `id`."""
    offset, limit = whole_number(call.query, "offset", 0), page_size(call.query, "limit", 100)
    return listing("rows", state.customers.part(offset, offset + limit), total=len(state.customers))


def _bound(call: Call, name: str) -> Place:
    try:
        return (to_micros(parse_instant(call.query[name])), 0)
    except ValueError as wrong:
        raise Refusal(answer=error(400, f"{name}: {wrong}")) from None
