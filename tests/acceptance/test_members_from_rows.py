"""`for_each` over the rows of another stream: the orders of every customer there is."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from etl.testing import Fault, ServerThread
from tests.acceptance.conftest import Project

CUSTOMERS = """\
base_url: {url}
limits: {{retries: 1, timeout: 10s}}
streams:
  orders:
    path: "/api/customers/{{customer}}/orders"
    for_each: {{customer: customers.id}}
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: data
    pages: {{number: 0, size: 3, total_rows: total}}
    key: [customer, id]
    add: {{customer: "{{customer}}"}}
    columns: {{total: numeric}}
  customers:
    path: /api/customers
    params: {{offset: "{{offset}}", limit: "{{size}}"}}
    records: rows
    pages: {{offset: 0, size: 5, total_rows: total}}
    key: id
"""
INFER = CUSTOMERS.replace("    key: ", "    deletes: infer\n    key: ").replace(
    "    key: id", "    order: {{by: id, unique: true, immutable: true}}\n    key: id"
)
ORDERS = "/api/customers/{}/orders"


@pytest.fixture
def api() -> Iterator[ServerThread]:
    """Few customers: each of them is a list of its own."""
    with ServerThread(items=1, orders=60, customers=12) as server:
        yield server


@pytest.fixture
def shop(project: Project) -> Project:
    project.configure(CUSTOMERS)
    return project


def stored(project: Project, table: str = "shop_orders") -> set[tuple[int, int]]:
    return set(project.rows(f"SELECT customer, id FROM {table}"))


def listed(project: Project) -> set[tuple[int, int]]:
    customers = [row["id"] for row in project.truth("/api/customers")]
    return {(one, row["id"]) for one in customers for row in project.truth(ORDERS.format(one))}


def members_read_twice(project: Project) -> list[Any]:
    return project.rows(
        "SELECT generation, member, position, count(*) FROM _etl_pages WHERE stream = 'shop.orders' AND attempt = 0 "
        "GROUP BY generation, member, position HAVING count(*) > 1"
    )


def test_children_are_read_in_the_run_that_reads_their_parents(shop: Project) -> None:
    """One command, an empty database, and the orders of all customers are there."""
    done = shop.here("sync", "--json")

    assert done.code == 0, done.err
    assert [line["stream"] for line in done.json["streams"]] == ["shop.orders", "shop.customers"]
    assert done.stream("shop.orders")["reason"].startswith("12 members, the weakest ")
    assert stored(shop) == listed(shop)
    assert members_read_twice(shop) == []


def test_children_do_not_wait_for_the_last_of_their_parents(lite: Project) -> None:
    """Parents one by one and slowly: the first are stored, and their orders asked for, before the last one came."""
    lite.configure(CUSTOMERS.replace("offset: 0, size: 5", "offset: 0, size: 1"))
    lite.slow(0.15)
    running = lite.start("sync", "--concurrency", "1", "--json")
    lite.until_committed(1, "shop.orders")
    lite.slow(0.0)
    done = running.wait()

    first_child = lite.one("SELECT min(requested_at) FROM _etl_pages WHERE stream = 'shop.orders'")
    last_parent = lite.one("SELECT max(requested_at) FROM _etl_pages WHERE stream = 'shop.customers'")
    assert done.code == 0, done.err
    assert first_child < last_parent
    assert stored(lite) == listed(lite)


def test_a_child_alone_takes_the_rows_that_are_there(shop: Project) -> None:
    """And a table that is not there is told with the command that fills it."""
    missing = shop.here("sync", "shop.orders", "--json")
    shop.prepare("sync", "shop.customers")
    shop.asked()

    done = shop.here("sync", "shop.orders", "--json")

    assert missing.code == 5
    assert "shop.customers, which has no table yet" in missing.stream("shop.orders")["reason"]
    assert "etl sync shop.customers shop.orders" in missing.err
    assert done.code == 0
    assert stored(shop) == listed(shop)
    assert "/api/customers?offset=0&limit=5" not in shop.asked()


def test_a_parent_deleted_between_listing_and_reading_is_gone_and_no_failure(shop: Project) -> None:
    """Counted and told; its list is complete, for there is none."""
    shop.api.script(ORDERS.format(7), [Fault(name="deleted", before=lambda state: state.customers.remove(7))])

    done = shop.here("sync", "--json")

    assert done.code == 0, done.err
    assert done.stream("shop.orders")["reason"].endswith("; 1 member is gone")
    assert stored(shop) == listed(shop)
    assert shop.rows("SELECT member, status FROM etl_pages WHERE status >= 400") == [("7", 404)]


def test_another_refusal_is_a_failure_of_that_member(shop: Project) -> None:
    """400 and 403 do not mean that anything is gone."""
    shop.api.script(ORDERS.format(7), [Fault.status(403)])
    shop.api.script(ORDERS.format(9), [Fault.status(400)])

    done = shop.here("sync", "--json")

    assert done.code == 5
    assert done.stream("shop.orders")["reason"].startswith("2 of 12 members failed, the first ")
    assert stored(shop) == {(customer, order) for customer, order in listed(shop) if customer not in (7, 9)}


def test_a_parent_that_fails_leaves_its_child_incomplete(shop: Project) -> None:
    """What the table had is read, and nobody claims that this was everything."""
    shop.prepare("sync")
    shop.api.script("/api/customers", [Fault.status(500)] * 2)

    done = shop.here("sync", "--json")
    line = done.stream("shop.orders")

    assert (done.code, line["status"], line["verdict"]) == (5, "incomplete", "incomplete")
    assert line["reason"].startswith("shop.customers is failed, so members may be missing; 12 members")


def test_without_any_member_the_child_ends_as_its_parent_did(shop: Project) -> None:
    """A server that is down is exit 4 for both, on the first day too."""
    shop.api.script("/api/customers", [Fault.status(500)] * 2)

    done = shop.here("sync", "--json")

    assert (done.code, done.stream("shop.orders")["status"]) == (4, "failed")
    assert done.stream("shop.orders")["reason"] == "no member to read: shop.customers is failed"


def test_an_interrupted_run_goes_on_where_it_was_and_reads_no_member_twice(shop: Project) -> None:
    """Ctrl-C, and the next run reads what is missing, in the same generation."""
    shop.slow(0.05)
    running = shop.start("sync", "--concurrency", "2", "--json")
    shop.until_committed(5, "shop.orders")
    running.send(signal.SIGINT)
    stopped = running.wait()
    shop.slow(0.0)
    shop.asked()

    done = shop.here("sync", "--json")

    assert (stopped.code, stopped.stream("shop.orders")["status"]) == (130, "interrupted")
    assert done.code == 0, done.err
    assert stored(shop) == listed(shop)
    assert members_read_twice(shop) == []
    assert shop.one("SELECT count(DISTINCT generation) FROM _etl_pages WHERE stream = 'shop.orders'") == 1


def test_a_killed_run_goes_on_where_it_was(shop: Project) -> None:
    """Whole pages only, and no member from the beginning."""
    shop.slow(0.05)
    running = shop.start("sync", "--concurrency", "2")
    shop.until_committed(5, "shop.orders")
    running.send(signal.SIGKILL)
    running.wait()
    shop.slow(0.0)

    done = shop.here("sync", "--json")

    assert done.code == 0, done.err
    assert stored(shop) == listed(shop)
    assert members_read_twice(shop) == []
    shop.is_sound()


def test_the_orders_of_a_deleted_customer_are_deleted_with_a_complete_reading(shop: Project) -> None:
    """A row belongs to the members that deliver it: no live member delivers these any more."""
    shop.configure(INFER)
    shop.prepare("sync")
    shop.api.call(lambda api: api.state.customers.remove(7))

    done = shop.here("sync", "--json")
    shop.asked()
    again = shop.here("sync", "--json")

    assert (done.code, again.code) == (0, 0), again.err
    assert [row[0] for row in shop.rows("SELECT id FROM shop_customers WHERE _etl_deleted_at IS NOT NULL")] == [7]
    assert stored(shop, "shop_orders_live") == listed(shop)
    assert any(customer == 7 for customer, _ in stored(shop))
    assert "/api/customers/7/orders?page=0&pageSize=3" not in shop.asked()


def test_a_failed_member_keeps_everybodys_rows(shop: Project) -> None:
    """One list that was not read could hold any of the rows that were not brought."""
    shop.configure(INFER)
    shop.prepare("sync")
    shop.api.call(lambda api: api.state.customers.remove(7))
    shop.api.script(ORDERS.format(9), [Fault.status(500)] * 2)

    done = shop.here("sync", "--json")

    assert done.code == 5
    assert shop.one("SELECT count(*) FROM shop_orders WHERE _etl_deleted_at IS NOT NULL") == 0


def test_a_column_that_is_not_there_is_told_with_the_nearest_one(lite: Project) -> None:
    """Columns are inferred, so only the table can tell."""
    lite.configure(CUSTOMERS.replace("customers.id", "customers.idd"))

    done = lite.here("sync", "--json")

    assert done.code == 5
    assert done.stream("shop.orders")["reason"] == ("shop.customers has no column idd, from which members should come")
    assert "did you mean id?" in done.err


def test_commands_that_keep_nothing_take_the_first_row_of_the_parent(lite: Project) -> None:
    """There is no database to look into, so the parent's first page is asked for."""
    lite.configure(CUSTOMERS)

    checked = lite.here("check", "shop.orders")
    shown = json.loads(lite.here("preview", "shop.orders", "--json").out)
    spelled = lite.here("preview", "shop.orders", "--curl")
    before = json.loads(lite.here("plan", "shop.orders", "--json").out)["streams"][0]
    lite.prepare("sync")
    after = json.loads(lite.here("plan", "shop.orders", "--json").out)["streams"][0]

    assert checked.code == 0, checked.out
    assert shown["request"]["url"] == f"{lite.api.url}/api/customers/1/orders?page=0&pageSize=3"
    assert "/api/customers/%7Bcustomer%7D/orders" in spelled.out
    assert (before["members"], after["members"]) == ("", "12 customers")


def test_a_further_variable_makes_a_product_with_every_row(project: Project) -> None:
    """Each customer's orders once for either half of the year; a row that comes twice is one row."""
    halves = "for_each: {{customer: customers.id, from: [2023-06-01, 2024-09-01]}}"
    project.configure(
        CUSTOMERS.replace("for_each: {{customer: customers.id}}", halves).replace(
            'params: {{page: "{{page}}", p', 'params: {{updated_since: "{{from}}", page: "{{page}}", p', 1
        )
    )

    done = project.here("sync", "--json")

    assert done.code == 0, done.err
    assert done.stream("shop.orders")["reason"].startswith("24 members, ")
    assert stored(project) == listed(project)
    assert members_read_twice(project) == []
