"""A run that is cut off, or ends by an error nobody foresaw, is closed in the history all the same.

Without that it would stand there as `running` until another run of this host begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from etl.errors import EtlError
from etl.model.run import RunStatus
from etl.ports import Stop
from etl.service.app import App

_RECORD_S = 5.0
"""How long that may take; the process is about to end."""


@asynccontextmanager
async def recorded(app: App, run_id: str, stop: Stop) -> AsyncIterator[None]:
    """Around the work of a run; what ends it goes on after it was written down, as far as the database lets us."""
    started = app.clock.monotonic()
    try:
        yield
    except BaseException as error:
        status, code = _told(error, stop)
        closing = app.store.finish(run_id, status=status, exit_code=code, seconds=app.clock.monotonic() - started)
        with suppress(EtlError, TimeoutError):
            await asyncio.shield(asyncio.wait_for(closing, _RECORD_S))
        raise


def _told(error: BaseException, stop: Stop) -> tuple[RunStatus, int]:
    if isinstance(error, asyncio.CancelledError):
        return RunStatus.INTERRUPTED, 128 + stop.signal if stop.signal is not None else 0
    return RunStatus.FAILED, error.exit_code if isinstance(error, EtlError) else 1
