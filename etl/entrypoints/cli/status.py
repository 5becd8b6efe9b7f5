"""`etl status`: how fresh every stream is; exit 5 when one is stale, so that a probe can ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etl.entrypoints.cli.listing import listing
from etl.entrypoints.cli.options import Excluded, Failed, Selectors, Stale
from etl.entrypoints.cli.session import Session

_COLUMNS: Final = {
    "stream": "stream",
    "last success": "last_success_at",
    "lag": "lag",
    "schedule": "schedule",
    "next": "next_due_at",
    "verdict": "verdict",
    "watermark": "watermark",
    "last read": "rows",
    "stale": "stale",
}
_SPARE: Final = ("watermark", "schedule", "last success", "verdict")
"""`lag` says when as well, and `next` what follows from the schedule."""
STALE: Final = 5


def status(
    session: Session,
    selectors: Selectors = None,
    *,
    exclude: Excluded = None,
    failed: Failed = False,
    stale: Stale = False,
) -> int:
    """Show how fresh every stream is. Exit 5 when one is later than its schedule or `expect.fresh` allows."""
    return show_status(session, selectors or (), exclude=exclude or (), failed=failed, stale=stale)


def show_status(
    session: Session,
    selectors: Sequence[str] = (),
    *,
    exclude: Sequence[str] = (),
    failed: bool = False,
    stale: bool = False,
) -> int:
    """The table, and 5 when something is stale."""
    from etl.service.choice import Selection
    from etl.service.status import status as stream_status

    selection = Selection(named=tuple(selectors), exclude=tuple(exclude), failed=failed, stale=stale)
    found = session.read(lambda app: stream_status(app, selection))
    nothing = "no such stream" if selection.asks_history else "no stream is configured"
    listing(session, found, _COLUMNS, empty=nothing, spare=_SPARE)
    return STALE if any(stream.stale for stream in found) else 0
