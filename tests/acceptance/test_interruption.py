"""Stopped, killed, frozen, two at once: what is committed is whole, and the next run fetches only what is missing."""

from __future__ import annotations

import re
import signal
import socket

import pytest

SLOW_S = 0.25
HANDFUL = 5
"""Committed pages that a resume may fetch again for its proof: the first, the last, and those about them."""


def begin_slowly(project, *, pages: int = 3, latency_s: float = SLOW_S, **environ: str):
    """A sync of a list of 30 pages, some of which are committed already."""
    project.slow(latency_s)
    running = project.start("sync", "shop.items", "--concurrency", "1", "--json", **environ)
    project.until_committed(pages)
    return running


def committed(project) -> set[str]:
    return {row[0] for row in project.rows("SELECT position FROM _etl_pages WHERE stream = 'shop.items'")}


def pages_asked(project) -> set[str]:
    found = (re.search(r"[?&]page=(\d+)", target) for target in project.asked() if "/items" in target)
    return {f"page:{match[1]}" for match in found if match}


def goes_on_where_it_ended(project) -> None:
    """The next run names itself a resume by what it asks for, and the table is the truth."""
    before = committed(project)
    project.slow(0)
    project.asked()

    done = project.etl("sync", "shop.items", "--json")

    assert done.code == 0, done.err
    asked = pages_asked(project)
    assert {f"page:{n}" for n in range(30)} - before <= asked
    assert len(asked & before) <= HANDFUL
    assert done.stream("shop.items")["status"] == "succeeded"
    assert done.stream("shop.items")["fetched"] <= 300 - 10 * len(before) + 10 * HANDFUL
    project.holds_the_truth("items")
    project.is_sound()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_what_is_on_its_way_and_the_next_run_goes_on(project, number, code) -> None:
    """Exit 130 and 143; committed pages stay, nothing is claimed."""
    running = begin_slowly(project)
    before = committed(project)

    running.send(number)
    done = running.wait()

    assert done.code == code, done.err
    line = done.stream("shop.items")
    assert (done.json["exit_code"], line["status"], line["verdict"]) == (code, "interrupted", None)
    assert before <= committed(project)
    assert line["fetched"] == line["inserted"] == project.one("SELECT count(*) FROM shop_items")
    project.is_sound()
    goes_on_where_it_ended(project)


def test_a_killed_run_is_replaced_at_once_and_resumed(project) -> None:
    """kill -9 releases nothing, and yet the next run waits for nobody: the holder is dead."""
    running = begin_slowly(project)
    running.send(signal.SIGKILL)
    assert running.wait().code == -9
    stored = project.one("SELECT count(*) FROM shop_items")
    assert stored == 10 * len(committed(project))

    goes_on_where_it_ended(project)

    ended = project.rows("SELECT status, pages, fetched, inserted FROM _etl_run_streams ORDER BY ordinal")
    assert ended[0] == ("interrupted", stored // 10, stored, stored)
    assert [row[0] for row in project.rows("SELECT status FROM _etl_runs ORDER BY run_id")] == [
        "interrupted",
        "succeeded",
    ]


def test_an_incremental_run_that_is_killed_moves_no_watermark(project) -> None:
    """Its rows are there, its claim is not; the resumed run reads the same interval."""
    project.slow(0.4)
    running = project.start("sync", "shop.orders", "--concurrency", "1")
    project.until_committed(2, "shop.orders")
    running.send(signal.SIGKILL)
    running.wait()
    assert project.rows("SELECT * FROM _etl_watermarks") == []
    project.is_sound()
    project.slow(0)

    done = project.etl("sync", "shop.orders", "--json")

    assert done.code == 0, done.err
    assert done.stream("shop.orders")["watermark"] is not None
    project.holds_the_truth("orders")
    project.is_sound()


def test_a_second_process_is_refused_within_seconds(project) -> None:
    """Exit 7 names host and pid of the holder; a line stays in the history; the first run ends well."""
    running = begin_slowly(project, pages=1, latency_s=0.5)

    refused = project.etl("sync", "shop.items", "--json")

    assert refused.code == 7, refused.err
    line = refused.stream("shop.items")
    assert line["status"] == "refused"
    assert socket.gethostname() in line["reason"]
    assert f"pid {running.pid}" in line["reason"]
    assert running.process.poll() is None
    project.slow(0)
    assert running.wait().code == 0
    assert project.rows("SELECT status, exit_code FROM _etl_run_streams ORDER BY ordinal") == [
        ("succeeded", 0),
        ("refused", 7),
    ]
    project.holds_the_truth("items")
    project.is_sound()


def test_processes_that_start_together_on_a_new_database_share_it(project) -> None:
    """One makes the tables, the others wait for it; streams of their own do not get in each other's way."""
    running = [project.start("sync", f"shop.{name}", "--json") for name in ("items", "orders", "items")]

    codes = [each.wait().code for each in running]

    assert codes[1] == 0
    assert sorted((codes[0], codes[2])) in ([0, 0], [0, 7])
    project.holds_the_truth("items", "orders")
    project.is_sound()


def test_a_frozen_holder_is_replaced_and_writes_nothing_when_it_wakes(project) -> None:
    """SIGSTOP for longer than the lease lasts: the other run takes over, the frozen one ends with 7."""
    running = begin_slowly(project, pages=2, ETL_LEASE_TTL="1")
    freeze_between_transactions(project, running)
    project.until(lambda: silent(project), "the lease to grow old")
    project.slow(0)
    done = project.etl("sync", "shop.items", "--json", ETL_LEASE_TTL="1")
    assert done.code == 0, done.err
    written = project.rows("SELECT id, _etl_seq, _etl_changed_at FROM shop_items ORDER BY id")
    pages = project.one("SELECT count(*) FROM _etl_pages")

    running.send(signal.SIGCONT)
    woken = running.wait()

    assert woken.code == 7, woken.err
    assert woken.stream("shop.items")["status"] == "fenced"
    assert project.rows("SELECT id, _etl_seq, _etl_changed_at FROM shop_items ORDER BY id") == written
    assert project.one("SELECT count(*) FROM _etl_pages") == pages
    project.holds_the_truth("items")
    project.is_sound()


def freeze_between_transactions(project, running) -> None:
    """Inside of one, SQLite would keep everybody out until the frozen process wakes up."""
    while True:
        running.send(signal.SIGSTOP)
        if not project.is_locked():
            return
        running.send(signal.SIGCONT)


def test_who_is_kept_out_of_a_locked_file_is_told_how_to_find_a_run_that_is_suspended(lite) -> None:
    """Frozen inside a transaction it keeps the lock: exit 6 says where to look, and `etl check` names its process."""
    running = begin_slowly(lite, pages=2)
    with lite.locked():  # as long as it were frozen there
        refused = lite.etl("sync", "shop.items", "--json", ETL_BUSY_TIMEOUT="0.1")
        named = lite.etl("check", "--offline", ETL_BUSY_TIMEOUT="0.1")
    lite.slow(0)

    assert refused.code == 6
    assert "is locked by another process" in refused.err
    assert "`etl check` names it" in refused.err
    assert f"pid {running.pid}" in named.out + named.err
    assert running.wait().code == 0
    lite.holds_the_truth("items")


def silent(project) -> bool:
    """Whether the last sign of life is older than the second that the lease lasts."""
    if project.database.startswith("sqlite"):
        age = "(julianday('now') - julianday(beat_at)) * 86400"
    else:
        age = "extract(epoch FROM clock_timestamp() - beat_at)"
    return project.one(f"SELECT {age} FROM _etl_beats") > 1.3


def test_two_signals_end_the_process_at_once(lite) -> None:
    """Who presses Ctrl-C twice does not want to wait; the next run goes on all the same."""
    lite.slow(5)
    running = lite.start("sync", "shop.items", "--json")
    lite.until(lambda: lite.api.count("/api/items"), "the first request")

    running.send(signal.SIGINT)

    def gone() -> bool:
        if running.process.poll() is None:
            running.send(signal.SIGINT)
        return running.process.poll() is not None

    lite.until(gone, "the end of the process")
    assert running.wait().code == 130
    lite.slow(0)
    assert lite.etl("sync", "shop.items").code == 0
    lite.holds_the_truth("items")
    lite.is_sound()


def test_a_page_that_takes_longer_than_the_lease_to_decode_keeps_it(project) -> None:
    """Decoding lets nothing else of its loop run; the sign of life comes from another one, so nobody takes over."""
    (project.folder / "config" / "hooks.py").write_text(
        "import time\nfrom pathlib import Path\n\n\ndef slow(item):\n    Path('decoding').touch()\n"
        "    end = time.monotonic() + 0.03\n    while time.monotonic() < end:\n        pass\n    return item\n",
        encoding="utf-8",
    )
    project.configure(
        "base_url: {url}\nstreams:\n  items:\n    path: /api/items\n    records: items\n    pages: none\n    key: id\n"
        "    params: {{pageSize: 100}}\n    hooks: {{item: slow}}\n"
    )
    running = project.start("sync", "shop.items", "--json", ETL_LEASE_TTL="0.8")
    project.until((project.folder / "decoding").exists, "the page to be decoded")
    signs = set()

    def is_older_than_the_lease() -> bool:
        signs.update(project.rows("SELECT beat_at FROM _etl_beats"))
        return len(signs) > 4  # four of them are the length of the lease

    project.until(is_older_than_the_lease, "signs of life")
    assert committed(project) == set()

    assert running.wait().code == 0
    assert project.one("SELECT count(*) FROM shop_items") == 100
