"""Read models on stdout."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.entrypoints.cli.listing import as_object, listing
from etl.entrypoints.cli.options import Shared
from etl.entrypoints.cli.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    stream: str
    rows: int
    at: datetime | None = None
    lag: timedelta | None = None
    raw: bytes = b""


LINES = (
    Line(stream="a.b", rows=12345, at=datetime(2026, 11, 22, 14, 1, 58, 9, tzinfo=UTC), lag=timedelta(minutes=7)),
    Line(stream="long\x1b.name", rows=1),
)
COLUMNS = {"stream": "stream", "rows": "rows", "at": "at", "lag": "lag"}


def printed(items: tuple[Line, ...], **shared: object) -> tuple[str, str]:
    session = Session(Shared(**shared), {})
    session.out, session.err = io.StringIO(), io.StringIO()
    listing(session, items, COLUMNS, empty="nothing yet")
    return session.out.getvalue(), session.err.getvalue()


def test_a_table_is_aligned_and_escaped() -> None:
    """Numbers to the right, what is missing as a dash."""
    out, _ = printed(LINES)

    assert out.splitlines() == [
        "stream             rows  at                    lag",
        "a.b              12,345  2026-11-22 14:01:58Z  7 min",
        "long\\u001b.name       1  -                     -",
    ]


class Screen(io.StringIO):
    """A terminal that is `COLUMNS` wide."""

    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_gets_fewer_columns_and_a_pipe_all() -> None:
    """The least needed go first, and no more than have to."""
    session = Session(Shared(), {"COLUMNS": "45"})
    session.out = Screen()
    listing(session, LINES, COLUMNS, empty="", spare=("lag", "at"))

    assert session.out.getvalue().splitlines()[0].split() == ["stream", "rows", "at"]


def test_json_has_every_attribute() -> None:
    """Instants as ISO text, spans in seconds, raw JSON as JSON."""
    out, _ = printed((Line(stream="a.b", rows=1, lag=timedelta(minutes=2), raw=b'{"id": 1}'),), json=True)

    assert json.loads(out) == [{"stream": "a.b", "rows": 1, "at": None, "lag": 120.0, "raw": {"id": 1}}]


def test_nothing_is_an_empty_array_or_a_sentence() -> None:
    """stdout stays data: the sentence goes to stderr."""
    assert printed((), json=True) == ("[]\n", "")
    assert printed(()) == ("", "nothing yet\n")


def test_raw_bytes_that_are_no_json_stay_readable() -> None:
    """A reject may hold anything."""
    assert as_object(b"\xff<html>") == "\ufffd<html>"
