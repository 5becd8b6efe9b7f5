"""What the chaos tests stand on: a project, processes to be killed, and a reader that shares no code with `etl`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from etl.testing import ServerThread
from etl.testing.server import ApiServer

SHOP = """\
base_url: {url}
limits: {{retries: 6, timeout: 10s}}
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
    pages: {{number: 0, size: 10, total_rows: total}}
    key: id
    incremental: {{field: updated_at}}
    columns: {{total: numeric}}
"""
DEADLINE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """A process that ended; `steps` are the storage calls it made, where they were counted."""

    code: int
    out: str
    err: str
    steps: int = 0


class Ground:
    """A project's folder, its database and the bundled API."""

    def __init__(self, folder: Path, database: str, api: ServerThread) -> None:
        self.folder = folder
        self.database = database
        self.api = api
        self.processes: list[subprocess.Popen[str]] = []
        self.tally = Counter[str]()
        self._nursery: subprocess.Popen[str] | None = None
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "shop.yaml").write_text(SHOP.format(url=api.url), encoding="utf-8")

    # processes

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ETL_")}
        return {**kept, "ETL_DATABASE": self.database, "ETL_LOG_FORMAT": "plain", "PYTHONUTF8": "1"}

    def start(self, *arguments: str, before: tuple[str, ...] = (), **environ: str) -> subprocess.Popen[str]:
        """A real process."""
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "etl", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env={**self._environ(), **environ},
        )
        self.processes.append(process)
        return process

    def wait(self, process: subprocess.Popen[str], timeout: float = DEADLINE_S) -> Done:
        out, err = process.communicate(timeout=timeout)
        self._count(process.returncode)
        return Done(code=process.returncode, out=out, err=err)

    def _count(self, code: int) -> None:
        self.tally.update(runs=1, killed=code == -signal.SIGKILL)

    def etl(self, *arguments: str, **environ: str) -> Done:
        return self.wait(self.start(*arguments, **environ))

    def forked(self, *arguments: str, at: int = 0, how: str = "", **environ: str) -> Done:
        """The same, a fork of a process that has everything imported; sabotaged at its `at`th storage call."""
        if self._nursery is None:
            self._nursery = subprocess.Popen(
                [sys.executable, "-W", "error", str(Path(__file__).with_name("nursery.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environ(),
            )
            self.processes.append(self._nursery)
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        own = {"ETL_DATABASE": self.database, "ETL_LOG_FORMAT": "plain", **environ}
        order = {"arguments": arguments, "environ": own, "folder": str(self.folder), "at": at, "how": how}
        self._nursery.stdin.write(json.dumps(order) + "\n")
        self._nursery.stdin.flush()
        answer = json.loads(self._nursery.stdout.readline())
        self._count(answer["code"])
        texts = {name: (self.folder / name).read_text(encoding="utf-8") for name in ("out", "err")}
        return Done(code=answer["code"], steps=answer["steps"], **texts)

    def clear_up(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    # the API

    def behave(self, latency_s: float = 0.0, faults: Any = None) -> None:
        def change(api: ApiServer) -> None:
            api.behaviour = replace(api.behaviour, latency_s=latency_s)
            api.plan_faults(faults)

        self.api.call(change)

    def asked(self) -> list[str]:
        """The positions of the items that were asked for since the last time."""

        def take(api: ApiServer) -> list[str]:
            found = [line.call.target for line in api.requests]
            api.forget()
            return found

        found = (re.search(r"/items\?(?:.*&)?page=(\d+)", target) for target in self.api.call(take))
        return [f"page:{match[1]}" for match in found if match]

    # the independent reader

    @property
    def path(self) -> Path:
        return Path(self.database.removeprefix("sqlite:///"))

    @property
    def is_sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What is in the database by column; [] while the table is not there."""
        try:
            if self.is_sqlite:
                with closing(sqlite3.connect(self.path, timeout=10)) as connection:
                    connection.row_factory = sqlite3.Row
                    return [dict(row) for row in connection.execute(query)]
            with psycopg.connect(self.database, connect_timeout=10, row_factory=psycopg.rows.dict_row) as connection:
                return connection.execute(query).fetchall()
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable) as error:
            if "no such table" in str(error) or isinstance(error, psycopg.Error):
                return []
            raise

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """Somebody else at the same PostgreSQL."""
        with psycopg.connect(self.database, connect_timeout=10, autocommit=True) as connection:
            yield connection

    def execute(self, statement: str, *, read_only: str = "") -> None:
        """Change the database behind the program's back."""
        if self.is_sqlite:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
                connection.execute(statement)
            return
        with self.session() as connection:
            if read_only:
                connection.execute(f"SET default_transaction_read_only = {read_only}")
            connection.execute(statement)

    def as_user(self, name: str, password: str) -> str:
        """The same database for another user."""
        url = make_url(self.database).set(username=name, password=password)
        return url.render_as_string(hide_password=False)

    def through(self, port: int) -> str:
        """The same database behind a port of this machine."""
        url = make_url(self.database).set(host="127.0.0.1", port=port)
        return url.difference_update_query(["host"]).render_as_string(hide_password=False)

    def value(self, query: str, otherwise: Any = None) -> Any:
        found = self.rows(query)
        return next(iter(found[0].values())) if found else otherwise

    def committed(self, generation: str = "%") -> set[str]:
        query = f"SELECT position FROM _etl_pages WHERE stream = 'shop.items' AND generation LIKE '{generation}'"
        return {row["position"] for row in self.rows(query)}

    def until(self, condition: Callable[[], object], what: str, timeout: float = DEADLINE_S) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.02)

    def drop_everything(self) -> None:
        """The next case begins on an empty database."""
        if self.is_sqlite:
            for tail in ("", "-wal", "-shm"):
                Path(str(self.path) + tail).unlink(missing_ok=True)
            return
        with psycopg.connect(self.database, connect_timeout=10, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    # what must hold

    def equals_the_truth(self, *streams: str) -> None:
        """Every row and every column of the API, once, and nothing else."""
        for stream in streams or ("items", "orders"):
            truth = self.api.call(lambda api, stream=stream: api.truth(f"/api/{stream}"))
            stored = self.rows(f"SELECT * FROM shop_{stream}")
            kept = [{name: value for name, value in row.items() if not name.startswith("_etl_")} for row in stored]
            found = difference(kept, truth)
            self.tally.update(compared=len(truth), **found)
            assert not any(found.values()), (stream, found)

    def is_sound(self) -> None:
        """What must hold after every crash, whatever was stored."""
        if self.is_sqlite:
            if not self.path.exists():
                return
            assert self.value("PRAGMA integrity_check") == "ok"
        self._rows_belong_to_ledger_lines()
        self._counters_are_sums()
        self._watermarks_are_covered()
        assert len(self.rows("SELECT stream FROM _etl_leases WHERE holder IS NOT NULL GROUP BY stream")) == len(
            self.rows("SELECT stream FROM _etl_leases WHERE holder IS NOT NULL")
        )

    def _rows_belong_to_ledger_lines(self) -> None:
        for table in self.rows("SELECT stream, table_name FROM _etl_tables"):
            strangers = f"""
                SELECT count(*) AS n FROM {table["table_name"]} d WHERE NOT EXISTS (
                    SELECT 1 FROM _etl_pages p JOIN _etl_run_streams s ON s.ordinal = p.ordinal
                    WHERE p.stream = '{table["stream"]}' AND p.ordinal = d._etl_seq / 4294967296
                      AND p.seq = d._etl_seq % 4294967296 AND s.run_id = d._etl_run_id)
            """
            assert self.value(strangers) == 0, table
            inserted = f"SELECT coalesce(sum(inserted), 0) AS n FROM _etl_pages WHERE stream = '{table['stream']}'"
            assert self.value(f"SELECT count(*) AS n FROM {table['table_name']}") == self.value(inserted), table

    def _counters_are_sums(self) -> None:
        twice = """
            SELECT generation, stream, position FROM _etl_pages
            GROUP BY generation, stream, member, win_start, win_end, position, attempt HAVING count(*) > 1
        """
        assert self.rows(twice) == []
        sums = """
            SELECT s.ordinal, s.pages, s.inserted, s.updated, s.rejected, s.requests, s.retries, s.fetched, s.unchanged,
                   coalesce(p.firsts, 0) AS firsts, coalesce(p.ins, 0) AS ins, coalesce(p.upd, 0) AS upd,
                   coalesce(p.rej, 0) AS rej, coalesce(p.lines, 0) AS lines, coalesce(t.n, 0) AS tries,
                   coalesce(t.again, 0) AS again
            FROM _etl_run_streams s
            LEFT JOIN (SELECT ordinal, sum(CASE WHEN attempt = 0 THEN 1 ELSE 0 END) AS firsts, sum(inserted) AS ins,
                              sum(updated) AS upd, sum(rejected) AS rej, count(*) AS lines
                       FROM _etl_pages GROUP BY ordinal) p ON p.ordinal = s.ordinal
            LEFT JOIN (SELECT ordinal, count(*) AS n, sum(CASE WHEN wait_s > 0 THEN 1 ELSE 0 END) AS again
                       FROM _etl_failed_tries GROUP BY ordinal) t ON t.ordinal = s.ordinal
            WHERE s.status <> 'running'
        """
        for row in self.rows(sums):
            told = (row["pages"], row["inserted"], row["updated"], row["rejected"], row["retries"], row["requests"])
            summed = (row["firsts"], row["ins"], row["upd"], row["rej"], row["again"], row["lines"] + row["tries"])
            assert told == summed, row
            assert row["fetched"] == row["inserted"] + row["updated"] + row["unchanged"] + row["rejected"], row
        kept = self.value("SELECT count(*) AS n FROM _etl_rejects", 0)
        assert kept == self.value("SELECT coalesce(sum(rejected), 0) AS n FROM _etl_pages", 0)

    def _watermarks_are_covered(self) -> None:
        """A mark was left by a run that succeeded, and nothing below it is missing."""
        marks = "SELECT w.value, s.status FROM _etl_watermarks w JOIN _etl_run_streams s ON s.ordinal = w.ordinal"
        for mark in self.rows(marks):
            assert mark["status"] == "succeeded"
            stored = {row["id"] for row in self.rows("SELECT id FROM shop_orders")}
            truth = self.api.call(lambda api: api.truth("/api/orders"))
            below = {row["id"] for row in truth if micros(row["updated_at"]) < int(mark["value"])}
            assert below <= stored


def difference(stored: list[dict[str, Any]], truth: list[dict[str, Any]]) -> dict[str, int]:
    """Rows that are not there, there twice, there without ground, or not the same in every column."""
    ours, theirs = Counter(row["id"] for row in stored), {row["id"]: canonical(row) for row in truth}
    return {
        "lost": len(theirs.keys() - ours.keys()),
        "doubled": sum(count - 1 for count in ours.values()),
        "strange": len(ours.keys() - theirs.keys()),
        "differing": sum(theirs.get(row["id"], "") not in ("", canonical(row)) for row in stored),
    }


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def canonical(row: dict[str, Any]) -> str:
    """One spelling for a row of the API, of SQLite and of PostgreSQL."""
    return json.dumps({name: _plain(name, value) for name, value in row.items()}, sort_keys=True)


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ("address", "tags"):
        return json.loads(value) if isinstance(value, str) else value
    if name.endswith("_at"):
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return at.replace(tzinfo=None).isoformat()
    if isinstance(value, bool):
        return str(int(value))
    if name == "total" or isinstance(value, int | float | Decimal):
        return str(Decimal(str(value)).normalize())
    return value


@contextmanager
def ground_of(request: pytest.FixtureRequest, folder: Path, database: str, api: ServerThread) -> Iterator[Ground]:
    made = Ground(folder, database, api)
    try:
        yield made
    finally:
        made.clear_up()
        request.node.user_properties.append(("tally", dict(made.tally)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures of all tests together."""
    total = Counter[str]()
    for report in terminalreporter.stats.get("", []):
        for name, value in report.user_properties if report.when == "teardown" else ():
            total.update(value if name == "tally" else {})
    if total:
        terminalreporter.line(", ".join(f"{name} {count:,}" for name, count in sorted(total.items())))


@pytest.fixture
def dice() -> random.Random:
    """Replayable: CHAOS_SEED chooses another course of events."""
    return random.Random(int(os.environ.get("CHAOS_SEED", "1")))


@pytest.fixture
def api() -> Iterator[ServerThread]:
    with ServerThread(items=250, orders=40, customers=10) as server:
        yield server


@pytest.fixture
def lite(request: pytest.FixtureRequest, tmp_path: Path, api: ServerThread) -> Iterator[Ground]:
    """On SQLite."""
    with ground_of(request, tmp_path / "project", f"sqlite:///{tmp_path / 'etl.db'}", api) as made:
        yield made


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_path: Path, database_url: str, api: ServerThread) -> Iterator[Ground]:
    """On SQLite and on PostgreSQL."""
    with ground_of(request, tmp_path / "project", database_url, api) as made:
        yield made


@pytest.fixture
def pg(request: pytest.FixtureRequest, tmp_path: Path, pg_database: str, api: ServerThread) -> Iterator[Ground]:
    """On PostgreSQL."""
    with ground_of(request, tmp_path / "project", pg_database, api) as made:
        yield made
