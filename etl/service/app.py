"""What every service works with: the configuration, the database with its run tables, time, and the way to the rooms.

`bootstrap` makes it; the two protocols below are what it plugs in, so that no service names a concrete room.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from etl.db.database import Database
from etl.listeners.arrivals import Arrivals
from etl.listeners.spent import Spent
from etl.model.page import Page, PageRequest
from etl.model.schema import SchemaChange, TableSchema
from etl.model.source import Source
from etl.model.spelled import SpelledRequest
from etl.model.stream import Stream
from etl.pipeline.fanout import Rooms
from etl.ports import Clock, Limiter, Listener, Pages
from etl.runs import LeaseKeeper, RunStore, StreamRun
from etl.settings import Settings


class OpenedSource(Protocol):
    """A source with open connections; its streams share the limiter."""

    @property
    def limiter(self) -> Limiter:
        """Admission of its requests."""

    @property
    def held_s(self) -> float:
        """Seconds in which no request might be sent, because of a declared rate or a pause the server asked for."""


class OpenSource(Protocol):
    """Opens a source for the length of a block; `concurrency` fixes the requests in flight instead of adapting."""

    def __call__(
        self, source: Source, *, concurrency: int | None = None
    ) -> AbstractAsyncContextManager[OpenedSource]: ...


class Assemble(Protocol):
    """Plugs the rooms of one reading together."""

    async def __call__(self, opened: OpenedSource, stream: Stream, run: StreamRun) -> Rooms: ...


class Sampler(Protocol):
    """Single pages of one stream, fetched and decoded as a run would, without a writer, a ledger or a lease."""

    @property
    def pages(self) -> Pages:
        """The pagination strategy of the stream; one use."""

    @property
    def schema(self) -> TableSchema:
        """The columns as the pages so far showed them; version 0 before the first item."""

    @property
    def changes(self) -> tuple[SchemaChange, ...]:
        """What the configuration and the pages so far change about the stored schema."""

    def spelled(self, request: PageRequest) -> SpelledRequest:
        """The request as it would be sent, credentials masked."""

    async def fetch(self, request: PageRequest) -> Page:
        """As `ports.Source`."""

    def again(self, page: Page) -> Page:
        """The same page under the newest columns."""


class Sample(Protocol):
    """Makes the sampler of a stream. `schema` is what is stored of its table, None for a table that is not there."""

    def __call__(self, opened: OpenedSource, stream: Stream, schema: TableSchema | None = None) -> Sampler: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scout:
    """What commands work with that look at sources and keep nothing: the object graph without a database."""

    settings: Settings
    clock: Clock
    open_source: OpenSource
    sample: Sample


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
    spent: Spent = field(default_factory=Spent)
    arrivals: Arrivals = field(default_factory=Arrivals)
    revision_before: str | None = None
