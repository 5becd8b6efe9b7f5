"""Stripe: newest first, the last row's id as the cursor, `has_more`, seconds since 1970."""

from __future__ import annotations

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

YEAR_2020 = 1_577_836_800


class Stripe:
    """Charges of half a year."""

    def __init__(self) -> None:
        self.charges = {
            f"ch_{n:04}": {"id": f"ch_{n:04}", "object": "charge", "amount": n * 7, "created": YEAR_2020 + n * 36_000}
            for n in range(400)
        }

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Bearer sk_test_1234":
            return error(401, "Invalid API Key provided")
        query = dict(call.query)
        limit, after = int(query.pop("limit", 10)), query.pop("starting_after", None)
        low, high = int(query.pop("created[gte]", 0)), int(query.pop("created[lt]", 2**40))
        if query or not 1 <= limit <= 100 or (after is not None and after not in self.charges):
            raise Refusal(answer=error(400, "Received unknown parameter, limit, or cursor"))
        rows = sorted(self.charges.values(), key=lambda row: (-row["created"], row["id"]))
        rows = [row for row in rows if low <= row["created"] < high]
        at = 1 + [row["id"] for row in rows].index(after) if after else 0
        return ok({"object": "list", "data": rows[at : at + limit], "has_more": at + limit < len(rows)})


@pytest.mark.parametrize("clock", ["2020-06-20"], indirect=True)
async def test_the_example_holds_what_stripe_holds(either_project, agrees):
    """Six windows side by side; an overlap of seven days brings what changed lately."""
    project, stripe = either_project, Stripe()
    await project.example("stripe", stripe, "https://api.stripe.com", STRIPE_KEY="sk_test_1234")

    first = await project.sync("stripe.charges")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 400)
    agrees(project.table("stripe_charges"), stripe.charges)

    stripe.charges["ch_0395"]["amount"] = 1
    stripe.charges["ch_0400"] = {"id": "ch_0400", "object": "charge", "amount": 2, "created": YEAR_2020 + 400 * 36_000}
    second = await project.sync("stripe.charges")
    assert (second.counts.inserted, second.counts.updated) == (1, 1)
    assert second.counts.fetched < 30
    agrees(project.table("stripe_charges"), stripe.charges)
