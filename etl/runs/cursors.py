"""Cursors and run ids as the state tables keep them: text."""

from __future__ import annotations

import secrets
from datetime import datetime

from etl.model.instants import Cursor, CursorKind, to_micros

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def cursor_text(cursor: Cursor | None) -> str | None:
    """The stored form of a cursor; None stays None."""
    return None if cursor is None else str(cursor)


def read_cursor(text: str | None, kind: CursorKind) -> Cursor | None:
    """The cursor that `cursor_text` wrote, for a stream whose cursors are of `kind`."""
    if text is None or kind is CursorKind.TEXT:
        return text
    return int(text)


def new_run_id(now: datetime) -> str:
    """26 characters: the millisecond, then 80 random bits; later ids sort after earlier ones, text-wise."""
    number = (to_micros(now) // 1000) << 80 | secrets.randbits(80)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
