"""The commands that look and correct: query, runs, rejects, state, schema, migrate."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest


@pytest.fixture
def filled(project):
    project.prepare("sync")
    return project


@pytest.fixture
def lite_filled(lite):
    lite.prepare("sync")
    return lite


def test_query_prints_rows_in_every_form(filled) -> None:
    """stdout holds nothing but the rows; parameters are bound, not pasted."""
    sql = "select id, title from shop_items where id <= :most order by id"
    truth = [(row["id"], row["title"]) for row in filled.truth("/api/items")[:3]]

    asked = {form: filled.here("query", sql, "-p", "most=3", "-o", form) for form in ("csv", "json", "ndjson", "table")}

    assert [done.code for done in asked.values()] == [0, 0, 0, 0], [done.err for done in asked.values()]
    found = list(csv.DictReader(io.StringIO(asked["csv"].out)))
    assert [(int(row["id"]), row["title"]) for row in found] == truth
    assert [(row["id"], row["title"]) for row in asked["json"].json] == truth
    assert [tuple(json.loads(line).values()) for line in asked["ndjson"].out.splitlines()] == truth
    assert truth[0][1] in asked["table"].out


def test_query_writes_parquet(lite_filled) -> None:
    """Into a file; its ending chooses the form."""
    import pyarrow.parquet

    done = lite_filled.here("query", "select id from shop_items order by id limit 2", "--out", "items.parquet")

    assert done.code == 0, done.err
    assert pyarrow.parquet.read_table(lite_filled.folder / "items.parquet").to_pylist() == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from shop_items",
        "update shop_items set title = 'x'",
        "drop table shop_items",
        "insert into shop_items (id) values (9999)",
        "select 1; delete from shop_items",
        "with gone as (delete from shop_items returning id) select * from gone",
    ],
)
def test_query_refuses_what_writes(lite_filled, sql) -> None:
    """A non-zero exit, a word, and every row is still there."""
    done = lite_filled.here("query", sql)

    assert done.code != 0
    assert done.out == ""
    assert "Traceback" not in done.err
    assert lite_filled.one("SELECT count(*) FROM shop_items") == 300


def test_query_refuses_what_writes_on_postgresql(filled) -> None:
    """Through the cursor of a read-only transaction."""
    for sql in ("delete from shop_items", "with gone as (delete from shop_items returning id) select * from gone"):
        done = filled.here("query", sql)
        assert done.code != 0
        assert "Traceback" not in done.err
    assert filled.one("SELECT count(*) FROM shop_items") == 300


def test_query_of_a_missing_file_is_six_and_creates_nothing(lite) -> None:
    """A typo in the path must not leave an empty database behind."""
    done = lite.etl("query", "select 1")

    assert done.code == 6
    assert "does not exist" in done.err
    assert not Path(lite.database.removeprefix("sqlite:///")).exists()


def test_state_is_shown_set_and_reset(filled) -> None:
    """Going back reads again what changed since; no row is lost, and the change is in the history."""
    (shown,) = filled.here("state", "show", "--json").json
    assert (shown["stream"], shown["watermark"][:8]) == ("shop.orders", "2025-02-")
    assert "shop.orders" in filled.here("state", "show").out

    done = filled.here("state", "set", "shop.orders", "2025-01-01T00:00:00Z")
    assert done.code == 0, done.err
    (shown,) = filled.here("state", "show", "shop.orders", "--json").json
    assert (shown["watermark"], shown["run_id"]) == ("2025-01-01T00:00:00Z", None)
    since = len(filled.truth("/api/orders?updated_since=2025-01-01T00:00:00Z"))
    again = filled.here("sync", "shop.orders", "--json").stream("shop.orders")
    assert (again["fetched"], again["unchanged"]) == (since, since)

    done = filled.here("state", "reset", "shop.orders", "--yes")
    assert done.code == 0, done.err
    assert filled.here("state", "show", "--json").json == []
    assert filled.here("sync", "shop.orders", "--json").stream("shop.orders")["unchanged"] == 200
    assert filled.one("SELECT count(*) FROM _etl_watermark_changes") >= 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("shop.orders", "2999-01-01T00:00:00Z"), "future"),
        (("shop.orders", "someday"), "someday"),
        (("shop.items", "2025-01-01"), "incremental"),
        (("shop.nothing", "2025-01-01"), "shop.nothing"),
    ],
)
def test_a_watermark_that_makes_no_sense_is_refused(lite, arguments, says) -> None:
    """Exit 2, and nothing is set."""
    done = lite.here("state", "set", *arguments)

    assert done.code == 2, done.err
    assert says in done.err
    assert lite.rows("SELECT * FROM _etl_watermarks") == []


def test_the_history_is_listed_shown_and_pruned(filled) -> None:
    """Newest first; a run is named by the beginning of its id; what is pruned is the ledger, never a run."""
    filled.prepare("sync", "shop.items", "--max-pages", "1")

    listed = filled.here("runs", "list", "--json").json
    assert [run["status"] for run in listed] == ["incomplete", "succeeded"]
    assert len(filled.here("runs", "list", "--status", "succeeded", "--since", "1h", "--json").json) == 1
    table = filled.here("runs", "list")
    assert listed[1]["run_id"] in table.out

    shown = filled.here("runs", "show", listed[1]["run_id"].lower(), "--json").json
    assert {line["stream"]: line["inserted"] for line in shown["streams"]} == {"shop.items": 300, "shop.orders": 200}
    text = filled.here("runs", "show", listed[1]["run_id"])
    assert text.code == 0, text.err
    assert "2025-02-" in text.out
    assert "shop.items" in text.out

    pruned = filled.here("runs", "prune", "--keep", "90d", "--json")
    assert (pruned.code, pruned.json) == (0, {"removed": {"pages": 0, "failed_tries": 0}})
    lines = filled.one("SELECT count(*) FROM _etl_pages")
    said = filled.here("runs", "prune", "--keep", "0s")
    assert said.code == 0, said.err
    assert f"{lines} lines of the ledger" in said.err
    assert filled.one("SELECT count(*) FROM _etl_pages") == 0
    assert len(filled.here("runs", "list", "--json").json) == 2


def test_a_run_that_does_not_exist_is_two(lite) -> None:
    """The message says where ids are listed."""
    done = lite.here("runs", "show", "NOSUCH")

    assert done.code == 2
    assert "etl runs list" in done.err


def test_migrate_makes_the_state_tables_once(project) -> None:
    """From nothing to the newest revision; a second time there is nothing to do."""
    first = project.etl("migrate", "--json")
    second = project.here("migrate", "--json")

    assert first.code == 0, first.err
    assert first.json["before"] is None
    assert first.json["after"] == second.json["before"] == second.json["after"]
    assert project.rows("SELECT * FROM etl_runs") == []
    assert project.one("SELECT count(*) FROM _etl_pages") == 0


def test_the_schema_accepts_the_bundled_configuration(lite) -> None:
    """Editors check every source with it: it is JSON, and knows the words that `config/` uses."""
    found = lite.here("schema")

    assert found.code == 0, found.err
    text = json.dumps(found.json)
    assert all(f'"{word}"' in text for word in ("base_url", "streams", "incremental", "schedule"))


def test_a_group_alone_shows_what_is_there(lite_filled) -> None:
    """`etl runs --json` is `etl runs list --json`; so it is with rejects and state."""
    for alone, whole in (("runs", "list"), ("rejects", "list"), ("state", "show")):
        done, spelled = lite_filled.here(alone, "--json"), lite_filled.here(alone, whole, "--json")

        assert (done.code, done.json) == (0, spelled.json), done.err
    assert [run["kind"] for run in lite_filled.here("runs", "--json").json] == ["sync"]
    assert "prune" in lite_filled.here("runs", "--help").out
