"""What real lists do to their readers: each ends in full data, or in an honest code and a reason; never in silence."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest

from etl.bootstrap import open_app
from etl.model.run import StreamResult
from etl.service.sync import SyncOptions, sync
from etl.testing.doubles import FakeStop

ROWS = 97
Query = dict[str, str]
Answer = tuple[int, dict[str, object]]


class Api:
    """`answer` is the API; it is asked with the query, and with how many requests came before."""

    def __init__(self) -> None:
        self.answer: Callable[[Query, int], Answer] = numbered()
        self.asked = 0
        self.url = ""


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked += 1
            status, body = made.answer(dict(parse_qsl(urlsplit(self.path).query)), made.asked - 1)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join(10)


def items(*ids: int) -> list[dict[str, object]]:
    return [{"id": row, "at": f"2026-01-{1 + row // 24:02}T{row % 24:02}:00:00Z"} for row in ids]


def numbered(
    *,
    rows: int = ROWS,
    total: Callable[[int], object] | None = None,
    past_end: str = "empty",
    hidden: frozenset[int] = frozenset(),
) -> Callable[[Query, int], Answer]:
    """Pages from 1 by tens; `hidden` rows are taken out after the limit."""

    def answer(query: Query, asked: int) -> Answer:
        page = int(query.get("page", "1"))
        if (page - 1) * 10 >= rows:
            if past_end.isdigit():
                return int(past_end), {"error": "no such page"}
            page = {"first": 1, "last": (rows + 9) // 10}.get(past_end, page)
        shown = [row for row in range((page - 1) * 10, min(page * 10, rows)) if row not in hidden]
        return 200, {"items": items(*shown), "total": total(asked) if total else rows}

    return answer


NUMBER = "params: {page: '{page}', size: '{size}'}\npages: {number: 1, size: 10, total_rows: total}"
UNTOLD = NUMBER.replace(", total_rows: total", "")
CURSOR = "params: {after: '{cursor}'}\npages: {cursor: next}"


async def run(api: Api, folder: Path, stream: str, database_url: str = "", **options: bool) -> StreamResult:
    config = folder / "config"
    config.mkdir(exist_ok=True)
    lines = "".join(f"    {line}\n" for line in f"path: /\nrecords: items\nkey: id\n{stream}".splitlines())
    text = f"base_url: {api.url}\nlimits: {{retries: 0}}\nstreams:\n  rows:\n{lines}"
    (config / "trap.yaml").write_text(text, encoding="utf-8")
    async with open_app(config, database_url or f"sqlite:///{folder}/etl.db", {}, lambda event: None) as app:
        return (await sync(app, SyncOptions(**options), FakeStop())).streams[0]


def stored(folder: Path) -> int:
    connection = sqlite3.connect(folder / "etl.db")
    (count,) = connection.execute("SELECT count(*) FROM trap_rows").fetchone()
    connection.close()
    return int(count)


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        pytest.param(NUMBER, numbered(total=lambda asked: str(ROWS)), id="total-as-text"),
        pytest.param(NUMBER, numbered(total=lambda asked: None), id="total-is-null"),
        pytest.param(NUMBER, numbered(total=lambda asked: 40), id="total-tells-too-little"),
        pytest.param(NUMBER, numbered(total=lambda asked: ROWS + asked % 2), id="total-changes-on-each-call"),
        pytest.param(UNTOLD, numbered(past_end="first"), id="first-page-again-past-the-end"),
        pytest.param(UNTOLD, numbered(past_end="last"), id="last-page-again-past-the-end"),
        pytest.param(UNTOLD, numbered(past_end="400"), id="400-past-the-end"),
        pytest.param(UNTOLD, numbered(past_end="404"), id="404-past-the-end"),
        pytest.param(UNTOLD, numbered(past_end="422"), id="422-past-the-end"),
    ],
)
async def test_an_odd_end_loses_no_row(api: Api, tmp_path: Path, stream: str, answer: object) -> None:
    """All 97 rows and exit 0, with a verdict that claims no more than it may."""
    api.answer = answer  # type: ignore[assignment]

    result = await run(api, tmp_path, stream)

    assert (result.exit_code, stored(tmp_path)) == (0, ROWS), result.reason
    assert result.verdict in ("consistent", "assumed")


@pytest.mark.parametrize("hidden", [{5}, {42, 43, 44}, {*range(49, 60)}, {20, 45, 96}])
@pytest.mark.parametrize("stream", [NUMBER, UNTOLD], ids=["told", "untold"])
async def test_a_short_page_in_the_middle_is_not_the_end(
    api: Api, tmp_path: Path, stream: str, hidden: set[int]
) -> None:
    """A filter behind the limit. The fifth page ends a block of pages asked for ahead; there the list once ended."""
    seen = ROWS - len(hidden)
    api.answer = numbered(hidden=frozenset(hidden), total=lambda asked: seen)

    result = await run(api, tmp_path, stream)

    assert (result.exit_code, stored(tmp_path)) == (0, seen), result.reason


async def test_a_total_that_counts_rows_nobody_is_shown_is_incomplete(api: Api, tmp_path: Path) -> None:
    """Exit 5, and every row that came is stored."""
    api.answer = numbered(total=lambda asked: 150)

    result = await run(api, tmp_path, NUMBER)

    assert (result.exit_code, result.verdict, result.reason) == (5, "incomplete", "97 of 150 rows")
    assert stored(tmp_path) == ROWS


def shrinking(*, total: str, to: int) -> Callable[[Query, int], Answer]:
    """A list of 97 rows that has only `to` after its first answer; pages that are not there are 404."""

    def answer(query: Query, asked: int) -> Answer:
        rows, page = (to if asked else ROWS), int(query["page"])
        if page > -(-rows // 10):
            return 404, {"error": "no such page"}
        told = rows if total == "total_rows" else -(-rows // 10)
        return 200, {"items": items(*range((page - 1) * 10, min(page * 10, rows))), "total": told}

    return answer


@pytest.mark.parametrize("order", ["", "\norder: {by: id, append_only: true}"], ids=["checks", "bracket"])
@pytest.mark.parametrize("total", ["total_rows", "total_pages"])
async def test_a_list_that_loses_whole_pages_while_it_is_read_is_read_again(
    api: Api, tmp_path: Path, total: str, order: str
) -> None:
    """Its last pages are 404 all at once. The run once failed there, although the rest of the list was well."""
    api.answer = shrinking(total=total, to=52)

    result = await run(api, tmp_path, NUMBER.replace("total_rows", total) + order)

    assert (result.exit_code, stored(tmp_path)) == (0, 52), result.reason


async def test_a_promised_page_that_is_never_there_is_missing(api: Api, tmp_path: Path) -> None:
    """Only the number of pages is told, and the fourth one is not found however often it is asked for: exit 5."""
    whole = shrinking(total="total_pages", to=ROWS)
    api.answer = lambda query, asked: (404, {"error": "?"}) if query["page"] == "4" else whole(query, asked)

    result = await run(api, tmp_path, NUMBER.replace("total_rows", "total_pages"))

    assert (result.exit_code, result.verdict) == (5, "incomplete")
    assert result.reason == "1 of the pages that the API told of were not found"
    assert stored(tmp_path) == ROWS - 10


def chained(*, expires_at: int = -1, restarts_at: int = -1, loops_at: int = -1) -> Callable[[Query, int], Answer]:
    """Ten rows a page after a cursor; the `n`th request meets the trap."""

    def answer(query: Query, asked: int) -> Answer:
        after = int(query.get("after", "0"))
        if asked == expires_at:
            return 410, {"error": "this cursor has expired"}
        if restarts_at != -1 and after >= restarts_at:
            after = 0  # a cursor that it does not know begins anew
        end = min(after + 10, ROWS)
        following = 20 if loops_at != -1 and end >= loops_at else end
        return 200, {"items": items(*range(after, end)), "next": following if end < ROWS else None}

    return answer


async def test_an_expired_cursor_restarts_the_window(api: Api, tmp_path: Path) -> None:
    """410 at the fifth page: the list is read again from its beginning, in the same run."""
    api.answer = chained(expires_at=4)

    result = await run(api, tmp_path, CURSOR)

    assert (result.exit_code, result.verdict, stored(tmp_path)) == (0, "consistent", ROWS)
    assert api.asked == 15


@pytest.mark.parametrize("trap", [{"restarts_at": 50}, {"loops_at": 60}])
async def test_a_chain_that_leads_in_a_circle_is_an_error(api: Api, tmp_path: Path, trap: dict[str, int]) -> None:
    """Found at the first repetition: exit 4 and not an endless run."""
    api.answer = chained(**trap)

    result = await run(api, tmp_path, CURSOR)

    assert (result.exit_code, result.error_code) == (4, "E-PAGING-LOOP")
    assert api.asked <= 8


def windowed(*, deepest: int = 10**6, filters: bool = True, past_end: str = "empty") -> Callable[[Query, int], Answer]:
    """By time, `from` inclusive and `to` exclusive; rows beyond `deepest` are refused with 400. 100 rows a page."""
    times = [f"2026-01-{1 + row // 400:02}T{row // 60 % 24:02}:{row % 60:02}:00Z" for row in range(4_000)]
    rows = [{"id": number, "at": at} for number, at in enumerate(sorted(times))]

    def answer(query: Query, asked: int) -> Answer:
        found = [row for row in rows if not filters or query["from"] <= str(row["at"]) < query["to"]]
        start = (int(query["page"]) - 1) * 100
        if start >= deepest:
            return 400, {"error": "too deep"}
        if start >= len(found):
            start = {"empty": start, "first": 0, "last": max(len(found) - 1, 0) // 100 * 100}[past_end]
        return 200, {"items": found[start : start + 100], "total": len(found)}

    return answer


WINDOWED = (
    "params: {page: '{page}', size: '{size}', from: '{start}', to: '{end}'}\n"
    "pages: {number: 1, size: 100, total_rows: total}\n"
    "incremental: {field: at, start: 2026-01-01, delay: 30d}"
)


async def test_a_list_that_is_too_deep_for_the_api_is_read_in_narrower_windows(api: Api, tmp_path: Path) -> None:
    """4,000 rows where 1,000 can be listed; nobody declared a cap."""
    api.answer = windowed(deepest=1_000)

    result = await run(api, tmp_path, WINDOWED)

    assert (result.exit_code, stored(tmp_path)) == (0, 4_000), result.reason


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("past_end", ["first", "last"])
async def test_a_closed_window_of_an_api_that_repeats_a_page_past_its_end_is_verified(
    api: Api, tmp_path: Path, past_end: str, told: bool
) -> None:
    """The window's end lies where pages begin to repeat; it is found, and the reading backwards begins there."""
    api.answer = windowed(past_end=past_end)
    stream = WINDOWED.replace(", total_rows: total", "") if not told else WINDOWED

    result = await run(api, tmp_path, f"{stream}\norder: {{by: [at, id], unique: true}}")

    assert (result.status, result.verdict, stored(tmp_path)) == ("succeeded", "verified", 4_000), result.reason


@pytest.mark.parametrize("past_end", ["first", "last"])
async def test_an_append_only_list_whose_api_repeats_a_page_past_its_end_is_verified(
    api: Api, tmp_path: Path, past_end: str
) -> None:
    """90 rows by tens: the last page is full, and what lies behind it is one that was met before."""
    api.answer = numbered(past_end=past_end, rows=90)

    result = await run(api, tmp_path, f"{NUMBER}\norder: {{by: id, append_only: true}}")

    assert (result.exit_code, result.verdict, stored(tmp_path)) == (0, "verified", 90), result.reason


async def test_a_filter_that_the_api_ignores_is_counted_and_told(api: Api, tmp_path: Path) -> None:
    """Every window holds the whole list: nothing is lost, and the reason says what the API does."""
    api.answer = windowed(filters=False)

    result = await run(api, tmp_path, WINDOWED.replace("start: 2026-01-01", "start: 2026-01-05"))

    assert (result.exit_code, stored(tmp_path)) == (0, 4_000)
    assert result.reason.endswith("1,600 rows came from outside the window")
    assert "{start} and {end}" in result.hint


async def test_a_list_that_is_not_sorted_as_declared_loses_its_proof_and_deletes_nothing(
    api: Api, tmp_path: Path
) -> None:
    """The parameter that sorts is ignored: consistent at best, and refused where rows would go."""
    stream = "params: {offset: '{offset}', size: '{size}'}\npages: {offset: 0, size: 10, total_rows: total}\n"
    stream += "order: {by: id, unique: true, immutable: true}\ndeletes: infer"

    def shuffled(query: Query, asked: int) -> Answer:
        start = int(query["offset"])
        rows = [row * 37 % ROWS for row in range(ROWS)][start : start + 10]
        return 200, {"items": items(*(row for row in rows if row != gone)), "total": ROWS - (gone is not None)}

    gone: int | None = None
    api.answer = shuffled
    first = await run(api, tmp_path, stream)
    gone = 11
    second = await run(api, tmp_path, stream)

    assert (first.verdict, first.exit_code) == ("consistent", 0)
    assert "the declared order does not hold" in first.reason
    assert second.counts.deleted == 0


async def test_a_list_that_comes_empty_over_a_filled_table_is_no_success(
    api: Api, tmp_path: Path, database_url: str
) -> None:
    """A token that lost a permission is answered so. A list that may be empty says so."""
    await run(api, tmp_path, NUMBER, database_url)
    api.answer = lambda query, asked: (200, {"items": [], "total": 0})

    odd = await run(api, tmp_path, NUMBER, database_url)
    foreseen = await run(api, tmp_path, f"{NUMBER}\nexpect: {{min_rows: 0}}", database_url)

    assert (odd.exit_code, odd.reason) == (5, "the API returned no rows, and trap_rows holds some")
    assert foreseen.exit_code == 0
    if not database_url.startswith("sqlite"):
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT count(*) FROM trap_rows").fetchone() == (ROWS,)


async def test_an_empty_first_answer_of_a_new_table_is_fine(api: Api, tmp_path: Path) -> None:
    """Nothing was there before."""
    api.answer = lambda query, asked: (200, {"items": [], "total": 0})

    assert (await run(api, tmp_path, NUMBER)).exit_code == 0
