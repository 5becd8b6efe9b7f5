"""The view `<table>_live`: the rows of a table that are not marked as deleted.

PostgreSQL keeps the columns that `SELECT *` had when the view was made, and refuses to widen a column that a view
shows; so the view is taken away before a table changes and made again afterwards, in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import tables
from etl.db.layout import DELETED_AT, driver_sql, quote
from etl.errors import DatabaseRefused
from etl.model.stream import LIVE

_KIND = {
    "sqlite": "SELECT type FROM sqlite_master WHERE name = :name AND type IN ('table', 'view')",
    "postgresql": """
        SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = :name AND n.nspname = current_schema() AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
    """,
}


async def drop_live_view(connection: AsyncConnection, table: str) -> None:
    """Take the view away. Raises DatabaseRefused when its name belongs to a table."""
    kind = await _kind(connection, table)
    if kind is None:
        return
    if kind != "view":
        raise DatabaseRefused(
            f"the view {table}{LIVE} cannot be made: there is a table of that name",
            hint="give the stream another name under `table:`, or rename that table",
            data="it was not touched",
        )
    await _execute(connection, f"DROP VIEW {quote(table + LIVE)}")


async def create_live_view(connection: AsyncConnection, table: str) -> None:
    """Make the view, which must not be there."""
    query = f"SELECT * FROM {quote(table)} WHERE {DELETED_AT} IS NULL"  # noqa: S608 - quoted
    await _execute(connection, f"CREATE VIEW {quote(table + LIVE)} AS {query}")


async def has_live_view(connection: AsyncConnection, table: str) -> bool:
    """Whether the view is there."""
    return await _kind(connection, table) == "view"


async def _kind(connection: AsyncConnection, table: str) -> str | None:
    found: str | None = await connection.scalar(text(_KIND[tables.dialect_of(connection)]), {"name": table + LIVE})
    return found


async def _execute(connection: AsyncConnection, statement: str) -> None:
    await connection.exec_driver_sql(driver_sql(tables.dialect_of(connection), statement))
