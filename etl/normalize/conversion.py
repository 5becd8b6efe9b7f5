"""From a JSON literal to the value of a column, for each type, inferred or declared.

An inferred type takes what it holds without loss; what it refuses makes the column wider. A declared type takes other
spellings of its values too (numbers as text, instants without a zone); what it refuses makes the item a reject.
Values are apart from any dialect here: `storage` turns them into what a driver wants.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

import msgspec

from etl.model.instants import CursorFormat, from_micros, parse_instant
from etl.model.schema import Column, ColumnType
from etl.normalize.literals import (
    INT64,
    decimal_of,
    instant_of,
    is_nested,
    is_null,
    is_number,
    is_text,
    text_of,
)

MAX_DEPTH: Final = 64
Convert = Callable[[bytes], object]
"""Takes a literal other than null. Raises Misfit when the type does not hold it, Refused when no type would."""

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_NUMERAL: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_EXACT_DOUBLE: Final = 2**53

_LOOKED_AT: Final = b" \n\t\r\\"


class Misfit(Exception):
    """The type of the column does not hold the literal."""


class Refused(Exception):
    """No column on either database holds the literal."""


class TooDeep(Exception):
    """The literal is nested deeper than `MAX_DEPTH`."""


def converter(column: Column, *, is_key: bool = False, cursor: CursorFormat | None = None) -> Convert:
    """How the column reads its literals. `cursor` is the format of the cursor when the column holds it."""
    if column.type is ColumnType.TEXT:
        return _whole_text if is_key else _text
    if column.declared:
        if column.type is ColumnType.TIMESTAMP and cursor is not None:
            return lambda raw: _cursor_instant(raw, cursor)
        return _DECLARED[column.type]
    if is_key and column.type in (ColumnType.BIGINT, ColumnType.NUMERIC):
        inner = _INFERRED[column.type]
        return lambda raw: inner(_canonical_number(raw))
    return _INFERRED[column.type]


def json_text(raw: bytes) -> str:
    """The literal as compact JSON text, its spelling otherwise kept."""
    if len(raw) <= 2 * MAX_DEPTH and len(raw.translate(None, _LOOKED_AT)) == len(raw):
        return raw.decode()  # short, without blanks and escapes, as nearly all are: one look instead of six
    if len(raw) > 2 * MAX_DEPTH and raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        check_depth(raw)
    if b" " in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw:
        raw = msgspec.json.format(raw, indent=-1)
    if b"\\u0000" in raw and _NUL.search(raw):
        raise Refused("text with a NUL character, which PostgreSQL cannot store")
    return raw.decode()


def check_depth(raw: bytes, limit: int = MAX_DEPTH) -> None:
    """Raises TooDeep beyond `limit`; walks the brackets outside of strings, without recursion."""
    depth = 0
    for byte in _STRINGS.sub(b"", raw):
        if byte in b"{[":
            depth += 1
            if depth > limit:
                raise TooDeep
        elif byte in b"}]":
            depth -= 1


def _unknown(raw: bytes) -> object:
    raise Misfit(raw[:1])


def _bigint(raw: bytes) -> int:
    if not is_number(raw):
        raise Misfit("a whole number")
    if len(raw) <= 20 and not any(mark in raw for mark in (b".", b"e", b"E")):
        number = int(raw)
    else:
        exact = decimal_of(raw)
        if exact is None or exact != exact.to_integral_value():
            raise Misfit("a whole number")
        number = int(exact)
    if number not in INT64:
        raise Misfit("a whole number of 64 bits")
    return number


def _double(raw: bytes) -> float:
    if not is_number(raw):
        raise Misfit("a number")
    number = float(raw)
    if number in (float("inf"), float("-inf")):
        raise Misfit("a number within the range of a double")
    if raw.lstrip(b"-").isdigit() and abs(number) >= _EXACT_DOUBLE and decimal_of(raw) != int(number):
        raise Misfit("a number that a double holds exactly")
    return 0.0 if raw == b"-0" else number


def _numeric(raw: bytes) -> object:
    exact = decimal_of(raw) if is_number(raw) else None
    if exact is None:
        raise Misfit("a number of at most 1,000 digits")
    return exact


def _boolean(raw: bytes) -> bool:
    if raw not in (b"true", b"false"):
        raise Misfit("true or false")
    return raw == b"true"


def _text(raw: bytes) -> str:
    if not is_text(raw):
        if is_nested(raw):
            raise Misfit("a text")
        return raw.decode()
    text = text_of(raw)
    if "\0" in text:
        raise Refused("text with a NUL character, which PostgreSQL cannot store")
    return text


def _whole_text(raw: bytes) -> str:
    """Keys: 1 and 1.0 are the same key, whatever the spelling."""
    exact = decimal_of(raw) if is_number(raw) else None
    return _text(raw) if exact is None else f"{exact:f}"


def _instant(raw: bytes) -> datetime:
    instant = instant_of(raw) if is_text(raw) else None
    if instant is None:
        raise Misfit("an ISO 8601 instant with a zone")
    return instant


def _canonical_number(raw: bytes) -> bytes:
    """`"1"` is the key 1 where the column holds numbers; `"01"` is another key, and makes the column text."""
    if is_text(raw) and re.fullmatch(rb'"(?:0|-?[1-9]\d*)"', raw):
        return raw[1:-1]
    return raw


def _numeral(raw: bytes) -> bytes:
    """A number that stands in a string, as a literal."""
    if not is_text(raw):
        return raw
    text = text_of(raw).strip()
    if not _NUMERAL.fullmatch(text) or not text.isascii():
        raise Misfit("a number")
    return text.removeprefix("+").encode()


def _declared_boolean(raw: bytes) -> bool:
    spelling = text_of(raw).strip().lower() if is_text(raw) else raw.decode(errors="replace")
    if spelling not in _BOOLEANS:
        raise Misfit("true or false")
    return _BOOLEANS[spelling]


def _declared_instant(raw: bytes) -> datetime:
    if not is_text(raw):
        raise Misfit("an ISO 8601 date or date-time")
    instant = instant_of(raw)
    if instant is not None:
        return instant
    try:
        return parse_instant(text_of(raw))
    except (ValueError, OverflowError):
        raise Misfit("an ISO 8601 date or date-time") from None


def _cursor_instant(raw: bytes, cursor: CursorFormat) -> datetime:
    """A declared timestamp that is the cursor may be written the way the cursor is: unix seconds, a pattern."""
    try:
        return _declared_instant(raw)
    except Misfit:
        if is_nested(raw):
            raise
    try:
        micros = cursor.parse(text_of(raw) if is_text(raw) else raw.decode())
        return from_micros(int(micros))
    except (ValueError, TypeError, OverflowError):
        raise Misfit(f"an instant in the format {cursor.name}") from None


def _date(raw: bytes) -> date:
    try:
        return date.fromisoformat(text_of(raw).strip()) if is_text(raw) else _unreadable()
    except ValueError:
        raise Misfit("an ISO 8601 date") from None


def _unreadable() -> date:
    raise Misfit("an ISO 8601 date")


def _declared_json(raw: bytes) -> str | None:
    """A string that holds an object or a list is read as that; any other string stays a JSON string."""
    if is_text(raw) and (text := text_of(raw).strip())[:1] in ("{", "["):
        try:
            msgspec.json.decode(text, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            return json_text(raw)
        return json_text(text.encode())
    return None if is_null(raw) else json_text(raw)


_INFERRED: Final[dict[ColumnType, Convert]] = {
    ColumnType.BIGINT: _bigint,
    ColumnType.DOUBLE: _double,
    ColumnType.NUMERIC: _numeric,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TEXT: _text,
    ColumnType.TIMESTAMP: _instant,
    ColumnType.DATE: _date,
    ColumnType.JSON: json_text,
    ColumnType.UNKNOWN: _unknown,
}
_DECLARED: Final[dict[ColumnType, Convert]] = _INFERRED | {
    ColumnType.BIGINT: lambda raw: _bigint(_numeral(raw)),
    ColumnType.DOUBLE: lambda raw: _double(_numeral(raw)),
    ColumnType.NUMERIC: lambda raw: _numeric(_numeral(raw)),
    ColumnType.BOOLEAN: _declared_boolean,
    ColumnType.TIMESTAMP: _declared_instant,
    ColumnType.JSON: _declared_json,
}
