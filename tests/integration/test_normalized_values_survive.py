"""Odd values on their whole way: from JSON through the normalizer into either database, and out again."""

import json
import sqlite3
from datetime import UTC, datetime

import psycopg
import pytest

from etl.model.page import PageRequest, Response
from etl.model.selector import Selector, SelectorKind
from etl.model.stream import PagesKind, Paging, Records, RequestTemplate, Stream
from etl.model.template import Template
from etl.model.window import Window
from etl.normalize import StreamDecoder

TITLES = [
    "plain ascii", "Ünïcödé çafé", "日本語テキスト", "emoji 👩‍👩‍👧‍👦 🇨🇦", "العربية \u200frtl",
    "e\u0301 combining vs \u00e9", "quote \" back\\slash 'single'", "tab\tand\nnewline", "astral \U0001d54f\U00010348",
    "  lead and trail  ", "", "nul-like \\u0000 text", "line sep \u2028 para \u2029", "NULL", "0123", "1e5", "true",
    "{}", "zero\u200bwidth \ufeffbom", "x" * 70_000,
]  # fmt: skip
BIGS = [2**53 + 1, 2**63 - 1, -(2**63), -(2**53) - 1, 0, None]
ZONES = ["Z", "+05:30", "-08:00", "+12:45", "-09:30"]
META = {
    "weird key": 1, "a.b": {"c": [1, None, ""]}, "$ref": "x", "UPPER": 1, "upper": 2, "日本": True, "x-y/z": None,
    "": "empty key", "deep": {"l1": {"l2": [{"k": 1}, []]}}, "big": 2**70,
}  # fmt: skip
ITEMS = [
    {
        "id": number, "title": title, "big": BIGS[number % 6], "amount": f"{number}.1000",
        "active": [True, False, None][number % 3], "at": f"2024-01-01T00:00:00.000001{ZONES[number % 5]}",
        "meta": {**META, "title": title},
    }
    for number, title in enumerate(TITLES)
]  # fmt: skip
STREAM = Stream(
    source="api",
    name="things",
    table="api_things",
    request=RequestTemplate(path=Template.parse("/things")),
    records=Records(path=Selector(SelectorKind.BODY, "")),
    pages=Paging(kind=PagesKind.NONE),
    key=(("id",),),
)


def rows_of(dialect, *, ascii_only):
    decoder = StreamDecoder(STREAM, None, dialect)
    body = json.dumps(ITEMS, ensure_ascii=ascii_only).encode()
    response = Response(status=200, headers={}, body=body, url="", started_at=datetime(2026, 1, 1, tzinfo=UTC))
    pages = [decoder.decode(PageRequest(window=Window(), position="1"), response) for _ in range(2)]
    assert pages[0].block == pages[1].block
    assert pages[0].rejects == ()
    return [f'"{column.name}"' for column in decoder.schema.columns], pages[1].block.rows


def instant(item):
    return datetime.fromisoformat(item["at"]).astimezone(UTC)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_odd_values_survive_sqlite(ascii_only):
    """Text, big numbers, instants and JSON come back as they were sent."""
    names, rows = rows_of("sqlite", ascii_only=ascii_only)
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t ({', '.join(names)})")
    connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(names))})", rows)

    stored = connection.execute("SELECT * FROM t ORDER BY id").fetchall()
    connection.close()

    for item, row in zip(ITEMS, stored, strict=True):
        assert row[:5] == tuple(item[name] for name in ("id", "title", "big", "amount", "active"))
        assert row[5] == instant(item).strftime("%Y-%m-%d %H:%M:%S.%f")
        assert json.loads(row[6]) == item["meta"]


@pytest.mark.postgres
@pytest.mark.parametrize("ascii_only", [True, False])
def test_odd_values_survive_postgresql(pg_database, ascii_only):
    """As jsonb, bigint and timestamptz."""
    names, rows = rows_of("postgresql", ascii_only=ascii_only)
    types = ["bigint", "text", "bigint", "text", "boolean", "timestamptz", "jsonb"]
    declared = ", ".join(f"{name} {type_}" for name, type_ in zip(names, types, strict=True))
    with psycopg.connect(pg_database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE t ({declared})")
        cursor.executemany(f"INSERT INTO t VALUES ({', '.join(['%s'] * len(names))})", rows)

        stored = cursor.execute("SELECT * FROM t ORDER BY id").fetchall()

    for item, row in zip(ITEMS, stored, strict=True):
        assert row[:5] == tuple(item[name] for name in ("id", "title", "big", "amount", "active"))
        assert row[5] == instant(item)
        assert row[6] == item["meta"]
