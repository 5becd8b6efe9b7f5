"""`etl rejects`: the items that did not become rows, with their reasons."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from etl.entrypoints.cli.listing import as_object, listing, records
from etl.entrypoints.cli.options import Selectors
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.summary import error_object, present

_COLUMNS: Final = {
    "id": "id",
    "stream": "stream",
    "rejected": "rejected_at",
    "page": "position",
    "item": "item",
    "key": "key",
    "path": "path",
    "reason": "reason",
}


def list_rejects(
    session: Session,
    selectors: Selectors = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only those of one run")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="At most N of them")] = 50,
) -> int:
    """List items that did not become rows, newest first."""
    from etl.service.inspect import rejects

    found = session.read(lambda app: rejects(app, tuple(selectors or ()), run_id=run_id, limit=limit))
    listing(session, found, _COLUMNS, empty="nothing was rejected")
    return 0


def replay_rejects(session: Session, selectors: Selectors = None) -> int:
    """Read rejected items again under today's configuration; what fits now is stored, without a request."""
    from etl.service.replay import replay

    session.logs, session.on_error = True, error_object
    return present(session, session.work(lambda app, stop: replay(app, tuple(selectors or ()), stop)))


def show_reject(
    session: Session, reject_id: Annotated[int, typer.Argument(metavar="ID", help="The number that list shows")]
) -> int:
    """Show one rejected item with the JSON it came as."""
    from etl.service.inspect import reject

    found = session.read(lambda app: reject(app, reject_id))
    if session.shared.json:
        session.data_object(as_object(found))
        return 0
    records(session, found, _COLUMNS)
    session.data(json.dumps(as_object(found.raw), indent=2))
    return 0
