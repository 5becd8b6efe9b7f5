"""`for_each`: one list per member, side by side, each with a watermark and a verdict of its own."""

from __future__ import annotations

import json
from typing import Any

from etl.testing import Fault
from tests.acceptance.conftest import Project

ORDERS = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  orders:
    path: "/api/customers/{{{{customer}}}}/orders"
    for_each: {{{{customer: [{members}]}}}}
    params: {{{{updated_since: "{{{{start}}}}", until: "{{{{end}}}}", page: "{{{{page}}}}", pageSize: "{{{{size}}}}"}}}}
    records: data
    pages: {{{{number: 0, size: 2, total_rows: total}}}}
    key: [customer, id]
    add: {{{{customer: "{{{{customer}}}}"}}}}
    incremental: {{{{field: updated_at}}}}
    columns: {{{{total: numeric}}}}
"""


def configure(project: Project, *members: int) -> None:
    project.configure(ORDERS.format(members=", ".join(map(str, members))))


def stored(project: Project) -> set[tuple[int, int]]:
    return set(project.rows("SELECT customer, id FROM shop_orders"))


def listed(project: Project, *members: int) -> set[tuple[int, int]]:
    return {(one, row["id"]) for one in members for row in project.truth(f"/api/customers/{one}/orders")}


def watermarks(project: Project) -> dict[str, Any]:
    return dict(project.rows("SELECT member, value FROM _etl_watermarks WHERE stream = 'shop.orders'"))


def test_every_member_is_read_and_goes_on_from_its_own_watermark(project: Project) -> None:
    """The second run asks each member only for what changed since its own newest order."""
    configure(project, 3, 7, 9)
    project.prepare("sync")
    first = watermarks(project)
    project.asked()

    done = project.here("sync", "--json")

    assert stored(project) == listed(project, 3, 7, 9)
    assert set(first) == {"3", "7", "9"}
    assert len(set(first.values())) == 3
    assert all("updated_since" in target for target in project.asked())
    assert done.stream("shop.orders")["watermark"] is not None
    assert done.code == 0


def test_a_failed_member_stops_no_other_and_holds_only_its_own_watermark(project: Project) -> None:
    """Exit 5; the next run brings what is missing, and the others go on incrementally."""
    configure(project, 3, 7, 9)
    project.api.script("/api/customers/7/orders", [Fault.status(500), Fault.status(500)])

    done = project.here("sync", "--json")
    line = done.stream("shop.orders")

    assert (done.code, line["status"]) == (5, "incomplete")
    assert line["reason"].startswith("1 of 3 members failed, the first 7: ")
    assert set(watermarks(project)) == {"3", "9"}
    assert stored(project) == listed(project, 3, 9)
    assert project.here("sync", "--json").stream("shop.orders")["status"] == "succeeded"
    assert stored(project) == listed(project, 3, 7, 9)


def test_a_stream_whose_members_all_fail_is_failed(lite: Project) -> None:
    """Exit 4, as for any stream whose source does not answer."""
    configure(lite, 9998, 9999)

    done = lite.here("sync", "--json")
    line = done.stream("shop.orders")

    assert (done.code, line["status"]) == (4, "failed")
    assert line["reason"].startswith("all 2 members failed, the first 9998: ")


def test_a_new_member_begins_anew_while_the_others_go_on_and_a_removed_one_is_ignored(project: Project) -> None:
    """Neither of them touches what is known of the others."""
    configure(project, 3, 7)
    project.prepare("sync")
    project.asked()
    configure(project, 3, 9)

    project.prepare("sync")

    asked = project.asked()
    assert all("updated_since" in target for target in asked if "/customers/3/" in target)
    assert not any("updated_since" in target for target in asked if "/customers/9/" in target)
    assert not any("/customers/7/" in target for target in asked)
    assert stored(project) == listed(project, 3, 7, 9)
    assert set(watermarks(project)) == {"3", "7", "9"}


def test_commands_that_look_know_the_members(lite: Project) -> None:
    """How many there are, up to where all of them have been read, and the first one as an example."""
    configure(lite, 7, 3)
    before = json.loads(lite.here("plan", "--json").out)["streams"][0]
    lite.prepare("sync")
    lite.asked()

    shown = json.loads(lite.here("preview", "shop.orders", "--json").out)
    asked = lite.asked()
    planned = json.loads(lite.here("plan", "--json").out)["streams"][0]
    (told,) = json.loads(lite.here("status", "--json").out)

    lowest = min(mark["watermark"] for mark in json.loads(lite.here("state", "show", "--json").out))
    assert (before["members"], before["reach"]) == ("2 customers", "first run")
    assert (planned["members"], planned["reach"], planned["since"]) == ("2 customers", "incremental", lowest)
    assert told["watermark"] == lowest
    assert shown["request"]["url"].startswith(f"{lite.api.url}/api/customers/7/orders?")
    assert all("/customers/7/" in target for target in asked)


def test_a_watermark_is_set_and_forgotten_for_one_member(lite: Project) -> None:
    """A name that is no member is a slip, and is not stored."""
    configure(lite, 3, 7)
    lite.prepare("sync")

    without = lite.here("state", "set", "shop.orders", "2024-05-05")
    slip = lite.here("state", "set", "shop.orders", "2024-05-05", "--member", "77")
    lite.prepare("state", "set", "shop.orders", "2024-05-05", "--member", "7")
    lite.prepare("state", "reset", "shop.orders", "--member", "3", "--yes")

    assert (without.code, slip.code) == (2, 2)
    assert "--member" in without.err
    assert "did you mean 7?" in slip.err
    assert watermarks(lite) == {"7": "1714867200000000"}
    lite.prepare("state", "reset", "shop.orders", "--yes")
    assert watermarks(lite) == {}


def test_a_backfill_reads_every_slice_for_every_member(project: Project) -> None:
    """It never moves a watermark; what one member lacks is read again, what all have is not."""
    configure(project, 3, 7)
    project.prepare("sync")
    marks = watermarks(project)
    project.write("DELETE FROM shop_orders")
    span = ("--from", "2023-01-01", "--to", "2026-01-01", "--step", "365d")
    project.write("DELETE FROM _etl_coverage")

    project.prepare("backfill", "shop.orders", *span)
    project.asked()
    again = project.here("backfill", "shop.orders", *span, "--json")
    quiet = project.asked()
    configure(project, 3, 7, 9)
    project.prepare("backfill", "shop.orders", *span)

    assert stored(project) == listed(project, 3, 7, 9)
    assert watermarks(project) == marks
    assert (again.code, quiet) == (0, [])
    assert again.stream("shop.orders")["reason"] == "nothing is missing in this range"
    assert {row[0] for row in project.rows("SELECT DISTINCT member FROM etl_coverage")} == {"3", "7", "9"}


def test_rejects_are_replayed_with_the_values_of_their_member(project: Project) -> None:
    """The customer stands in no item; it is part of the key all the same."""
    configure(project, 3, 7)
    file = project.folder / "config" / "shop.yaml"
    good = file.read_text()
    file.write_text(good.replace("columns: {total: numeric}", "columns: {total: numeric, status: bigint}"))
    project.here("sync")
    assert stored(project) == set()
    file.write_text(good.replace("columns: {total: numeric}", "columns: {total: numeric, status: text}"))

    done = project.here("rejects", "replay", "shop.orders", "--json")

    assert done.code == 0, done.err
    assert stored(project) == listed(project, 3, 7)


def test_a_url_from_the_data_is_the_whole_path(project: Project) -> None:
    """Absolute or relative to the source; one that leads elsewhere is refused before it is asked."""
    project.configure(
        """\
base_url: {url}/api
streams:
  details:
    path: "{{url}}"
    for_each: {{url: ["customers/3", "/api/customers/7", "{url}/api/customers/9", "http://elsewhere.example/api"]}}
    pages: none
    key: id
"""
    )

    done = project.here("sync", "--json")

    assert sorted(project.rows("SELECT id FROM shop_details")) == [(3,), (7,), (9,)]
    assert done.code == 5
    assert "1 of 4 members failed, the first http://elsewhere.example/api: " in done.stream("shop.details")["reason"]


def test_bare_values_and_objects_around_the_items_meet_their_member(lite: Project) -> None:
    """A list of texts is a table with one column `value`; the object around an item gives its fields to `add`."""
    lite.configure(
        """\
base_url: {url}
defaults: {{pages: none, add: {{customer: "{{c}}"}}}}
streams:
  fields: {{path: "/api/customers/{{c}}", for_each: {{c: [3]}}, records: "keys(@)", key: [customer, value]}}
  nested:
    path: /lists/nested?of={{c}}
    for_each: {{c: [3, 7]}}
    records: [groups, items]
    add: {{group: "{{outer.status}}"}}
    key: [customer, id]
"""
    )

    lite.prepare("sync")

    assert {row[0] for row in lite.rows("SELECT value FROM shop_fields WHERE customer = 3")} >= {"id", "name", "email"}
    assert lite.one("SELECT count(*) FROM shop_nested") == 600
    assert lite.rows("SELECT DISTINCT customer FROM shop_nested ORDER BY 1") == [(3,), (7,)]
    assert lite.one('SELECT count(*) FROM shop_nested WHERE "group" IS NULL') == 0
