"""What `etl runs`, `etl rejects` and `etl state` show and change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from etl.errors import UsageError
from etl.model.instants import CursorFormat
from etl.model.run import RunStatus
from etl.model.stream import Stream
from etl.runs import History, Watermarks
from etl.runs.forgetting import forget_lost_table
from etl.runs.history import Pruned, RejectLine, RunLine, StreamLine
from etl.runs.member_lines import MemberLine, member_lines
from etl.service.app import App
from etl.settings import select

_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """A run with its streams, and the members of those that have some."""

    run: RunLine
    streams: tuple[StreamLine, ...]
    members: tuple[MemberLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWatermark:
    """A watermark of one member; `run_id` is None when a person set it."""

    stream: str
    member: str
    watermark: str
    run_id: str | None
    updated_at: datetime


async def runs(app: App, *, since: timedelta | None, status: RunStatus | None, limit: int) -> tuple[RunLine, ...]:
    """The latest runs, newest first."""
    found = await _history(app).runs(limit=_MANY if since is not None else limit, status=status and status.value)
    if since is not None:
        found = tuple(run for run in found if run.started_at >= app.clock.now() - since)
    return found[:limit]


async def run(app: App, run_id: str) -> RunDetail:
    """One run by its id or the beginning of it."""
    found = await _history(app).run(run_id)
    return RunDetail(
        run=found,
        streams=await _history(app).streams_of(found.run_id),
        members=await member_lines(app.database, found.run_id),
    )


async def prune(app: App, keep: timedelta) -> Pruned:
    """Delete ledger lines older than `keep`, and failed tries older than three times that (at least 90 days)."""
    return await _history(app).prune(pages=keep, failed_tries=max(keep * 3, timedelta(days=90)))


async def rejects(app: App, selectors: tuple[str, ...], *, run_id: str | None, limit: int) -> tuple[RejectLine, ...]:
    """The latest rejects of the selected streams, newest first."""
    history = _history(app)
    full_id = None if run_id is None else (await history.run(run_id)).run_id
    if not selectors:
        return await history.rejects(run_id=full_id, limit=limit)
    found: list[RejectLine] = []
    for stream in select(app.settings.streams, selectors):
        found += await history.rejects(stream=stream.id, run_id=full_id, limit=limit)
    return tuple(sorted(found, key=lambda reject: -reject.id)[:limit])


async def reject(app: App, number: int) -> RejectLine:
    """One reject with its raw JSON."""
    return await _history(app).reject(number)


async def watermarks(app: App, selectors: tuple[str, ...]) -> tuple[StoredWatermark, ...]:
    """The watermarks of the selected streams."""
    found: list[StoredWatermark] = []
    for stream in select(app.settings.streams, selectors):
        marks = await Watermarks(app.database, app.clock).all(stream.id)
        runs = await _history(app).run_ids(mark.ordinal for mark in marks.values() if mark.ordinal is not None)
        found += [
            StoredWatermark(
                stream=stream.id,
                member=member,
                watermark=str(mark),
                run_id=None if mark.ordinal is None else runs.get(mark.ordinal),
                updated_at=mark.updated_at,
            )
            for member, mark in sorted(marks.items())
        ]
    return tuple(found)


async def set_watermark(app: App, stream: str, value: str, *, member: str) -> str:
    """Set a watermark by hand, holding the stream's lease; the new value as people read it."""
    chosen = _one(app, stream)
    if chosen.incremental is None and chosen.feed is None:
        raise UsageError(f"{chosen.id} has no `incremental`, so it has no watermark")
    if chosen.for_each is not None and not member:
        raise UsageError(
            f"{chosen.id} has a watermark for each member of `for_each`",
            hint="name one with --member, as `etl state show` does",
        )
    _check_member(chosen, member)
    written = CursorFormat("text") if chosen.incremental is None else chosen.incremental.format
    async with app.leases.hold(chosen.id):
        return str(await Watermarks(app.database, app.clock).set(chosen.id, value, written, member))


async def reset_watermark(app: App, stream: str, *, member: str) -> int:
    """Forget a watermark, or without `member` all of a stream's, holding its lease; how many there were.

    Without `member`, a table that somebody dropped is forgotten as well.
    """
    chosen = _one(app, stream)
    if member and member not in await Watermarks(app.database, app.clock).all(chosen.id):
        _check_member(chosen, member)
    async with app.leases.hold(chosen.id):
        if not member:
            await forget_lost_table(app.database, app.clock, chosen.id, chosen.table)
        return await Watermarks(app.database, app.clock).reset(chosen.id, member or None)


def _check_member(stream: Stream, member: str) -> None:
    """Raises UsageError for a member that the file cannot mean; of rows any name may be one."""
    for_each = stream.for_each
    if for_each is None and member:
        raise UsageError(f"{stream.id} has no `for_each`, so it has no members", hint="leave --member out")
    if for_each is None or for_each.rows is not None:
        return
    names = [one.name for one in for_each.members()]
    if member not in names:
        close = get_close_matches(member, names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else "`etl state show` names those that were read"
        raise UsageError(f"{stream.id} has no member {member!r}", hint=hint)


def _history(app: App) -> History:
    return History(app.database, app.clock)


def _one(app: App, selector: str) -> Stream:
    found = select(app.settings.streams, (selector,))
    if len(found) != 1:
        raise UsageError(f"{selector!r} means {len(found)} streams", hint="name one, as source.stream")
    return found[0]
