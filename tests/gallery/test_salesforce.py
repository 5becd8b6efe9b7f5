"""Salesforce: client credentials, SOQL, batches of any length, relative links, deleted rows among the others."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest

from etl.model.run import RunStatus
from etl.testing.exchange import Answer, Call, Refusal, error, ok

SOQL = re.compile(r"SELECT .* FROM Account WHERE SystemModstamp >= (\S+) AND SystemModstamp < (\S+) ORDER BY .*")


class Salesforce:
    """Accounts of two quarters. Sessions end after a few answers, as they do at night."""

    def __init__(self) -> None:
        self.accounts = {f"001{n:05}": self._account(n, f"2015-0{1 + n % 5}-11T08:00:00.000+0000") for n in range(70)}
        self.queries: dict[str, tuple[list[dict[str, object]], int]] = {}
        self.sessions: dict[str, int] = {}

    @staticmethod
    def _account(number: int, changed: str, *, gone: bool = False) -> dict[str, object]:
        return {
            "attributes": {"type": "Account", "url": f"/services/data/v68.0/sobjects/Account/001{number:05}"},
            "Id": f"001{number:05}",
            "Name": f"account {number}",
            "Industry": None if number % 2 else "Energy",
            "IsDeleted": gone,
            "SystemModstamp": changed,
        }

    def change(self, number: int, changed: str, *, gone: bool) -> None:
        self.accounts[f"001{number:05}"] = self._account(number, changed, gone=gone)

    def answer(self, call: Call) -> Answer:
        if call.path == "/services/oauth2/token":
            return self._token(call)
        session = call.headers.get("authorization", "").removeprefix("Bearer ")
        self.sessions[session] = self.sessions.get(session, 0) - 1
        if self.sessions[session] < 0:
            return error(401, "INVALID_SESSION_ID")
        if "/query/" in call.path:
            rows, at = self.queries[call.path.rpartition("/")[2]]
        else:
            low, high = SOQL.fullmatch(call.query["q"]).groups()
            rows, at = [row for row in self.accounts.values() if low <= row["SystemModstamp"] < high], 0
        return self._batch(rows, at)

    def _token(self, call: Call) -> Answer:
        form = dict(parse_qsl(call.body.decode()))
        known = (form.get("client_id"), form.get("client_secret")) == ("sf-id", "sf-secret-1234")
        if form["grant_type"] != "client_credentials" or not known:
            raise Refusal(answer=Answer(status=400, body=b'{"error": "invalid_client"}'))
        token = f"00D-session-{len(self.sessions)}"
        self.sessions[token] = 4
        return ok({"access_token": token, "token_type": "Bearer"})

    def _batch(self, rows: list[dict[str, object]], at: int) -> Answer:
        size = 20 if at == 0 else 13
        told = {"totalSize": len(rows), "records": rows[at : at + size], "done": at + size >= len(rows)}
        if told["done"]:
            return ok(told)
        locator = f"01g{len(self.queries)}-{at + size}"
        self.queries[locator] = (rows, at + size)
        return ok(told | {"nextRecordsUrl": f"/services/data/v68.0/query/{locator}"})


@pytest.mark.parametrize("clock", ["2015-06-01"], indirect=True)
async def test_the_example_holds_what_salesforce_holds(either_project, agrees):
    """Client id and secret are read from the body only; an ended session is renewed on the way."""
    project, salesforce = either_project, Salesforce()
    secrets = {"SF_CLIENT_ID": "sf-id", "SF_CLIENT_SECRET": "sf-secret-1234"}
    server = await project.example("salesforce", salesforce, "https://${SF_DOMAIN}.my.salesforce.com", **secrets)

    first = await project.sync("salesforce.accounts")
    assert (first.status, first.counts.inserted) == (RunStatus.SUCCEEDED, 70)
    assert server.statuses[401] > 0

    salesforce.change(3, "2015-05-31T10:00:00.000+0000", gone=True)
    salesforce.change(4, "2015-05-31T10:00:01.000+0000", gone=False)
    second = await project.sync("salesforce.accounts")
    assert (second.counts.deleted, second.counts.updated) == (1, 2)
    rows = project.table("salesforce_accounts_live", "Id")
    living = {key: row for key, row in salesforce.accounts.items() if not row["IsDeleted"]}
    assert {key: row["Name"] for key, row in rows.items()} == {key: row["Name"] for key, row in living.items()}
