"""How a stored value is written in a wider type. Pure; SQLite calls it while it rebuilds a table."""

from __future__ import annotations

import json
from typing import Final

from etl.model.instants import iso, parse_instant
from etl.model.schema import ColumnType

Value = int | float | str | None

_ALL: Final = frozenset(ColumnType) - {ColumnType.UNKNOWN}
_TEXTS: Final = frozenset({ColumnType.TEXT, ColumnType.JSON})
WIDER: Final[dict[ColumnType, frozenset[ColumnType]]] = {
    ColumnType.UNKNOWN: _ALL,
    ColumnType.BIGINT: _TEXTS | {ColumnType.NUMERIC, ColumnType.DOUBLE},
    ColumnType.DOUBLE: _TEXTS | {ColumnType.NUMERIC},
    ColumnType.NUMERIC: _TEXTS,
    ColumnType.BOOLEAN: _TEXTS,
    ColumnType.TEXT: frozenset({ColumnType.JSON}),
    ColumnType.TIMESTAMP: _TEXTS,
    ColumnType.DATE: _TEXTS | {ColumnType.TIMESTAMP},
    ColumnType.JSON: frozenset({ColumnType.TEXT}),
}
"""Into which types the values of a type can be turned without losing one."""


def respelled(value: Value, old: ColumnType, new: ColumnType) -> Value:
    """A value of an SQLite column as it is stored once the column has become wider."""
    if value is None:
        return None
    if new is ColumnType.TEXT:
        return _plain(value, old)
    if new is ColumnType.JSON:
        plain = _plain(value, old)
        quoted = old in (ColumnType.TEXT, ColumnType.TIMESTAMP, ColumnType.DATE)
        return json.dumps(plain, ensure_ascii=False) if quoted else plain
    if new is ColumnType.TIMESTAMP:
        return f"{value} 00:00:00.000000"
    return float(value) if new is ColumnType.DOUBLE else value


def _plain(value: Value, old: ColumnType) -> str:
    if old is ColumnType.BOOLEAN:
        return "true" if value else "false"
    if old is ColumnType.TIMESTAMP:
        return iso(parse_instant(str(value)))
    if isinstance(value, float):
        return json.dumps(value)
    return str(value)
