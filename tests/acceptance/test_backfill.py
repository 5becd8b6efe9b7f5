"""`etl backfill`: a past range in slices, which can be stopped, continued and repeated, beside the watermark."""

from __future__ import annotations

import signal

import pytest

from etl.testing.faults import Fault

YEAR = ("--from", "2024-03-01", "--to", "2025-03-01")
ROWS = "SELECT id, status, total, updated_at, _etl_hash FROM shop_orders ORDER BY id"
MARK = "SELECT value FROM _etl_watermarks WHERE stream = 'shop.orders'"


@pytest.fixture
def shop(project):
    """The shop with its watermark at the newest order and none of the older ones stored."""
    project.prepare("sync", "shop.orders")
    project.expected = [row for row in project.rows(ROWS) if "2024-03-01" <= str(row[3])[:10] < "2025-03-01"]
    project.write("DELETE FROM shop_orders")
    project.write("DELETE FROM _etl_coverage")
    project.asked()
    return project


def test_a_year_in_slices_equals_one_reading(shop) -> None:
    """Thirty days at a time bring the very rows that one run brought; the watermark stays."""
    mark = shop.one(MARK)

    done = shop.etl("backfill", "shop.orders", *YEAR, "--step", "30d", "--json")

    assert done.code == 0, done.err
    line = done.stream("shop.orders")
    assert (line["status"], line["fetched"], line["inserted"]) == ("succeeded", len(shop.expected), len(shop.expected))
    assert "13 of 13 slices" in line["reason"]
    assert shop.rows(ROWS) == shop.expected
    assert shop.one(MARK) == mark
    assert all("updated_since=" in target and "until=" in target for target in shop.asked())
    again = shop.here("backfill", "shop.orders", *YEAR, "--step", "30d", "--json")
    assert (again.code, shop.asked()) == (0, [])
    whole = shop.here("backfill", "shop.orders", *YEAR, "--step", "30d", "--only", "all", "--json").stream(
        "shop.orders"
    )
    assert (whole["fetched"], whole["unchanged"]) == (len(shop.expected), len(shop.expected))


def test_a_backfill_that_was_stopped_is_resumed_by_its_id(shop) -> None:
    """Ctrl-C half way ends with 130 and the command to type; the rest is what was missing."""
    mark = shop.one(MARK)
    shop.slow(0.3)
    running = shop.start("backfill", "shop.orders", *YEAR, "--step", "30d", "--json")
    shop.until(lambda: done_slices(shop) >= 4, "four slices")
    running.send(signal.SIGINT)
    stopped = running.wait()

    assert stopped.code == 130, stopped.err
    assert stopped.stream("shop.orders")["status"] == "interrupted"
    backfill_id = shop.one("SELECT backfill_id FROM _etl_backfills")
    assert f"etl backfill --resume {backfill_id}" in stopped.err
    before = done_slices(shop)
    assert 4 <= before < 13
    shop.slow(0)

    done = shop.etl("backfill", "--resume", backfill_id, "--json")

    assert done.code == 0, done.err
    assert f"{13 - before} of {13 - before} slices" in done.stream("shop.orders")["reason"]
    assert shop.rows(ROWS) == shop.expected
    assert shop.one(MARK) == mark


def test_failed_slices_can_be_read_alone(shop) -> None:
    """A slice that failed beside others that did not makes the whole 5; `--only failed` mends it."""
    shop.api.script("/api/orders", [Fault.status(400)])
    first = shop.here("backfill", "shop.orders", *YEAR, "--step", "120d", "--json")
    assert first.code == 5, first.err
    assert "--resume" in first.err
    shop.asked()

    again = shop.etl("backfill", "shop.orders", *YEAR, "--step", "120d", "--only", "failed", "--json")

    assert again.code == 0, again.err
    assert "1 of 1 slices" in again.stream("shop.orders")["reason"]
    assert shop.rows(ROWS) == shop.expected


def test_a_killed_backfill_is_resumed(shop) -> None:
    """kill -9 in the middle of a slice: the same command continues it, and the rows are the truth."""
    shop.slow(0.3)
    running = shop.start("backfill", "shop.orders", *YEAR, "--step", "120d")
    shop.until(lambda: done_slices(shop) >= 1, "a slice")
    running.send(signal.SIGKILL)
    running.wait()
    shop.slow(0)

    done = shop.etl("backfill", "shop.orders", *YEAR, "--step", "120d", "--json")

    assert done.code == 0, done.err
    assert shop.one("SELECT count(*) FROM _etl_backfills") == 1
    assert shop.rows(ROWS) == shop.expected


def test_a_dry_run_lists_its_slices(lite) -> None:
    """One line a slice; nothing is sent, nothing is written."""
    done = lite.here("backfill", "shop.orders", *YEAR, "--step", "30d", "--dry-run", "--json")

    assert done.code == 0, done.err
    reasons = [line["reason"] for line in done.json["streams"]]
    assert len(reasons) == 13
    assert reasons[0] == "dry run: slice 1 from 2024-03-01T00:00:00Z to 2024-03-31T00:00:00Z"
    assert reasons[-1].endswith("to 2025-03-01T00:00:00Z")
    assert lite.asked() == []
    assert lite.rows("SELECT * FROM _etl_backfills") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("shop.items", "--from", "2024-01-01"), "incremental"),
        (("shop.orders",), "--from"),
        (("shop.orders", "--from", "2024-01-01", "--resume", "01ABC"), "--resume"),
        (("--resume", "NOSUCH"), "NOSUCH"),
        (("shop.orders", "--from", "2025-01-01", "--to", "2024-01-01"), "not before"),
        (("shop.orders", "--from", "yesteryear"), "yesteryear"),
        (("shop.orders", "--from", "2024-01-01", "--step", "often"), "often"),
        (("shop.orders", "--from", "2024-01-01", "--step", "0s"), "above zero"),
        (("shop.orders", "--from", "2024-01-01", "--step", "1s"), "slices"),
        (("shop.*", "--from", "2024-01-01"), "2 streams"),
    ],
)
def test_what_cannot_be_combined_is_refused(lite, arguments, says) -> None:
    """Exit 2 and a word about it, before anything is sent."""
    done = lite.here("backfill", *arguments, "--json")

    assert done.code == 2, done.err
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.json["exit_code"] == 2
    assert lite.asked() == []


def done_slices(project) -> int:
    query = "SELECT count(*) FROM _etl_slices WHERE status = 'succeeded'"
    return (project.rows(query) or [(0,)])[0][0]
