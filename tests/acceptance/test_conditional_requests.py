"""Lists that are asked for only if they changed: `If-None-Match` with the ETag of the reading before."""

from __future__ import annotations

from etl.testing.exchange import Answer
from etl.testing.faults import Fault

SOURCE = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  items:
    path: /lists/none
    headers: {{{{If-None-Match: "{{{{start}}}}"}}}}
    records: items
    {pages}
    key: id
    incremental: {{{{token: "header:ETag"}}}}
    {more}
"""
NOT_CHANGED = "not changed since the last reading (304)"


def source(*, pages: str = "pages: none", more: str = "") -> str:
    return SOURCE.format(pages=pages, more=more)


def test_a_list_that_did_not_change_is_a_good_run_without_rows(project) -> None:
    """The token stays, the ledger tells 304, `expect.min_rows` is content, and `--full` reads everything again."""
    project.configure(source(more="expect: {{min_rows: 1}}"))
    project.prepare("sync", "--json")
    rows, token = project.one("SELECT count(*) FROM shop_items"), project.one("SELECT value FROM _etl_watermarks")

    again = project.here("sync", "--json")
    line = again.stream("shop.items")
    assert (again.code, line["status"], line["verdict"], line["reason"]) == (0, "succeeded", "consistent", NOT_CHANGED)
    assert (line["pages"], line["requests"], line["fetched"], line["watermark"]) == (1, 1, 0, token)
    assert [status for (status,) in project.rows("SELECT status FROM _etl_pages ORDER BY ordinal")] == [200, 304]

    full = project.here("sync", "--full", "--json").stream("shop.items")
    assert (full["fetched"], full["unchanged"], full["watermark"]) == (rows, rows, token)


def test_only_an_answer_with_rows_takes_rows_away(project) -> None:
    """`write: replace` compares with what came; a 304 brought nothing to compare with."""
    project.configure(source(more="write: replace"))
    project.prepare("sync")
    before = project.one("SELECT count(*) FROM shop_items")
    project.prepare("sync")
    assert project.one("SELECT count(*) FROM shop_items") == before

    project.api.advance(deletes=1)
    assert project.here("sync", "--json").stream("shop.items")["deleted"] == 1
    stored = [key for (key,) in project.rows("SELECT id FROM shop_items ORDER BY id")]
    assert stored == sorted(row["id"] for row in project.truth("/api/items"))


def test_a_row_that_is_missing_once_is_looked_for_again(project) -> None:
    """`deletes: infer` wants two readings: with the new token the second one would only be a 304."""
    project.configure(source(more="deletes: infer"))
    project.prepare("sync")
    project.api.advance(deletes=1)

    told = [project.here("sync", "--json").stream("shop.items") for _ in range(3)]
    assert [line["deleted"] for line in told] == [0, 1, 0]
    assert [line["fetched"] > 0 for line in told] == [True, True, False]


def test_an_answer_of_304_that_nobody_asked_for_is_refused(project) -> None:
    """Without a token there is nothing that could be unchanged."""
    project.configure(source())
    project.api.script("/lists/none", [Fault.answer(Answer(status=304, headers=()), name="304")])

    line = project.here("sync", "--json").stream("shop.items")
    assert (line["status"], line["fetched"]) == ("failed", 0)
    assert "304, which brings no page" in line["reason"]
