"""Fields that tell when a row changed, how their values are written, and the parameters that may filter by them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from etl.model.instants import MICROSECOND, CursorFormat, to_micros
from etl.probe.names import squashed, unique
from etl.probe.paths import Path, scalars, value_at
from etl.probe.rows import Item

_EPOCH_S: Final = range(946_684_800, 4_102_444_800)
_EPOCH_MS: Final = range(946_684_800_000, 4_102_444_800_000)
"""2000 to 2100; other numbers are taken for what they look like."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_ZONED: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)", re.IGNORECASE)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?")

_CHANGED: Final = re.compile(
    r"(last)?(updated|modified|changed|edited)(at|on|time|date|gmt|utc|timestamp)?|(date|time)?(updated|modified)"
    r"|lastmodifieddate|systemmodstamp|modificationdate|lastmodifiedtime|lastupdate|updatetime|mtime|update"
)
_CREATED: Final = re.compile(
    r"(created|inserted|published|added|occurred|received)(at|on|time|date|utc|timestamp)?|date(created)?|timestamp|time"
    r"|createtime|creationdate|eventtime|ts"
)

_SINCE: Final = re.compile(
    r".*(since|updated|modified|changed).*|.*(gte|gt|min|from)|(start|from|min).*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeField:
    """A field that holds instants. `marks_changes` is False for one that only tells when the row came to be."""

    path: Path
    format: str
    marks_changes: bool


def time_format(values: Sequence[object]) -> str:
    """The format name of `incremental.format` that writes values like these; empty where they are no instants."""
    told = [value for value in values if value is not None]
    if not told:
        return ""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in told):
        for name, span in (("unix", _EPOCH_S), ("unix_ms", _EPOCH_MS)):
            if all(value in span for value in told):
                return name
        return ""
    if not all(isinstance(value, str) and _readable(value) for value in told):
        return ""
    texts = [str(value) for value in told]
    if all(map(_ZONED.fullmatch, texts)):
        return "iso"
    if all(map(_DATE.fullmatch, texts)):
        return "date"
    signs = {found[1] for found in map(_LOCAL.fullmatch, texts) if found}
    if len(signs) == 1 and all(map(_LOCAL.fullmatch, texts)):
        return f"%Y-%m-%d{signs.pop()}%H:%M:%S"
    return ""


def _readable(text: str) -> bool:
    try:
        CursorFormat("iso").parse(text)
    except ValueError:
        return False
    return True


def find_times(rows: Sequence[Item]) -> tuple[TimeField, ...]:
    """The fields with instants whose name says what they tell, those of changes first."""
    found: list[TimeField] = []
    for path in unique_paths(rows[:50]):
        name = squashed(path[-1])
        changes = bool(_CHANGED.fullmatch(name))
        written = time_format([value_at(row, path) for row in rows])
        if written and (changes or _CREATED.fullmatch(name)):
            found.append(TimeField(path=path, format=written, marks_changes=changes))
    return tuple(sorted(found, key=lambda one: (not one.marks_changes, len(one.path))))


def unique_paths(rows: Sequence[Item]) -> tuple[Path, ...]:
    """The paths of all single values in some rows, in order of appearance."""
    return tuple(dict.fromkeys(path for row in rows for path, _ in scalars(row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Parameters that may restrict a list to what changed since: in three groups for servers that ignore what they do
    not know, and `singly` for those that refuse it.
    """

    groups: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    singly: tuple[str, ...]


def filter_params(field: TimeField, given: Collection[str], told: Sequence[str] = ()) -> Candidates:
    """The likeliest names, without those that the request holds already; `told` by an API description.

    `__gte` stands at the end of its group, where it is tried last: some servers take it for the name of a field.
    """
    told = tuple(filter(_SINCE.fullmatch, told))
    name = field.path[-1]
    changed, created = ("updated", "modified"), ("created", "inserted")
    one, other = changed if field.marks_changes else created
    seconds = field.format.startswith("unix")
    first = (f"{name}[gte]", f"{name}_gte", f"{one}_since", "since", f"{name}__gte")
    second = (f"{one}_after", f"{other}_since", f"{one}Since", "start_time", f"{name}__gt")
    third = (f"{name}[gt]", f"{name}_gt", f"{name}_min", f"{name}.gte", f"{name}:gte")
    singly = (f"{name}[gte]" if seconds else f"{name}__gte", f"{name}_gte", f"{one}_since", "since")
    return Candidates(
        groups=(_new((*told, *first), given), _new(second, given), _new(third, given)),
        singly=_new((*told, *singly), given),
    )


def _new(names: Sequence[str], given: Collection[str]) -> tuple[str, ...]:
    return unique(name for name in names if name not in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Values to try as a lower bound. `future` lies beyond all rows; `middles` are values of rows of the first page
    with other rows below them, the later one first: one experiment tells by the rows that stay which bound was heard.
    """

    middles: tuple[int, ...]
    future: int
    format: CursorFormat

    def text(self, bound: int) -> str:
        """A bound as a run would write it."""
        return str(self.format.render(bound))


def bounds(field: TimeField, first_page: Sequence[Item], rows: Sequence[Item], now: datetime) -> Bounds | None:
    """None where the first page does not hold two different instants, so that nothing could be seen to vanish."""
    written = CursorFormat(field.format)
    values = sorted({value for row in first_page if (value := instant_of(field, row)) is not None})
    later = sorted({value for row in rows if (value := instant_of(field, row)) is not None})
    unit = max(written.precision, MICROSECOND) // MICROSECOND
    # A bound that the format cannot write to the last digit would be another instant than the row's.
    exact = [value for value in values[1:] if value % unit == 0]
    if not exact:
        return None
    middles = dict.fromkeys((exact[2 * len(exact) // 3], exact[len(exact) // 3]))
    future = max(later[-1], to_micros(now)) + timedelta(days=3650) // MICROSECOND
    return Bounds(middles=tuple(middles), future=future // unit * unit, format=written)


def instant_of(field: TimeField, row: Item) -> int | None:
    """The field's value in one row, None where it has none."""
    value = value_at(row, field.path)
    try:
        return None if value is None else int(CursorFormat(field.format).parse(value))
    except (ValueError, TypeError, OverflowError):
        return None


def heard_bound(field: TimeField, edges: Bounds, rows: Sequence[Item]) -> int | None:
    """The highest bound that the rows of an answer keep: `future` for none left, None where they keep none."""
    if not rows:
        return edges.future
    told = [value for row in rows if (value := instant_of(field, row)) is not None]
    return next((bound for bound in edges.middles if told and min(told) >= bound), None)


def holds_bound(field: TimeField, bound: int, rows: Sequence[Item]) -> bool:
    """Whether a row whose value is the bound itself is among the rows: the filter includes its bound."""
    return any(instant_of(field, row) == bound for row in rows)
