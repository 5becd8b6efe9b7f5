"""Runs that never ended: a crash leaves them `running`, and whoever comes next calls them `interrupted`."""

from __future__ import annotations

import os
import socket
from datetime import datetime

import psutil
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.model.run import RunStatus
from etl.runs import ledger_sums

_REASON = "the process ended without a word; what it had committed is saved"


async def end_stale_streams(connection: AsyncConnection, stream: str, token: int, now: datetime) -> None:
    """Call every run of the stream interrupted that is `running` under another token than the current one."""
    table = state.run_streams
    await _interrupt(connection, (table.c.stream == stream) & (table.c.token != token), now)


async def end_dead_runs(connection: AsyncConnection, now: datetime) -> None:
    """Call the runs of this host interrupted whose process is gone; a pid used again only delays that."""
    runs, streams = state.runs, state.run_streams
    query = select(runs.c.run_id, runs.c.pid).where(
        runs.c.status == RunStatus.RUNNING.value, runs.c.host == socket.gethostname(), runs.c.pid != os.getpid()
    )
    dead = [row.run_id for row in (await connection.execute(query)).all() if not psutil.pid_exists(row.pid)]
    if not dead:
        return
    ended = {"status": RunStatus.INTERRUPTED.value, "finished_at": now}
    await connection.execute(update(runs).where(runs.c.run_id.in_(dead)).values(**ended))
    await _interrupt(connection, streams.c.run_id.in_(dead), now)


async def _interrupt(connection: AsyncConnection, which: ColumnElement[bool], now: datetime) -> None:
    """End what is `running` among these, with the counters of what it had committed."""
    table = state.run_streams
    query = select(table.c.ordinal).where(which, table.c.status == RunStatus.RUNNING.value)
    for ordinal in (await connection.execute(query)).scalars().all():
        totals = ledger_sums.columns(await ledger_sums.counts(connection, ordinal))
        ended = {"status": RunStatus.INTERRUPTED.value, "reason": _REASON, "finished_at": now}
        await connection.execute(update(table).where(table.c.ordinal == ordinal).values(**ended, **totals))
