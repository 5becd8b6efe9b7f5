"""Opens a database for questions: nothing that goes through here can write, attach or run anything.

One statement per `run`. Time spent by whoever reads the rows does not count against the timeout.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import Protocol

from etl.db.address import parse_address
from etl.errors import OperatorError, UsageError
from etl.model.clock import SystemClock
from etl.ports import Clock
from etl.query.blocking import blocking
from etl.query.result import Result
from etl.query.statement import Statement, read_statement

__all__ = ["Query", "Result", "open_query", "read_parameters", "read_value", "run_query"]

Value = int | float | str | bool | None

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][+-]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}


class Engine(Protocol):
    """One open connection that cannot write."""

    def run(self, statement: Statement, parameters: Mapping[str, Value]) -> Result:
        """Start the statement; its rows come as they are read."""

    def cancel(self) -> None:
        """Stop what is running, from another thread."""


class Query:
    """An open, read-only connection; made by `open_query`."""

    def __init__(self, engine: Engine, limit: int | None) -> None:
        self._engine = engine
        self._limit = limit

    def run(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Result:
        """Run one statement with `:name` parameters; the result before it is no longer readable.

        Raises UsageError for a mistake in the statement, a parameter without a value or a value without a parameter,
        and for everything that would write.
        """
        given = parameters or {}
        statement = read_statement(sql)
        if missing := sorted(statement.names - set(given)):
            raise UsageError(f"the parameter :{missing[0]} has no value", hint=f"add -p {missing[0]}=VALUE")
        if surplus := sorted(set(given) - statement.names):
            raise UsageError(f"the statement has no parameter :{surplus[0]}")
        result = self._engine.run(statement, given)
        if self._limit is not None:
            result.rows = _limited(result, result.rows, self._limit)
        return result

    def cancel(self) -> None:
        """Stop the statement that is running, from another thread."""
        self._engine.cancel()


@asynccontextmanager
async def run_query(
    url: str,
    sql: str,
    params: Mapping[str, Value] | None = None,
    *,
    timeout: float = 30.0,
    limit: int | None = None,
) -> AsyncIterator[Result]:
    """`open_query` and `Query.run` for asynchronous code, for one statement; see there.

    Values given as text are read like those of the command line, see `read_value`. The rows block: read them in a
    thread, as `formats.write` does. A statement that runs is stopped on cancellation.
    """
    values = {name: read_value(value) if isinstance(value, str) else value for name, value in (params or {}).items()}
    stack = ExitStack()
    try:
        opened = open_query(url, timeout_s=timeout, limit=limit)
        query = await blocking(lambda: stack.enter_context(opened), _nothing)
        yield await blocking(lambda: query.run(sql, values), query.cancel)
    finally:
        await blocking(stack.close, _nothing)


def _nothing() -> None:
    """Opening and closing end by themselves."""


@contextmanager
def open_query(
    url: str, *, timeout_s: float = 30.0, limit: int | None = None, clock: Clock | None = None
) -> Iterator[Query]:
    """Open a database for reading; a missing SQLite file is refused, never made.

    `timeout_s` bounds the database's work on a statement, `limit` the rows of a result. Raises UsageError for a URL
    of another kind, DatabaseRefused when the database cannot be opened.
    """
    address = parse_address(url)
    watch = clock or SystemClock()
    if address.path is not None:
        from etl.query.sqlite import open_sqlite

        with open_sqlite(address.path, address.label, timeout_s=timeout_s, clock=watch) as engine:
            yield Query(engine, limit)
        return
    if find_spec("psycopg") is None:
        raise OperatorError(
            f"{address.label} needs a driver that is not installed", hint="pip install 'everypage[postgres]'"
        )
    from etl.query.postgresql import open_postgresql

    with open_postgresql(address.url, address.label, timeout_s=timeout_s, clock=watch) as other:
        yield Query(other, limit)


def read_parameters(pairs: Sequence[str]) -> dict[str, Value]:
    """Read `name=value` texts of the command line; see `read_value`."""
    values: dict[str, Value] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is None:
            raise UsageError(f"{pair!r} is no parameter", hint="write it as -p name=value")
        values[name] = read_value(text)
    return values


def read_value(text: str) -> Value:
    """A text that is written as a number is one; `true`, `false` and `null` are what they say; all else is text.

    `007` and `2026-01-02` are texts. Double quotes make a text of anything: `-p 'code="42"'`.
    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _limited(result: Result, rows: Iterator[tuple[object, ...]], limit: int) -> Iterator[tuple[object, ...]]:
    for number, row in enumerate(rows):
        if number == limit:
            result.was_cut = True
            return
        yield row
