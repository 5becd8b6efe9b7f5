"""`etl rejects replay`: what did not fit yesterday, after the configuration was mended, without a request."""

from __future__ import annotations

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
    expect: {{{{max_reject_share: 1}}}}
    columns: {{{{extra: {type}}}}}
"""


def test_rejects_become_rows_once_the_configuration_fits(project: Project) -> None:
    """Three of 300 did not fit; one was mended at the API meanwhile, and its newer version stays."""
    project.configure(SHOP.format(type="bigint"))
    for number in (5, 6, 7):
        project.api.call(lambda api, number=number: api.state.touch("items", number, extra="old"))
    assert project.here("sync", "--json").stream("shop.items")["rejected"] == 3
    project.api.call(lambda api: api.state.touch("items", 5, extra=17))
    project.here("sync")
    assert project.one("SELECT count(*) FROM shop_items") == 298
    project.asked()

    still = project.here("rejects", "replay", "--json")
    assert (still.code, still.stream("shop.items")["rejected"]) == (5, 5)

    project.configure(SHOP.format(type="text"))
    done = project.here("rejects", "replay", "shop", "--json")

    line = done.stream("shop.items")
    assert done.code == 0, done.err
    assert (line["fetched"], line["inserted"], line["rejected"], line["requests"]) == (5, 2, 0, 0)
    assert line["reason"] == "5 of 5 rejects fit now"
    assert project.asked() == []
    assert project.rows("SELECT id, extra FROM shop_items WHERE id IN (5, 6, 7) ORDER BY id") == [
        (5, "17"),
        (6, "old"),
        (7, "old"),
    ]
    assert project.one("SELECT count(*) FROM etl_rejects WHERE replayed_at IS NULL") == 0
    kind, inserted = project.one("SELECT kind, inserted FROM etl_run_streams ORDER BY run_id DESC LIMIT 1")
    assert (kind, inserted) == ("replay", 2)

    again = project.here("rejects", "replay", "--json")
    assert (again.code, again.stream("shop.items")["reason"]) == (0, "nothing to replay")


def test_a_replay_waits_for_nobody_and_holds_the_lease(lite: Project) -> None:
    """Beside a running sync it is refused, as any second writer."""
    lite.configure(SHOP.format(type="bigint"))
    lite.api.call(lambda api: api.state.touch("items", 5, extra="old"))
    lite.here("sync")
    lite.slow(1.0)
    running = lite.start("sync")
    lite.until(lambda: lite.rows("SELECT 1 FROM _etl_leases WHERE holder IS NOT NULL"), "the lease")

    refused = lite.etl("rejects", "replay", "--json")

    assert (refused.code, refused.json["status"]) == (7, "refused")
    running.wait()
