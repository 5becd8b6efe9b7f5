"""Makes a stream's table, and follows its schema: columns are appended, types become wider, nothing is taken away.

One transaction under a lock, idempotent: who comes second finds nothing to do. Only tables that this program made are
touched; a table of that name that belongs to somebody else is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import tables
from etl.db.database import Database, same_again
from etl.db.layout import (
    DELETED_AT,
    Stored,
    create_table,
    data_column,
    driver_sql,
    private_columns,
    quote,
    table_columns,
)
from etl.db.live import create_live_view, drop_live_view, has_live_view
from etl.db.spelling import WIDER
from etl.db.tables import Physical
from etl.db.widening import REWRITE_CAP, widen_postgresql, widen_sqlite
from etl.errors import DatabaseRefused, DataRefused
from etl.model.schema import Column, ColumnType, SchemaChange, TableSchema
from etl.model.stream import Stream

Check = Callable[[AsyncConnection], Awaitable[None]]


async def apply_schema(
    database: Database,
    stream: Stream,
    schema: TableSchema,
    changes: Sequence[SchemaChange],
    *,
    ordinal: int | None,
    now: datetime,
    check: Check | None = None,
    rewrite_cap: int = REWRITE_CAP,
) -> tuple[SchemaChange, ...]:
    """Bring the stream's table to `schema`; returns what had to be done to a table that existed, empty for a new one.

    `changes` lend their samples to the history. `check` runs first in the transaction (the lease's token).
    `rewrite_cap` is the size in bytes up to which PostgreSQL may rewrite a table for a wider type.
    Raises DatabaseRefused for a table that is not ours, DataRefused for a change that cannot be made.
    """
    _refuse_json_keys(stream, schema)
    samples = {(change.column, change.new): change.sample for change in changes}
    evolution = _Evolution(
        stream=stream, schema=schema, samples=samples, ordinal=ordinal, now=now, rewrite_cap=rewrite_cap
    )

    async def work(connection: AsyncConnection) -> tuple[SchemaChange, ...]:
        if check is not None:
            await check(connection)
        return await _apply(connection, evolution)

    return await database.transact(work, lane=stream.id, settled=same_again)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evolution:
    stream: Stream
    schema: TableSchema
    samples: Mapping[tuple[str, ColumnType], str]
    ordinal: int | None
    now: datetime
    rewrite_cap: int


async def _apply(connection: AsyncConnection, evolution: _Evolution) -> tuple[SchemaChange, ...]:
    stream, schema = evolution.stream, evolution.schema
    dialect = tables.dialect_of(connection)
    if dialect == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:t, 0))"), {"t": stream.table})
    stored = await tables.load_schema(connection, stream.table)
    physical = await tables.physical_columns(connection, stream.table)
    await _refuse_foreign(connection, stream, physical)
    if stored is None:
        ddl = create_table(stream.table, table_columns(stream, schema, dialect), schema.key)
        await connection.exec_driver_sql(driver_sql(dialect, ddl))
        await tables.record_table(connection, stream.table, stream.id, schema, evolution.now)
        await _show_live(connection, stream)
        return ()
    difference = _difference(evolution, stored)
    if stream.deletes.marked and (difference or DELETED_AT not in physical):
        await drop_live_view(connection, stream.table)
    added = [column for column in schema.columns if stored.column(column.name) is None]
    wanted = [data_column(column, dialect) for column in added]
    await _add_columns(connection, stream.table, [*wanted, *private_columns(stream, dialect)], physical)
    if dialect == "sqlite":
        await widen_sqlite(connection, stream.table, difference)
    else:
        await widen_postgresql(connection, stream.table, difference, cap=evolution.rewrite_cap)
    await _record(connection, stream.table, stored, schema, added)
    version = max(stored.version, schema.version)
    await tables.record_changes(
        connection,
        stream.table,
        stream.id,
        difference,
        ordinal=evolution.ordinal,
        version=version,
        now=evolution.now,
    )
    await _show_live(connection, stream)
    return difference


async def _show_live(connection: AsyncConnection, stream: Stream) -> None:
    if stream.deletes.marked and not await has_live_view(connection, stream.table):
        await drop_live_view(connection, stream.table)
        await create_live_view(connection, stream.table)


async def _record(
    connection: AsyncConnection, table: str, stored: TableSchema, schema: TableSchema, added: Sequence[Column]
) -> None:
    for column in schema.columns:
        before = stored.column(column.name)
        if before is not None and before != column:
            await tables.record_column(connection, table, column)
    await tables.record_columns(connection, table, added, first=len(stored.columns))
    if schema.version > stored.version:
        await tables.record_version(connection, table, schema.version)


def _difference(evolution: _Evolution, stored: TableSchema) -> tuple[SchemaChange, ...]:
    stream, schema, samples = evolution.stream, evolution.schema, evolution.samples
    if stored.key != schema.key:
        raise DataRefused(
            f"the key of {stream.table} is {', '.join(stored.key) or 'none'}, and {stream.id} now declares "
            f"{', '.join(schema.key) or 'none'}",
            hint=f"Give the stream another `table:`, or drop {stream.table} and reset the stream.",
        )
    found: list[SchemaChange] = []
    for column in schema.columns:
        before = stored.column(column.name)
        old = before.type if before else None
        if old is column.type:
            continue
        if old is not None and column.type not in WIDER[old]:
            raise DataRefused(
                f"the column {column.name} of {stream.table} is {old.value} and cannot become {column.type.value}",
                hint=f"Write `columns: {{{column.name}: {old.value}}}`, or give the stream another `table:`.",
            )
        sample = samples.get((column.name, column.type), "")
        found.append(SchemaChange(column=column.name, old=old, new=column.type, sample=sample))
    return tuple(found)


async def _add_columns(
    connection: AsyncConnection, table: str, wanted: Sequence[Stored], physical: dict[str, Physical]
) -> None:
    """Add what is missing; a column that somebody else added meanwhile is fine when its type is."""
    dialect = tables.dialect_of(connection)
    for column in wanted:
        there = physical.get(column.name)
        if there is None:
            statement = f"ALTER TABLE {quote(table)} ADD COLUMN {column.ddl()}"
            await connection.exec_driver_sql(driver_sql(dialect, statement))
        elif there.type.lower() != column.type.lower() and column.type.lower() != "text":
            raise DatabaseRefused(
                f"the column {column.name} of {table} was added by somebody else",
                why=f"it is {there.type or 'without a type'} and should be {column.type or 'without a type'}",
                hint="rename or drop that column, then run again",
            )


async def _refuse_foreign(connection: AsyncConnection, stream: Stream, physical: dict[str, Physical]) -> None:
    if not physical:
        return
    owner = await tables.owner(connection, stream.table)
    if owner == stream.id:
        return
    raise DatabaseRefused(
        f"the table {stream.table} exists and is not the one of {stream.id}",
        why=f"it belongs to {owner}" if owner else "this program did not make it",
        hint="give the stream another name under `table:`, or rename that table",
        data="it was not touched",
    )


def _refuse_json_keys(stream: Stream, schema: TableSchema) -> None:
    for name in schema.key:
        column = schema.column(name)
        if column is None or column.type is ColumnType.JSON:
            raise DataRefused(
                f"the key {name} of {stream.id} is " + ("no column" if column is None else "an object or a list"),
                hint="name a field under `key:` whose values are texts or numbers",
            )
