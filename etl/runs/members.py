"""The rows of a stream as members of another one: distinct values of some columns, part by part.

A pass goes through the table in the order of the values, and remembers only the last one: no cursor stays open for
the hours a reading may take, and memory does not grow with the table. Rows that are committed behind that place while a
pass goes on belong to the pass after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, cast, column, func, select, table, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import tables
from etl.db.database import Database
from etl.db.layout import DELETED_AT, RUN_ID
from etl.errors import DataRefused
from etl.model.instants import iso, parse_instant
from etl.model.member import FromRows
from etl.model.schema import Column, ColumnType, TableSchema

PART: Final = 1_000
Place = tuple[Any, ...]
"""The values of the last row of a part, as the database orders them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows as the values of the variables, and where the next part begins."""

    rows: tuple[Mapping[str, object], ...]
    last: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A variable's column: how it is selected and compared, and what its values are."""

    name: str
    expression: ColumnElement[Any]
    type: ColumnType


class ParentRows:
    """The live rows of `from_rows.stream`, whose table is `table_name`."""

    def __init__(self, database: Database, from_rows: FromRows, table_name: str) -> None:
        self._database = database
        self._from = from_rows
        self._table = table_name

    async def part(self, after: Place | None, *, run_id: str | None = None, most: int = PART) -> Part | None:
        """The next rows after a place, with `run_id` only what that run has written; None without a table.

        Raises DataRefused for a column that the table does not have.
        """
        async with self._database.read() as connection:
            chosen = await self._chosen(connection)
            if chosen is None:
                return None
            query = await self._query(connection, chosen)
            if run_id is not None:
                query = query.where(column(RUN_ID) == run_id)
            if after is not None:
                query = query.where(tuple_(*(one.expression for one in chosen)) > tuple_(*after))
            order = (one.expression for one in chosen)
            found = (await connection.execute(query.order_by(*order).limit(most))).all()
        return Part(
            rows=tuple(
                {one.name: _value(one.type, raw) for one, raw in zip(chosen, row, strict=True)} for row in found
            ),
            last=tuple(found[-1]) if found else None,
        )

    async def count(self) -> int | None:
        """How many members the rows make; None without a table."""
        async with self._database.read() as connection:
            chosen = await self._chosen(connection)
            if chosen is None:
                return None
            inner = (await self._query(connection, chosen)).subquery()
            return (await connection.execute(select(func.count()).select_from(inner))).scalar_one()

    async def _chosen(self, connection: AsyncConnection) -> tuple[_Chosen, ...] | None:
        schema = await tables.load_schema(connection, self._table)
        if schema is None:
            return None
        dialect = tables.dialect_of(connection)
        return tuple(
            _Chosen(name=name, expression=expression, type=kind)
            for name, path in self._from.columns
            for expression, kind in (self._column(schema, path, dialect),)
        )

    def _column(
        self, schema: TableSchema, path: tuple[str, ...], dialect: str
    ) -> tuple[ColumnElement[Any], ColumnType]:
        found = schema.at(path)
        if found is None:
            raise self._unknown(schema, ".".join(path))
        known, rest = found
        return (_inside(known.name, rest, dialect), ColumnType.TEXT) if rest else (_plain(known), known.type)

    def _unknown(self, schema: TableSchema, name: str) -> DataRefused:
        names = [known.name for known in schema.columns]
        close = get_close_matches(name, names, n=1, cutoff=0.6)
        some = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        return DataRefused(
            f"{self._from.stream} has no column {name}, from which members should come",
            hint=f"did you mean {close[0]}?" if close else f"its columns: {some}",
        )

    async def _query(self, connection: AsyncConnection, chosen: Sequence[_Chosen]) -> Select[Any]:
        query = (
            select(*(one.expression.label(f"value_{place}") for place, one in enumerate(chosen)))
            .select_from(table(self._table))
            .where(*(one.expression.is_not(None) for one in chosen))
            .distinct()
        )
        if DELETED_AT in await tables.physical_columns(connection, self._table):
            query = query.where(column(DELETED_AT).is_(None))
        return query


def _plain(known: Column) -> ColumnElement[Any]:
    """What is no text or whole number is compared as text: any total order will do, and all values can be bound."""
    found: ColumnElement[Any] = column(known.name)
    return found if known.type in (ColumnType.TEXT, ColumnType.BIGINT) else cast(found, Text)


def _inside(name: str, path: tuple[str, ...], dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return func.jsonb_extract_path_text(column(name), *path)
    keys = "".join("." + json.dumps(step, ensure_ascii=False) for step in path)
    return cast(func.json_extract(column(name), f"${keys}"), Text)


def _value(kind: ColumnType, raw: Any) -> object:
    """A value as it goes into a request."""
    match kind:
        case ColumnType.JSON:
            found: object = json.loads(raw)
            return found
        case ColumnType.BOOLEAN:
            return str(raw).lower() in ("1", "true", "t")
        case ColumnType.DOUBLE:
            return float(raw)
        case ColumnType.TIMESTAMP:
            return iso(parse_instant(str(raw)))
        case _:
            return raw
