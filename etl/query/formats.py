"""The formats of an answer. Rows are written as they come; only `table` gathers what it shows.

A value that JSON has no form for is written as text: decimals with all their digits, instants as ISO in UTC, bytes in
base64.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final, TextIO
from uuid import UUID

from etl.errors import UsageError
from etl.query.result import Result

FORMATS: Final = ("table", "csv", "json", "ndjson", "parquet")
SHOWN: Final = 50
"""Rows of a table on a terminal; a pipe gets all."""

_WIDEST = 60
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def write(
    result: Result,
    format_name: str,
    text: TextIO,
    *,
    binary: BinaryIO | None = None,
    terminal: bool = False,
    spreadsheet_safe: bool = False,
) -> int:
    """Write all rows in one of FORMATS; returns how many there were.

    `parquet` goes to `binary`, everything else to `text`. `terminal` cuts a table to 50 rows and wide values short.
    `spreadsheet_safe` puts a `'` before CSV values that a spreadsheet would run as a formula. Raises UsageError for an
    unknown format, for parquet to a text stream, and when pyarrow is not installed.
    """
    if format_name == "parquet":
        from etl.query.parquet import write_parquet

        if binary is None:
            raise UsageError("parquet is binary", hint="write it to a file: --out rows.parquet")
        return write_parquet(result, binary)
    if format_name == "table":
        return _table(result, text, terminal=terminal)
    if format_name == "csv":
        return _csv(result, text, safe=spreadsheet_safe)
    writer: Callable[[Result, TextIO], int] | None = {"json": _json, "ndjson": _ndjson}.get(format_name)
    if writer is None:
        raise UsageError(f"there is no format {format_name!r}", hint=f"one of {', '.join(FORMATS)}")
    return writer(result, text)


def plain(value: object) -> Any:
    """The form of a value in JSON: as it is where JSON knows it, else text."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return shown(value)


def shown(value: object) -> str:
    """The form of a value in a cell; NULL is empty."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            instant = value.astimezone(UTC) if value.tzinfo is not None else value
            return instant.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case dict() | list() | tuple():
            return json.dumps(plain(value), ensure_ascii=False)
        case timedelta() | UUID():
            return str(value)
    return str(value)


def _csv(result: Result, out: TextIO, *, safe: bool) -> int:
    """RFC 4180. An empty text is quoted, NULL is not, so the two stay different."""
    out.write(",".join(_cell(_tame(name, safe)) for name in result.columns) + "\r\n")
    count = 0
    for count, row in enumerate(result.rows, 1):  # noqa: B007 - the number of rows is the result
        cells = []
        for value in row:
            text = shown(value)
            is_text = isinstance(value, str)
            cells.append("" if value is None else _cell(_tame(text, safe and is_text)))
        out.write(",".join(cells) + "\r\n")
    return count


def _tame(text: str, safe: bool) -> str:
    return f"'{text}" if safe and text.startswith(_RISKY) else text


def _cell(text: str) -> str:
    if text and not any(mark in text for mark in ',"\r\n') and text == text.strip(" "):
        return text
    return '"' + text.replace('"', '""') + '"'


def _json(result: Result, out: TextIO) -> int:
    count = 0
    out.write("[")
    for line in _objects(result):
        out.write(("," if count else "") + "\n  " + line)
        count += 1
    out.write("\n]\n" if count else "]\n")
    return count


def _ndjson(result: Result, out: TextIO) -> int:
    count = 0
    for line in _objects(result):
        out.write(line + "\n")
        count += 1
    return count


def _objects(result: Result) -> Iterator[str]:
    names = result.distinct_columns()
    for row in result.rows:
        yield json.dumps(dict(zip(names, map(plain, row), strict=True)), ensure_ascii=False)


def _table(result: Result, out: TextIO, *, terminal: bool) -> int:
    """Aligned columns; numbers to the right. On a terminal the first 50 rows, and how many there are."""
    rows = result.rows
    gathered = [[_one_line(value, terminal) for value in row] for row in (islice(rows, SHOWN) if terminal else rows)]
    left_out = sum(1 for _ in rows) if terminal else 0
    widths = [len(name) for name in result.columns]
    numeric = [True] * len(widths)
    for row in gathered:
        for index, (cell, is_number) in enumerate(row):
            widths[index] = max(widths[index], len(cell))
            numeric[index] = numeric[index] and is_number
    right = [bool(gathered) and number for number in numeric]
    out.write(_aligned(list(result.columns), widths, right))
    out.write(_aligned(["-" * width for width in widths], widths, right))
    for row in gathered:
        out.write(_aligned([cell for cell, _ in row], widths, right))
    total = len(gathered) + left_out
    if left_out:
        out.write(f"\n{len(gathered)} of {total:,} rows; a pipe, or -o csv, gets all of them\n")
    elif terminal:
        out.write(f"\n{total:,} {'row' if total == 1 else 'rows'}{' (cut by the limit)' if result.was_cut else ''}\n")
    return total


def _aligned(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(width) if to_the_right else cell.ljust(width)
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def _one_line(value: object, cut: bool) -> tuple[str, bool]:
    """The cell, without anything that could move a terminal's cursor, and whether it may stand to the right."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown(value))
    if cut and len(text) > _WIDEST:
        text = text[: _WIDEST - 1] + "…"
    is_number = value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))
    return text, is_number
