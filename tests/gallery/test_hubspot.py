"""HubSpot: a search by POST, and a query that refuses to be paged beyond 10,000 rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

DEEPEST = 10_000
START = datetime(2020, 1, 1, tzinfo=UTC)


class HubSpot:
    """A bulk edit on one day touched 10,150 contacts: more than one query lists."""

    def __init__(self) -> None:
        self.contacts = {str(n): self._contact(n, timedelta(days=2, seconds=n)) for n in range(10_150)}
        self.contacts |= {str(n): self._contact(n, timedelta(days=9, hours=n % 24)) for n in range(20_000, 20_030)}

    @staticmethod
    def _contact(number: int, after: timedelta) -> dict[str, object]:
        changed = (START + after).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"id": str(number), "properties": {"email": f"{number}@b.example", "lastmodifieddate": changed}}

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Bearer hs-token-1234":
            return error(401, "Authentication credentials not found")
        asked = call.json
        at, size = int(asked.get("after", 0)), asked["limit"]
        if size > 200 or at + size > DEEPEST:
            raise Refusal(answer=error(400, "paging beyond 10000 results of a query is not possible"))
        (between,) = asked["filterGroups"][0]["filters"]
        low, high = (START.fromtimestamp(int(between[name]) / 1000, UTC) for name in ("value", "highValue"))
        rows = [row for row in self.contacts.values() if low <= self._changed(row) <= high]
        rows.sort(key=lambda row: (self._changed(row), int(row["id"])))
        paging = {"paging": {"next": {"after": str(at + size)}}} if at + size < len(rows) else {}
        return ok({"total": len(rows), "results": rows[at : at + size], **paging})

    @staticmethod
    def _changed(row: dict[str, object]) -> datetime:
        return datetime.fromisoformat(row["properties"]["lastmodifieddate"])


@pytest.mark.parametrize("clock", ["2020-01-12"], indirect=True)
async def test_the_example_holds_what_hubspot_holds(project):
    """The window that is too full is cut in halves, and nothing is dropped."""
    hubspot = HubSpot()
    server = await project.example("hubspot", hubspot, "https://api.hubapi.com", HUBSPOT_TOKEN="hs-token-1234")

    first = await project.sync("hubspot.contacts")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, len(hubspot.contacts))
    assert server.statuses[400] == 0
    assert len(server.calls) < 70

    hubspot.contacts["5"] = hubspot._contact(5, timedelta(days=10, hours=12))
    assert (await project.sync("hubspot.contacts")).counts.updated == 1
    rows = project.table("hubspot_contacts")
    assert {key: row["properties"] for key, row in rows.items()} == {
        key: contact["properties"] for key, contact in hubspot.contacts.items()
    }
