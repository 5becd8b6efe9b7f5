"""Questions to a SQLite file: opened read-only, `query_only`, and with an authorizer that names what is allowed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from etl.db.refusals import refused
from etl.errors import DatabaseRefused, UsageError
from etl.ports import Clock
from etl.query.budget import TimeBudget
from etl.query.result import Result
from etl.query.statement import Statement

_CHUNK = 500
_LONGEST = 256 * 1024 * 1024  # bytes of one value; `zeroblob(1e9)` would ask for more than the machine has
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS = frozenset(
    {"table_list", "table_info", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
)
_MISTAKES = ("SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_RANGE", "SQLITE_TOOBIG", "SQLITE_CONSTRAINT")


@contextmanager
def open_sqlite(path: Path, label: str, *, timeout_s: float, clock: Clock) -> Iterator[SqliteEngine]:
    """Open the file; raises DatabaseRefused when it is missing or no database."""
    if not path.is_file():
        raise DatabaseRefused(f"{label} does not exist", hint="run `etl sync` first, or name another file")
    uri = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        connection = sqlite3.connect(
            uri, uri=True, timeout=min(timeout_s, 5.0), isolation_level=None, check_same_thread=False
        )
        with closing(connection):
            connection.execute("PRAGMA query_only=1")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # reads the file for the first time
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            _prepare_table_functions(connection)
            connection.set_authorizer(_authorize)
            yield SqliteEngine(connection, label, timeout_s, clock)
    except sqlite3.Error as error:
        raise refused(error, label) from error


def _prepare_table_functions(connection: sqlite3.Connection) -> None:
    """Use them once: the first use declares a table in memory, which the authorizer could not tell from a write."""
    for name in ("json_each", "json_tree", *(f"pragma_{pragma}" for pragma in sorted(_PRAGMAS))):
        connection.execute(f"SELECT 1 FROM {name}('null') LIMIT 0").close()  # noqa: S608 - constant names


def _authorize(action: int, first: str | None, second: str | None, _schema: str | None, _inner: str | None) -> int:
    """Only what reads. `first` and `second` depend on the action: the pragma's name, or the function's."""
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in ("load_extension", "fts3_tokenizer"):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


class SqliteEngine:
    """An open file; made by `open_sqlite`."""

    def __init__(self, connection: sqlite3.Connection, label: str, timeout_s: float, clock: Clock) -> None:
        self._connection = connection
        self._label = label
        self._timeout_s = timeout_s
        self._clock = clock

    def run(self, statement: Statement, parameters: Mapping[str, object]) -> Result:
        """Start the statement. SQLite reads `:name` itself."""
        budget = TimeBudget(self._timeout_s, self._clock)
        cursor = self._connection.cursor()
        with self._step(budget):
            cursor.execute(statement.text, dict(parameters))
        if cursor.description is None:
            raise UsageError("the statement returns no rows", hint="etl query only reads: write a SELECT")
        columns = tuple(str(column[0]) for column in cursor.description)
        return Result(columns=columns, rows=self._rows(cursor, budget), cancel=self.cancel)

    def cancel(self) -> None:
        """Stop what is running."""
        self._connection.interrupt()

    def _rows(self, cursor: sqlite3.Cursor, budget: TimeBudget) -> Iterator[tuple[Any, ...]]:
        with closing(cursor):
            while True:
                with self._step(budget):
                    rows = cursor.fetchmany(_CHUNK)
                if not rows:
                    return
                yield from rows

    @contextmanager
    def _step(self, budget: TimeBudget) -> Iterator[None]:
        """One step with its deadline; mistakes leave as UsageError."""
        with budget.step() as seconds:
            alarm = threading.Timer(seconds, self._connection.interrupt)
            alarm.daemon = True
            alarm.start()
            try:
                yield
            except sqlite3.Error as error:
                raise self._translated(error, budget) from error
            except sqlite3.Warning as error:  # "one statement at a time", up to Python 3.11
                raise UsageError("the statement cannot be run", why=str(error)) from error
            finally:
                alarm.cancel()
                alarm.join()

    def _translated(self, error: sqlite3.Error, budget: TimeBudget) -> Exception:
        name = str(getattr(error, "sqlite_errorname", None) or "")
        if name.startswith("SQLITE_INTERRUPT"):
            return budget.spent()
        if name.startswith(("SQLITE_AUTH", "SQLITE_READONLY", "SQLITE_PERM")) or "not authorized" in str(error):
            return UsageError("etl query only reads", why=str(error), hint="write a SELECT")
        if not name or name.startswith(_MISTAKES):
            return UsageError("the statement cannot be run", why=str(error))
        return refused(error, self._label)
