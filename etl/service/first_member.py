"""The first member of a stream, for commands that look at an API and keep nothing.

Members that are rows stand in a database which is not open there, so the first page of their stream is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from etl.errors import DataRefused
from etl.model.instants import iso
from etl.model.member import FromRows, Member
from etl.model.page import Page
from etl.model.schema import TableSchema
from etl.model.stream import Stream
from etl.service.app import OpenedSource, Scout
from etl.service.sampling import sample_windows, take_rows


async def first_member(scout: Scout, opened: OpenedSource, stream: Stream) -> Member | None:
    """The first one, None for a stream without `for_each`. Raises what asking its parent's first page raises."""
    if stream.for_each is None:
        return None
    rows = stream.for_each.rows
    row = None if rows is None else await _first_row(scout, opened, rows)
    return next(stream.for_each.members(row))


def unasked_member(stream: Stream) -> Member | None:
    """The same without a request: what only a row can tell stands as `{name}`."""
    if stream.for_each is None:
        return None
    rows = stream.for_each.rows
    row = None if rows is None else {name: f"{{{name}}}" for name, _ in rows.columns}
    return next(stream.for_each.members(row))


async def _first_row(scout: Scout, opened: OpenedSource, rows: FromRows) -> Mapping[str, object]:
    parent = next(one for one in scout.settings.streams if one.id == rows.stream)
    member = await first_member(scout, opened, parent)
    sampler = scout.sample(opened, parent)
    now: datetime = scout.clock.now()
    taken = await take_rows(sampler, sample_windows(parent, now, member), 1)
    for page in taken.pages:
        for found in _values(sampler.schema, page, rows):
            return found
    raise DataRefused(
        f"the first page of {parent.id} has no row with {', '.join('.'.join(path) for _, path in rows.columns)}",
        why="members are taken from there",
        hint=f"look at it: etl preview {parent.id}",
    )


def _values(schema: TableSchema, page: Page, rows: FromRows) -> list[Mapping[str, object]]:
    """The variables of every row that has them all."""
    found: list[Mapping[str, object]] = []
    for row in page.block.rows:
        values = {name: _at(schema, row, path) for name, path in rows.columns}
        if None not in values.values():
            found.append(values)
    return found


def _at(schema: TableSchema, row: tuple[Any, ...], path: tuple[str, ...]) -> object:
    column, rest = schema.at(path) or (None, ())
    if column is None:
        return None
    value = row[schema.columns.index(column)]
    for name in rest:
        value = json.loads(value) if isinstance(value, str | bytes) else value
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, datetime):
        return iso(value)
    return str(value) if isinstance(value, Decimal) else value
