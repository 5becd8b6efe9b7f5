"""Shopify: next links that hold nothing but an opaque position, and refuse the filters of the first page beside it."""

from __future__ import annotations

import base64
import json

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok


class Shopify:
    """Orders of three months."""

    def __init__(self) -> None:
        self.orders = {
            n: {
                "id": n,
                "name": f"#{n}",
                "total_price": f"{n}.50",
                "updated_at": f"2020-0{1 + n % 3}-14T0{n % 9}:00:00Z",
            }
            for n in range(1, 820)
        }
        self.followed = 0

    def answer(self, call: Call) -> Answer:
        if call.headers.get("x-shopify-access-token") != "shpat_1234":
            return error(401, "[API] Invalid API key or access token")
        query = dict(call.query)
        limit = int(query.pop("limit", 50))
        if "page_info" in query:
            self.followed += 1
            place = json.loads(base64.urlsafe_b64decode(query.pop("page_info")))
            if query:
                raise Refusal(answer=error(400, f"{next(iter(query))} cannot be passed when page_info is present"))
        else:
            place = {"at": 0, "low": query["updated_at_min"], "high": query["updated_at_max"]}
        if limit > 250:
            raise Refusal(answer=error(400, "limit must be at most 250"))
        rows = [row for _, row in sorted(self.orders.items()) if place["low"] <= row["updated_at"] <= place["high"]]
        return self._page(call, rows, place, limit)

    def _page(self, call: Call, rows: list[dict[str, object]], place: dict[str, object], limit: int) -> Answer:
        at = place["at"]
        headers = [("X-Shopify-Shop-Api-Call-Limit", "12/40")]
        if at + limit < len(rows):
            info = base64.urlsafe_b64encode(json.dumps(place | {"at": at + limit}).encode()).decode()
            headers.append(("Link", f'<{call.base}{call.path}?limit={limit}&page_info={info}>; rel="next"'))
        return ok({"orders": rows[at : at + limit]}, *headers)


@pytest.mark.parametrize("clock", ["2020-04-10"], indirect=True)
async def test_the_example_holds_what_the_shop_holds(project, agrees):
    """The links are followed as they are."""
    shopify = Shopify()
    await project.example("shopify", shopify, "https://${SHOP}.myshopify.com", SHOPIFY_TOKEN="shpat_1234")

    first = await project.sync("shopify.orders")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 819)
    assert shopify.followed == 3
    agrees(project.table("shopify_orders"), shopify.orders)

    shopify.orders[5] |= {"name": "#5b", "updated_at": "2020-04-09T12:00:00Z"}
    second = await project.sync("shopify.orders")
    assert (second.counts.fetched, second.counts.updated) == (1 + second.counts.unchanged, 1)
    agrees(project.table("shopify_orders"), shopify.orders)
