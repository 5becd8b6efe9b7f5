"""`etl preview`: a few rows of one stream on stdout, the story of the requests on stderr."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.entrypoints.cli.query import Output
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.table import table
from etl.listeners.figures import several, size

if TYPE_CHECKING:
    from etl.model.spelled import SpelledRequest
    from etl.service.preview import Preview

_PROBLEM = 4


def preview(
    session: Session,
    selector: Annotated[str, typer.Argument(metavar="SEL", help="One stream, as source.stream")],
    *,
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, metavar="N", help="At most N rows")] = 20,
    pages: Annotated[int, typer.Option("--pages", min=1, metavar="N", help="At most N requests")] = 2,
    since: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Rows that changed since then, inclusive")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="Rows that changed before then")] = None,
    curl: Annotated[bool, typer.Option("--curl", help="Print the first request for a shell; send nothing")] = False,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="Form of the rows; default: table")] = None,
) -> int:
    """Read a few rows and store nothing. Shows the request, whether page 2 is another page, and the inferred types."""
    from etl.bootstrap import open_scout
    from etl.entrypoints.cli.talk import ignore
    from etl.service import preview as service

    scout = open_scout(session.config, session.environ, ignore, database=session.shared.database, clock=session.clock)
    session.redactor = scout.settings.redactor
    options = service.PreviewOptions(selector=selector, rows=rows, pages=pages, since=since, until=until)
    if curl:
        session.data(asyncio.run(service.spell(scout, options)).curl)
        return 0
    return asyncio.run(_show(session, service.preview(scout, options), output))


async def _show(session: Session, coming: Coroutine[None, None, Preview], output: Output | None) -> int:
    found = await coming
    code = _PROBLEM if found.paging.grade == "problem" else 0
    if session.shared.json and output is None:
        session.data_object(_object(found, code))
        return code
    _story(session, found)
    await _rows(session, found, output or Output.TABLE)
    _afterwards(session, found)
    return code


def _story(session: Session, found: Preview) -> None:
    """The requests and what they brought."""
    session.say(f"{found.stream} would land in {found.table}")
    if found.empty:
        session.say(_told_empty(found))
    _request(session, found.request)
    for answer in found.answers:
        total = f" of {answer.total_rows:,}" if answer.total_rows is not None else ""
        session.say(
            f"  {session.printable(answer.position, 60)}: {answer.status} in {answer.seconds:.3f} s, "
            f"{several(answer.items, 'item')}{total}, {size(answer.bytes)}"
        )
    mark = {"ok": session.marks.good, "warning": "!", "problem": session.marks.bad}[found.paging.grade]
    colour = {"warning": "yellow", "problem": "red"}.get(found.paging.grade)
    session.say(f"  {mark} {session.printable(found.paging.text)}", colour, under=4)
    if found.paging.hint:
        session.say(f"    hint: {session.printable(found.paging.hint)}", under=4)
    session.say()


def _told_empty(found: Preview) -> str:
    looked = several(found.empty, "window")
    return f"  {looked} without a row came before this one" if found.rows else f"  no row in {looked}"


def _request(session: Session, spelled: SpelledRequest) -> None:
    session.say(f"  {spelled.method} {session.printable(spelled.url, 2000)}")
    for name, value in spelled.headers:
        session.say(f"    {name}: {session.printable(value, 400)}")
    if spelled.body:
        session.say(f"    {session.printable(spelled.body, 2000)}")


async def _rows(session: Session, found: Preview, form: Output) -> None:
    """The rows on stdout, in the forms of `etl query`; a table without the columns that a terminal has no room for."""
    from etl.query.formats import write
    from etl.query.result import Result

    if not found.columns:
        return
    names = [column.name for column in found.columns]
    width = session.width(session.out) if form is Output.TABLE else None
    count = len(names) if width is None else _fitting(found, width)
    await write(Result(columns=tuple(names[:count]), rows=iter([row[:count] for row in found.rows])), str(form))
    if count < len(names):
        session.say(f"  no room for {', '.join(names[count:])}; -o csv shows all", under=2)


def _fitting(found: Preview, width: int) -> int:
    """How many of the columns fit beside each other; at least one."""
    from etl.query.cells import shown
    from etl.query.table import GAP, WIDEST

    taken = -GAP
    for at, column in enumerate(found.columns):
        cells = (min(len(shown(row[at])), WIDEST) for row in found.rows)
        taken += GAP + max(len(column.name), *cells, 0)
        if taken > width and at:
            return at
    return len(found.columns)


def _afterwards(session: Session, found: Preview) -> None:
    """Types, rejects, and what a sync would ask for next."""
    session.say()
    lines = [
        (column.name, column.type, _origin(column.key, column.declared), session.printable(column.sample, 60))
        for column in found.columns
    ]
    for line in table(("column", "type", "", "first value"), lines):
        session.say(f"  {line}")
    for reject in found.rejects[:5]:
        where = f" at {reject.path}" if reject.path else ""
        told = f"item {reject.item} would be rejected: {session.printable(reject.reason)}{where}"
        session.say(f"  {session.marks.bad} {told}", "yellow", under=4)
    if len(found.rejects) > 5:
        session.say(f"  and {len(found.rejects) - 5:,} more")
    if found.next is not None:
        session.say(f"  next  {found.next.method} {session.printable(found.next.url, 2000)}")
    elif not found.failure:
        session.say("  next  nothing: the list ends here")
    session.say("nothing was stored")


def _origin(key: bool, declared: bool) -> str:
    return ", ".join(word for word, holds in (("key", key), ("declared", declared)) if holds)


def _object(found: Preview, code: int) -> dict[str, Any]:
    from etl.entrypoints.cli.listing import as_object
    from etl.query.cells import plain
    from etl.service.preview import as_fields

    names = [column.name for column in found.columns]
    return {
        "stream": found.stream,
        "table": found.table,
        "exit_code": code,
        "request": as_fields(found.request),
        "pages": as_object(found.answers),
        "paging": as_object(found.paging),
        "columns": as_object(found.columns),
        "rows": [dict(zip(names, map(plain, row), strict=True)) for row in found.rows],
        "rejects": as_object(found.rejects),
        "next": None if found.next is None else as_fields(found.next),
    }
