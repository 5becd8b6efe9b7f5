"""From the value of a column to what the driver of a database wants, and back to one cursor.

SQLite has no instants, dates or exact decimals: instants become UTC text of fixed width, whose order is the order in
time, and decimals become a number where that is exact and text where it is not. PostgreSQL's driver takes Python's own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from etl.model.instants import Cursor, CursorFormat, CursorKind, iso, to_micros
from etl.model.schema import ColumnType
from etl.normalize.literals import INT64

Dialect = Literal["sqlite", "postgresql"]
Store = Callable[[Any], object]
"""Takes a value other than None."""

_encode: Final = msgspec.json.Encoder().encode
_WHOLE_SECONDS: Final = len('"2026-01-02T03:04:05Z"')


def store(type_: ColumnType, dialect: Dialect) -> Store:
    """How values of the type are handed to the driver."""
    return _SQLITE.get(type_, _same) if dialect == "sqlite" else _same


def sqlite_instant(instant: datetime) -> str:
    """`2026-01-02 03:04:05.000006`, 26 characters; the instant must be in UTC."""
    text = str(_encode(instant), "ascii")  # a tenth of what `isoformat` takes
    if len(text) == _WHOLE_SECONDS:
        return f"{text[1:11]} {text[12:20]}.000000"
    return f"{text[1:11]} {text[12:27]}"


def cursor_reader(wanted: CursorFormat) -> Callable[[Any], Cursor]:
    """Reads the cursor off a column's value. Raises ValueError, TypeError or OverflowError where there is none."""

    def read(value: Any) -> Cursor:
        if isinstance(value, datetime):
            if wanted.kind is CursorKind.INSTANT:
                return to_micros(value)
            value = iso(value)
        cursor = wanted.parse(value)
        if isinstance(cursor, int) and cursor not in INT64:
            raise ValueError(f"{value} is beyond 64 bits")
        return cursor

    return read


def _same(value: object) -> object:
    return value


def _sqlite_date(value: date) -> str:
    return value.isoformat()


def _sqlite_number(value: Decimal) -> object:
    """A whole number beyond 64 bits is text even where a REAL has its digits: SQL and other readers would round it."""
    if value == value.to_integral_value():
        return int(value) if abs(value) < 2**64 and int(value) in INT64 else f"{value:f}"
    number = float(value)
    return number if Decimal(repr(number)) == value else f"{value:f}"


_SQLITE: Final[dict[ColumnType, Store]] = {
    ColumnType.BOOLEAN: int,
    ColumnType.NUMERIC: _sqlite_number,
    ColumnType.TIMESTAMP: sqlite_instant,
    ColumnType.DATE: _sqlite_date,
}
