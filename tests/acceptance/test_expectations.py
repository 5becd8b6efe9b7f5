"""`expect` and what it makes of a reading that succeeded."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import Project

SHOP = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  items:
    path: /api/items
    params: {{{{page: "{{{{page}}}}", pageSize: "{{{{size}}}}"}}}}
    records: items
    pages: {{{{number: 0, size: 100, total_rows: totalItems}}}}
    key: id
    {more}
"""


ORDERS = """\
base_url: {{url}}
limits: {{{{retries: 1, timeout: 10s}}}}
streams:
  orders:
    path: /api/orders
    params: {{{{updated_since: "{{{{start}}}}", page: "{{{{page}}}}", pageSize: "{{{{size}}}}"}}}}
    records: data
    pages: {{{{number: 0, size: 100, total_rows: total}}}}
    key: id
    incremental: {{{{field: updated_at}}}}
    expect: {{{{fresh: {fresh}}}}}
"""


def test_a_feed_that_stands_still_is_exit_5(project: Project) -> None:
    """By the clock of the source, in the first run and in one that brings nothing new; what came is stored."""
    project.configure(ORDERS.format(fresh="100y"))
    assert project.here("sync").code == 0
    project.configure(ORDERS.format(fresh="1s"))

    for _ in range(2):
        done = project.here("sync", "--json")

        assert done.code == 5
        line = done.stream("shop.orders")
        assert "the newest row is of 20" in line["reason"]
        assert "expect.fresh asks for one after 20" in line["reason"]
    assert project.one("SELECT count(*) FROM shop_orders") == 200


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("expect: {{min_rows: 301}}", "300 rows came, expect.min_rows is 301"),
        ("expect: {{complete: verified}}", "expect.complete asks for verified"),
        ("columns: {{name: bigint, title: bigint, sku: bigint}}", "more than expect.max_reject_share = 1.0%"),
        ("fail_if: totalItems", "the answer of"),
    ],
    ids=["min_rows", "complete", "max_reject_share", "fail_if"],
)
def test_a_success_that_is_not_good_enough_is_exit_5(project: Project, more: str, reason: str) -> None:
    """With the bound that broke in the reason."""
    project.configure(SHOP.format(more=more))

    done = project.etl("sync", "--json")

    assert done.code == 5
    assert reason in done.stream("shop.items")["reason"]
