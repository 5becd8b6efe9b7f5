"""`etl status`: how fresh every stream is; exit 5 when one is stale, so that a probe can ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etl.entrypoints.cli.listing import listing
from etl.entrypoints.cli.options import Selectors
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
STALE: Final = 5


def status(session: Session, selectors: Selectors = None) -> int:
    """Show how fresh every stream is. Exit 5 when one is later than its schedule or `expect.fresh` allows."""
    return show_status(session, tuple(selectors or ()))


def show_status(session: Session, selectors: Sequence[str]) -> int:
    """The table, and 5 when something is stale."""
    from etl.service.status import status as stream_status

    found = session.read(lambda app: stream_status(app, tuple(selectors)))
    listing(session, found, _COLUMNS, empty="no stream is configured")
    return STALE if any(stream.stale for stream in found) else 0
