"""GraphQL: variables, a Relay connection, failures inside a 200, and a throttle that is no failure."""

from __future__ import annotations

import json

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, error, ok


class Connection:
    """Issues as nodes; the second request is throttled, and `broken` makes every answer a failure."""

    def __init__(self) -> None:
        self.issues = {
            f"I_{n:03}": {
                "id": f"I_{n:03}",
                "number": n,
                "title": f"issue {n}",
                "updatedAt": f"2024-02-{1 + n % 28:02}T00:00:{n % 60:02}Z",
                "author": None if n % 5 else {"login": f"user{n % 7}"},
            }
            for n in range(250)
        }
        self.asked = 0
        self.broken = False

    def answer(self, call: Call) -> Answer:
        self.asked += 1
        if call.headers.get("authorization") != "Bearer gh-token-1234":
            return error(401, "Bad credentials")
        if self.broken:
            return ok(
                {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": "no such repository"}]}
            )
        if self.asked == 2:
            return ok({"data": None, "errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]})
        asked = json.loads(call.body)
        assert "issues(first: 100, after: $after" in asked["query"]
        return ok({"data": {"repository": {"issues": self._connection(asked["variables"])}}})

    def _connection(self, variables: dict[str, str]) -> dict[str, object]:
        rows = [row for row in self.issues.values() if row["updatedAt"] >= variables.get("since", "")]
        at = int(variables.get("after", "cursor:0").removeprefix("cursor:"))
        found = rows[at : at + 100]
        info = {"endCursor": f"cursor:{at + len(found)}", "hasNextPage": at + 100 < len(rows)}
        return {"totalCount": len(rows), "pageInfo": info, "nodes": found}


@pytest.mark.parametrize("clock", ["2024-03-01"], indirect=True)
async def test_the_example_holds_what_the_connection_holds(project, agrees):
    """The throttled answer is asked for again; an error inside a 200 is exit 5 and moves nothing."""
    api = Connection()
    await project.example("graphql", api, "https://api.github.com", GITHUB_TOKEN="gh-token-1234")

    first = await project.sync("graphql.issues")
    assert (first.status, first.counts.inserted, first.counts.retries) == (RunStatus.SUCCEEDED, 250, 1)
    agrees(project.table("graphql_issues"), api.issues)

    api.broken = True
    failed = await project.sync("graphql.issues")
    assert (failed.exit_code, failed.error_code, failed.watermark) == (5, "E-EXPECT", first.watermark)

    api.broken = False
    api.issues["I_010"] |= {"title": "changed", "updatedAt": "2024-02-29T12:00:00Z"}
    assert (await project.sync("graphql.issues")).counts.updated == 1
    agrees(project.table("graphql_issues"), api.issues)
