"""The text under `schedule`: `every 15m`, five cron fields, or a macro such as `@daily`.

Only the words are understood here, with nothing but the standard library, so that the configuration can be checked
before anything is loaded; when a schedule is due is told by the room `schedule`. Easy to get wrong: in cron Sunday is
0 *and* 7, and a day of the month beside a weekday means "or" there, which nobody expects, so it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from etl.model.instants import parse_duration

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(days=3650)

_MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ELEMENT = re.compile(r"(?:(?P<any>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SUNDAY: Final = 7


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed distance between ticks, counted in real time from the tick before."""

    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """The minutes at which a clock on the wall shows the right fields. All values are as cron counts them.

    `weekdays` holds 0 (Sunday) to 6 (Saturday). Either `days` or `weekdays` is full: both restricted is refused.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def is_hourly(self) -> bool:
        """Every hour of a day has ticks, so real time counts more than the clock on the wall when that is turned."""
        return len(self.hours) == 24


Schedule = Every | Cron


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    """Names of the values from `low` on, in lower case."""


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field(name="minute", low=0, high=59),
    _Field(name="hour", low=0, high=23),
    _Field(name="day of month", low=1, high=31),
    _Field(name="month", low=1, high=12, words=_MONTHS),
    _Field(name="weekday", low=0, high=_SUNDAY, words=_WEEKDAYS),
)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule.

    Raises ValueError for anything that is none, that would never come, or that people read in two ways; the message
    names the part that is wrong and says what to write instead.
    """
    words = text.split()
    if not words:
        raise ValueError("the schedule is empty; write `every 15m`, `@daily`, or five cron fields such as `30 2 * * *`")
    if words[0].lower() == "every":
        return _every(" ".join(words[1:]), text)
    if words[0].startswith("@"):
        return _macro(text.strip())
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"{text!r} is not a schedule; write `every 15m`, `@daily`, or five cron fields "
            "(minute, hour, day of month, month, weekday) such as `30 2 * * *`"
        )
    return _cron(words)


def _every(duration: str, text: str) -> Every:
    try:
        interval = parse_duration(duration)
    except OverflowError:
        interval = timedelta.max
    except ValueError as problem:
        raise ValueError(f"{text!r} is not a schedule: {problem}") from None
    if interval < SHORTEST:
        raise ValueError(f"{text!r} is too often; the shortest distance is `every 1s`")
    if interval > LONGEST:
        raise ValueError(f"{text!r} is too seldom; the longest distance is `every 10y`")
    return Every(interval)


def _macro(text: str) -> Cron:
    fields = _MACROS.get(text.lower())
    if fields is None:
        raise ValueError(f"unknown macro {text!r}; one of {', '.join(_MACROS)}")
    return _cron(fields.split())


def _cron(words: list[str]) -> Cron:
    minutes, hours, days, months, weekdays = map(_values, _FIELDS, words)
    if words[2] != "*" and words[4] != "*":
        raise ValueError(
            f"day of month {words[2]!r} and weekday {words[4]!r} are both restricted: cron runs when either matches, "
            "most people mean both; write `*` for one of them"
        )
    if all(min(days) > _DAYS_IN_MONTH[month - 1] for month in months):
        raise ValueError(f"day of month {words[2]!r} never comes in month {words[3]!r}")
    return Cron(minutes=minutes, hours=hours, days=days, months=months, weekdays=frozenset(d % 7 for d in weekdays))


def _values(field: _Field, word: str) -> frozenset[int]:
    return frozenset(value for element in word.split(",") for value in _element(field, element))


def _element(field: _Field, element: str) -> range:
    match = _ELEMENT.fullmatch(element)
    if match is None:
        raise ValueError(
            f"{field.name} {element!r} is not understood; write `*`, `5`, `1-5`, `*/15` or a list of these"
        )
    step = int(match["step"] or 1)
    if step == 0:
        raise ValueError(f"{field.name} {element!r}: a step of 0 leads nowhere")
    if match["any"]:
        return range(field.low, field.high + 1, step)
    first = _number(field, match["first"])
    if match["last"]:
        last = _number(field, match["last"])
        if last == 0 < first and field.high == _SUNDAY:
            last = _SUNDAY
    else:
        last = field.high if match["step"] else first
    if last < first:
        raise ValueError(f"{field.name} {element!r} ends before it begins; write two ranges, `a-b,c-d`")
    return range(first, last + 1, step)


def _number(field: _Field, word: str) -> int:
    if word.lower() in field.words:
        return field.low + field.words.index(word.lower())
    number = int(word) if word.isdecimal() else -1
    if not field.low <= number <= field.high:
        words = f", or {' '.join(field.words)}" if field.words else ""
        raise ValueError(f"{field.name} {word!r} is out of range; {field.low} to {field.high}{words}")
    return number
