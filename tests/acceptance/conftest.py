"""A user's project: a folder with a configuration, a database, the bundled API, and `etl` as a process."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from etl.entrypoints.cli.process import run
from etl.testing import ServerThread
from etl.testing.server import ApiServer

SHOP = """\
base_url: {url}
limits: {{retries: 1, timeout: 10s}}
streams:
  items:
    path: /api/items
    params: {{page: "{{page}}", pageSize: "{{size}}"}}
    records: items
    pages: {{number: 0, size: 10, total_pages: totalPages, total_rows: totalItems}}
    key: id
  orders:
    path: /api/orders
    params: {{updated_since: "{{start}}", until: "{{end}}", page: "{{page}}", pageSize: "{{size}}"}}
    records: data
    pages: {{number: 0, size: 20, total_rows: total}}
    key: id
    incremental: {{field: updated_at}}
    columns: {{total: numeric}}
"""

OBJECT = ("run_id", "status", "exit_code", "seconds", "streams")
STREAM = (
    "stream", "status", "verdict", "reason", "pages", "requests", "retries", "fetched", "inserted", "updated",
    "unchanged", "deleted", "rejected", "watermark", "seconds",
)  # fmt: skip
DEADLINE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """A process that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def stream(self, name: str) -> dict[str, Any]:
        """The line of one stream in the object that `--json` prints."""
        assert tuple(name for name in self.json if name != "reason") == OBJECT
        found = next(line for line in self.json["streams"] if line["stream"] == name)
        assert tuple(found) == STREAM
        return found


class Running:
    """A process that has not ended yet."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = DEADLINE_S) -> Done:
        out, err = self.process.communicate(timeout=timeout)
        return Done(code=self.process.returncode, out=out, err=err)

    def end(self) -> None:
        """Leave neither a process nor a pipe behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Project:
    """`project.etl("sync")` is what a user would type in the project's folder."""

    def __init__(self, folder: Path, database: str, api: ServerThread) -> None:
        self.folder = folder
        self.database = database
        self.api = api
        self.started: list[Running] = []
        self.configure(SHOP)

    def configure(self, text: str, name: str = "shop") -> Path:
        """Write one source; `{url}` becomes the server's address."""
        file = self.folder / "config" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.format(url=self.api.url), encoding="utf-8")
        return file

    def etl(self, *arguments: str, **environ: str) -> Done:
        return self.start(*arguments, **environ).wait()

    def start(self, *arguments: str, **environ: str) -> Running:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "etl", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env={**kept, **self._environ, **environ},
        )
        running = Running(process)
        self.started.append(running)
        return running

    def prepare(self, *arguments: str) -> None:
        """What a test only builds upon."""
        done = self.here(*arguments)
        assert done.code == 0, done.err

    def here(self, *arguments: str, **environ: str) -> Done:
        """The same inside this process, in a fifth of the time: where nothing hangs on the process."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
        out, err = StringIO(), StringIO()
        with (
            patch.dict(os.environ, {**kept, **self._environ, **environ}, clear=True),
            chdir(self.folder),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(arguments)
        return Done(code=code, out=out.getvalue(), err=err.getvalue())

    @property
    def _environ(self) -> dict[str, str]:
        return {"ETL_DATABASE": self.database, "ETL_LOG_FORMAT": "plain", "PYTHONUTF8": "1"}

    def slow(self, latency_s: float) -> None:
        """Every answer takes so long from now on."""

        def change(api: ApiServer) -> None:
            api.behaviour = replace(api.behaviour, latency_s=latency_s)

        self.api.call(change)

    def asked(self) -> list[str]:
        """The targets of all requests since the last time, and forget them."""

        def take(api: ApiServer) -> list[str]:
            found = [line.call.target for line in api.requests]
            api.forget()
            return found

        return self.api.call(take)

    def truth(self, path: str) -> list[dict[str, Any]]:
        return self.api.call(lambda api: api.truth(path))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the database; [] while the table is not there."""
        try:
            if self.database.startswith("sqlite"):
                with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=10)) as connection:
                    return connection.execute(query).fetchall()
            with psycopg.connect(self.database, connect_timeout=10) as connection:
                return connection.execute(query).fetchall()
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
            return []

    def write(self, statement: str) -> None:
        """Change the database behind the program's back."""
        if self.database.startswith("sqlite"):
            with (
                closing(sqlite3.connect(self.database.removeprefix("sqlite:///"), timeout=10)) as connection,
                connection,
            ):
                connection.execute(statement)
            return
        with psycopg.connect(self.database, connect_timeout=10) as connection:
            connection.execute(statement)

    def one(self, query: str) -> Any:
        (row,) = self.rows(query)
        return row[0] if len(row) == 1 else row

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that another process does."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.02)

    def until_committed(self, pages: int, stream: str = "shop.items") -> None:
        """Wait until a run has committed so many pages."""
        query = f"SELECT count(*) FROM _etl_pages WHERE stream = '{stream}'"
        self.until(lambda: (self.rows(query) or [(0,)])[0][0] >= pages, f"{pages} pages of {stream}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else is in the middle of a long transaction on the SQLite file."""
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    def is_locked(self) -> bool:
        """Whether somebody is in the middle of a transaction that writes to the SQLite file."""
        if not self.database.startswith("sqlite"):
            return False
        file = self.database.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    def holds_the_truth(self, *tables: str) -> None:
        """The table is exactly what the API would list now: every row once, in its newest version."""
        for table in tables or ("items", "orders"):
            stored = {row[0]: _instant(row[1]) for row in self.rows(f"SELECT id, updated_at FROM shop_{table}")}
            assert stored == {row["id"]: _instant(row["updated_at"]) for row in self.truth(f"/api/{table}")}
            assert self.one(f"SELECT count(*) FROM shop_{table}") == len(stored)

    def is_sound(self) -> None:
        """What must hold after every crash."""
        self._rows_have_their_run()
        self._counters_are_sums()
        self._watermark_is_covered()
        if self.database.startswith("sqlite"):
            assert self.one("PRAGMA integrity_check") == "ok"

    def _rows_have_their_run(self) -> None:
        for (table,) in self.rows("SELECT table_name FROM _etl_tables"):
            strangers = f"SELECT count(*) FROM {table} WHERE _etl_run_id NOT IN (SELECT run_id FROM _etl_runs)"
            assert self.one(strangers) == 0, table

    def _counters_are_sums(self) -> None:
        sums = """
            SELECT s.pages, s.fetched, s.inserted, s.updated, s.unchanged, s.rejected,
                   count(CASE WHEN p.attempt = 0 THEN 1 END), 0, coalesce(sum(p.inserted), 0),
                   coalesce(sum(p.updated), 0), coalesce(sum(CASE WHEN p.attempt = 0 THEN p.unchanged END), 0),
                   coalesce(sum(p.rejected), 0), s.stream
            FROM _etl_run_streams s LEFT JOIN _etl_pages p ON p.ordinal = s.ordinal
            WHERE s.status <> 'running' GROUP BY s.ordinal, s.pages, s.fetched, s.inserted, s.updated, s.unchanged,
                  s.rejected, s.stream
        """
        for pages, fetched, inserted, updated, unchanged, rejected, *others in self.rows(sums):
            assert fetched == inserted + updated + unchanged + rejected, others
            assert (pages, inserted, updated, unchanged, rejected) == (others[0], *others[2:6]), others
        kept = "SELECT count(*) FROM _etl_rejects"
        told = "SELECT coalesce(sum(rejected), 0) FROM _etl_pages"
        assert self.one(kept) == self.one(told)

    def _watermark_is_covered(self) -> None:
        """Every order up to the watermark is stored: nothing below it is still missing."""
        found = self.rows("SELECT value FROM _etl_watermarks WHERE stream = 'shop.orders'")
        if not found:
            return
        stored = {row[0] for row in self.rows("SELECT id FROM shop_orders")}
        stored |= {int(row[0]) for row in self.rows("SELECT key FROM _etl_rejects WHERE stream = 'shop.orders'")}
        below = {
            row["id"]
            for row in self.truth("/api/orders")
            if _instant(row["updated_at"]).timestamp() * 1_000_000 < int(found[0][0])
        }
        assert below <= stored


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    text = str(value).replace("Z", "+00:00")
    return datetime.fromisoformat(text if text.endswith("+00:00") else text + "+00:00")


@pytest.fixture
def api() -> Iterator[ServerThread]:
    with ServerThread(items=300, orders=200, customers=50) as server:
        yield server


def _project(folder: Path, database: str, api: ServerThread) -> Iterator[Project]:
    folder.mkdir(exist_ok=True)
    made = Project(folder, database, api)
    try:
        yield made
    finally:
        for running in made.started:
            running.end()


@pytest.fixture
def project(tmp_path: Path, database_url: str, api: ServerThread) -> Iterator[Project]:
    """On SQLite and on PostgreSQL."""
    yield from _project(tmp_path / "project", database_url, api)


@pytest.fixture
def lite(tmp_path: Path, api: ServerThread) -> Iterator[Project]:
    """On SQLite alone: for what has nothing to do with the database."""
    yield from _project(tmp_path / "project", f"sqlite:///{tmp_path / 'etl.db'}", api)
