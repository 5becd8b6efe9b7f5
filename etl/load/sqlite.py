"""A batch on SQLite: many rows a statement, inside SQLAlchemy's transaction.

`executemany` gives Python's lock up and asks for it again at every single row, and while the other threads decode each
of these rows waits its turn; a statement of many rows waits once. Every visit of the driver's thread waits as
well, so statements are as long as the driver takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import chain, islice

from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.layout import quote
from etl.db.types import fixed_width
from etl.load.merge import Key, Version
from etl.load.statements import Shape, constants
from etl.model.instants import Cursor
from etl.model.page import Row

_VARIABLES = 30_000  # the driver's own limit is 32,766 a statement


async def prefetch(connection: AsyncConnection, shape: Shape, keys: Sequence[Key]) -> dict[Key, Version]:
    """The stored versions of `keys`."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    width = len(shape.schema.key)
    found: dict[Key, Version] = {}
    remaining = iter(keys)
    while chunk := list(islice(remaining, _VARIABLES // width)):
        parameters = chunk if width == 1 else [value for key in chunk for value in key]
        rows = await driver.execute_fetchall(_prefetch_sql(shape, len(chunk)), parameters)
        if width == 1:
            found.update({row[0]: row[1:] for row in rows})
        else:
            found.update({row[:width]: row[width:] for row in rows})
    return found


def _prefetch_sql(shape: Shape, count: int) -> str:
    table, key = quote(shape.table), shape.schema.key
    if len(key) == 1:
        marks = ",".join("?" * count)
        return f"SELECT {shape.prefetched()} FROM {table} WHERE {quote(key[0])} IN ({marks})"  # noqa: S608 - quoted
    marks = ",".join([f"({','.join('?' * len(key))})"] * count)
    names = ", ".join(f"k{number}" for number in range(len(key)))
    joined = " AND ".join(f"t.{quote(name)} = wanted.k{number}" for number, name in enumerate(key))
    # CROSS JOIN holds the order: every wanted key is one look into the index.
    return (
        f"WITH wanted ({names}) AS (VALUES {marks}) "  # noqa: S608 - quoted
        f"SELECT {shape.prefetched('t.')} FROM wanted CROSS JOIN {table} AS t ON {joined}"
    )


async def write(
    connection: AsyncConnection,
    shape: Shape,
    rows: Sequence[Row],
    *,
    run_id: str,
    now: datetime,
    upper: Cursor | None,
) -> None:
    """Send rows in the order of `shape.sent`."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    at = fixed_width(now)
    tail = shape.on_conflict(_literal(upper))
    size = max(1, (_VARIABLES - len(constants())) // len(shape.sent))
    for low in range(0, len(rows), size):
        some = rows[low : low + size]
        # One visit of the driver's thread; a cursor of its own would have to be closed by a second one.
        await driver.execute_fetchall(
            _insert_sql(shape, len(some)) + tail, [run_id, at, at, *chain.from_iterable(some)]
        )


def _insert_sql(shape: Shape, count: int) -> str:
    columns = ", ".join(map(quote, (*constants(), *shape.sent)))
    same = ", ".join("?" * len(constants()))
    marks = ", ".join([f"({', '.join('?' * len(shape.sent))})"] * count)
    # WHERE true: without it the parser reads ON CONFLICT as the ON of a join.
    return f"INSERT INTO {quote(shape.table)} ({columns}) SELECT {same}, * FROM (VALUES {marks}) WHERE true"  # noqa: S608 - quoted


def _literal(value: Cursor | None) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
