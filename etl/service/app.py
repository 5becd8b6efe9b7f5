"""What every service works with: the configuration, the database with its run tables, time, and the way to the rooms.

`bootstrap` makes it; the two protocols below are what it plugs in, so that no service names a concrete room.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from etl.db.database import Database
from etl.model.stream import Source, Stream
from etl.pipeline.fanout import Rooms
from etl.ports import Clock, Limiter, Listener
from etl.runs import LeaseKeeper, RunStore, StreamRun
from etl.settings import Settings


class OpenedSource(Protocol):
    """A source with open connections; its streams share the limiter."""

    @property
    def limiter(self) -> Limiter:
        """Admission of its requests."""


class OpenSource(Protocol):
    """Opens a source for the length of a block; `concurrency` fixes the requests in flight instead of adapting."""

    def __call__(
        self, source: Source, *, concurrency: int | None = None
    ) -> AbstractAsyncContextManager[OpenedSource]: ...


class Assemble(Protocol):
    """Plugs the rooms of one reading together. `full` leaves out parameters that hold only `{start}`."""

    async def __call__(self, opened: OpenedSource, stream: Stream, run: StreamRun, *, full: bool) -> Rooms: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The object graph of one process. `revision_before` is that of the state tables before they were brought up to
    date, None for a new database.
    """

    settings: Settings
    database: Database
    store: RunStore
    leases: LeaseKeeper
    clock: Clock
    listener: Listener
    open_source: OpenSource
    assemble: Assemble
    revision_before: str | None = None
