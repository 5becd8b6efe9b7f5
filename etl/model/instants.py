"""Instants, durations and cursor values: how time is read, compared and written back.

An instant is an aware `datetime` in UTC. A *cursor* is what `incremental.field` holds, in a canonical form that
both databases order alike: microseconds since 1970 for instants, the number itself for numbers, text otherwise.
Precision is floored, never rounded: a rounded-up bound would leave out the rows of the last unit.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

Cursor = int | str
"""The canonical value of a cursor; see `CursorKind` for what an `int` means."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|mo|s|m|h|d|w|y)")
_SECONDS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "mo": 2592000.0,
    "y": 31536000.0,
}


class CursorKind(StrEnum):
    """What the values of a cursor are."""

    INSTANT = "instant"
    """Microseconds since 1970-01-01T00:00:00Z."""
    NUMBER = "number"
    """Whole numbers: ids, sequence numbers. Compared as numbers."""
    TEXT = "text"
    """Anything else; compared byte by byte."""


def parse_duration(text: str) -> timedelta:
    """Read `30s`, `5m`, `12h`, `30d`, `1w`, `1mo` (30 days), `1y` (365 days) or a sum of them such as `1h30m`.

    Raises ValueError for anything else, a bare number included: its unit would be a guess.
    """
    squeezed = text.strip()
    if not squeezed or _DURATION.sub("", squeezed).strip():
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, as in 30s, 5m, 12h, 30d or 1y")
    return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(squeezed)))


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 date or date-time; without a zone it is UTC.

    Raises ValueError with the text in it.
    """
    stripped = text.strip()
    try:
        parsed = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 date or date-time") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970, exact (floats would lose the last digits)."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The instant `micros` microseconds after 1970; raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=micros)


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with `Z`; a fraction only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


class CursorFormat:
    """How an API writes the values of a cursor: in its filters (`render`) and in its rows (`parse`).

    `name` is `iso`, `unix`, `unix_ms`, `date`, `number`, `text`, or a strptime pattern (anything with a `%`).
    """

    __slots__ = ("kind", "name")

    NAMES: Final = ("iso", "unix", "unix_ms", "date", "number", "text")

    def __init__(self, name: str) -> None:
        if name not in self.NAMES and "%" not in name:
            raise ValueError(f"unknown format {name!r}; one of {', '.join(self.NAMES)}, or a pattern such as %Y-%m-%d")
        self.name = name
        self.kind = {"number": CursorKind.NUMBER, "text": CursorKind.TEXT}.get(name, CursorKind.INSTANT)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CursorFormat) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"CursorFormat({self.name!r})"

    @property
    def precision(self) -> timedelta:
        """The smallest step a filter in this format can express."""
        if self.name == "unix_ms":
            return timedelta(milliseconds=1)
        if self.name == "date" or ("%" in self.name and not re.search(r"%[HIMSfpXcs]", self.name)):
            return timedelta(days=1)
        if "%" in self.name and not re.search(r"%[SfXcs]", self.name):
            return timedelta(minutes=1) if "%M" in self.name else timedelta(hours=1)
        if self.name == "iso" or "%f" in self.name:
            return MICROSECOND
        return timedelta(seconds=1)

    def render(self, cursor: Cursor) -> int | str:
        """The value to send, floored to what the format can express."""
        if self.kind is not CursorKind.INSTANT:
            return cursor
        micros = int(cursor)
        if self.name == "unix":
            return micros // 1_000_000
        if self.name == "unix_ms":
            return micros // 1_000
        instant = from_micros(micros)
        if self.name == "iso":
            return iso(instant)
        return instant.date().isoformat() if self.name == "date" else instant.strftime(self.name)

    def parse(self, value: object) -> Cursor:
        """The canonical cursor of one value as the API writes it; raises ValueError or TypeError if it is none.

        Instants may also arrive as ISO text, whatever the filter's format: many APIs filter by one spelling
        and answer in another.
        """
        if self.kind is CursorKind.TEXT:
            return str(value)
        if isinstance(value, bool) or value is None:
            raise TypeError(f"{value!r} is no cursor")
        if self.kind is CursorKind.NUMBER:
            return int(value)  # type: ignore[call-overload, no-any-return]
        return self._instant(value)

    def _instant(self, value: object) -> int:
        if isinstance(value, datetime):
            return to_micros(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
        if isinstance(value, date):
            return to_micros(datetime(value.year, value.month, value.day, tzinfo=UTC))
        text = str(value)
        if self.name in ("unix", "unix_ms"):
            return self._epoch(text)
        if "%" in self.name:
            try:
                parsed = datetime.strptime(text, self.name)  # noqa: DTZ007 - a missing zone is UTC, below
            except ValueError:
                return to_micros(parse_instant(text))
            return to_micros(parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed)
        return to_micros(parse_instant(text))

    def _epoch(self, text: str) -> int:
        scale = 1_000_000 if self.name == "unix" else 1_000
        try:
            return int(text) * scale
        except ValueError:
            pass
        try:
            whole, _, fraction = text.partition(".")
            digits = len(str(scale)) - 1
            return int(whole) * scale + (1 if not whole.startswith("-") else -1) * int(
                fraction[:digits].ljust(digits, "0")
            )
        except ValueError:
            return to_micros(parse_instant(text))
