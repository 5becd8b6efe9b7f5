"""Every kind of pagination and every shape of body, by YAML alone, into both databases; compared row by row and column
by column with what the API holds, before and after its data changed.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from etl.bootstrap import open_app
from etl.model.run import RunResult
from etl.service.sync import SyncOptions, sync
from etl.testing import serve
from etl.testing.doubles import FakeStop
from etl.testing.server import ApiServer

ITEMS = 230
"""Three pages of a hundred at most, the last one short."""

LISTS = {
    "number": "path: /lists/number\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 50, total_rows: total, total_pages: total_pages}",
    "number-capped": "path: /lists/number\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 500, total_rows: total}",
    "number-header": "path: /lists/number/header\nparams: {page: '{page}', per_page: '{size}'}\n"
    "pages: {number: 1, size: 50, total_rows: 'header:X-Total-Count'}",
    "number-untold": "path: /lists/number/untold\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 50}",
    "number-untold-full-last-page": "path: /lists/number/untold\nparams: {page: '{page}', per_page: '{size}'}\n"
    "records: items\npages: {number: 1, size: 46}",
    "number-404-past-the-end": "path: /lists/number/untold\n"
    "params: {page: '{page}', per_page: '{size}', past_end: '404'}\nrecords: items\npages: {number: 1, size: 46}",
    "number-last-page-again": "path: /lists/number/untold\n"
    "params: {page: '{page}', per_page: '{size}', past_end: last}\nrecords: items\npages: {number: 1, size: 46}",
    "number-last-page-again-told": "path: /lists/number\n"
    "params: {page: '{page}', per_page: '{size}', past_end: last}\nrecords: items\n"
    "pages: {number: 1, size: 46, total_rows: total}",
    "offset": "path: /lists/offset\nparams: {offset: '{offset}', limit: '{size}'}\nrecords: items\n"
    "pages: {offset: 0, size: 50, total_rows: total}",
    "offset-proved": "path: /lists/offset\nparams: {offset: '{offset}', limit: '{size}'}\nrecords: items\n"
    "pages: {offset: 0, size: 50, total_rows: total}\norder: {by: id, unique: true, immutable: true}",
    "offset-header": "path: /lists/offset/header\nparams: {offset: '{offset}', limit: '{size}'}\n"
    "pages: {offset: 0, size: 50, total_rows: 'header:X-Total-Count'}",
    "offset-untold-capped": "path: /lists/offset/untold\nparams: {offset: '{offset}', limit: '{size}'}\n"
    "records: items\npages: {offset: 0, size: 1000}",
    "number-proved": "path: /lists/number\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 50, total_rows: total}\norder: {by: id, append_only: true}",
    "number-probed": "path: /lists/number\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 50, total_rows: total}\norder: {by: id, unique: true, immutable: true}",
    "number-probed-untold": "path: /lists/number/untold\nparams: {page: '{page}', per_page: '{size}', past_end: last}\n"
    "records: items\npages: {number: 1, size: 46}\norder: {by: id, unique: true, immutable: true}",
    "number-probed-capped": "path: /lists/number\nparams: {page: '{page}', per_page: '{size}'}\nrecords: items\n"
    "pages: {number: 1, size: 500, total_rows: total}\norder: {by: id, unique: true, immutable: true}",
    "cursor": "path: /lists/cursor\nparams: {cursor: '{cursor}', limit: '{size}'}\nrecords: items\n"
    "pages: {cursor: next_cursor, size: 50}",
    "cursor-while": "path: /lists/cursor\nparams: {cursor: '{cursor}', limit: '{size}'}\nrecords: items\n"
    "pages: {cursor: next_cursor, size: 50, while: has_more}",
    "starting-after": "path: /lists/cursor/starting-after\nparams: {starting_after: '{cursor}', limit: 50}\n"
    "records: data\npages: {cursor: 'data[-1].id', while: has_more}\norder: {by: id, unique: true, immutable: true}",
    "link": "path: /lists/link\nparams: {per_page: 50}\npages: link",
    "link-body": "path: /lists/link/body\nparams: {per_page: 50}\nrecords: items\npages: {link: next}",
    "post-cursor": "path: /lists/search\nmethod: POST\njson: {limit: '{size}', after: '{cursor}'}\nrecords: results\n"
    "pages: {cursor: paging.next.after, size: 50, total_rows: total}",
    "post-number": "path: /lists/search/page\nmethod: POST\njson: {page: '{page}', size: '{size}'}\nrecords: results\n"
    "pages: {number: 0, size: 50, total_rows: total}",
    "graphql": "path: /graphql\nmethod: POST\n"
    "json: {query: 'query($after: String) { items }', variables: {first: 50, after: '{cursor}'}}\n"
    "records: data.items.nodes\npages: {cursor: data.items.pageInfo.endCursor, "
    "while: data.items.pageInfo.hasNextPage, total_rows: data.items.totalCount}\nfail_if: errors",
    "columns": "path: /lists/columns\nrecords: {columns: columns}\npages: none",
    "rows": "path: /lists/rows\nrecords: {rows: rows, names: names}\npages: none",
    "none": "path: /lists/none\nrecords: items\npages: none",
    "nested": "path: /lists/nested\nrecords: [groups, items]\npages: none",
}
PROBED = {"number-probed", "number-probed-untold", "number-probed-capped"}
PROVED = {"offset-proved", "number-proved", "starting-after", *PROBED}
REPEATING = {*PROBED, "offset-proved", "number-last-page-again", "number-last-page-again-told"}
ASSUMED = {name for name in LISTS if "untold" in name or "404" in name or name == "number-last-page-again"}

DOORS = {
    "bearer": "auth: {bearer: '${SECRET}'}",
    "basic": "auth: {basic: [ali, '${SECRET}']}",
    "header": "auth: {header: {X-Api-Key: '${SECRET}'}}",
    "query": "auth: {query: {api_key: '${SECRET}'}}",
}


def write_config(folder: Path, url: str, stream: str, head: str = "") -> None:
    folder.mkdir()
    lines = "".join(f"    {line}\n" for line in stream.splitlines())
    text = f"base_url: {url}\n{head}\nstreams:\n  items:\n{lines}    key: id\n"
    (folder / "shop.yaml").write_text(text, encoding="utf-8")


async def run(folder: Path, database_url: str) -> RunResult:
    async with open_app(folder, database_url, {"SECRET": "open-sesame"}, lambda event: None) as app:
        return await sync(app, SyncOptions(), FakeStop())


def stored(database_url: str) -> list[dict[str, object]]:
    """All rows, read by nothing but the driver; JSON columns parsed."""
    query = "SELECT * FROM shop_items ORDER BY id"
    if database_url.startswith("sqlite"):
        connection: sqlite3.Connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(query)]
        connection.close()
        return [decoded(row) for row in rows]
    with psycopg.connect(database_url) as other, other.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return [decoded(row) for row in cursor.execute(query).fetchall()]


def decoded(row: dict[str, object]) -> dict[str, object]:
    return {name: plain(value) for name, value in row.items() if not name.startswith("_etl_")}


def plain(value: object) -> object:
    if isinstance(value, str) and value[:1] in "{[":
        return json.loads(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return float(value) if isinstance(value, Decimal) else value


def expected(row: dict[str, object], like: dict[str, object]) -> dict[str, object]:
    """The API's row in the spelling of the database: instants as instants, booleans as SQLite keeps them."""
    return {name: spelled(row.get(name), like[name]) for name in like}


def spelled(value: object, like: object) -> object:
    if isinstance(value, str) and isinstance(like, datetime):
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and isinstance(like, str) and value != like and value[10:11] == "T":
        instant = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
        return instant.isoformat(sep=" ", timespec="microseconds")
    return value


def assert_equal_to_truth(api: ApiServer, database_url: str) -> None:
    truth = {row["id"]: row for row in api.truth("/api/items")}
    rows = stored(database_url)

    assert {row["id"] for row in rows} == set(truth)
    for row in rows:
        told = truth[row["id"]]
        assert row == expected(told, row), row["id"]
        assert set(told) <= set(row)


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_right_in_every_column_before_and_after_it_changed(
    name: str, database_url: str, tmp_path: Path
) -> None:
    """First sync, unchanged sync, and a sync after the API's data moved on."""
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        write_config(tmp_path / "config", api.url, LISTS[name])

        first = await run(tmp_path / "config", database_url)
        assert (first.exit_code, first.streams[0].counts.inserted) == (0, ITEMS), first.streams[0]
        assert_equal_to_truth(api, database_url)

        second = await run(tmp_path / "config", database_url)
        counts = second.streams[0].counts
        assert (counts.inserted, counts.updated) == (0, 0)
        # Pages that overlap, or that come again past the end, bring some rows twice.
        assert counts.unchanged == ITEMS or (name in REPEATING and counts.unchanged > ITEMS)

        changed = api.state.advance()["items"]
        third = await run(tmp_path / "config", database_url)
        counts = third.streams[0].counts
        assert (third.exit_code, counts.inserted) == (0, len(changed.inserted))
        assert_equal_to_truth(api, database_url)


@pytest.mark.parametrize("name", LISTS)
async def test_a_quiet_list_gets_the_verdict_it_deserves(name: str, tmp_path: Path) -> None:
    """Proved where an order is declared, assumed where only a short page told the end, else consistent."""
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        write_config(tmp_path / "config", api.url, LISTS[name])
        result = await run(tmp_path / "config", f"sqlite:///{tmp_path}/etl.db")

    wanted = "verified" if name in PROVED else "assumed" if name in ASSUMED else "consistent"
    assert (result.streams[0].verdict, result.exit_code) == (wanted, 0), result.streams[0].reason


@pytest.mark.parametrize("door", DOORS)
async def test_every_kind_of_credential_opens_its_door_and_a_wrong_one_ends_with_4(door: str, tmp_path: Path) -> None:
    """The secret comes from the environment; the refusal names what to look at and nothing of the secret."""
    stream = f"path: /auth/{door}/items\nparams: {{page: '{{page}}', pageSize: 50}}\nrecords: items\n"
    stream += "pages: {number: 0, total_rows: totalItems}"
    async with serve(port=0, items=ITEMS, orders=0, customers=0) as api:
        write_config(tmp_path / "config", api.url, stream, DOORS[door])
        good = await run(tmp_path / "config", f"sqlite:///{tmp_path}/etl.db")
        wrong = DOORS[door].replace("${SECRET}", "close-sesame")
        write_config(tmp_path / "wrong", api.url, stream, wrong)
        bad = await run(tmp_path / "wrong", f"sqlite:///{tmp_path}/etl.db")

    assert (good.exit_code, good.streams[0].counts.inserted) == (0, ITEMS)
    assert (bad.exit_code, bad.streams[0].error_code) == (4, "E-AUTH")
    assert "401" in bad.streams[0].reason
