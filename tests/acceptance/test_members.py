"""`for_each`: one list per member, side by side, each with a watermark and a verdict of its own."""

from __future__ import annotations

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
