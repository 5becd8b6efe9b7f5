"""Zendesk: a feed whose first request names a time and whose next ones are links; empty pages that are not the end."""

from __future__ import annotations

import base64

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

YEAR_2020 = 1_577_836_800


class Zendesk:
    """Tickets in the order of their changes; the second page is empty. Ten requests a minute, then 429."""

    def __init__(self) -> None:
        self.tickets = {n: self._ticket(n, YEAR_2020 + 600 * n) for n in range(1, 2301)}

    @staticmethod
    def _ticket(number: int, generated: int, subject: str = "") -> dict[str, object]:
        return {"id": number, "subject": subject or f"ticket {number}", "generated_timestamp": generated}

    def change(self, number: int, generated: int, subject: str) -> None:
        self.tickets[number] = self._ticket(number, generated, subject)

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Basic " + base64.b64encode(b"a@b.example/token:zd-1234").decode():
            return error(401, "Couldn't authenticate you")
        query = dict(call.query)
        if "cursor" in query and "start_time" in query:
            raise Refusal(answer=error(400, "start_time and cursor exclude each other"))
        size = min(int(query["per_page"]), 1000)
        since, at, page = (int(part) for part in query.get("cursor", f"{query.get('start_time', 0)}.0.1").split("."))
        rows = sorted(self.tickets.values(), key=lambda row: (row["generated_timestamp"], row["id"]))
        rows = [row for row in rows if row["generated_timestamp"] >= since]
        found = [] if page == 2 else rows[at : at + size]
        at += len(found)
        url = f"{call.base}{call.path}?cursor={since}.{at}.{page + 1}&per_page={size}"
        return ok({"tickets": found, "after_url": url, "end_of_stream": at >= len(rows) and page != 2})


@pytest.mark.parametrize("clock", ["2020-02-01"], indirect=True)
async def test_the_example_holds_what_zendesk_holds(project, agrees):
    """`end_of_stream` is the only end."""
    zendesk = Zendesk()
    secrets = {"ZENDESK_EMAIL": "a@b.example", "ZENDESK_TOKEN": "zd-1234"}
    await project.example("zendesk", zendesk, "https://${ZENDESK}.zendesk.com", **secrets)

    first = await project.sync("zendesk.tickets")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 2300)
    agrees(project.table("zendesk_tickets"), zendesk.tickets)

    zendesk.change(7, YEAR_2020 + 30 * 86_400, "changed")
    second = await project.sync("zendesk.tickets")
    assert second.counts.updated == 1
    assert second.counts.fetched < 3000
    agrees(project.table("zendesk_tickets"), zendesk.tickets)
