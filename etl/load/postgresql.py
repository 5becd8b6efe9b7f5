"""A batch on PostgreSQL: binary COPY into a staging table, and one INSERT ... SELECT ... ON CONFLICT out of it.

Rows go in by key, so that two writers of one table take their locks in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.layout import quote
from etl.load.merge import Key, Version
from etl.load.statements import Shape, constants, stage_type
from etl.model.instants import Cursor, CursorKind
from etl.model.page import Row

if TYPE_CHECKING:
    from psycopg import AsyncConnection as Driver

# Where a parameter goes; PostgreSQL allows no NUL in a name, so no name can look like it.
_MARK = "\x00"
_COPIED = {"timestamp with time zone": "timestamptz", "double precision": "float8"}


async def prefetch(connection: AsyncConnection, shape: Shape, keys: Sequence[Key]) -> dict[Key, Version]:
    """The stored versions of `keys`."""
    driver = await _driver(connection)
    types, width = shape.key_types, len(shape.schema.key)
    names = ", ".join(f"k{number}" for number in range(width))
    arrays = ", ".join(f"{_MARK}::{kind}[]" for kind in types)
    joined = " AND ".join(f"t.{quote(name)} = wanted.k{number}" for number, name in enumerate(shape.schema.key))
    statement = (
        f"SELECT {shape.prefetched('t.')} FROM unnest({arrays}) AS wanted ({names}) "  # noqa: S608 - quoted
        f"JOIN {quote(shape.table)} AS t ON {joined}"
    )
    columns = [list(keys)] if width == 1 else [list(column) for column in zip(*keys, strict=True)]
    async with driver.cursor(binary=True) as cursor:
        await cursor.execute(_escaped(statement), columns)
        rows = await cursor.fetchall()
    if width == 1:
        return {row[0]: row[1:] for row in rows}
    return {row[:width]: row[width:] for row in rows}


async def write(
    connection: AsyncConnection,
    shape: Shape,
    rows: Sequence[Row],
    *,
    run_id: str,
    now: datetime,
    upper: Cursor | None,
) -> None:
    """Send rows in the order of `shape.sent`; where a key is there, the newer version wins."""
    tail = shape.on_conflict(_MARK + ("::text" if shape.cursor is CursorKind.TEXT else "::bigint"))
    await _send(connection, shape, rows, tail, (run_id, now, now, *_bounds(shape, upper)))


async def add(connection: AsyncConnection, shape: Shape, rows: Sequence[Row], *, run_id: str, now: datetime) -> int:
    """Send rows in the order of `shape.sent`; leaves keys that are there alone. Returns how many rows were new."""
    return await _send(connection, shape, rows, " ON CONFLICT DO NOTHING", (run_id, now, now))


async def _send(
    connection: AsyncConnection, shape: Shape, rows: Sequence[Row], tail: str, parameters: Sequence[object]
) -> int:
    driver = await _driver(connection)
    stage = quote(f"_etl_stage_{shape.schema.version}")
    types = _stage_types(shape)
    async with driver.cursor() as cursor:
        # Without parameters psycopg leaves `%` alone. Positions, not names: no name of a user can clash.
        columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(types))
        await cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {stage} ({columns}) ON COMMIT DELETE ROWS")
        async with cursor.copy(f"COPY {stage} FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_COPIED.get(kind, kind) for kind, _ in types])
            for row in rows:
                await copy.write_row(row)
        await cursor.execute(_escaped(_insert(shape, stage, types) + tail), parameters)
        return cursor.rowcount


def _insert(shape: Shape, stage: str, types: Sequence[tuple[str, str]]) -> str:
    columns = ", ".join(map(quote, (*shape.sent, *constants())))
    values = ", ".join(f"c{number}{cast_}" for number, (_, cast_) in enumerate(types))
    positions = {name: number for number, name in enumerate(shape.sent)}
    order = ", ".join(f"c{positions[name]}" for name in shape.schema.key)
    constant = f"{_MARK}::text, {_MARK}, {_MARK}"
    return (
        f"INSERT INTO {quote(shape.table)} ({columns}) SELECT {values}, {constant} FROM {stage}"  # noqa: S608 - quoted
        + (f" ORDER BY {order}" if order else "")
    )


def _escaped(statement: str) -> str:
    """A statement with parameters as psycopg reads it; the names in it may hold any `%`."""
    return statement.replace("%", "%%").replace(_MARK, "%s")


def _bounds(shape: Shape, upper: Cursor | None) -> tuple[Cursor | None, ...]:
    """The values for the guard's upper bound, which stands in it twice."""
    return (upper, upper) if shape.cursor is not None and shape.schema.key else ()


def _stage_types(shape: Shape) -> list[tuple[str, str]]:
    types = [stage_type(column.type) for column in shape.schema.columns]
    types.append(("bigint", ""))
    if shape.cursor is not None:
        types.append(("text" if shape.cursor is CursorKind.TEXT else "bigint", ""))
    types.append(("bytea", ""))
    if shape.marked:
        types.append(("timestamp with time zone", ""))
    return types


async def _driver(connection: AsyncConnection) -> Driver:
    return cast("Driver", (await connection.get_raw_connection()).driver_connection)
