"""Read models on stdout: an aligned table for people, an array of objects under `--json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.table import table
from etl.listeners.figures import instant, marks_for
from etl.model.instants import iso

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def listing(
    session: Session,
    items: Sequence[DataclassInstance],
    columns: Mapping[str, str],
    *,
    empty: str,
    spare: Sequence[str] = (),
) -> None:
    """Print `items`; `columns` are title and attribute of what the table shows, `empty` is said when there are none.

    The objects under `--json` have every attribute, whatever the table shows. On a terminal that is too narrow the
    columns titled `spare` are left out, one after the other, until a line fits.
    """
    if session.shared.json:
        session.data_object([as_object(item) for item in items])
        return
    if not items:
        session.say(empty)
        return
    width = session.width(session.out)
    lines = _lines(session, items, columns)
    for title in spare if width is not None else ():
        if max(map(len, lines)) <= (width or 0):
            break
        columns = {name: attribute for name, attribute in columns.items() if name != title}
        lines = _lines(session, items, columns)
    for line in lines:
        session.data(line)


def _lines(session: Session, items: Sequence[DataclassInstance], columns: Mapping[str, str]) -> list[str]:
    rows = [[cell(session, getattr(item, attribute)) for attribute in columns.values()] for item in items]
    numbers = frozenset(
        index
        for index, attribute in enumerate(columns.values())
        if all(isinstance(getattr(item, attribute), (int, float, type(None))) for item in items)
    )
    return table(tuple(columns), rows, right=numbers)


def records(session: Session, item: DataclassInstance, columns: Mapping[str, str]) -> None:
    """Print one read model, a line for each of `columns`, and an empty line."""
    width = max(map(len, columns))
    for title, attribute in columns.items():
        session.data(f"{title:<{width}}  {cell(session, getattr(item, attribute))}")
    session.data("")


def cell(session: Session, value: object) -> str:
    """One value in a table; what is missing is a dash."""
    if value is None or value == "":
        return marks_for(session.out).dash
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, datetime):
        return instant(iso(value.replace(microsecond=0)))
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, (bytes, bytearray)):
        return session.printable(bytes(value).decode(errors="replace"), 80)
    return session.printable(str(value), 80)


def span(value: timedelta) -> str:
    """A distance in its largest unit: `42 s`, `7 min`, `29 h`, `12 d`."""
    whole = int(value.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(whole) >= 2 * length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def as_object(value: object) -> Any:
    """A read model as JSON: instants as ISO text, spans in seconds, raw bytes as the JSON they hold, or as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_object(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_object(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [as_object(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return _raw(bytes(value)) if isinstance(value, (bytes, bytearray)) else value


def _raw(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.decode(errors="replace")
