"""What the database knows about the data tables: their schemas as recorded, and their columns as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.address import Dialect
from etl.errors import DatabaseRefused
from etl.model.schema import Column, ColumnType, SchemaChange, TableSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Physical:
    """A column as the catalog tells it; `type` is the declared type on SQLite, the formatted one on PostgreSQL."""

    name: str
    type: str
    required: bool
    default: str | None


def dialect_of(connection: AsyncConnection) -> Dialect:
    """The kind of database behind a connection."""
    return "sqlite" if connection.dialect.name == "sqlite" else "postgresql"


async def load_schema(connection: AsyncConnection, table: str) -> TableSchema | None:
    """The recorded schema of a data table, None for one that was never made.

    Raises DatabaseRefused when the table was made and is gone: making it anew would hide the loss of its rows.
    """
    schema = await recorded_schema(connection, table)
    if schema is not None and not await physical_columns(connection, table):
        raise DatabaseRefused(
            f"the table {table} is gone",
            why="it was dropped or renamed by somebody else",
            hint="rename it back, or make the stream forget it with `etl state reset`",
        )
    return schema


async def recorded_schema(connection: AsyncConnection, table: str) -> TableSchema | None:
    """What the state tables say about a table, without looking for the table itself."""
    row = (await connection.execute(select(state.tables).where(state.tables.c.table_name == table))).one_or_none()
    if row is None:
        return None
    found = await connection.execute(
        select(state.columns).where(state.columns.c.table_name == table).order_by(state.columns.c.position)
    )
    columns = tuple(
        Column(
            name=column.name,
            type=ColumnType(column.type),
            path=tuple(json.loads(column.path)),
            declared=column.declared,
            volatile=column.volatile,
        )
        for column in found
    )
    return TableSchema(version=row.version, columns=columns, key=tuple(json.loads(row.key)))


async def owner(connection: AsyncConnection, table: str) -> str | None:
    """The stream that a data table was made for, None for a table that is not ours."""
    return await connection.scalar(select(state.tables.c.stream).where(state.tables.c.table_name == table))


async def forget_table(connection: AsyncConnection, table: str) -> None:
    """Forget a data table's schema; the table itself, if it is there, stays and counts as somebody else's."""
    await connection.execute(delete(state.columns).where(state.columns.c.table_name == table))
    await connection.execute(delete(state.tables).where(state.tables.c.table_name == table))


async def physical_columns(connection: AsyncConnection, table: str) -> dict[str, Physical]:
    """The columns that a table or view of this name has, empty when there is none."""
    rows = await connection.execute(text(_CATALOG[dialect_of(connection)]), {"table": table})
    return {
        row.name: Physical(name=row.name, type=row.type, required=bool(row.required), default=row.initial)
        for row in rows
    }


_CATALOG: dict[Dialect, str] = {
    "sqlite": 'SELECT name, type, "notnull" AS required, dflt_value AS initial FROM pragma_table_info(:table)',
    "postgresql": """
        SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
               CAST(NULL AS text) AS initial
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = :table AND n.nspname = current_schema() AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """,
}


async def record_table(
    connection: AsyncConnection, table: str, stream: str, schema: TableSchema, now: datetime
) -> None:
    """Record a new table with its columns."""
    await connection.execute(
        insert(state.tables),
        {
            "table_name": table,
            "stream": stream,
            "version": schema.version,
            "key": json.dumps(schema.key),
            "created_at": now,
        },
    )
    await record_columns(connection, table, schema.columns, first=0)


async def record_columns(connection: AsyncConnection, table: str, columns: Sequence[Column], *, first: int) -> None:
    """Record columns that were appended, counting positions from `first`."""
    rows = [
        {
            "table_name": table,
            "position": first + index,
            "name": column.name,
            "type": column.type.value,
            "path": json.dumps(column.path),
            "declared": column.declared,
            "volatile": column.volatile,
        }
        for index, column in enumerate(columns)
    ]
    if rows:
        await connection.execute(insert(state.columns), rows)


async def record_column(connection: AsyncConnection, table: str, column: Column) -> None:
    """Bring the record of one column up to date: a wider type, or another wish of the configuration."""
    await connection.execute(
        update(state.columns)
        .where(state.columns.c.table_name == table, state.columns.c.name == column.name)
        .values(
            type=column.type.value,
            path=json.dumps(column.path),
            declared=column.declared,
            volatile=column.volatile,
        )
    )


async def record_version(connection: AsyncConnection, table: str, version: int) -> None:
    """Record the version that a table has reached."""
    await connection.execute(update(state.tables).where(state.tables.c.table_name == table).values(version=version))


async def record_changes(
    connection: AsyncConnection,
    table: str,
    stream: str,
    changes: Sequence[SchemaChange],
    *,
    ordinal: int | None,
    version: int,
    now: datetime,
) -> None:
    """Add to the history that `etl_schema_changes` shows."""
    rows = [
        {
            "table_name": table,
            "stream": stream,
            "ordinal": ordinal,
            "version": version,
            "column_name": change.column,
            "old_type": change.old.value if change.old else None,
            "new_type": change.new.value,
            "sample": change.sample,
            "changed_at": now,
        }
        for change in changes
    ]
    if rows:
        await connection.execute(insert(state.schema_changes), rows)
