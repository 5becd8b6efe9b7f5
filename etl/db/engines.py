"""Engines as this program needs them: how connections begin, wait and die, per dialect."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from etl.db.address import Address
from etl.db.refusals import refused
from etl.errors import DatabaseRefused, OperatorError, UsageError

_READERS = 4
BUSY_TIMEOUT_S = 30.0


def busy_timeout_from(environ: Mapping[str, str]) -> float:
    """`ETL_BUSY_TIMEOUT` in seconds, 30 by default. Raises UsageError when it is no number above zero."""
    text = environ.get("ETL_BUSY_TIMEOUT", "").strip()
    if not text:
        return BUSY_TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"ETL_BUSY_TIMEOUT is {text!r}", why="it has to be a number of seconds above zero")
    return seconds


def sqlite_engines(address: Address, busy_timeout_s: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engine that writes (one connection, BEGIN IMMEDIATE) and the one that reads."""
    return (
        _sqlite_engine(address, busy_timeout_s, size=1, begin="BEGIN IMMEDIATE"),
        _sqlite_engine(address, busy_timeout_s, size=_READERS, begin="BEGIN"),
    )


def _sqlite_engine(address: Address, busy_timeout_s: float, *, size: int, begin: str) -> AsyncEngine:
    # isolation_level None: the driver begins nothing by itself, so DDL is part of our transactions too.
    engine = create_async_engine(
        address.url,
        connect_args={"timeout": busy_timeout_s, "isolation_level": None},
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        # By the driver itself: SQLAlchemy's way makes and closes a cursor, and each step visits the driver's thread.
        adapted: Any = connection.connection.dbapi_connection
        adapted.run_async(lambda driver: driver.execute_fetchall(begin))

    @event.listens_for(engine.sync_engine, "invalidate")
    def _let_go(adapted: Any, _record: object, _error: object) -> None:
        # SQLAlchemy closes a connection whose statement was cancelled, in its transaction. As long as somebody holds
        # the error, and with it the cursor, SQLite keeps a closed connection alive, its lock on the file included.
        with suppress(sqlite3.Error, ValueError):  # it is gone already
            adapted.run_async(lambda driver: driver.rollback())

    return engine


def prepare_file(path: Path, label: str, *, create: bool, busy_timeout_s: float) -> None:
    """Make the SQLite file (mode 0600, with its folders) and switch it to WAL; does nothing to one that is ready.

    Blocking. Raises DatabaseRefused for a file that is missing with `create=False`, or that is no database.
    """
    try:
        if not path.exists():
            if not create:
                raise DatabaseRefused(f"{label} does not exist", hint="run `etl sync` first, or name another file")
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
    except OSError as error:
        raise DatabaseRefused(
            f"{label} cannot be opened", why=error.strerror or str(error), hint="check the path and its permissions"
        ) from error
    except sqlite3.Error as error:
        raise refused(error, label) from error


def postgresql_engines(address: Address, *, lock_timeout_s: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engine whose connections are kept by write lanes, and the pool for everything else."""
    if find_spec("psycopg") is None:
        raise OperatorError(
            f"{address.label} needs a driver that is not installed", hint="pip install 'everypage[postgres]'"
        )
    arguments: dict[str, Any] = {
        "application_name": "everypage",
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": f"-c lock_timeout={int(lock_timeout_s * 1000)} -c timezone=UTC",
    }
    arguments |= {name: value for name, value in address.url.query.items() if name in arguments}
    url = address.url.difference_update_query(tuple(arguments))
    lanes = create_async_engine(url, connect_args=arguments, poolclass=NullPool)
    pool = create_async_engine(
        url,
        connect_args=arguments,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,
        max_overflow=4,
        pool_timeout=lock_timeout_s,
        pool_pre_ping=True,
    )
    return lanes, pool
