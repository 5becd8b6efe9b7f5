"""Questions to PostgreSQL: a cursor declared in a read-only transaction that is always rolled back.

READ ONLY alone does not stop `COPY ... TO PROGRAM` or functions that write files. `DECLARE ... CURSOR FOR` takes only
a query without side effects of its own, and a superuser asks as `pg_read_all_data`, whose functions cannot leave the
database. A login of its own, with no more than SELECT, is still the better wall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from etl.db.refusals import refused
from etl.errors import UsageError
from etl.ports import Clock
from etl.query.budget import TimeBudget
from etl.query.result import Result
from etl.query.statement import Statement

_CHUNK = 500
_NAME = "etl_query"
_OURS = ("08", "53", "57P", "58", "28", "3D", "XX")
"""SQLSTATE classes that tell of the server; anything else is a mistake in the statement."""


@contextmanager
def open_postgresql(url: URL, label: str, *, timeout_s: float, clock: Clock) -> Iterator[PostgresqlEngine]:
    """Connect; raises DatabaseRefused when the server cannot be reached or refuses the login."""
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with closing(
            psycopg.connect(target, application_name="everypage query", connect_timeout=10, options="-c timezone=UTC")
        ) as connection:
            connection.read_only = True
            engine = PostgresqlEngine(connection, label, timeout_s, clock)
            try:
                yield engine
            finally:
                engine.end()
    except psycopg.Error as error:
        raise refused(error, label) from error


class PostgresqlEngine:
    """An open connection; made by `open_postgresql`."""

    def __init__(self, connection: psycopg.Connection, label: str, timeout_s: float, clock: Clock) -> None:
        self._connection = connection
        self._label = label
        self._timeout_s = timeout_s
        self._clock = clock
        self._cursor: psycopg.ServerCursor[tuple[Any, ...]] | None = None

    def run(self, statement: Statement, parameters: Mapping[str, object]) -> Result:
        """Declare the cursor for the statement, in a transaction of its own."""
        budget = TimeBudget(self._timeout_s, self._clock)
        self.end()
        with self._step(budget):
            self._drop_power()
        cursor = self._cursor = self._connection.cursor(_NAME, scrollable=False)
        text = statement.pyformat if parameters else statement.text
        with self._step(budget):
            cursor.execute(text.encode(), dict(parameters) or None)
        columns = tuple(column.name for column in cursor.description or ())
        computed = frozenset(at for at in range(len(columns)) if cursor.pgresult and not cursor.pgresult.ftable(at))
        return Result(columns=columns, rows=self._rows(cursor, budget), computed=computed, cancel=self.cancel)

    def cancel(self) -> None:
        """Stop what is running; the server is asked on a connection of its own."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5.0)

    def _rows(self, cursor: psycopg.ServerCursor[tuple[Any, ...]], budget: TimeBudget) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._step(budget):
                rows = cursor.fetchmany(_CHUNK)
            yield from rows
            if len(rows) < _CHUNK:
                return

    def end(self) -> None:
        """Close the cursor and roll its transaction back."""
        cursor, self._cursor = self._cursor, None
        with suppress(psycopg.Error):  # a connection that is lost has ended both already
            if cursor is not None:
                cursor.close()
            self._connection.rollback()

    def _drop_power(self) -> None:
        """A superuser's functions write files and run programs, whatever the transaction: ask as somebody else."""
        row = self._connection.execute(
            "SELECT current_setting('is_superuser') = 'on' AND EXISTS "
            "(SELECT 1 FROM pg_roles WHERE rolname = 'pg_read_all_data')"
        ).fetchone()
        if row is not None and row[0]:
            self._connection.execute("SET LOCAL ROLE pg_read_all_data")

    @contextmanager
    def _step(self, budget: TimeBudget) -> Iterator[None]:
        """One step with its deadline; mistakes leave as UsageError."""
        with budget.step() as seconds:
            try:
                self._connection.execute(
                    sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(max(int(seconds * 1000), 1)))
                )
                yield
            except psycopg.Error as error:
                raise self._translated(error, budget) from error

    def _translated(self, error: psycopg.Error, budget: TimeBudget) -> Exception:
        state = error.sqlstate or ""
        if state == "57014":
            return budget.spent()
        if not state or state.startswith(_OURS):
            return refused(error, self._label)
        why = " ".join(str(error).split())[:400]
        if state in ("25006", "42501", "0A000"):
            return UsageError("etl query only reads", why=why, hint="write a SELECT")
        return UsageError("the statement cannot be run", why=why)
