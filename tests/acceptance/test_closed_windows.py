"""Windows that are over, read backwards: proved end to end, and told apart from the one that is not over yet."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg

from etl.bootstrap import open_app
from etl.model.run import RunResult
from etl.service.sync import SyncOptions, sync
from etl.testing import serve
from etl.testing.doubles import FakeStop

ORDERS = 730
STREAM = """\
base_url: {url}/api
streams:
  orders:
    path: /orders
    params: {{updated_since: "{{start}}", until: "{{end}}", page: "{{page}}", pageSize: "{{size}}"}}
    records: data
    pages: {{number: 0, size: 50, total_rows: total}}
    key: id
    incremental: {{field: updated_at, start: 2020-01-01, step: 180d{more}}}
    order: {{by: [updated_at, id], unique: true}}
"""


async def run(folder: Path, url: str, database_url: str, more: str = "", **options: bool) -> RunResult:
    folder.mkdir(exist_ok=True)
    (folder / "shop.yaml").write_text(STREAM.format(url=url, more=more), encoding="utf-8")
    async with open_app(folder, database_url, {}, lambda event: None) as app:
        return await sync(app, SyncOptions(**options), FakeStop())


def ask(database_url: str, query: str) -> list[tuple[object, ...]]:
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        rows = connection.execute(query).fetchall()
        connection.close()
        return rows
    with psycopg.connect(database_url) as other:
        return other.execute(query).fetchall()


async def test_a_reading_that_stays_away_from_now_is_verified_window_by_window(
    database_url: str, tmp_path: Path
) -> None:
    """`delay` as long as `lag`: every window is over. The next run asks for what changed since, and is verified too."""
    async with serve(port=0, items=0, orders=ORDERS, customers=0) as api:
        first = await run(tmp_path / "config", api.url, database_url, ", delay: 5m")
        second = await run(tmp_path / "config", api.url, database_url, ", delay: 5m")

    result = first.streams[0]
    assert (first.exit_code, result.verdict, result.counts.inserted) == (0, "verified", ORDERS), result.reason
    assert "windows, the weakest: " in result.reason
    assert ask(database_url, "SELECT count(*) FROM shop_orders") == [(ORDERS,)]
    assert (second.streams[0].verdict, second.streams[0].counts.inserted) == ("verified", 0), second.streams[0].reason
    assert ask(database_url, "SELECT DISTINCT verdict FROM etl_coverage") == [("verified",)]


async def test_without_a_delay_the_newest_minutes_are_a_window_that_one_answer_may_prove(
    database_url: str, tmp_path: Path
) -> None:
    """What is still being written is small: an answer that holds all of it and says so needs nothing to be over."""
    async with serve(port=0, items=0, orders=ORDERS, customers=0) as api:
        result = (await run(tmp_path / "config", api.url, database_url)).streams[0]

    assert (result.verdict, result.counts.inserted) == ("verified", ORDERS), result.reason
    ends = ask(database_url, "SELECT DISTINCT win_end FROM _etl_pages ORDER BY win_end DESC LIMIT 2")
    newest, before = (int(str(end)) for (end,) in ends)
    assert newest - before == 360 * 1_000_000, "lag, and a minute for clocks that differ"


async def test_a_full_reading_proves_what_lies_after_start_too(database_url: str, tmp_path: Path) -> None:
    """Rows from before `start`, and those without a cursor, come in a window of their own."""
    async with serve(port=0, items=0, orders=ORDERS, customers=0) as api:
        result = (await run(tmp_path / "config", api.url, database_url, ", delay: 5m", full=True)).streams[0]

    assert (result.verdict, result.counts.inserted) == ("verified", ORDERS), result.reason


async def test_the_hint_of_an_undeclared_order_is_a_line_that_makes_the_next_run_verified(
    database_url: str, tmp_path: Path
) -> None:
    """Seen by (`updated_at`, `id`) on every page of every window; written into the file, it proves the reading."""
    line = "    order: {by: [updated_at, id], unique: true}\n"
    undeclared = STREAM.replace(line.replace("{", "{{").replace("}", "}}"), "")
    folder = tmp_path / "config"
    folder.mkdir()
    async with serve(port=0, items=0, orders=ORDERS, customers=0) as api:
        (folder / "shop.yaml").write_text(undeclared.format(url=api.url, more=", delay: 5m"), encoding="utf-8")
        async with open_app(folder, database_url, {}, lambda event: None) as app:
            before = (await sync(app, SyncOptions(), FakeStop())).streams[0]
        hinted = before.hint.rpartition("runs can be verified: ")[2]
        text = undeclared.format(url=api.url, more=", delay: 5m") + f"    {hinted}\n"
        (folder / "shop.yaml").write_text(text, encoding="utf-8")
        async with open_app(folder, database_url, {}, lambda event: None) as app:
            after = (await sync(app, SyncOptions(full=True), FakeStop())).streams[0]

    assert (before.verdict, hinted) == ("consistent", line.strip())
    assert after.verdict == "verified", after.reason
