"""Time as it is read, compared and written back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl.model.instants import CursorFormat, CursorKind, from_micros, iso, parse_duration, parse_instant, to_micros

NEW_YEAR = 1_704_067_200_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("1mo", timedelta(days=30)),
        ("1y", timedelta(days=365)),
        ("1.5h", timedelta(minutes=90)),
        ("1d 2h", timedelta(hours=26)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    """A number and a unit, or a sum of them."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "-5m", "5m x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The unit of a bare number would be a guess."""
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2024-01-01", NEW_YEAR),
        ("2024-01-01T00:00:00Z", NEW_YEAR),
        ("2024-01-01T02:00:00+02:00", NEW_YEAR),
        ("2024-01-01 00:00:00.000001", NEW_YEAR + 1),
    ],
)
def test_instants(text: str, micros: int) -> None:
    """Without a zone it is UTC; microseconds are exact."""
    assert to_micros(parse_instant(text)) == micros


def test_instants_are_written_in_utc() -> None:
    """A fraction only where there is one."""
    assert iso(from_micros(NEW_YEAR)) == "2024-01-01T00:00:00Z"
    assert iso(from_micros(NEW_YEAR - 1)) == "2023-12-31T23:59:59.999999Z"
    assert to_micros(datetime(1969, 12, 31, tzinfo=UTC)) == -86_400_000_000


@pytest.mark.parametrize(
    ("name", "rendered", "precision"),
    [
        ("iso", "2024-01-01T00:00:01.999999Z", timedelta(microseconds=1)),
        ("unix", 1_704_067_201, timedelta(seconds=1)),
        ("unix_ms", 1_704_067_201_999, timedelta(milliseconds=1)),
        ("date", "2024-01-01", timedelta(days=1)),
        ("%Y-%m-%d %H:%M", "2024-01-01 00:00", timedelta(minutes=1)),
        ("%d.%m.%Y", "01.01.2024", timedelta(days=1)),
        ("%Y%m%d%H", "2024010100", timedelta(hours=1)),
    ],
)
def test_bounds_are_floored_to_what_the_format_can_say(name: str, rendered: int | str, precision: timedelta) -> None:
    """Rounded up, the rows of the last unit would be left out."""
    written = CursorFormat(name)

    assert written.render(NEW_YEAR + 1_999_999) == rendered
    assert written.precision == precision


@pytest.mark.parametrize(
    ("name", "value", "cursor"),
    [
        ("unix", 1_704_067_200, NEW_YEAR),
        ("unix", "1704067200.25", NEW_YEAR + 250_000),
        ("unix", "2024-01-01", NEW_YEAR),
        ("unix_ms", 1_704_067_200_001, NEW_YEAR + 1_000),
        ("%Y-%m-%d %H:%M", "2024-01-01 00:01", NEW_YEAR + 60_000_000),
        ("%Y-%m-%d %H:%M", "2024-01-01T00:00:00Z", NEW_YEAR),
        ("number", "17", 17),
        ("text", 17, "17"),
    ],
)
def test_cursors_are_read_as_the_api_writes_them(name: str, value: object, cursor: int | str) -> None:
    """Or as ISO text, whatever the filter's format."""
    assert CursorFormat(name).parse(value) == cursor


def test_a_cursor_of_no_kind_is_refused() -> None:
    """Null and booleans are no cursors; unknown formats are told."""
    for value in (None, True):
        with pytest.raises(TypeError):
            CursorFormat("iso").parse(value)
    with pytest.raises(ValueError, match="unknown format"):
        CursorFormat("epoch")
    assert CursorFormat("text").kind is CursorKind.TEXT
