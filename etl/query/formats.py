"""The formats of an answer. Rows are written as they come.

A value that JSON has no form for is text: instants as ISO in UTC, bytes in base64. Decimals are numbers where
these keep all their digits, on both databases alike.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from etl.errors import UsageError
from etl.query.blocking import blocking
from etl.query.cells import plain, shown
from etl.query.result import Result
from etl.query.table import write_table

FORMATS: Final = ("table", "csv", "json", "ndjson", "parquet")
_RISKY = ("=", "+", "-", "@", "\t", "\r")


async def write(result: Result, form: str, out: Path | None = None, *, spreadsheet_safe: bool = False) -> int:
    """Write all rows in one of FORMATS to a file, or to stdout; returns how many there were.

    A file is put in its place only when it is whole. On cancellation the statement is stopped first.
    `spreadsheet_safe` puts a `'` before texts in CSV that a spreadsheet would run as a formula. Raises UsageError for
    an unknown format, for parquet to a terminal, and when the file cannot be written; OperatorError without pyarrow.
    """
    work = to_stdout if out is None else partial(to_file, path=out)
    return await blocking(partial(work, result, form, safe=spreadsheet_safe), result.cancel)


def to_stdout(result: Result, form: str, *, safe: bool = False) -> int:
    """`write` to stdout; blocks."""
    terminal = sys.stdout.isatty()
    if form != "parquet":
        return write_text(result, form, sys.stdout, terminal=terminal, safe=safe)
    from etl.query.parquet import write_parquet

    if terminal:
        raise UsageError("parquet is binary and no sight for a terminal", hint="write it to a file: --out rows.parquet")
    return write_parquet(result, sys.stdout.buffer)


def to_file(result: Result, form: str, *, path: Path, safe: bool = False) -> int:
    """`write` to a file; blocks."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        try:
            if form == "parquet":
                from etl.query.parquet import write_parquet

                with unfinished.open("wb") as binary:
                    count = write_parquet(result, binary)
            else:
                with unfinished.open("w", encoding="utf-8", newline="") as text:
                    count = write_text(result, form, text, safe=safe)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written", why=error.strerror or str(error)) from error
    return count


def write_text(result: Result, form: str, out: TextIO, *, terminal: bool = False, safe: bool = False) -> int:
    """Every format but parquet. `terminal` cuts the wide values of a table short."""
    if form == "table":
        return write_table(result, out, terminal=terminal)
    if form == "csv":
        return _csv(result, out, safe=safe)
    writer: Callable[[Result, TextIO], int] | None = {"json": _json, "ndjson": _ndjson}.get(form)
    if writer is None:
        raise UsageError(f"there is no format {form!r}", hint=f"one of {', '.join(FORMATS)}")
    return writer(result, out)


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
    places = [(f"{json.dumps(name, ensure_ascii=False)}: ", at in result.computed) for at, name in enumerate(names)]
    for row in result.rows:
        members = (label + _member(value, computed) for (label, computed), value in zip(places, row, strict=True))
        yield "{" + ", ".join(members) + "}"


def _member(value: object, is_computed: bool) -> str:
    """An average has more digits than anybody stored; text would keep it from being reckoned with."""
    if is_computed and isinstance(value, Decimal) and isinstance(fraction := plain(value), str) and "." in fraction:
        return fraction
    return json.dumps(plain(value), ensure_ascii=False)
