"""JSON literals: what type a value suggests, and how two suggestions join.

The lattice is small: whole numbers, fractions and long numbers join to `numeric`, everything with an object or a list
in it to `json`, any other mixture to `text`. Nothing is ever narrowed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Annotated, Final

import msgspec

from etl.model.schema import ColumnType

MAX_DIGITS: Final = 1_000
"""Digits before or after the point that `numeric` takes; PostgreSQL could hold more, nobody means them as a number."""
INT64: Final = range(-(2**63), 2**63)
_EXACT: Final = Context(prec=2 * MAX_DIGITS + 10)
_EXPONENT: Final = re.compile(rb"[eE][+-]?0*(\d+)$")
_LONG_FRACTION: Final = re.compile(r"\.\d{7}")
_NUMBERS: Final = frozenset({ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.NUMERIC})
_ZERO: Final = Decimal(0)

ZonedInstant = Annotated[datetime, msgspec.Meta(tz=True)]
_instants: Final = msgspec.json.Decoder(ZonedInstant)
_texts: Final = msgspec.json.Decoder(str)


def is_null(raw: bytes) -> bool:
    """Whether the literal is `null`."""
    return raw == b"null"


def is_text(raw: bytes) -> bool:
    """Whether the literal is a string."""
    return raw[0] == 0x22


def is_object(raw: bytes) -> bool:
    """Whether the literal is an object."""
    return raw[0] == 0x7B


def is_nested(raw: bytes) -> bool:
    """Whether the literal is an object or a list."""
    return raw[0] in b"{["


def is_number(raw: bytes) -> bool:
    """Whether the literal is a number."""
    return raw[0] in b"-0123456789"


def text_of(raw: bytes) -> str:
    """The text of a string literal."""
    return _texts.decode(raw)


def instant_of(raw: bytes) -> datetime | None:
    """The instant of a string literal in UTC; None when it has no zone, or lies outside the years 1 to 9999."""
    with suppress(msgspec.ValidationError, OverflowError):
        return _instants.decode(raw).astimezone(UTC)
    return None


def decimal_of(raw: bytes) -> Decimal | None:
    """The exact number in its one canonical spelling; None beyond `MAX_DIGITS`."""
    exponent = _EXPONENT.search(raw)
    if len(raw) > 2 * MAX_DIGITS or (exponent and (len(exponent[1]) > 4 or int(exponent[1]) > MAX_DIGITS)):
        return None
    number = _EXACT.create_decimal(raw.decode()).normalize(_EXACT)
    if not number:
        return _ZERO
    places = number.as_tuple().exponent
    if number.adjusted() >= MAX_DIGITS or (isinstance(places, int) and places < -MAX_DIGITS):
        return None
    return number.quantize(Decimal(1), context=_EXACT) if isinstance(places, int) and places > 0 else number


def suggestion(raw: bytes) -> ColumnType:
    """The narrowest type that holds the literal without loss."""
    first = raw[0]
    if first == 0x22:
        return ColumnType.TIMESTAMP if _suggests_instant(raw) else ColumnType.TEXT
    if first in b"{[":
        return ColumnType.JSON
    if first in b"tf":
        return ColumnType.BOOLEAN
    return ColumnType.UNKNOWN if first == 0x6E else _number(raw)


def join(one: ColumnType, other: ColumnType) -> ColumnType:
    """The narrowest type that holds the values of both."""
    if one is other or other is ColumnType.UNKNOWN:
        return one
    if one is ColumnType.UNKNOWN:
        return other
    if ColumnType.JSON in (one, other):
        return ColumnType.JSON
    return ColumnType.NUMERIC if one in _NUMBERS and other in _NUMBERS else ColumnType.TEXT


def _suggests_instant(raw: bytes) -> bool:
    """Text with more than six decimals of a second stays text: a timestamp would round them."""
    if len(raw) < 22 or len(raw) > 40 or raw[5] != 0x2D or instant_of(raw) is None:
        return False
    return not _LONG_FRACTION.search(raw.decode())


def _number(raw: bytes) -> ColumnType:
    if not any(mark in raw for mark in (b".", b"e", b"E")):
        if len(raw) <= 20 and int(raw) in INT64:
            return ColumnType.BIGINT
        return ColumnType.TEXT if decimal_of(raw) is None else ColumnType.NUMERIC
    exact = decimal_of(raw)
    if exact is None:
        return ColumnType.TEXT
    return ColumnType.DOUBLE if decimal_of(repr(float(raw)).encode()) == exact else ColumnType.NUMERIC
