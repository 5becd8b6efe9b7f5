"""What marks a change: `incremental` as `model.stream.Incremental`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from etl.model.instants import Cursor, CursorFormat, CursorKind
from etl.model.stream import Incremental
from etl.settings.building.desk import Texts
from etl.settings.format.incremental import IncrementalPart

_LAG: Final = timedelta(minutes=5)
_LIKE_A_DATE: Final = re.compile(r"\d{4}[-/.]\d")


def build_incremental(part: IncrementalPart | None, texts: Texts) -> Incremental | None:
    """None without `incremental`, for a feed, and for one that names no field (which is a problem)."""
    if part is None or part.token is not None:
        return None
    if part.field is None:
        hint = "or a `token`, where the API gives one to come back with"
        texts.problem(("incremental",), "needs a `field`: what grows with every change", hint=hint, at_key=True)
        return None
    if part.from_ is not None:
        texts.problem(("incremental", "from"), "says which page's `token` counts; here is none", at_key=True)
    written = part.format or _format_of(part.start)
    _check_units(part, written.kind, texts)
    return Incremental(
        field=part.field,
        format=written,
        start=_start(part, written, texts),
        step=_positive(part.step),
        step_units=part.step if isinstance(part.step, int) else None,
        overlap=part.overlap if isinstance(part.overlap, timedelta) else timedelta(0),
        overlap_units=part.overlap if isinstance(part.overlap, int) else 0,
        lag=_LAG if part.lag is None else part.lag,
        delay=part.delay or timedelta(0),
        inclusive=bool(part.inclusive),
    )


def _format_of(start: int | str | None) -> CursorFormat:
    """A whole number begins a number cursor, a date or nothing an instant, any other text a text."""
    if isinstance(start, int):
        return CursorFormat("number")
    iso = CursorFormat("iso")
    if start is None:
        return iso
    try:
        iso.parse(start)
    except ValueError:
        # A date with a slip in it must not turn into a text cursor.
        return iso if _LIKE_A_DATE.match(start) else CursorFormat("text")
    return iso


def _start(part: IncrementalPart, written: CursorFormat, texts: Texts) -> Cursor | None:
    if part.start is None:
        return None
    try:
        return written.parse(part.start)
    except (ValueError, TypeError, OverflowError):
        texts.problem(("incremental", "start"), f"{part.start!r} is no value of the format `{written.name}`")
        return None


def _positive(step: timedelta | int | None) -> timedelta | None:
    return step if isinstance(step, timedelta) else None


def _check_units(part: IncrementalPart, kind: CursorKind, texts: Texts) -> None:
    for key in ("step", "overlap"):
        value = getattr(part, key)
        if value is None:
            continue
        if kind is CursorKind.TEXT:
            texts.problem(("incremental", key), "texts have no distance; leave it out")
        elif isinstance(value, int) is not (kind is CursorKind.NUMBER) and value != 0 and value != timedelta(0):
            wanted = "a whole number, as the cursor is one" if kind is CursorKind.NUMBER else "a duration such as 5m"
            texts.problem(("incremental", key), f"should be {wanted}")
    if not part.step and part.step is not None:
        texts.problem(("incremental", "step"), "has to be longer than zero")
    for key in ("lag", "delay"):
        if getattr(part, key) is not None and kind is not CursorKind.INSTANT:
            texts.problem(("incremental", key), "is a distance in time; the cursor is no instant", at_key=True)
