"""Jira: a query language to the minute, a token in the body, `isLast`, and no total at all."""

from __future__ import annotations

import base64
import re

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

JQL = re.compile(
    r"updated >= '(\d{4}-\d\d-\d\d \d\d:\d\d)' AND updated < '(\d{4}-\d\d-\d\d \d\d:\d\d)' ORDER BY updated ASC"
)


class Jira:
    """Issues of half a year. Tokens are good for the query they were given for."""

    def __init__(self) -> None:
        self.issues = {str(n): self._issue(n, f"2010-0{1 + n % 6}-15T1{n % 10}:30:20.000+0000") for n in range(1, 260)}
        self.tokens: dict[str, tuple[str, int]] = {}

    @staticmethod
    def _issue(number: int, updated: str, summary: str = "") -> dict[str, object]:
        return {
            "id": str(number),
            "key": f"OPS-{number}",
            "fields": {"summary": summary or f"issue {number}", "updated": updated},
        }

    def change(self, number: int, updated: str, summary: str) -> None:
        self.issues[str(number)] = self._issue(number, updated, summary)

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Basic " + base64.b64encode(b"a@b.example:jira-token").decode():
            return error(401, "Client must be authenticated")
        query = call.query
        bounds = JQL.fullmatch(query["jql"])
        jql, at = self.tokens.get(query.get("nextPageToken", ""), (query["jql"], 0))
        if bounds is None or jql != query["jql"] or query.get("fields") != "*all":
            raise Refusal(answer=error(400, "Unbounded JQL queries are not allowed here"))
        low, high = (text.replace(" ", "T") for text in bounds.groups())
        rows = sorted(self.issues.values(), key=lambda row: (row["fields"]["updated"], int(row["id"])))
        rows = [row for row in rows if low <= row["fields"]["updated"][:16] < high]
        size = int(query["maxResults"])
        if at + size >= len(rows):
            return ok({"issues": rows[at:], "isLast": True})
        token = f"t{len(self.tokens)}"
        self.tokens[token] = (jql, at + size)
        return ok({"issues": rows[at : at + size], "nextPageToken": token, "isLast": False})


@pytest.mark.parametrize("clock", ["2010-07-01"], indirect=True)
async def test_the_example_holds_what_jira_holds(project, agrees):
    """The field that marks a change stands one level deep."""
    jira = Jira()
    secrets = {"JIRA_EMAIL": "a@b.example", "JIRA_TOKEN": "jira-token"}
    await project.example("jira", jira, "https://${JIRA_SITE}.atlassian.net", **secrets)

    first = await project.sync("jira.issues")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 259)
    assert {key: row["fields"] for key, row in project.table("jira_issues").items()} == {
        key: issue["fields"] for key, issue in jira.issues.items()
    }

    jira.change(17, "2010-06-30T10:15:10.000+0000", "changed")
    assert (await project.sync("jira.issues")).counts.updated == 1
    assert project.table("jira_issues")["17"]["fields"]["summary"] == "changed"
