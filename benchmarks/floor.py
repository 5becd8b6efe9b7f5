"""The floor: the same load by hand, with nothing a product needs. How fast Python can be at all.

No HTTP library (a protocol that knows Content-Length), a fixed schema, no tries, no state, no checks, no proof.
Fetching and decoding run in the event loop, writing in a thread: `sqlite3.executemany`, or COPY through psycopg.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

COLUMNS = (
    "id", "uuid", "name", "email", "price", "quantity", "active", "created_at", "updated_at", "address__street",
    "address__city", "address__country", "address__geo__lat", "address__geo__lon", "tags", "notes", "status", "score",
)  # fmt: skip
_NAMES = ", ".join(COLUMNS)
_SETS = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
_ON_CONFLICT = f"ON CONFLICT (id) DO UPDATE SET {_SETS}"
_BATCH = 5_000
_POSTGRES = (
    "int8", "text", "text", "text", "float8", "int8", "bool", "timestamptz", "timestamptz", "text", "text", "text",
    "float8", "float8", "text", "text", "text", "float8",
)  # fmt: skip

Rows = list[tuple[Any, ...]]


class Geo(msgspec.Struct, gc=False):
    lat: float
    lon: float


class Address(msgspec.Struct, gc=False):
    street: str
    city: str
    country: str
    geo: Geo


def page_type(instant: type) -> type[msgspec.Struct]:
    """A page whose instants are texts (SQLite) or datetimes (PostgreSQL)."""
    fields = [
        ("id", int), ("uuid", str), ("name", str), ("email", str), ("price", float), ("quantity", int),
        ("active", bool), ("created_at", instant), ("updated_at", instant), ("address", Address),
        ("tags", msgspec.Raw), ("notes", str | None), ("status", str), ("score", float),
    ]  # fmt: skip
    item = msgspec.defstruct("Item", fields, gc=False)
    return msgspec.defstruct("Page", [("items", list[item]), ("totalPages", int)], gc=False)


def row_maker(instant: type) -> Callable[[bytes], tuple[Rows, int]]:
    """From the bytes of a page to its rows and the number of pages."""
    decode = msgspec.json.Decoder(page_type(instant)).decode

    def rows(body: bytes) -> tuple[Rows, int]:
        page: Any = decode(body)
        return [
            (
                x.id, x.uuid, x.name, x.email, x.price, x.quantity, x.active, x.created_at, x.updated_at,
                x.address.street, x.address.city, x.address.country, x.address.geo.lat, x.address.geo.lon,
                bytes(x.tags).decode(), x.notes, x.status, x.score,
            )
            for x in page.items
        ], page.totalPages  # fmt: skip

    return rows


class Getter(asyncio.Protocol):
    """One connection, one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._parts: list[bytes] = []
        self._missing = -1

    def get(self, target: str, host: str) -> asyncio.Future[bytes]:
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return self._answer

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            head, found, rest = (b"".join(self._parts) + data).partition(b"\r\n\r\n")
            if not found:
                self._parts = [head]
                return
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            self._parts, self._missing, data = [], int(length), rest
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            body, self._parts, self._missing = b"".join(self._parts), [], -1
            self._answer.set_result(body)


def sqlite_batches(url: str) -> Callable[[Rows], None]:
    """What writes a batch to SQLite in a transaction; an empty one ends it all."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, {', '.join(COLUMNS[1:])})")
    statement = f"INSERT INTO items VALUES ({', '.join('?' * len(COLUMNS))}) {_ON_CONFLICT}"

    def write(rows: Rows) -> None:
        if not rows:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.close()
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, rows)
        connection.execute("COMMIT")

    return write


def postgresql_batches(url: str) -> Callable[[Rows], None]:
    """What writes a batch to PostgreSQL: binary COPY into a temporary table, and one statement out of it."""
    import psycopg

    connection = psycopg.connect(url)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, _POSTGRES, strict=True))
    connection.execute(f"CREATE TABLE IF NOT EXISTS items ({columns}, PRIMARY KEY (id))")
    connection.execute(f"CREATE TEMP TABLE stage ({columns}) ON COMMIT DELETE ROWS")
    connection.commit()

    def write(rows: Rows) -> None:
        if not rows:
            connection.close()
            return
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy("COPY stage FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(_POSTGRES)
                for row in rows:
                    copy.write_row(row)
            cursor.execute(f"INSERT INTO items ({_NAMES}) SELECT {_NAMES} FROM stage {_ON_CONFLICT}")

    return write


class Writer(threading.Thread):
    """Joins pages to batches; `inbox` is bounded, None ends it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.inbox: queue.Queue[Rows | None] = queue.Queue(32)
        self.failure: BaseException | None = None
        self._url = url

    def run(self) -> None:
        try:
            write = (sqlite_batches if self._url.startswith("sqlite") else postgresql_batches)(self._url)
            batch: Rows = []
            while (rows := self.inbox.get()) is not None:
                batch += rows
                if len(batch) >= _BATCH:
                    write(batch)
                    batch = []
            if batch:
                write(batch)
            write([])
        except BaseException as failure:  # noqa: BLE001 - raised again where the thread is joined
            self.failure = failure
            while self.inbox.get() is not None:
                pass


async def load(base_url: str, database: str, size: int, connections: int) -> None:
    """Read the whole list with so many connections, and store it."""
    rows = row_maker(str if database.startswith("sqlite") else datetime)
    at = urlsplit(base_url)
    loop, writer = asyncio.get_running_loop(), Writer(database)
    writer.start()

    async def one(getter: Getter, page: int) -> int:
        found, pages = rows(await getter.get(f"/items?page={page}&pageSize={size}", at.netloc))
        try:
            writer.inbox.put_nowait(found)
        except queue.Full:
            await loop.run_in_executor(None, writer.inbox.put, found)
        return pages

    async def connect() -> Getter:
        return (await loop.create_connection(Getter, at.hostname or "", at.port or 80))[1]

    async def work(getter: Getter, left: Iterator[int]) -> None:
        for page in left:
            await one(getter, page)

    try:
        first = await connect()
        left = iter(range(1, await one(first, 0)))
        getters = [first, *await asyncio.gather(*[connect() for _ in range(connections - 1)])]
        await asyncio.gather(*[work(getter, left) for getter in getters])
    finally:
        await loop.run_in_executor(None, writer.inbox.put, None)
        await loop.run_in_executor(None, writer.join)
    if writer.failure is not None:
        raise writer.failure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    asyncio.run(load(given.base_url, given.database, given.size, given.connections))


if __name__ == "__main__":
    main()
