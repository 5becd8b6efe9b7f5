"""SQLite on the event loop: what aiosqlite gives to a thread is executed by a callback, one call after another.

The calls are the storage calls of a life: here it is killed, here its connection is lost, and here a COMMIT is
executed whose answer never comes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import aiosqlite.core

from worlds.loop import LIFE, Being

BUSY_S = 30.0
"""How long a lock is waited for, in virtual time; SQLite's own wait would stop the only thread."""


class Storage(Being):
    """A life as the driver sees it: it counts calls and says what happens at each."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls = 0
        self.commits = 0
        self.connections: list[sqlite3.Connection] = []

    def latency(self) -> float:
        """Seconds that the next call takes."""
        return 0.0

    def strikes(self, what: str) -> str:
        """What happens at this call: nothing, `kill before`, `kill after`, `lost`, `lost after`."""
        return ""

    def die(self) -> None:
        """kill -9: nothing of it runs any more, and its locks are free."""
        if self.is_dead:
            return
        self.is_dead = True
        for connection in self.connections:
            with suppress(sqlite3.Error):
                connection.rollback()  # `close` waits for cursors that nobody will close
                connection.close()

    def committed(self) -> None:
        """A COMMIT was executed."""


_Gone = type("OperationalError", (sqlite3.OperationalError,), {"__module__": "psycopg"})
"""As PostgreSQL's driver tells a lost connection, and an error of SQLite's to whoever knows only that one."""


class _Queue:
    """In place of aiosqlite's queue and thread."""

    def __init__(self) -> None:
        life = LIFE.get()
        self._life = life if isinstance(life, Storage) else _nobody()
        self._calls: deque[tuple[asyncio.Future[Any] | None, Callable[[], Any]]] = deque()
        self._connection: sqlite3.Connection | None = None
        self._waits_since: float | None = None
        self._is_lost = False

    def put_nowait(self, call: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        if self._life.is_dead:  # only the garbage collector asks
            self._answer(call[0], None)
            return
        self._calls.append(call)
        if len(self._calls) == 1:
            asyncio.get_running_loop().call_later(self._life.latency(), self._work)

    def _work(self) -> None:
        loop = asyncio.get_running_loop()
        future, function = self._calls[0]
        try:
            result = self._execute(function)
        except sqlite3.OperationalError as error:
            if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_BUSY:
                self._waits_since = loop.time() if self._waits_since is None else self._waits_since
                if loop.time() - self._waits_since < BUSY_S:
                    loop.call_later(0.05, self._work)
                    return
            self._answer(future, error)
        except Exception as error:
            self._answer(future, error)
        else:
            if self._life.is_dead:
                return
            if isinstance(result, sqlite3.Connection):
                self._connection = result
                self._life.connections.append(result)
            self._answer(future, None, result)
        self._waits_since = None
        self._calls.popleft()
        if self._calls:
            loop.call_later(self._life.latency(), self._work)

    def _execute(self, function: Callable[[], Any]) -> Any:
        life, what = self._life, _named(function)
        is_commit = what == "commit" and self._connection is not None and self._connection.in_transaction
        life.calls += 1
        life.commits += is_commit
        strike = "" if what == "connect" else life.strikes("commit" if is_commit else what)
        if strike == "kill before":
            life.die()
            return None
        if strike == "lost" or (self._is_lost and what not in ("close", "connect")):
            self._lose()
        result = function()
        if is_commit:
            life.committed()
        if strike == "kill after":
            life.die()
        if strike == "lost after":
            self._lose()
        return result

    def _lose(self) -> None:
        self._is_lost = True
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()
        raise _Gone("server closed the connection unexpectedly")

    @staticmethod
    def _answer(future: asyncio.Future[Any] | None, error: BaseException | None, result: Any = None) -> None:
        if future is None or future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _named(function: Callable[[], Any]) -> str:
    called = function.func if isinstance(function, partial) else function
    name = getattr(called, "__name__", "")
    return "connect" if name in ("connector", "close_and_stop") else name


def _nobody() -> Storage:
    """Who opens connections when lives are collected."""
    nobody = Storage("nobody")
    nobody.is_dead = True
    return nobody


class _NoThread:
    daemon = False

    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...


@contextmanager
def on_the_loop() -> Iterator[None]:
    """aiosqlite without threads, for the length of a block."""
    core = aiosqlite.core
    former = core.SimpleQueue, core.Thread
    core.SimpleQueue, core.Thread = _Queue, _NoThread  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        core.SimpleQueue, core.Thread = former  # type: ignore[misc]
