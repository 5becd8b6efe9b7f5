"""Names of fields as an attacker would choose them: they become columns, and nothing but columns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import psycopg
import pytest

from etl.normalize.naming import MAX_COLUMNS
from tests.acceptance.conftest import Project
from tests.acceptance.hostile.conftest import Hostile, http

PRIVATE = ("_etl_run_id", "_etl_seq", "_etl_first_seen_at", "_etl_changed_at", "_etl_hash")
STREAM = """
things:
  path: /things
  records: data
  pages: none
  key: id
"""
PIECES = (
    '"', "'", "`", ";--", "]", "[", "\\", "%", "%s", "%(x)s", ":x", "?", "$1", "{}", "\n", "\t", "\x01", "\x7f", " ",
    "\u202e", "\u200b", "\ufeff", "😀", "ı", "İ", "ß", "K", "/*", "*/", "--", "DROP TABLE _etl_runs",
    "); DROP TABLE _etl_runs; --", '"); DROP TABLE _etl_runs; --', "__", ".", "..", "a" * 70, "é" * 40,
)  # fmt: skip
NAMES = (
    "", " ", "_etl_run_id", "_ETL_SEQ", "_etl_hash", "_extra", "ctid", "XMIN", "tableoid", "oid", "rowid", "_rowid_",
    "select", "table", "order", "user", "null", "constructor",
    "__class__", "id ", "ID", "Id", "iD", "a.b", "a__b", "f0", "s0",
    "rows",
    *PIECES,
    *(f"{piece}{number}" for number, piece in enumerate(PIECES * 3)),
    *("x" * 62 + letter + str(number) for number in range(5) for letter in "äöü"),
)  # fmt: skip


def columns_of(project: Project) -> set[str]:
    """The names as the database itself tells them."""
    if project.database.startswith("sqlite"):
        with closing(sqlite3.connect(project.database.removeprefix("sqlite:///"))) as connection:
            return {row[1] for row in connection.execute("PRAGMA table_info(api_things)")}
    with psycopg.connect(project.database) as connection:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'api_things'"
        return {row[0] for row in connection.execute(query)}


def test_a_field_of_any_name_is_stored_under_a_name_of_its_own(hostile: Hostile) -> None:
    """Quotes, statements, reserved and private words, names equal but for case, or in their first 63 bytes."""
    names = list(dict.fromkeys(NAMES))
    item = {"id": 1} | {name: f"value {number}" for number, name in enumerate(names)}
    hostile.wires.answers["/things"] = http(json.dumps({"data": [item]}).encode())
    hostile.streams(STREAM)

    for _ in range(2):
        assert hostile.sync().code == 0

    paths = "SELECT path, name FROM _etl_columns WHERE table_name = 'api_things'"
    columns = {json.loads(path)[0]: name for path, name in hostile.project.rows(paths)}
    assert columns_of(hostile.project) == {*columns.values(), *PRIVATE}
    assert list(columns) == ["id", *names]
    quoted = ", ".join('"' + columns[name].replace('"', '""') + '"' for name in names)
    (row,) = hostile.project.rows(f"SELECT {quoted} FROM api_things")
    assert row == tuple(f"value {number}" for number in range(len(names)))
    assert hostile.project.one("SELECT count(*) FROM etl_runs") == 2


def test_more_fields_than_a_table_can_have_are_kept_in_one_column(hostile: Hostile) -> None:
    """5,000 of them: the first 1,500 become columns, the rest one JSON object, and no value is lost."""
    fields = {f"field; -- {number}": bool(number % 3) for number in range(5_000)}
    hostile.wires.answers["/things"] = http(json.dumps({"data": [{"id": 1} | fields]}).encode())
    hostile.streams(STREAM)

    for _ in range(2):
        assert hostile.sync().code == 0

    names = columns_of(hostile.project)
    assert len(names - set(PRIVATE)) == MAX_COLUMNS
    extra = hostile.project.one("SELECT _extra FROM api_things")
    kept = json.loads(extra) if isinstance(extra, str) else extra
    assert kept.keys() | names == {"id", "_extra", *fields, *PRIVATE}


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_row_that_no_page_of_postgresql_holds_is_told_with_a_way_out(hostile: Hostile) -> None:
    """8,160 bytes is the most; exit 6 and what to leave out, not a riddle."""
    fields = {f"field_{number}": number for number in range(1_200)}
    hostile.wires.answers["/things"] = http(json.dumps({"data": [{"id": 1} | fields]}).encode())
    hostile.streams(STREAM)

    done = hostile.sync()

    assert done.code == 6
    assert "row is too big" in done.json["streams"][0]["reason"]
    assert "columns: {NAME: drop}" in done.err
