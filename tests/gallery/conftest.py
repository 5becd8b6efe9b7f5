"""Models of real APIs on a real socket, and a project whose sources point to them.

A model answers as its vendor documents: page caps, refusals, opaque links, tokens. It keeps its own truth, so that a
test compares every row of the table with it, before and after the data changed.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from etl.bootstrap import open_app
from etl.model.run import RunResult, StreamResult
from etl.service.sync import SyncOptions, sync
from etl.testing.connection import Connection, parse_head
from etl.testing.doubles import FakeStop
from etl.testing.exchange import Answer, Call, Refusal

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"


class FastClock:
    """Starts where a test says and runs fifty times as fast, so that declared rates cost next to nothing."""

    SPEED = 50

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self.SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0) / self.SPEED)


class Model(Protocol):
    """An API of a vendor."""

    def answer(self, call: Call) -> Answer:
        """Raises Refusal for what the vendor refuses."""


class ModelServer:
    """Serves one model, and counts what it was asked for."""

    def __init__(self, model: Model, clock: FastClock) -> None:
        self.model = model
        self._clock = clock
        self.calls: list[Call] = []
        self.statuses: Counter[int] = Counter()
        self.url = ""
        self._open: set[Connection] = set()

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        self._open.discard(connection)

    def received(self, connection: Connection, head: bytes, body: bytes) -> None:
        method, target, headers = parse_head(head)
        call = Call(method=method, target=target, headers=headers, body=body)
        self.calls.append(call)
        try:
            answer = self.model.answer(call)
        except Refusal as refusal:
            answer = refusal.answer
        self.statuses[answer.status] += 1
        date = f"\r\nDate: {format_datetime(self._clock.now(), usegmt=True)}\r\n\r\n".encode()
        connection.write(answer.head() + date + (b"" if method == "HEAD" else answer.body))

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self, loop), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._listener.close()
        for connection in list(self._open):
            connection.abort()
        for _ in range(3):
            await asyncio.sleep(0)


class Project:
    """A config folder and a database; `environ` holds the secrets of the examples."""

    def __init__(self, folder: Path, stack: AsyncExitStack, database_url: str, clock: FastClock) -> None:
        self._clock = clock
        self.config = folder / "config"
        self.config.mkdir()
        self.database_url = database_url
        self.environ: dict[str, str] = {"ETL_TOKENS": str(folder / "tokens")}
        self._stack = stack

    async def serve(self, model: Model) -> ModelServer:
        server = ModelServer(model, self._clock)
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server

    def write(self, source: str, text: str) -> None:
        (self.config / f"{source}.yaml").write_text(text, encoding="utf-8")

    async def example(self, source: str, model: Model, host: str, **environ: str) -> ModelServer:
        """The example of that name as it is, but that `host` (as it stands there) is the model's."""
        server = await self.serve(model)
        text = (EXAMPLES / f"{source}.yaml").read_text(encoding="utf-8")
        assert host in text
        self.write(source, text.replace(host, server.url))
        self.environ |= environ
        return server

    async def run(self, *selectors: str, **options: Any) -> RunResult:
        async with open_app(self.config, self.database_url, self.environ, lambda _: None, clock=self._clock) as app:
            return await sync(app, SyncOptions(selectors=selectors, **options), FakeStop())

    async def sync(self, stream: str, **options: Any) -> StreamResult:
        """The result of one stream."""
        return (await self.run(stream, **options)).streams[0]

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Read by nothing but the driver; JSON parsed, instants as ISO text, private columns left out."""
        if self.database_url.startswith("sqlite"):
            connection = sqlite3.connect(self.database_url.removeprefix("sqlite:///"))
            connection.row_factory = sqlite3.Row
            found = [dict(row) for row in connection.execute(query)]
            connection.close()
        else:
            with psycopg.connect(self.database_url) as other, other.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                found = list(cursor.execute(query).fetchall())
        return [_public(row) for row in found]

    def table(self, name: str, key: str = "id") -> dict[Any, dict[str, Any]]:
        """The rows of a table by their key."""
        return {row[key]: row for row in self.rows(f"SELECT * FROM {name}")}


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items() if not name.startswith("_etl_")}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            return json.loads(value)
        if len(value) == 26 and value[10] == " ":  # SQLite's instants
            return value.replace(" ", "T").removesuffix(".000000") + "Z"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value


def agrees(rows: Mapping[Any, Mapping[str, Any]], truth: Mapping[Any, Mapping[str, Any]]) -> None:
    """Every row and every value; a column the model does not name must be empty."""
    assert set(rows) == set(truth)
    for key, row in rows.items():
        told = truth[key]
        assert {name: value for name, value in row.items() if value is not None} == {
            name: value for name, value in told.items() if value is not None
        }


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> FastClock:
    """Begins at the instant that a test is parametrized with, else at the beginning of 2026."""
    return FastClock(datetime.fromisoformat(getattr(request, "param", "2026-01-01")).replace(tzinfo=UTC))


@pytest.fixture
def project(tmp_path: Path, stack: AsyncExitStack, clock: FastClock) -> Project:
    """On SQLite."""
    return Project(tmp_path, stack, f"sqlite:///{tmp_path / 'etl.db'}", clock)


@pytest.fixture
def either_project(tmp_path: Path, stack: AsyncExitStack, database_url: str, clock: FastClock) -> Project:
    """On SQLite and on PostgreSQL; a test that asks for it runs twice."""
    return Project(tmp_path, stack, database_url, clock)


@pytest.fixture(name="agrees")
def agrees_fixture() -> Any:
    return agrees
