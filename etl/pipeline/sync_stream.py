"""The way of a stream: windows in, committed and judged pages out.

Four tasks under one group: the fan-out brings pages, the writer commits them, the lease is kept alive, and a watcher
ends it all early when a stop is wished. The first one that fails ends the others; what is committed stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from etl.errors import EtlError
from etl.model.window import Window
from etl.pipeline.budget import Budget
from etl.pipeline.fanout import Fanout, Rooms
from etl.pipeline.reading import Reading
from etl.ports import Lease, Stop, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything one reading of one stream is made of. `grace_s` bounds how long a stop waits for pages in flight."""

    rooms: Rooms
    lease: Lease
    stop: Stop
    budget: Budget
    grace_s: float = 10.0


async def sync_stream(parts: Parts, windows: Windows | Iterable[Window]) -> Reading:
    """Read the windows of a stream and commit their pages.

    Returns when every window is judged, has failed, or was cut short by a stop. Raises the first error that ends the
    whole stream (AuthRefused, DatabaseRefused, LeaseLost): never a group, and without the cancellations it caused.
    """
    fanout = Fanout(parts.rooms, windows, parts.budget)
    try:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(parts.lease.keep(), name="lease")
            writing = tasks.create_task(parts.rooms.writer.run(), name="writer")
            await _read(fanout, parts)
            parts.rooms.writer.finish()
            await writing
            keeping.cancel()
    except* EtlError as group:
        raise first_cause(group) from group
    return fanout.reading


async def _read(fanout: Fanout, parts: Parts) -> None:
    """Run the fan-out; once a stop is wished, give what is in flight `grace_s` seconds and drop the rest."""
    try:
        async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(fanout, parts, deadline), name="stop watcher")
            await fanout.run()
            watching.cancel()
    except TimeoutError:
        return


async def _watch(fanout: Fanout, parts: Parts, deadline: asyncio.Timeout) -> None:
    await parts.stop.wait()
    fanout.stop()
    deadline.reschedule(asyncio.get_running_loop().time() + parts.grace_s)


def first_cause(group: BaseExceptionGroup[EtlError]) -> EtlError:
    """The first single error of a group, however deeply it is nested."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first
