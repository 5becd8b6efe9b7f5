"""`etl sync` as a user sees it: what it stores, what it counts, how it ends."""

from __future__ import annotations

import json
import re
import socket
import stat
from pathlib import Path

import pytest

from etl.testing.faults import Fault

SHOP = """\
base_url: {url}
limits: {{retries: 1, timeout: 5s}}
streams:
  items:
    path: /api/items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 10, total_pages: totalPages, total_rows: totalItems}}
    key: id
"""
SHOP_FRESH = """\
base_url: {url}
streams:
  items:
    path: /api/items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 100, total_rows: totalItems}}
    key: id
    expect: {{fresh: 1h}}
  orders:
    path: /api/orders
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: data
    pages: {{number: 0, size: 100, total_rows: total}}
    key: id
    expect: {{fresh: 1h}}
"""
UNTOLD = """\
base_url: {url}
streams:
  untold:
    path: /lists/number/untold
    params: {{page: "{{page}}", per_page: "{{size}}"}}
    records: items
    pages: {{number: 1, size: 100}}
    key: id
"""
TOKEN = """\
base_url: {url}
auth: {{bearer: "${{SHOP_TOKEN}}"}}
streams:
  items:
    path: /auth/bearer/items
    records: items
    pages: {{number: 1, size: 100}}
    params: {{page: "{{page}}", per_page: "{{size}}"}}
    key: id
"""
HASHES = "SELECT id, _etl_changed_at, _etl_hash, _etl_seq, _etl_run_id FROM shop_items ORDER BY id"


def test_two_syncs_and_a_day_between_them(project) -> None:
    """The first run stores everything, the second writes no row, the third exactly what the day changed."""
    first = project.etl("sync", "--json")
    assert first.code == 0, first.err
    assert first.json["status"] == "succeeded"
    items, orders = first.stream("shop.items"), first.stream("shop.orders")
    assert (items["fetched"], items["inserted"], items["updated"], items["unchanged"]) == (300, 300, 0, 0)
    assert (orders["fetched"], orders["inserted"]) == (200, 200)
    assert orders["watermark"].startswith("2025-02-28T")
    project.holds_the_truth()
    stored = project.rows(HASHES)

    second = project.etl("sync", "--json").stream("shop.items")
    assert (second["fetched"], second["inserted"], second["updated"], second["unchanged"]) == (300, 0, 0, 300)
    assert project.rows(HASHES) == stored

    changed = project.api.advance()
    third = project.etl("sync", "--json")
    for name in ("items", "orders"):
        line = third.stream(f"shop.{name}")
        assert (line["inserted"], line["updated"]) == (len(changed[name].inserted), len(changed[name].updated)), name
        assert line["fetched"] == line["inserted"] + line["updated"] + line["unchanged"]
    assert third.stream("shop.items")["unchanged"] == 300 - len(changed["items"].updated)
    project.holds_the_truth()
    touched = {*changed["items"].updated, *changed["items"].inserted}
    fourth = {row[0]: row for row in project.rows(HASHES)}
    assert {row[0] for row in stored if fourth[row[0]] != row} == set(changed["items"].updated)
    assert touched <= set(fourth)
    project.is_sound()


def test_a_new_field_becomes_a_column_and_is_recorded(project) -> None:
    """The column fills for the rows that came with it; its arrival stands in `etl_schema_changes`."""
    project.prepare("sync", "shop.orders")
    project.api.advance()

    done = project.here("sync", "shop.orders")

    assert done.code == 0, done.err
    notes = {row["id"]: row.get("gift_note") for row in project.truth("/api/orders")}
    assert any(notes.values())
    assert dict(project.rows("SELECT id, gift_note FROM shop_orders")) == notes
    changes = project.rows(
        "SELECT table_name, column_name, old_type, new_type FROM etl_schema_changes WHERE column_name = 'gift_note'"
    )
    assert changes[0][:2] == ("shop_orders", "gift_note")
    assert changes[-1][3] == "text"
    assert "gift_note" in done.err


def test_rejects_are_kept_with_their_reason(project) -> None:
    """An item that does not fit a declared type is no row, and not lost."""
    project.api.call(lambda api: api.state.touch("orders", 17, total="n/a"))

    done = project.here("sync", "shop.orders", "--json")

    assert done.code == 0, done.err
    line = done.stream("shop.orders")
    assert (line["fetched"], line["inserted"], line["rejected"]) == (200, 199, 1)
    (listed,) = project.here("rejects", "list", "--json").json
    assert (listed["stream"], listed["path"], listed["key"]) == ("shop.orders", "$.total", "17")
    shown = project.here("rejects", "show", str(listed["id"]))
    assert shown.code == 0, shown.err
    assert '"total": "n/a"' in shown.out
    assert "17" in project.here("rejects", "list", "shop.orders").out
    project.is_sound()


def test_full_reads_the_whole_list_again(project) -> None:
    """Also what an incremental run would not ask for; unchanged rows stay untouched."""
    project.prepare("sync", "shop.orders")
    assert project.here("sync", "shop.orders", "--json").stream("shop.orders")["fetched"] < 200

    done = project.here("sync", "shop.orders", "--full", "--json").stream("shop.orders")

    assert (done["fetched"], done["inserted"], done["updated"], done["unchanged"]) == (200, 0, 0, 200)
    assert not any("updated_since" in target for target in project.asked()[-done["requests"] :])


@pytest.mark.parametrize(("option", "rows"), [("--limit", 25), ("--max-pages", 20)])
def test_a_run_that_was_asked_to_be_partial_ends_well_and_claims_nothing(project, option, rows) -> None:
    """Incomplete, exit 0, no watermark, no resume; the next run reads everything."""
    done = project.here("sync", "shop.orders", option, "25" if option == "--limit" else "1", "--json")

    assert done.code == 0, done.err
    line = done.stream("shop.orders")
    assert (line["status"], line["verdict"], line["watermark"]) == ("incomplete", "incomplete", None)
    assert line["fetched"] == line["inserted"] == rows
    assert project.one("SELECT count(*) FROM shop_orders") == rows
    project.is_sound()

    whole = project.here("sync", "shop.orders", "--json").stream("shop.orders")

    assert (whole["status"], whole["fetched"], whole["inserted"]) == ("succeeded", 200, 200 - rows)
    project.holds_the_truth("orders")


def test_a_dry_run_sends_and_writes_nothing(lite) -> None:
    """It says what would be read."""
    done = lite.here("sync", "--dry-run", "--json")

    assert done.code == 0, done.err
    assert [line["status"] for line in done.json["streams"]] == ["skipped", "skipped"]
    assert "would read everything" in done.stream("shop.items")["reason"]
    assert lite.asked() == []
    assert lite.rows("SELECT * FROM _etl_runs") == []
    assert lite.rows("SELECT * FROM _etl_run_streams") == []


def test_failed_runs_again_only_what_did_not_succeed(lite) -> None:
    """One stream failed: the whole is 3, `--failed` reads that one, and then there is nothing to do."""
    lite.api.script("/api/items", [Fault.status(400)])
    mixed = lite.here("sync", "--json")
    assert mixed.code == 3, mixed.err
    assert (mixed.stream("shop.items")["status"], mixed.stream("shop.orders")["status"]) == ("failed", "succeeded")
    assert "400" in mixed.stream("shop.items")["reason"]
    lite.asked()

    again = lite.here("sync", "--failed", "--json")

    assert (again.code, [line["stream"] for line in again.json["streams"]]) == (0, ["shop.items"])
    assert not any("orders" in target for target in lite.asked())
    idle = lite.here("sync", "--failed", "--json")
    assert (idle.code, idle.json["streams"], lite.asked()) == (0, [], [])


def test_stale_reads_only_what_is_late(lite) -> None:
    """`expect.fresh` is a promise; a stream that never succeeded has broken it."""
    lite.configure(SHOP_FRESH)
    lite.prepare("sync", "shop.items")

    done = lite.here("sync", "--stale", "--json")

    assert [line["stream"] for line in done.json["streams"]] == ["shop.orders"]
    assert lite.here("status").code == 0


def test_strict_turns_a_weak_verdict_into_five(lite) -> None:
    """The rows are stored and the watermark moves all the same."""
    lite.configure(UNTOLD)

    loose = lite.here("sync", "--json")
    strict = lite.here("sync", "--strict", "--json")

    assert (loose.code, loose.stream("shop.untold")["verdict"]) == (0, "assumed")
    assert (strict.code, strict.stream("shop.untold")["status"]) == (5, "incomplete")
    assert strict.stream("shop.untold")["verdict"] == "assumed"


def test_a_source_that_is_down_is_named(lite) -> None:
    """Exit 4, one line, no traceback, and the object is printed all the same."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lite.configure(SHOP.replace("{url}", f"http://{address}"))
        done = lite.here("sync", "--json")

    assert done.code == 4, done.err
    assert (done.json["status"], done.json["exit_code"]) == ("failed", 4)
    assert address in done.stream("shop.items")["reason"]
    assert "Traceback" not in done.err


def test_a_wrong_token_is_four_and_never_shown(lite) -> None:
    """The answer is 401; neither stdout, stderr nor the database has the token."""
    lite.configure(TOKEN)

    done = lite.here("sync", "-vv", "--json", SHOP_TOKEN="hunter2-wrong")

    assert done.code == 4, done.err
    assert "401" in done.stream("shop.items")["reason"]
    assert "hunter2" not in done.out + done.err
    for file in lite.folder.parent.glob("etl.db*"):
        assert b"hunter2" not in file.read_bytes()


def test_a_missing_secret_is_two_and_nothing_is_sent(lite) -> None:
    """The variable is named, with its place in the file."""
    lite.configure(TOKEN)

    done = lite.here("sync", "--json")

    assert done.code == 2
    assert "SHOP_TOKEN" in done.err
    assert "SHOP_TOKEN" in done.json["reason"]
    assert (done.json["run_id"], done.json["exit_code"], done.json["streams"]) == (None, 2, [])
    assert lite.asked() == []


def test_a_bad_configuration_is_two_with_every_place(lite) -> None:
    """All problems at once, each as file:line:column, before anything is sent or created."""
    lite.configure("base_url: {url}\nstreams:\n  items:\n    pth: /api/items\n    key: 7\n")

    done = lite.here("sync", "--json")

    assert done.code == 2
    assert re.search(r"shop\.yaml:4:5\b.*pth", done.err)
    assert len(re.findall(r"shop\.yaml:\d+:\d+", done.err)) >= 2
    assert done.json["exit_code"] == 2
    assert lite.asked() == []
    assert not Path(lite.database.removeprefix("sqlite:///")).exists()


def test_an_unknown_stream_is_two_with_a_suggestion(lite) -> None:
    """A typo is answered with what was probably meant."""
    done = lite.here("sync", "shop.itmes")

    assert done.code == 2
    assert "shop.items" in done.err


def test_a_locked_database_is_six(lite) -> None:
    """Another process is in a transaction: waited for as long as `ETL_BUSY_TIMEOUT` says, then named."""
    lite.prepare("sync", "shop.items")

    with lite.locked():
        done = lite.here("sync", "shop.items", "--json", ETL_BUSY_TIMEOUT="0.3")

    assert done.code == 6, done.err
    assert "locked" in done.err
    assert done.json["exit_code"] == 6
    assert lite.here("sync", "shop.items").code == 0


@pytest.mark.parametrize("name", ["ETL_BUSY_TIMEOUT", "ETL_LEASE_TTL"])
def test_a_span_of_the_environment_that_is_none_is_two(lite, name) -> None:
    """The variable is named."""
    done = lite.here("sync", **{name: "soon"})

    assert done.code == 2, done.err
    assert f"{name} is 'soon'" in done.err


def test_a_database_of_a_newer_version_is_refused(project) -> None:
    """Nothing is touched; the message says what to do."""
    project.prepare("migrate")
    project.write("UPDATE etl_alembic_version SET version_num = '9999'")

    done = project.here("sync", "--json")

    assert done.code == 6, done.err
    assert "newer" in done.err
    assert project.asked() == []


def test_the_sqlite_file_belongs_to_its_user_alone(lite) -> None:
    """Mode 0600: rows may be private."""
    lite.here("sync", "shop.items", "--max-pages", "1")

    assert stat.S_IMODE(Path(lite.database.removeprefix("sqlite:///")).stat().st_mode) == 0o600


def test_a_log_of_json_is_json_on_every_line(lite) -> None:
    """stderr of a run under a supervisor."""
    done = lite.here("sync", "shop.items", "--log-format", "json")

    events = [json.loads(line)["event"] for line in done.err.splitlines()]
    assert events[0] == "run.started"
    assert events[-1] == "run.finished"
    assert done.out == ""
