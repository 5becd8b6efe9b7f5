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
