"""Which windows a run reads: the interval since the watermark, the whole list, or a past range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.errors import UsageError
from etl.model.feed import Feed
from etl.model.instants import MICROSECOND, Cursor, CursorKind, parse_duration, to_micros
from etl.model.member import Member
from etl.model.proof import last_closed
from etl.model.stream import Incremental, Stream
from etl.model.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The windows of one reading, oldest first, and the bounds of them all.

    Only the oldest window of a whole reading has no start, and so leaves out the parameters that hold only `{start}`.
    """

    windows: tuple[Window, ...]
    since: Cursor | None = None
    until: Cursor | None = None


MOST_SLICES = 10_000
"""Slices of one backfill: each is a line in a table, and a reading of its own."""

Bounds = tuple[Cursor | None, Cursor | None]


def plan_sync(
    stream: Stream, watermark: Cursor | None, *, full: bool, now: datetime, resumed: Bounds | None = None
) -> Plan:
    """What a scheduled or manual sync reads. `resumed` are the bounds of an open generation, to be read again.

    Since the watermark less `overlap`; since `incremental.start` before there is one; everything under `full`, and
    where no start was ever named. Where the request holds `{end}` the upper bound is frozen at `now` less `delay`,
    and `step` cuts the interval into windows that are read side by side.
    """
    incremental = stream.incremental
    if stream.feed is not None:
        return _plan_feed(stream.feed, watermark, full=full, resumed=resumed)
    if incremental is None:
        return Plan(windows=(Window(),))
    since = _since(incremental, watermark) if resumed is None else resumed[0]
    until = _end(stream, incremental, now) if resumed is None else resumed[1]
    whole = full or since is None
    if not stream.asks_for_start:
        # Rows older than `start` are left out after the download. Those older than the watermark are not: they came
        # anyway, and an edit that did not touch the cursor is found among them.
        return Plan(windows=(Window(start=None if full else incremental.start),), since=None if whole else since)
    if whole and stream.sweeps:  # compared with the table afterwards: no bound may hide a row
        return Plan(windows=(Window(),))
    begin = incremental.start if full else since
    windows = tuple(_cut(stream, incremental, begin, until))
    if whole and begin is not None and _closed_end(stream, incremental, until) is not None:
        windows = (Window(end=begin), *windows)  # only a window with a start can be over
    elif whole:
        windows = (Window(end=windows[0].end), *windows[1:])
    return Plan(windows=windows, since=None if whole else since, until=until)


def member_windows(
    stream: Stream, member: Member, watermark: Cursor | None, *, until: Cursor | None, full: bool, now: datetime
) -> tuple[Window, ...]:
    """The windows of one member of `for_each`, by its own watermark; `until` is frozen for all of them."""
    if stream.feed is not None:
        plan = _plan_feed(stream.feed, watermark, full=full, resumed=None)
    else:
        since = None if stream.incremental is None else _since(stream.incremental, watermark)
        plan = plan_sync(stream, watermark, full=full, now=now, resumed=(since, until))
    return tuple(window.of(member) for window in plan.windows)


def _plan_feed(feed: Feed, token: Cursor | None, *, full: bool, resumed: Bounds | None) -> Plan:
    """From the token on; a reading of the whole list goes from where the API itself begins."""
    since = (token if token is not None else feed.start) if resumed is None else resumed[0]
    since = None if full else since
    return Plan(windows=(Window(start=since),), since=since)


def plan_slice(start: Cursor, end: Cursor) -> Plan:
    """What one slice of a backfill reads: exactly `[start, end)`, and never the whole list."""
    return Plan(windows=(Window(start=start, end=end),), since=start, until=end)


def slice_bounds(stream: Stream, start: Cursor, end: Cursor, step: str | None) -> tuple[tuple[Cursor, Cursor], ...]:
    """Cut a past range into slices.

    By `step` of the command, else `incremental.step`, else 30 days; number cursors need a step of their own. A
    request without `{start}` reads the whole list each time, so it gets one slice. Raises UsageError for a step that
    is none, or so small that there would be more than MOST_SLICES.
    """
    incremental = _incremental(stream)
    stride = _asked_stride(incremental, step)
    if not stream.asks_for_start or incremental.format.kind is CursorKind.TEXT or stride is None:
        return ((start, end),)
    count = -(-(int(end) - int(start)) // stride)
    if count > MOST_SLICES:
        raise UsageError(
            f"that would be {count:,} slices, more than {MOST_SLICES:,}", hint="a wider --step, or a shorter range"
        )
    return tuple(_steps(int(start), int(end), stride))


def read_bound(stream: Stream, text: str, *, now: datetime) -> Cursor:
    """A bound as a person types it: `2024-01-01`, an instant, `30d` (that long ago), or a number.

    Raises UsageError naming what is possible.
    """
    incremental = _incremental(stream)
    if incremental.format.kind is CursorKind.INSTANT:
        try:
            return to_micros(now - parse_duration(text))
        except ValueError:
            pass
    try:
        return incremental.format.parse(text)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{stream.id}: {text!r} is no bound of its cursor {'.'.join(incremental.field)}",
            why=str(error),
            hint="write a date such as 2024-01-01, an instant such as 2024-01-01T12:00:00Z, or 30d for that long ago"
            if incremental.format.kind is CursorKind.INSTANT
            else f"write a {incremental.format.kind}",
        ) from None


def _incremental(stream: Stream) -> Incremental:
    if stream.feed is not None:
        raise UsageError(
            f"{stream.id} is followed by a token, so it has no past range to read",
            hint=f"etl sync {stream.id} --full reads it from the beginning",
        )
    if stream.incremental is None:
        raise UsageError(
            f"{stream.id} has no `incremental`, so it has no past range to read",
            hint=f"a plain `etl sync {stream.id}` reads all of it",
        )
    return stream.incremental


def _since(incremental: Incremental, watermark: Cursor | None) -> Cursor | None:
    if watermark is None:
        return incremental.start
    match incremental.format.kind:
        case CursorKind.INSTANT:
            return int(watermark) - incremental.overlap // MICROSECOND
        case CursorKind.NUMBER:
            return int(watermark) - incremental.overlap_units
        case CursorKind.TEXT:
            return watermark


def _end(stream: Stream, incremental: Incremental, now: datetime) -> Cursor | None:
    if incremental.format.kind is not CursorKind.INSTANT or "end" not in stream.request.names():
        return None
    until, closed = to_micros(now - incremental.delay), last_closed(stream, to_micros(now))
    # Who stays away as long as rows are still being committed reads only windows that are over.
    return until if closed is None or incremental.delay < incremental.lag else min(until, closed)


def _closed_end(stream: Stream, incremental: Incremental, until: Cursor | None) -> Cursor | None:
    """Where windows that are over end and the open one begins; None where nothing is proved by that.

    Reckoned from the frozen bound, so that a resumed reading is cut at the same place.
    """
    if not isinstance(until, int):
        return None
    if incremental.delay >= incremental.lag:
        return until if last_closed(stream, until) is not None else None
    return last_closed(stream, until + incremental.delay // MICROSECOND)


def _cut(stream: Stream, incremental: Incremental, begin: Cursor | None, until: Cursor | None) -> Iterator[Window]:
    """By `step`, and where the windows that are over end: what is still being written stands alone."""
    closed = _closed_end(stream, incremental, until)
    if begin is not None and closed is not None and until is not None and int(begin) < int(closed) < int(until):
        yield from _by_step(incremental, begin, closed)
        yield Window(start=closed, end=until)
    else:
        yield from _by_step(incremental, begin, until)


def _by_step(incremental: Incremental, begin: Cursor | None, until: Cursor | None) -> Iterator[Window]:
    stride = _stride(incremental, None) if incremental.step is not None else None
    if begin is None or until is None or stride is None or int(begin) >= int(until):
        yield Window(start=begin, end=until)
        return
    for low, high in _steps(int(begin), int(until), stride):
        yield Window(start=low, end=high)


def _steps(low: int, high: int, stride: int) -> Iterator[tuple[int, int]]:
    while low < high:
        yield low, min(low + stride, high)
        low += stride


def _asked_stride(incremental: Incremental, step: str | None) -> int | None:
    """`_stride` of what a person typed."""
    try:
        stride = _stride(incremental, step)
    except ValueError as error:
        raise UsageError(f"--step {step!r} is no width of a slice", why=str(error)) from None
    if stride is not None and stride < 1:
        raise UsageError(f"--step {step!r} is no width of a slice", why="it has to be above zero")
    return stride


def _stride(incremental: Incremental, step: str | None) -> int | None:
    """The width of a slice in units of the cursor, None when there is none for its kind."""
    if incremental.format.kind is CursorKind.NUMBER:
        return int(step) if step else incremental.step_units
    duration = parse_duration(step) if step else incremental.step or timedelta(days=30)
    return duration // MICROSECOND
