"""Feeds that are followed by an opaque token: what is read, what is kept, and what a deletion leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etl.bootstrap import open_app
from etl.errors import UsageError
from etl.model.run import RunStatus
from etl.model.verdict import Verdict
from etl.service.inspect import set_watermark, watermarks
from etl.testing.exchange import Answer, Call, ok


class Couch:
    """A model of CouchDB: `_changes` with tombstones and `last_seq`, `_all_docs` as an inclusive keyset.

    `docs` are those that live; of a document only its latest change is listed."""

    def __init__(self) -> None:
        self.docs: dict[str, dict[str, Any]] = {}
        self.changes: dict[str, int] = {}
        self.seq = 0
        self.fails_from = 10**9
        """The `since` from which on it answers 500."""

    def put(self, name: str, **fields: Any) -> None:
        self.seq += 1
        self.docs[name] = {"_id": name, "_rev": f"{self.seq}-x", **fields}
        self.changes[name] = self.seq

    def delete(self, name: str) -> None:
        self.seq += 1
        del self.docs[name]
        self.changes[name] = self.seq

    def answer(self, call: Call) -> Answer:
        limit = int(call.query["limit"])
        return self._changes(call, limit) if call.path == "/_changes" else self._all_docs(call, limit)

    def _changes(self, call: Call, limit: int) -> Answer:
        since = int(call.query.get("since", 0))
        if since >= self.fails_from:
            return Answer(status=500)
        later = sorted((seq, name) for name, seq in self.changes.items() if seq > since)[:limit]
        results = [self._change(seq, name) for seq, name in later]
        return ok({"results": results, "last_seq": later[-1][0] if later else since})

    def _change(self, seq: int, name: str) -> dict[str, Any]:
        change: dict[str, Any] = {"id": name, "seq": seq, "changes": [{"rev": f"{seq}-x"}]}
        if name in self.docs:
            return {**change, "doc": self.docs[name]}
        return {**change, "deleted": True, "doc": {"_id": name, "_rev": f"{seq}-x", "_deleted": True}}

    def _all_docs(self, call: Call, limit: int) -> Answer:
        start = json.loads(call.query.get("startkey", '""'))  # a bare text is a 400 there, as it is no JSON
        names = [name for name in sorted(self.docs) if name >= start][:limit]
        rows = [{"id": name, "key": name, "value": {}, "doc": self.docs[name]} for name in names]
        return ok({"total_rows": len(self.docs), "offset": 0, "rows": rows})


FEED = """\
base_url: {url}
limits: {{retries: 0}}
streams:
  notes:
    path: /_changes
    params: {{since: "{{cursor}}", limit: "{{size}}", include_docs: "true"}}
    records: "results[].doc"
    pages: {{cursor: last_seq, first: "{{start}}", size: 10, until: repeat}}
    key: _id
    deletes: {{field: _deleted}}
    incremental: {{token: last_seq}}
"""
LIST = """\
base_url: {url}
streams:
  notes:
    path: /_all_docs
    params: {{startkey: "{{cursor:json}}", limit: "{{size}}", include_docs: "true"}}
    records: rows
    pages: {{cursor: "rows[-1].id", size: 10, inclusive: true, total_rows: total_rows}}
    key: id
    order: {{by: id, immutable: true, unique: true}}
"""


@pytest.fixture
def couch():
    model = Couch()
    for number in range(34):
        model.put(f"note/{number:03}:é", text=f"text {number}", stars=number)
    return model


@pytest.fixture
async def feed(either_project, couch):
    server = await either_project.serve(couch)
    either_project.write("couch", FEED.format(url=server.url))
    return either_project


async def test_a_feed_goes_on_where_its_token_stands(feed, couch, agrees):
    """The first run reads all, the next one what changed; the token is the API's own, and shown as it is."""
    first = await feed.sync("couch.notes")
    assert (first.status, first.counts.inserted, first.watermark) == (RunStatus.SUCCEEDED, 34, "34")
    assert first.verdict is Verdict.CONSISTENT

    couch.put("note/003:é", text="changed", stars=1)
    couch.put("note/099:é", text="new", stars=2)
    second = await feed.sync("couch.notes")

    assert (second.counts.fetched, second.counts.updated, second.counts.inserted) == (2, 1, 1)
    assert second.watermark == "36"
    agrees(feed.table("couch_notes", "_id"), couch.docs)


async def test_a_tombstone_marks_a_row_and_leaves_what_is_stored(feed, couch, agrees):
    """It holds the id and little more; a document that was gone before it was ever seen leaves no row."""
    await feed.sync("couch.notes")
    last = couch.docs["note/005:é"]
    couch.delete("note/005:é")
    couch.put("note/777:é", text="short-lived")
    couch.delete("note/777:é")

    result = await feed.sync("couch.notes")

    assert (result.counts.deleted, result.counts.inserted) == (1, 0)
    agrees(feed.table("couch_notes_live", "_id"), couch.docs)
    (gone,) = feed.rows("SELECT * FROM couch_notes WHERE _etl_deleted_at IS NOT NULL")
    assert (gone["_id"], gone["text"], gone["stars"]) == ("note/005:é", last["text"], 5)

    couch.put("note/005:é", text="back")
    await feed.sync("couch.notes")
    agrees(feed.table("couch_notes_live", "_id"), couch.docs)


async def test_a_first_reading_leaves_out_what_was_deleted_before(feed, couch, agrees):
    """The feed lists tombstones for ever."""
    couch.delete("note/000:é")

    result = await feed.sync("couch.notes")

    assert (result.counts.fetched, result.counts.inserted, result.counts.deleted) == (34, 33, 0)
    agrees(feed.table("couch_notes", "_id"), couch.docs)


async def test_a_broken_reading_keeps_its_token_and_goes_on(feed, couch, agrees):
    """The token moves with the last page only; the next run asks for what is missing."""
    couch.fails_from = 20
    broken = await feed.sync("couch.notes")
    assert (broken.status, broken.watermark) == (RunStatus.FAILED, None)

    couch.fails_from = 10**9
    result = await feed.sync("couch.notes")

    assert (result.status, result.watermark, result.counts.fetched) == (RunStatus.SUCCEEDED, "34", 14)
    agrees(feed.table("couch_notes", "_id"), couch.docs)


async def test_a_token_can_be_set_and_a_full_reading_asks_without_it(feed, couch):
    """`etl state set` takes any text; `--full` begins where the API does."""
    await feed.sync("couch.notes")
    async with open_app(feed.config, feed.database_url, feed.environ, lambda _: None) as app:
        assert await set_watermark(app, "couch.notes", "30", member="") == "30"
        assert [mark.watermark for mark in await watermarks(app, ())] == ["30"]
        with pytest.raises(UsageError):
            await set_watermark(app, "couch.other", "30", member="")

    assert (await feed.sync("couch.notes")).counts.fetched == 4
    assert (await feed.sync("couch.notes", full=True)).counts.fetched == 34


async def test_an_inclusive_keyset_counts_its_own_row_once(project, couch):
    """The last row of a page comes again as the first of the next; the total still proves the list."""
    server = await project.serve(couch)
    project.write("couch", LIST.format(url=server.url))

    result = await project.sync("couch.notes")

    assert (result.verdict, result.counts.inserted) == (Verdict.VERIFIED, 34)
    assert set(project.table("couch_notes")) == set(couch.docs)


class TwoDatabases:
    """Two of them behind one address."""

    def __init__(self, **couches: Couch) -> None:
        self.couches = couches

    def answer(self, call: Call) -> Answer:
        name, _, rest = call.target[1:].partition("/")
        return self.couches[name].answer(Call(method=call.method, target=f"/{rest}", headers=call.headers))


async def test_each_member_of_a_feed_has_its_own_token(project, couch):
    """The tokens of one database mean nothing to another; what fails holds only its own."""
    other = Couch()
    other.put("only", text="one")
    server = await project.serve(TwoDatabases(a=couch, b=other))
    text = FEED.format(url=server.url).replace("path: /_changes", "path: /{db}/_changes")
    project.write(
        "couch", text.replace("key: _id", "key: [db, _id]\n    for_each: {db: [a, b]}\n    add: {db: '{db}'}")
    )

    assert (await project.sync("couch.notes")).counts.inserted == 35
    other.put("more", text="two")
    couch.fails_from = 0
    await project.sync("couch.notes")
    couch.fails_from = 10**9
    couch.put("note/000:é", text="changed")
    result = await project.sync("couch.notes")

    assert (result.counts.fetched, result.counts.updated) == (1, 1)
    marks = project.rows("SELECT member, value FROM _etl_watermarks ORDER BY member")
    assert marks == [{"member": "a", "value": "35"}, {"member": "b", "value": "2"}]


class Forgetful(Couch):
    """No longer knows what changed since `expired`, and lists what lives to whoever asks without a token."""

    expired = 0

    def _changes(self, call: Call, limit: int) -> Answer:
        if self.expired and int(call.query.get("since", 0)) == self.expired:
            return Answer(status=410)
        return super()._changes(call, limit)

    def forget(self, name: str) -> None:
        """Deleted without a tombstone."""
        del self.docs[name], self.changes[name]


async def test_an_expired_token_makes_the_next_sync_read_everything(either_project, agrees):
    """410 says that nobody knows any more what changed; what vanished meanwhile is found by the whole list."""
    couch = Forgetful()
    for number in range(34):
        couch.put(f"note/{number:03}", text="first")
    server = await either_project.serve(couch)
    either_project.write("couch", FEED.format(url=server.url).replace("{field: _deleted}", "infer"))
    await either_project.sync("couch.notes")
    couch.put("note/001", text="second")
    couch.expired = 34
    couch.forget("note/033")

    result = await either_project.sync("couch.notes")

    assert (result.status, result.counts.fetched, result.counts.updated) == (RunStatus.SUCCEEDED, 33, 1)
    assert result.reason.startswith("the token had expired, all was read again; ")
    assert result.watermark == str(couch.seq)
    lines = either_project.rows("SELECT kind, status, reason FROM _etl_run_streams ORDER BY ordinal")
    assert [(line["kind"], line["status"]) for line in lines] == [
        ("sync", "succeeded"), ("sync", "skipped"), ("full", "succeeded")
    ]  # fmt: skip
    assert "410 Gone" in lines[1]["reason"]

    await either_project.sync("couch.notes", full=True)
    agrees(either_project.table("couch_notes_live", "_id"), couch.docs)
    assert (await either_project.sync("couch.notes")).counts.fetched == 0


async def test_a_410_without_a_token_is_a_failure(project, couch):
    """Nothing can have expired; reading everything again would end there again."""
    server = await project.serve(couch)
    project.write("couch", FEED.format(url=server.url).replace("/_changes", "/gone"))
    couch._all_docs = lambda call, limit: Answer(status=410)

    result = await project.sync("couch.notes")

    assert (result.status, result.exit_code) == (RunStatus.FAILED, 4)
    assert len(server.calls) == 1
