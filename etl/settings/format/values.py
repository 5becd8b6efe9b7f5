"""Values that are written as text and mean something else: durations, rates, sizes, selectors, schedules."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import PlainValidator, WithJsonSchema

from etl.model.instants import CursorFormat, parse_duration
from etl.model.schedule import parse_schedule
from etl.model.selector import Selector, SelectorKind

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|m|h|d)")
_RATE_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SIZE: Final = re.compile(r"(\d+)\s*([KMG]i?)?B?", re.IGNORECASE)


def read_duration(value: object) -> timedelta:
    """`5m`, `1h30m`; a bare 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write a number and a unit, as in 30s, 5m, 12h or 30d")  # noqa: TRY004 - pydantic reports no TypeError
    return parse_duration(value)


def read_positive_duration(value: object) -> timedelta:
    """A duration above zero."""
    duration = read_duration(value)
    if not duration:
        raise ValueError("has to be longer than zero")
    return duration


def read_amount(value: object) -> timedelta | int:
    """A duration, or a whole number of whatever a number cursor counts."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return read_duration(value)


def read_start(value: object) -> int | str:
    """Where a first run begins, in the API's own writing."""
    if isinstance(value, (int, str)) and not isinstance(value, bool) and value != "":
        return value
    raise ValueError("should be a date, a date-time, a whole number or a text")


def read_rate(value: object) -> float:
    """Requests per second of `20/s`, `600/min`, `5000/h`."""
    matched = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None or not float(matched[1]):
        raise ValueError(f"{value!r} is not a rate; write requests per time, as in 20/s, 600/min or 5000/h")
    return float(matched[1]) / _RATE_SECONDS[matched[2]]


def read_size(value: object) -> int:
    """Bytes of `1048576`, `16MiB`, `500KB`."""
    matched = _SIZE.fullmatch(str(value).strip()) if isinstance(value, (int, str)) else None
    if matched is None or isinstance(value, bool) or not int(matched[1]):
        raise ValueError(f"{value!r} is not a size; write bytes, or 16MiB")
    unit = (matched[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    return int(matched[1]) * int(base ** " kmg".index(unit[:1] or " "))


class BadExpression(ValueError):
    """The syntax of one JMESPath: what stands around it can be understood all the same."""


def read_selector(value: object) -> Selector:
    """`header:Name`, `rel:next`, or a JMESPath whose syntax is checked here."""
    if not isinstance(value, str):
        raise ValueError("should be a JMESPath or header:Name")  # noqa: TRY004 - pydantic reports no TypeError
    selector = Selector.parse(value)
    if selector.kind is SelectorKind.HEAD:
        raise ValueError("a HEAD request is made for totals only: `total_rows`, `total_pages`")
    return _checked(selector)


def read_total(value: object) -> Selector:
    """As `read_selector`, and `head:Name`."""
    if isinstance(value, str) and Selector.parse(value).kind is SelectorKind.HEAD:
        return _checked(Selector.parse(value))
    return read_selector(value)


def _checked(selector: Selector) -> Selector:
    if selector.kind is not SelectorKind.BODY:
        if not selector.path:
            raise ValueError("names no header or relation")
        return selector
    try:
        if selector.path:
            jmespath.compile(selector.path)
    except JMESPathError as error:
        raise BadExpression(f"is no valid JMESPath{_where(selector.path, error)}: {_complaint(error)}") from None
    return selector


def _where(path: str, error: JMESPathError) -> str:
    """The place in the expression, with the text that begins there."""
    place = getattr(error, "lex_position", None)
    if not isinstance(place, int) or not 0 <= place <= len(path):
        return ""
    rest = path[place : place + 12]
    return f" at character {place + 1}, `{rest}`" if rest else " at its end"


def _complaint(error: JMESPathError) -> str:
    """The library's words without what every one of them begins with."""
    first = str(error).splitlines()[0].partition(", for expression")[0].rstrip(":,")
    words = first.removeprefix("Bad jmespath expression: ").removeprefix("Invalid jmespath expression: ")
    return words.partition(": Parse error at column")[0] or first


def read_schedule(value: object) -> str:
    """`every 15m`, five cron fields, or a macro such as `@daily`; all of it is understood here, before the night."""
    text = value.strip() if isinstance(value, str) else str(value)
    parse_schedule(text)
    return text


def read_format(value: object) -> CursorFormat:
    """The format of a cursor."""
    return CursorFormat(value if isinstance(value, str) else str(value))


def read_variable(value: object) -> object:
    """A list of members, or `stream.column`; what is in it is checked where its place is known."""
    if value is None or isinstance(value, list):
        return value
    stream, dot, path = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not dot or not re.fullmatch(r"[a-z0-9_]{1,48}", stream):
        raise ValueError("should be a list of values, or stream.column for the rows of another stream")
    read_field(path)
    return value


def read_field(value: object) -> tuple[str, ...]:
    """A path of names into an item: `id`, `fields.updated`."""
    names = tuple(value.split(".")) if isinstance(value, str) else ()
    if not names or not all(name and not re.search(r"[\s\[\]{}()|*]", name) for name in names):
        raise ValueError(f"{value!r} is no field of an item; write a name, or names joined by dots")
    return names


_DURATION_SCHEMA: Final = {"type": "string", "examples": ["30s", "5m", "12h", "30d", "1y"]}
Duration = Annotated[timedelta, PlainValidator(read_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[timedelta, PlainValidator(read_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
Amount = Annotated[
    timedelta | int,
    PlainValidator(read_amount),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["5m", "30d", 1000]}),
]
Start = Annotated[
    int | str, PlainValidator(read_start), WithJsonSchema({"type": ["string", "integer"], "examples": ["2024-01-01"]})
]
Rate = Annotated[
    float, PlainValidator(read_rate), WithJsonSchema({"type": "string", "examples": ["20/s", "600/min", "5000/h"]})
]
Size = Annotated[int, PlainValidator(read_size), WithJsonSchema({"type": ["integer", "string"], "examples": ["16MiB"]})]
ASelector = Annotated[
    Selector,
    PlainValidator(read_selector),
    WithJsonSchema({"type": "string", "examples": ["data.items", "header:X-Total-Count", "rel:next"]}),
]
Total = Annotated[
    Selector,
    PlainValidator(read_total),
    WithJsonSchema({"type": "string", "examples": ["data.items", "header:X-Total-Count", "rel:next"]}),
]
Schedule = Annotated[
    str, PlainValidator(read_schedule), WithJsonSchema({"type": "string", "examples": ["every 15m", "0 6 * * *"]})
]
Format = Annotated[
    CursorFormat,
    PlainValidator(read_format),
    WithJsonSchema({"type": "string", "examples": [*CursorFormat.NAMES, "%Y-%m-%d %H:%M"]}),
]
Field = Annotated[
    tuple[str, ...],
    PlainValidator(read_field),
    WithJsonSchema({"type": "string", "examples": ["id", "fields.updated"]}),
]
Variable = Annotated[
    object,
    PlainValidator(read_variable),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean", "object"]}},
                {"type": "string", "pattern": r"^[a-z0-9_]+\.", "examples": ["pokemon.url"]},
                {"type": "null"},
            ]
        }
    ),
]
