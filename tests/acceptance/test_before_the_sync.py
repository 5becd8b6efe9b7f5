"""What a person asks before a sync: check, preview and plan, against the bundled API."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest

from etl.entrypoints.cli.session import Session

DOORS = """\
base_url: {url}
auth: {{bearer: "${{SHOP_TOKEN}}"}}
limits: {{retries: 0}}
streams:
  items:
    path: /auth/bearer/items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 10, total_rows: totalItems}}
    key: id
"""
STUCK = """\
base_url: {url}
streams:
  items:
    path: /api/items
    params: {{seite: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 10, total_rows: totalItems}}
    key: id
"""
SHOP_SINCE_2020 = """\
base_url: {url}
streams:
  orders:
    path: /api/orders
    params: {{updated_since: "{{start}}", until: "{{end}}", page: "{{page}}", pageSize: "{{size}}"}}
    records: data
    pages: {{number: 0, size: 20, total_rows: total}}
    key: id
    incremental: {{field: updated_at, start: 2020-01-01, step: 30d}}
"""
SECRET = "open-sesame-but-not-this-one"


def on_terminal(project, *arguments: str, width: int) -> list[str]:
    """What a command prints on stdout where that is a terminal of this width."""
    with patch.object(Session, "width", lambda session, out: width):
        return project.here(*arguments).out.splitlines()


def facts(done, grade: str) -> list[tuple[str, str]]:
    return [(fact["about"], fact["text"]) for fact in done.json["facts"] if fact["grade"] == grade]


def untouched(project) -> bool:
    """No run, no table, and for SQLite no file."""
    if project.database.startswith("sqlite"):
        return not (project.folder.parent / "etl.db").exists()
    return project.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'") == []


def test_check_tells_a_fact_a_line_and_leaves_no_trace(project) -> None:
    """Two pages of each stream are asked for, and the database is as it was."""
    done = project.here("check")

    assert done.code == 0, done.out + done.err
    assert "config" in done.out
    assert "page 2 brings 10 new rows, 0 repeated: paging proven" in done.out
    assert "key id is unique in 20 rows" in done.out
    assert done.out.splitlines()[-1] == "  0 problems, 1 warning"
    assert len(project.asked()) == 4
    assert untouched(project)


def test_check_offline_sends_nothing_and_sees_the_database(project) -> None:
    """After a sync the tables are there, and ours."""
    project.prepare("sync")
    project.asked()

    done = project.here("check", "--offline", "--json")

    assert done.code == 0, done.err
    assert project.asked() == []
    (database,) = [text for about, text in facts(done, "ok") if about == "database"]
    assert "writable" in database
    assert "state tables of revision" in database


def test_check_names_every_mistake_of_the_configuration(lite) -> None:
    """With its place; and nothing is asked."""
    lite.configure("base_url: {url}\nstreams:\n  items: {{path: /api/items, reccords: items, key: id}}\n", "broken")

    done = lite.here("check", "--json")

    assert done.code == 2
    ((about, text),) = facts(done, "problem")
    assert about == "config"
    assert "reccords" in text
    assert "broken.yaml:3:" in text
    assert lite.asked() == []


def test_check_tells_a_missing_variable_by_name_and_asks_the_other_sources(lite) -> None:
    """2, because it could be seen without a request."""
    lite.configure(DOORS, "doors")

    done = lite.here("check", "--json")

    assert done.code == 2
    ((about, text),) = facts(done, "problem")
    assert about == "secrets"
    assert "SHOP_TOKEN is not set" in text
    assert ("doors", "not asked: a variable it needs is not set") in facts(done, "warning")
    assert any(about == "shop.items" for about, _ in facts(done, "ok"))


def test_a_refused_credential_is_an_online_problem_and_is_never_shown(lite) -> None:
    """At most its length and its first four characters."""
    lite.configure(DOORS, "doors")

    done = lite.here("check", "doors", "--json", SHOP_TOKEN=SECRET)

    assert done.code == 4
    ((about, text),) = facts(done, "problem")
    assert about == "doors.items"
    assert "401" in text
    assert ("secrets", "SHOP_TOKEN is set (28 characters, open…)") in facts(done, "ok")
    assert SECRET not in done.out + done.err
    assert "sesame" not in done.out + done.err


def test_a_page_parameter_that_the_api_ignores_is_found_before_the_first_sync(lite) -> None:
    """`seite` is not what this API calls a page."""
    lite.configure(STUCK, "stuck")

    check = lite.here("check", "stuck", "--json")
    preview = lite.here("preview", "stuck.items", "--json")

    assert check.code == preview.code == 4
    assert ("stuck.items", "page 2 (page:1) holds the rows of page 1 again") in facts(check, "problem")
    assert preview.json["paging"]["grade"] == "problem"


def test_a_frame_that_became_a_row_is_told_with_the_list_inside_it(lite) -> None:
    """Without `records` and without a key the sync succeeded, with one row for a thousand."""
    lite.configure(
        "base_url: {url}\nlimits: {{retries: 0}}\n"
        "defaults: {{path: /api/items, pages: none}}\n"
        "streams: {{frame: {{write: replace}}, keyed: {{key: id}}, astray: {{key: id, records: data.items}}}}\n",
        "framed",
    )

    check, preview = lite.here("check", "framed", "--json"), lite.here("preview", "framed.frame", "-n", "0")

    told = "the whole answer is one item, and it holds a list of 10 objects"
    assert [
        (fact["about"], fact["text"], fact["hint"]) for fact in check.json["facts"] if fact["grade"] == "warning"
    ] == [
        ("framed.frame", told, "if those are the rows, write records: items"),
        ("framed.keyed", told, "if those are the rows, write records: items"),
        (
            "framed.keyed",
            "1 item would be rejected: key is missing at $.id",
            "is `key` right, and do `records` lead to the items?",
        ),
    ]
    (astray,) = [fact for fact in check.json["facts"] if fact["grade"] == "problem"]
    assert astray["hint"] == "it has a list of objects at items: is that `records`?"
    assert f"! {told}" in preview.err


def test_a_database_that_cannot_be_made_is_seen_offline(lite) -> None:
    """A file stands where its folder should be: 6, as a sync would end."""
    lite.folder.joinpath("file").write_text("", encoding="utf-8")

    done = lite.here("check", "--offline", "--json", "--database", "sqlite:///file/etl.db")

    assert done.code == 6
    assert [about for about, _ in facts(done, "problem")] == ["database"]


def test_a_server_that_is_not_there_is_told_in_one_line(lite) -> None:
    """4, and no traceback."""
    lite.configure(
        "base_url: http://127.0.0.1:9\nlimits: {{retries: 0}}\n"
        "streams: {{items: {{path: /items, key: id, pages: none}}}}\n",
        "gone",
    )

    done = lite.here("check", "gone")

    assert done.code == 4
    assert "the server could not be reached" in done.out
    assert done.out.splitlines()[-1] == "  1 problem, 0 warnings, exit 4"
    assert "Traceback" not in done.err


def test_preview_shows_rows_types_and_the_next_request_and_stores_nothing(project) -> None:
    """Rows on stdout; the story on stderr."""
    truth = project.truth("/api/items")[:3]

    done = project.here("preview", "shop.items", "-n", "3", "-o", "json")

    assert done.code == 0, done.err
    assert [row["id"] for row in done.json] == [row["id"] for row in truth]
    assert "paging proven" in done.err
    assert "page=2&pageSize=10" in done.err
    assert "id " in done.err
    assert "bigint" in done.err
    assert untouched(project)


def test_the_object_of_preview(lite) -> None:
    """Its keys are a promise."""
    done = lite.here("preview", "shop.orders", "--json")

    assert tuple(done.json) == (
        "stream", "table", "exit_code", "request", "pages", "paging", "columns", "rows", "rejects", "next",
    )  # fmt: skip
    assert len(done.json["rows"]) == 20
    total = next(column for column in done.json["columns"] if column["name"] == "total")
    assert (total["type"], total["declared"]) == ("numeric", True)


def test_preview_curl_is_the_request_without_its_secret_and_sends_nothing(lite) -> None:
    """It names the variable, which need not even be set."""
    lite.configure(DOORS, "doors")

    done = lite.here("preview", "doors.items", "--curl", SHOP_TOKEN=SECRET)
    unset = lite.here("preview", "doors.items", "--curl")

    assert done.code == unset.code == 0
    assert done.out.startswith("curl ")
    assert '"Authorization: Bearer $SHOP_TOKEN"' in done.out
    assert unset.out == f"# SHOP_TOKEN is not set\n{done.out}"
    assert "/auth/bearer/items?page=0&pageSize=10" in done.out
    assert SECRET not in done.out + done.err
    assert lite.asked() == []


def test_preview_of_a_range_asks_for_that_range(lite) -> None:
    """`--from` and `--to` are those of a backfill."""
    done = lite.here("preview", "shop.orders", "--from", "2024-01-01", "--to", "2024-06-01", "--pages", "1", "--json")

    assert done.code == 0, done.err
    (target,) = lite.asked()
    assert "updated_since=2024-01-01" in target
    assert "until=2024-06-01" in target
    assert done.json["paging"]["text"] in (
        "only one page was asked for: paging is not proven",
        f"one page holds all {len(done.json['rows'])} rows",
    )


def test_preview_of_several_streams_names_them(lite) -> None:
    """One at a time."""
    done = lite.here("preview", "shop")

    assert done.code == 2
    assert "name one of shop.items, shop.orders" in done.err


def test_plan_of_a_new_project_makes_nothing_and_says_what_would_be_made(project) -> None:
    """10 with --exit-code, because tables are to come; not a request, not a table."""
    done = project.here("plan", "--json")
    code = project.here("plan", "--exit-code").code

    assert (done.code, code) == (0, 10)
    assert done.json["pending"] is True
    assert [(line["stream"], line["reach"], line["changes"]) for line in done.json["streams"]] == [
        ("shop.items", "first run", ["+ create table shop_items"]),
        ("shop.orders", "first run", ["+ create table shop_orders"]),
    ]
    assert project.asked() == []
    assert untouched(project)


def test_plan_after_a_sync_tells_what_the_last_run_took_and_that_nothing_changes(project) -> None:
    """Whole lists cost what they cost last time; incremental ones begin at the watermark."""
    project.prepare("sync")
    project.asked()
    before = project.one("SELECT count(*) FROM _etl_runs")

    done = project.here("plan", "--exit-code", "--json")

    assert done.code == 0, done.err
    items, orders = done.json["streams"]
    assert done.json["pending"] is False
    assert (items["reach"], items["estimate"]["rows"], items["estimate"]["basis"]) == ("whole list", 300, "last run")
    assert orders["reach"] == "incremental"
    assert orders["since"] == orders["watermark"] != None  # noqa: E711 - one chain
    assert project.asked() == []
    assert project.one("SELECT count(*) FROM _etl_runs") == before


def test_plan_tells_a_declared_type_that_differs_from_the_stored_one(project) -> None:
    """The configuration asks for another column than the one that is stored."""
    project.prepare("sync")
    file = project.folder / "config" / "shop.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("columns: {total: numeric}", "columns: {total: text, extra: date}"), encoding="utf-8")

    done = project.here("plan", "shop.orders", "--exit-code", "--json")

    assert done.code == 10
    (orders,) = done.json["streams"]
    assert orders["changes"][0] == "~ column total: numeric to text"


def test_plan_with_a_probe_asks_once_a_stream(lite) -> None:
    """The API's own total takes the place of a guess."""
    done = lite.here("plan", "--probe", "--json")

    assert done.code == 0, done.err
    assert [line["estimate"]["rows"] for line in done.json["streams"]] == [300, 200]
    assert len(lite.asked()) == 2


def test_plan_shows_the_effective_configuration_without_its_secrets(lite) -> None:
    """Keys after defaults, variables as they are written."""
    lite.configure(DOORS, "doors")
    (lite.folder / "config" / "etl.yaml").write_text("defaults: {contract: freeze}\n", encoding="utf-8")

    done = lite.here("plan", "doors", "--show-config", "--json", SHOP_TOKEN=SECRET)

    assert done.code == 0, done.err
    assert done.json["doors.items"]["contract"] == "freeze"
    assert SECRET not in json.dumps(done.json)


@pytest.mark.parametrize("command", [("check",), ("plan",), ("preview", "shop.items")])
def test_a_wrong_selector_is_a_usage_error(lite, command: tuple[str, ...]) -> None:
    """2, with the nearest name."""
    done = lite.here(command[0], "shop.itens")

    assert done.code == 2
    assert "did you mean shop.items?" in done.err


def test_plan_fits_a_narrow_terminal(lite) -> None:
    """What is read is folded under its title; where the names leave no room for it, it stands below them."""
    lite.configure(SHOP_SINCE_2020, "shop")
    lite.configure(SHOP_SINCE_2020.replace("orders:", "orders_of_all_the_shops_in_town:"), "shopping_mall")

    folded = on_terminal(lite, "plan", "shop", width=80)
    below = on_terminal(lite, "plan", "shopping_mall", width=80)

    assert folded[0] == "stream       reach      requests  rows  what"
    assert folded[1] == "shop.orders  first run         ?     ?  since 2020-01-01 00:00:00Z until"
    assert folded[2].startswith(" " * folded[0].index("what"))
    assert below[0] == "stream                                         reach      requests  rows"
    assert below[2].startswith("  since 2020-01-01 00:00:00Z until ")
    assert all(len(line) <= 80 for line in (*folded, *below))


def test_preview_leaves_out_what_a_narrow_terminal_has_no_room_for(lite) -> None:
    """And says so; a pipe gets every column."""
    shown = on_terminal(lite, "preview", "shop.orders", "-n", "2", width=60)
    piped = lite.here("preview", "shop.orders", "-n", "2")

    assert shown[0].split() == ["id", "customer_id", "status", "total", "currency", "express"]
    assert all(len(line) <= 60 for line in shown)
    assert piped.out.splitlines()[0].split()[-3:] == ["address", "tags", "note"]
