"""`etl serve` and `etl status`: schedules in real processes."""

from __future__ import annotations

import signal
from itertools import pairwise

import pytest

EVERY = """\
base_url: {{url}}
schedule: {schedule}
streams:
  items:
    path: /api/items
    params: {{{{page: "{{{{page}}}}", pageSize: "{{{{size}}}}"}}}}
    records: items
    pages: {{{{number: 0, size: 100, total_rows: totalItems}}}}
    key: id
"""
LINES = "SELECT status, reason FROM _etl_run_streams ORDER BY ordinal"
BACKWARDS = {
    "sqlite": "UPDATE _etl_streams SET last_scheduled_at = '2026-01-01 00:00:00.000000'",
    "postgresql": "UPDATE _etl_streams SET last_scheduled_at = '2026-01-01T00:00:00Z'",
}


def every(schedule: str) -> str:
    return EVERY.format(schedule=schedule)


def long_ago(project) -> None:
    project.write(BACKWARDS[project.database.partition(":")[0]])


def test_run_due_runs_what_is_due_once_and_catches_up_once(project) -> None:
    """A stream that never ran is due; then it is not; after a long downtime it runs once, not a hundred times."""
    project.configure(every("every 1h"))

    first = project.etl("serve", "--run-due")
    assert first.code == 0, first.err
    assert [row[0] for row in project.rows(LINES)] == ["succeeded"]
    project.holds_the_truth("items")

    idle = project.here("serve", "--run-due")
    assert (idle.code, len(project.rows(LINES))) == (0, 1)

    long_ago(project)
    late = project.here("serve", "--run-due")
    assert (late.code, len(project.rows(LINES))) == (0, 2)
    again = project.here("serve", "--run-due")
    assert (again.code, len(project.rows(LINES))) == (0, 2)
    assert project.rows("SELECT DISTINCT trigger FROM etl_runs") == [("schedule",)]


def test_run_due_ends_with_the_code_of_its_runs(lite) -> None:
    """cron mails what went wrong; the tick is acted upon all the same."""
    lite.configure(every("every 1h").replace("/api/items", "/api/nothing"))

    done = lite.etl("serve", "--run-due")

    assert done.code == 4, done.err
    assert "404" in done.err
    assert lite.here("serve", "--run-due").code == 0


def test_every_second_runs_again_and_again_until_sigterm(project) -> None:
    """Runs never overlap, and SIGTERM ends with 0 within the grace."""
    project.configure(every("every 1s"))
    running = project.start("serve")
    project.until(lambda: [row[0] for row in project.rows(LINES)].count("succeeded") >= 3, "three runs")

    running.send(signal.SIGTERM)
    done = running.wait()

    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    spans = project.rows(
        "SELECT started_at, finished_at FROM _etl_run_streams WHERE status <> 'skipped' ORDER BY ordinal"
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    project.holds_the_truth("items")
    project.is_sound()


def test_a_tick_during_a_long_run_is_skipped_with_a_line(project) -> None:
    """The history says why nothing happened at that time; a stop while reading ends with 0, too."""
    project.configure(every("every 1s").replace("size: 100", "size: 10"))
    project.slow(1.0)
    running = project.start("serve", "--grace", "10s")
    project.until(lambda: "skipped" in [row[0] for row in project.rows(LINES)], "a skipped tick")

    running.send(signal.SIGTERM)
    done = running.wait()

    assert done.code == 0, done.err
    skipped = [reason for status, reason in project.rows(LINES) if status == "skipped"]
    assert "is still going" in skipped[0]
    assert project.one("SELECT count(*) FROM etl_runs WHERE status = 'skipped'") == len(skipped)
    assert [row[0] for row in project.rows(LINES)].count("interrupted") == 1
    project.is_sound()
    project.slow(0)

    assert project.here("serve", "--run-due").code == 0
    project.holds_the_truth("items")
    project.is_sound()


def test_a_run_that_outlasts_the_grace_is_cut_off(lite) -> None:
    """143 then, not 0; the run is recorded as interrupted, and its tick is due again."""
    lite.configure(every("every 1h"))
    lite.slow(5)
    running = lite.start("serve", "--grace", "500ms")
    lite.until(lambda: lite.api.count("/api/items"), "the first request")

    running.send(signal.SIGTERM)
    done = running.wait()

    assert done.code == 143, done.err
    assert "Traceback" not in done.err
    assert [row[0] for row in lite.rows(LINES)] == ["interrupted"]
    lite.slow(0)
    assert lite.here("serve", "--run-due").code == 0
    assert lite.rows("SELECT status, seconds IS NULL FROM _etl_runs ORDER BY run_id") == [
        ("interrupted", 0),
        ("succeeded", 0),
    ]
    lite.holds_the_truth("items")
    lite.is_sound()


def test_serve_without_a_schedule_is_two(lite) -> None:
    """Waiting for ever for nothing would look like working."""
    done = lite.etl("serve")

    assert done.code == 2
    assert "schedule" in done.err


def test_status_is_five_when_a_stream_is_late(project) -> None:
    """A probe can ask: 0 while the schedule is kept, 5 when a tick went by."""
    project.configure(every("every 1h"))
    never = project.here("status", "--json")
    assert (never.code, never.json[0]["last_success_at"]) == (0, None)
    project.prepare("serve", "--run-due")

    fresh = project.here("status", "--json")
    long_ago(project)
    late = project.etl("status", "--json")

    (line,) = fresh.json
    assert (fresh.code, line["stale"], line["status"], line["schedule"]) == (0, False, "succeeded", "every 1h")
    assert line["next_due_at"] > line["last_success_at"]
    assert line["rows"] == 300
    assert (late.code, late.json[0]["stale"]) == (5, True)
    assert "shop.items" in project.here("status").out


@pytest.mark.parametrize("arguments", [(), ("status",)])
def test_the_table_of_streams_is_on_stdout(lite, arguments) -> None:
    """`etl` alone shows the same."""
    lite.prepare("sync", "shop.items")

    done = lite.etl(*arguments)

    assert done.code == 0, done.err
    assert "shop.items" in done.out
    assert "shop.orders" in done.out
