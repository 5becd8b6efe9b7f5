"""Deleted rows as a user sees them: who is marked, who comes back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from etl.testing.server import ApiServer
from tests.acceptance.conftest import Done, Project

PROVED = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  items:
    path: /lists/offset
    params: {{{{offset: "{{{{offset}}}}", limit: "{{{{size}}}}"}}}}
    records: items
    pages: {{{{offset: 0, size: 50, total_rows: total}}}}
    order: {{{{by: id, immutable: true, unique: true}}}}
    key: id
    {more}
"""
CHECKED = PROVED.replace("    order: {{{{by: id, immutable: true, unique: true}}}}\n", "")
ORDERS = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  orders:
    path: /api/orders
    params: {{{{updated_since: "{{{{start}}}}", until: "{{{{end}}}}", page: "{{{{page}}}}", pageSize: "{{{{size}}}}"}}}}
    records: data
    pages: {{{{number: 0, size: 100, total_rows: total}}}}
    key: id
    incremental: {{{{field: updated_at}}}}
    {more}
"""
LIVE = "SELECT id FROM shop_items_live ORDER BY id"
GONE = "SELECT id FROM shop_items WHERE _etl_deleted_at IS NOT NULL ORDER BY id"


def ids(project: Project, query: str) -> list[int]:
    return [row[0] for row in project.rows(query)]


def truth(project: Project, path: str = "/api/items") -> list[int]:
    return sorted(row["id"] for row in project.truth(path))


def take_out(project: Project, *numbers: int, table: str = "items") -> list[dict[str, Any]]:
    """Delete rows at the API; the rows as they were."""

    def change(api: ApiServer) -> list[dict[str, Any]]:
        dataset = api.state.table(table)
        gone = [dataset.get(number) for number in numbers]
        for number in numbers:
            dataset.remove(number)
        return gone

    return project.api.call(change)


def put_back(project: Project, rows: list[dict[str, Any]]) -> None:
    def change(api: ApiServer) -> None:
        for row in rows:
            api.state.items.put(row)

    project.api.call(change)


def sync(project: Project, *arguments: str) -> tuple[Done, dict[str, Any]]:
    done = project.here("sync", "--json", *arguments)
    assert done.json["streams"], done.err
    return done, done.json["streams"][0]


def test_a_row_missing_from_a_proved_reading_is_marked_and_one_that_returns_is_cleared(project: Project) -> None:
    """Nothing else of the row changes, so its return is noticed by the mark alone."""
    project.configure(PROVED.format(more="deletes: infer"))
    assert sync(project)[1]["verdict"] == "verified"
    gone = take_out(project, 7, 8)

    done, line = sync(project)

    assert (done.code, line["status"], line["deleted"], line["updated"]) == (0, "succeeded", 2, 0)
    assert ids(project, GONE) == [7, 8]
    assert ids(project, LIVE) == truth(project)
    assert project.one("SELECT deleted FROM etl_run_streams ORDER BY run_id DESC LIMIT 1") == 2

    assert sync(project)[1]["deleted"] == 0

    put_back(project, gone[:1])
    done, line = sync(project)
    assert (done.code, line["deleted"], line["updated"]) == (0, 0, 1)
    assert ids(project, GONE) == [8]
    assert ids(project, LIVE) == truth(project)


def test_without_a_proof_a_row_goes_when_two_readings_in_a_row_missed_it(project: Project) -> None:
    """One of the two may have missed a row that moved between its pages."""
    project.configure(CHECKED.format(more="deletes: infer"))
    sync(project)
    (eight,) = take_out(project, 8)

    _, first = sync(project)
    assert (first["verdict"], first["deleted"]) == ("consistent", 0)
    assert first["reason"].endswith("1 rows missing for the first time")
    put_back(project, [eight])
    take_out(project, 9)
    assert sync(project)[1]["deleted"] == 0
    assert ids(project, GONE) == []

    _, third = sync(project)
    assert third["deleted"] == 1
    assert ids(project, GONE) == [9]
    assert project.rows("SELECT * FROM _etl_missing WHERE stream = 'shop.other'") == []


def test_more_than_a_run_may_delete_is_refused_until_the_exact_number_is_named(project: Project) -> None:
    """300 rows: 15 go by themselves, 16 do not."""
    project.configure(PROVED.format(more="deletes: infer"))
    sync(project)
    take_out(project, *range(1, 17))

    done, line = sync(project)
    assert (done.code, line["status"], line["deleted"]) == (5, "refused", 0)
    assert line["reason"] == (
        "16 of 300 rows would be deleted, more than the 15 that a run may delete by itself (--confirm-deletes 16); "
        "nothing was deleted"
    )
    assert "hint  if they are really gone: etl sync shop.items --confirm-deletes 16" in done.err
    assert ids(project, GONE) == []
    assert sync(project, "--confirm-deletes", "300")[0].code == 5
    assert ids(project, GONE) == []

    done, line = sync(project, "--confirm-deletes", "16")
    assert (done.code, line["status"], line["deleted"]) == (0, "succeeded", 16)
    assert ids(project, LIVE) == truth(project)


def test_an_empty_list_deletes_nothing_unless_all_rows_are_named(project: Project) -> None:
    """A token that lost its permission sees an empty list, and the API says that it is complete."""
    project.configure(PROVED.format(more="deletes: infer"))
    sync(project)
    take_out(project, *truth(project))

    done, line = sync(project)
    assert (done.code, line["status"]) == (5, "refused")
    assert line["reason"].startswith("the API returned no rows, and 300 are stored (--confirm-deletes 300)")
    assert ids(project, GONE) == []

    assert sync(project, "--confirm-deletes", "300")[1]["deleted"] == 300
    assert ids(project, LIVE) == []


@pytest.mark.parametrize("arguments", [("--limit", "100"), ("--max-pages", "2")])
def test_a_reading_that_was_cut_on_request_deletes_nothing(project: Project, arguments: tuple[str, str]) -> None:
    """It was asked to be partial."""
    project.configure(PROVED.format(more="deletes: infer"))
    sync(project)
    take_out(project, 300)

    assert sync(project, *arguments)[1]["deleted"] == 0
    assert ids(project, GONE) == []


def test_only_a_full_reading_of_an_incremental_stream_finds_what_is_gone(project: Project) -> None:
    """What changed since the watermark says nothing of the rest; a full one leaves both bounds out."""
    project.configure(ORDERS.format(more="deletes: infer\n    columns: {{total: text}}"))
    project.here("sync")
    take_out(project, 21, table="orders")
    gone = "SELECT id FROM shop_orders WHERE _etl_deleted_at IS NOT NULL"

    assert sync(project)[1]["deleted"] == 0
    assert ids(project, gone) == []

    project.asked()
    sync(project, "--full")
    assert all("updated_since" not in target and "until" not in target for target in project.asked())
    assert sync(project, "--full")[1]["deleted"] == 1
    assert ids(project, gone) == [21]


def test_rejected_items_whose_key_can_be_read_are_not_missing(project: Project) -> None:
    """They are in the API's list, and their older version in the table stays."""
    more = "deletes: infer\n    columns: {{price: numeric}}\n    expect: {{max_reject_share: 1}}"
    project.configure(PROVED.format(more=more))
    sync(project)
    project.api.call(lambda api: api.state.touch("items", 5, price="dear"))
    take_out(project, 6)

    done, line = sync(project)

    assert (done.code, line["rejected"], line["deleted"]) == (0, 1, 1)
    assert ids(project, GONE) == [6]


@pytest.mark.parametrize("deletes", ["{{field: cancelled}}", "{{when: \"status == 'cancelled'\"}}"])
def test_an_item_that_says_it_is_deleted_is_kept_and_marked(project: Project, deletes: str) -> None:
    """Soft in the API, soft in the table; and cleared when it lives again."""

    def cancel(api: ApiServer) -> None:
        api.state.touch("items", 5, status="cancelled", cancelled=True)

    def revive(api: ApiServer) -> None:
        api.state.touch("items", 5, status="open", cancelled=False)

    project.configure(PROVED.format(more=f"deletes: {deletes}"))
    assert sync(project)[1]["deleted"] == 0
    project.api.call(cancel)
    done, line = sync(project)
    assert (done.code, line["deleted"], line["updated"]) == (0, 1, 1)
    assert ids(project, GONE) == [5]
    assert len(ids(project, LIVE)) == 299
    first = project.one("SELECT _etl_deleted_at FROM shop_items WHERE id = 5")

    assert sync(project)[1]["deleted"] == 0
    project.api.call(lambda api: api.state.touch("items", 5, status="cancelled", cancelled=True, name="again"))
    assert sync(project)[1]["updated"] == 1
    assert project.one("SELECT _etl_deleted_at FROM shop_items WHERE id = 5") == first

    project.api.call(revive)
    sync(project)
    assert ids(project, GONE) == []
    assert len(ids(project, LIVE)) == 300


def test_deletes_can_be_switched_on_for_a_table_that_exists(project: Project) -> None:
    """It gets the column and the view, and loses nothing; new columns appear in the view as well."""
    project.configure(PROVED.format(more="contract: evolve"))
    sync(project)
    project.configure(PROVED.format(more="deletes: infer"))
    take_out(project, 3)

    assert sync(project)[1]["deleted"] == 1

    project.api.call(lambda api: api.state.touch("items", 4, colour="red"))
    project.api.call(lambda api: api.state.touch("items", 6, id=6, name=17))
    assert sync(project)[0].code == 0
    assert project.rows("SELECT colour FROM shop_items_live WHERE id = 4") == [("red",)]
    assert ids(project, LIVE) == truth(project)


@pytest.mark.parametrize("template", [PROVED, CHECKED], ids=["verified", "consistent"])
def test_replace_removes_what_a_complete_reading_did_not_bring(project: Project, template: str) -> None:
    """The table is the list, with no marks."""
    project.configure(template.format(more="write: replace"))
    sync(project)
    take_out(project, 7, 8)

    done, line = sync(project)

    assert (done.code, line["deleted"]) == (0, 2)
    assert ids(project, "SELECT id FROM shop_items ORDER BY id") == truth(project)
    take_out(project, *range(20, 60))
    done, line = sync(project)
    assert (done.code, line["status"]) == (5, "refused")
    assert project.one("SELECT count(*) FROM shop_items") == 298


def test_replace_without_a_key_keeps_the_rows_of_the_last_reading_alone(project: Project) -> None:
    """Every reading brings all rows anew; the refusal looks at how many fewer there are."""
    project.configure(CHECKED.replace("    key: id\n", "").format(more="write: replace"))
    sync(project)
    take_out(project, 7, 8)

    done, line = sync(project)

    assert (done.code, line["inserted"], line["deleted"]) == (0, 298, 300)
    assert ids(project, "SELECT id FROM shop_items ORDER BY id") == truth(project)
    take_out(project, *range(20, 60))
    done, line = sync(project)
    assert (done.code, line["status"], line["deleted"]) == (5, "refused", 0)
    assert "40 of 298 rows would be deleted" in line["reason"]
    assert project.one("SELECT count(*) FROM shop_items") == 298
    assert sync(project, "--confirm-deletes", "40")[0].code == 0
    assert ids(project, "SELECT id FROM shop_items ORDER BY id") == truth(project)


def test_a_refused_reading_is_closed_and_never_resumed(project: Project) -> None:
    """An interrupted reading before it must not be taken for the open one: its pages have no digests any more."""
    project.configure(PROVED.format(more="deletes: infer"))
    sync(project)
    take_out(project, *range(1, 31))
    done, _ = sync(project)
    assert done.code == 5
    project.write("UPDATE _etl_run_streams SET status = 'interrupted' WHERE ordinal = 1")

    done, line = sync(project)

    assert (done.code, line["status"], line["verdict"]) == (5, "refused", "verified")
