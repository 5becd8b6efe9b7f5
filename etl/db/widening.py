"""Makes columns wider: ALTER on PostgreSQL; on SQLite an UPDATE, or a copy of the table where affinity is in the way.

Runs inside the transaction of the evolution. The values keep their JSON spelling.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.layout import STORAGE, driver_sql, quote
from etl.db.spelling import Value, respelled
from etl.db.tables import Physical, physical_columns
from etl.errors import DataRefused
from etl.model.schema import ColumnType, SchemaChange

REWRITE_CAP = 1 << 30

_C = ColumnType
# Declared types whose affinity leaves the values of a column type alone.
_FITS = {
    _C.BIGINT: {"", "BIGINT"},
    _C.DOUBLE: {"", "DOUBLE"},
    _C.NUMERIC: {""},
    _C.BOOLEAN: {"", "BOOLEAN", "BIGINT"},
    _C.TEXT: {"", "TEXT"},
    _C.TIMESTAMP: {"", "TEXT"},
    _C.DATE: {"", "TEXT"},
    _C.JSON: {"", "TEXT"},
}


async def widen_sqlite(connection: AsyncConnection, table: str, changes: Sequence[SchemaChange]) -> None:
    """Widen columns; copies the table when a declared type would change the values."""
    changes = [change for change in changes if change.old is not None]
    if not changes:
        return
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    await driver.create_function("_etl_respelled", 3, _respelled, deterministic=True)
    physical = await physical_columns(connection, table)
    if any(physical[change.column].type.upper() not in _FITS[change.new] for change in changes):
        await _rebuild(connection, table, physical, {change.column: change for change in changes})
        return
    values = [c for c in changes if c.old is not _C.UNKNOWN]
    if values:
        assignments = ", ".join(f"{quote(c.column)} = {_expression(c.column, c)}" for c in values)
        await connection.exec_driver_sql(f"UPDATE {quote(table)} SET {assignments}")  # noqa: S608 - quoted


async def _rebuild(
    connection: AsyncConnection, table: str, physical: dict[str, Physical], changes: dict[str, SchemaChange]
) -> None:
    copy = f"_etl_rebuild_{table}"
    key = (
        await connection.execute(
            text("SELECT name FROM pragma_table_info(:table) WHERE pk > 0 ORDER BY pk"), {"table": table}
        )
    ).scalars()
    definitions = [_definition(column, changes.get(column.name)) for column in physical.values()]
    if names := ", ".join(quote(name) for name in key):
        definitions.append(f"PRIMARY KEY ({names})")
    extras = (
        (
            await connection.execute(
                text("SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type <> 'table' AND sql IS NOT NULL"),
                {"table": table},
            )
        )
        .scalars()
        .all()
    )
    columns = ", ".join(quote(name) for name in physical)
    values = ", ".join(_expression(name, changes.get(name)) for name in physical)
    for statement in (
        f"CREATE TABLE {quote(copy)} ({', '.join(definitions)})",
        f"INSERT INTO {quote(copy)} ({columns}) SELECT {values} FROM {quote(table)}",  # noqa: S608 - quoted
        "PRAGMA legacy_alter_table=ON",  # views over the table must not stop the renaming
        f"DROP TABLE {quote(table)}",
        f"ALTER TABLE {quote(copy)} RENAME TO {quote(table)}",
        "PRAGMA legacy_alter_table=OFF",
        *extras,
    ):
        await connection.exec_driver_sql(statement)


def _definition(column: Physical, change: SchemaChange | None) -> str:
    declared = STORAGE["sqlite"][change.new] if change else column.type
    required = "NOT NULL" if column.required else ""
    default = f"DEFAULT {column.default}" if column.default is not None else ""
    return " ".join(filter(None, (quote(column.name), declared, required, default)))


def _expression(name: str, change: SchemaChange | None) -> str:
    if change is None or change.old is None or change.old is _C.UNKNOWN:
        return quote(name)
    return f"_etl_respelled({quote(name)}, '{change.old.value}', '{change.new.value}')"


def _respelled(value: Value, old: str, new: str) -> Value:
    return respelled(value, ColumnType(old), ColumnType(new))


async def widen_postgresql(
    connection: AsyncConnection, table: str, changes: Sequence[SchemaChange], *, cap: int
) -> None:
    """Widen columns in one ALTER TABLE; `cap` bounds the bytes of a table that may be rewritten for it.

    Raises DataRefused above the cap: a rewrite locks the table for as long as it takes.
    """
    changes = [change for change in changes if change.old is not None]
    rewritten = [change for change in changes if change.old is not _C.UNKNOWN]
    if rewritten:
        await _refuse_large(connection, table, rewritten, cap)
    actions: list[str] = []
    for change in changes:
        column, kind = quote(change.column), STORAGE["postgresql"][change.new]
        if change.old is _C.UNKNOWN:
            if change.new is not _C.TEXT:  # all null: a new column costs no rewrite
                actions += [f"DROP COLUMN {column}", f"ADD COLUMN {column} {kind}"]
        else:
            assert change.old is not None
            actions.append(f"ALTER COLUMN {column} TYPE {kind} USING {_using(column, change.old, change.new)}")
    if actions:
        statement = f"ALTER TABLE {quote(table)} {', '.join(actions)}"
        await connection.exec_driver_sql(driver_sql("postgresql", statement))


async def _refuse_large(connection: AsyncConnection, table: str, changes: Sequence[SchemaChange], cap: int) -> None:
    size = await connection.scalar(
        text("SELECT pg_total_relation_size(quote_ident(current_schema()) || '.' || quote_ident(:table))"),
        {"table": table},
    )
    if (size or 0) <= cap:
        return
    first = changes[0]
    raise DataRefused(
        f"the column {first.column} of {table} would have to become {first.new.value}",
        why=f"it is {first.old.value if first.old else 'new'}, and rewriting {size:,} bytes would lock the table",
        hint=f"Keep its type by writing `columns: {{{first.column}: {first.old.value if first.old else ''}}}`, or "
        f"alter the table yourself in a quiet hour.",
        data="everything before this batch is committed",
    )


def _using(column: str, old: ColumnType, new: ColumnType) -> str:
    if new is _C.TEXT:
        return _text_of(column, old)
    if new is _C.JSON:
        plain = old in (_C.TIMESTAMP, _C.DATE)
        return f"to_jsonb({_text_of(column, old) if plain else column})"
    if new is _C.TIMESTAMP:
        return f"{column}::timestamp AT TIME ZONE 'UTC'"
    if old is _C.DOUBLE:
        return f"{column}::text::numeric"  # a direct cast keeps 15 digits only
    return f"{column}::{STORAGE['postgresql'][new]}"


def _text_of(column: str, old: ColumnType) -> str:
    if old is _C.DATE:
        return f"to_char({column}, 'YYYY-MM-DD')"
    if old is not _C.TIMESTAMP:
        return f"{column}::text"
    utc = f"{column} AT TIME ZONE 'UTC'"
    return (
        f"CASE WHEN {column} = date_trunc('second', {column}) THEN to_char({utc}, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
        f'ELSE to_char({utc}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') END'
    )
