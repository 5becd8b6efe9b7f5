"""`etl plan`: what the next sync would do, on stdout; nothing is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from etl.entrypoints.cli.options import Excluded, Failed, Selectors, Stale
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.table import table
from etl.listeners.figures import instant, marks_for, seconds, several

if TYPE_CHECKING:
    from etl.service.app import Scout
    from etl.service.plan import PlanOptions, StreamPlan, SyncPlan

PENDING = 10
_TITLES: Final = ("stream", "reach", "requests", "rows", "what")
_NUMBERS: Final = frozenset({2, 3})
_ROOM: Final = 24
"""Columns that a text needs at least."""


def plan(
    session: Session,
    selectors: Selectors = None,
    *,
    exclude: Excluded = None,
    failed: Failed = False,
    stale: Stale = False,
    full: Annotated[bool, typer.Option("--full", help="Plan a sync --full")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="Send one request a stream and ask for its total")] = False,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the keys of each stream after defaults, and stop")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 10 when a table would be made or changed")
    ] = False,
) -> int:
    """Tell what the next sync would do. Sends nothing without --probe, and never writes."""
    from etl.bootstrap import open_scout
    from etl.entrypoints.cli.talk import ignore
    from etl.service import plan as service
    from etl.service.choice import Selection

    scout = open_scout(session.config, session.environ, ignore, database=session.shared.database, clock=session.clock)
    session.redactor = scout.settings.redactor
    chosen = Selection(named=tuple(selectors or ()), exclude=tuple(exclude or ()), failed=failed, stale=stale)
    if show_config:
        return _show_config(session, service.written(scout, chosen))
    options = service.PlanOptions(selection=chosen, full=full, probe=probe)
    found = asyncio.run(_planned(session, scout, options))
    if session.shared.json:
        session.data_object(_object(found))
    else:
        _show(session, found)
    return found.exit_code or (PENDING if exit_code and found.pending else 0)


async def _planned(session: Session, scout: Scout, options: PlanOptions) -> SyncPlan:
    from etl.db.engines import busy_timeout_from
    from etl.db.health import open_existing
    from etl.service.plan import plan as make
    from etl.settings import database_url

    settings = scout.settings
    url = database_url(session.shared.database, session.environ, settings.project, session.config, settings.redactor)
    patience_s = busy_timeout_from(session.environ)
    async with open_existing(url, clock=session.clock, busy_timeout_s=patience_s) as database:
        return await make(scout, database, options)


def _show_config(session: Session, written: Any) -> int:
    import yaml

    from etl.entrypoints.cli.listing import as_object

    if session.shared.json:
        session.data_object(as_object(written))
    else:
        session.data(yaml.safe_dump(as_object(written), sort_keys=False, allow_unicode=True).rstrip())
    return 0


def _show(session: Session, found: SyncPlan) -> None:
    if not found.streams:
        session.say("no stream is selected")
        return
    _streams(session, found)
    for change in found.changes:
        session.data(f"+ {change}")
    session.data(_foot(found))
    if not found.probed and any(stream.estimate.requests is None and not stream.problem for stream in found.streams):
        session.say("sizes that are unknown: etl plan --probe asks the API, one request a stream", under=4)


def _streams(session: Session, found: SyncPlan) -> None:
    """The table. What is read comes last: a narrow terminal folds it and nothing else, or has it on a line below."""
    rows = [_row(stream) for stream in found.streams]
    lines = table(_TITLES, rows, right=_NUMBERS)
    under, width = lines[0].rindex(_TITLES[-1]), session.width(session.out)
    below = width is not None and under + _ROOM > width
    if below:
        lines = table(_TITLES[:-1], [row[:-1] for row in rows], right=_NUMBERS)
    session.data(lines[0])
    for stream, line, row in zip(found.streams, lines[1:], rows, strict=True):
        session.data(session.printable(line), under=under)
        for detail in (*row[-1:] * below, *stream.changes, *_unknown(stream, found)):
            session.data(f"  {session.printable(detail)}", under=4)
        if stream.problem:
            session.data(f"  {marks_for(session.out).bad} {session.printable(stream.problem)}", "red", under=4)
        if stream.hint:
            session.data(f"    hint: {session.printable(stream.hint)}", under=4)


def _unknown(stream: StreamPlan, found: SyncPlan) -> tuple[str, ...]:
    """What a probe learned where it did not learn the size."""
    told = found.probed and stream.estimate.requests is None and not stream.problem
    return (stream.estimate.basis,) if told else ()


def _row(stream: StreamPlan) -> tuple[str, ...]:
    requests, rows = _about(stream.estimate.requests), _about(stream.estimate.rows)
    return stream.stream, stream.reach, requests, rows, _what(stream)


def _what(stream: StreamPlan) -> str:
    if stream.since is None and stream.until is None:
        words = "everything"
    elif stream.since is None:
        words = f"everything until {instant(stream.until or '')}"
    else:
        words = f"since {instant(stream.since)}" + (f" until {instant(stream.until)}" if stream.until else "")
    if stream.members:
        words += f" of {stream.members}"
    if stream.slices > 1:
        words += f", {several(stream.slices, 'slice')}"
    return words + (", resumes" if stream.resumes else "")


def _about(count: int | None) -> str:
    return "?" if count is None else f"~{count:,}"


def _foot(found: SyncPlan) -> str:
    took = [stream.estimate.seconds for stream in found.streams]
    known = [each for each in took if each is not None]
    # Streams are read side by side: the slowest one is the least it takes.
    told = f"~{seconds(max(known))} at least, " if known else ""
    return f"{several(len(found.streams), 'stream')}, {told}nothing was changed"


def _object(found: SyncPlan) -> dict[str, Any]:
    from etl.entrypoints.cli.listing import as_object

    return {
        "pending": found.pending,
        "exit_code": found.exit_code,
        "changes": list(found.changes),
        "streams": [as_object(stream) for stream in found.streams],
    }
