"""`etl state`: watermarks, to see and to correct."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from etl.entrypoints.cli.listing import listing
from etl.entrypoints.cli.options import Selectors
from etl.entrypoints.cli.session import Session
from etl.errors import UsageError

_COLUMNS: Final = {
    "stream": "stream",
    "member": "member",
    "watermark": "watermark",
    "set by": "run_id",
    "updated": "updated_at",
}

Stream = Annotated[str, typer.Argument(metavar="STREAM", help="One stream, as source.stream")]
Member = Annotated[str, typer.Option("--member", metavar="NAME", help="One member of for_each, as state show names it")]


def show_state(session: Session, selectors: Selectors = None) -> int:
    """Show up to where each stream has been read."""
    from etl.service.inspect import watermarks

    found = session.read(lambda app: watermarks(app, tuple(selectors or ())))
    listing(session, found, _COLUMNS, empty="no watermark yet")
    return 0


def set_state(
    session: Session,
    stream: Stream,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="As the cursor is written: an ISO instant, a number")],
    member: Member = "",
) -> int:
    """Set a watermark by hand: the next sync reads what changed since."""
    from etl.service.inspect import set_watermark

    now = session.read(lambda app: set_watermark(app, stream, value, member=member))
    session.say(f"{session.marks.good} {session.printable(stream)}: the next sync reads what changed since {now}")
    return 0


def reset_state(
    session: Session,
    stream: Stream,
    member: Member = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> int:
    """Forget a watermark: the next sync reads from the beginning; no row is lost."""
    if not yes:
        _ask(f"Forget the watermark of {session.printable(stream)}?")
    from etl.service.inspect import reset_watermark

    session.read(lambda app: reset_watermark(app, stream, member=member))
    session.say(f"{session.marks.good} {session.printable(stream)}: the next sync reads from the beginning")
    return 0


def _ask(question: str) -> None:
    """Raises Abort for a no, UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("this has to be confirmed", why="stdin is no terminal", hint="add --yes")
    typer.confirm(question, abort=True, err=True)
