"""The one door to the database: engines, transactions, and the translation of driver errors.

CONTRACT (to be implemented): every name below is used by load, runs and query.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

Dialect = Literal["sqlite", "postgresql"]


class Database:
    dialect: Dialect
    label: str  # for messages: URL without password, `sqlite data/etl.db`

    @asynccontextmanager
    async def write(self, lane: str = "") -> AsyncIterator[AsyncConnection]:
        """One transaction that writes; commits at the end, rolls back on any exception.

        SQLite: BEGIN IMMEDIATE on the process's single write connection, in the order of asking (`lane` is ignored).
        PostgreSQL: a connection of the lane (one per stream, kept open between transactions; `""` is the pool's).
        Driver errors leave as DatabaseRefused, whether SQLAlchemy wrapped them or not.
        """
        raise NotImplementedError
        yield

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading, apart from the writers."""
        raise NotImplementedError
        yield


class Journal(Protocol):
    """What the run room adds to the loader's transaction: the token check at its start, the ledger at its end."""

    async def check(self, connection: AsyncConnection) -> None:
        """Raises LeaseLost when the token is no longer the stream's."""

    async def record(self, connection: AsyncConnection, lines: object) -> None:
        """Write ledger lines, failed tries and rejects."""
