"""Builds the object graph. The only file that knows every concrete class; everything above and below sees ports."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etl.db.aside import Aside
from etl.db.database import Database, open_database
from etl.db.engines import busy_timeout_from
from etl.db.tables import load_schema
from etl.errors import OperatorError
from etl.extract import SourceClient, open_source, strategy
from etl.listeners.arrivals import Arrivals
from etl.listeners.spent import Spent
from etl.load.writer import TableWriter
from etl.model.clock import SystemClock
from etl.model.events import Event
from etl.model.instants import Cursor, CursorKind, to_micros
from etl.model.page import Response
from etl.model.proof import Closing
from etl.model.run import RunKind
from etl.model.schema import SchemaChange, TableSchema
from etl.model.secret import Redactor
from etl.model.source import Source
from etl.model.stream import Stream
from etl.normalize import StreamDecoder
from etl.pipeline.fanout import Rooms
from etl.pipeline.reading import server_time
from etl.ports import Clock, Listener
from etl.runs import LeaseKeeper, RunStore, StreamRun
from etl.service.app import App, OpenedSource, Scout
from etl.service.hooks import mender, signing_hook
from etl.settings import Settings, database_url, load, tokens_folder
from etl.verify import prove

if TYPE_CHECKING:
    from etl.service.init import OpenProber  # what probing needs is no other command's to import

__all__ = ["App", "open_app", "open_scout", "prober_opener"]


@asynccontextmanager
async def open_app(
    config: Path,
    database: str | None,
    environ: Mapping[str, str],
    listener: Listener,
    *,
    clock: Clock | None = None,
) -> AsyncIterator[App]:
    """The application over one configuration and one database, its state tables brought up to date.

    `database` is the URL of the command line, None to take it from the environment, the configuration, or the
    default. Raises ConfigError and DatabaseRefused; closes everything at the end.
    """
    time = clock or SystemClock()
    settings = load(config, environ=environ)
    url = database_url(database, environ, settings.project, config, settings.redactor)
    patience_s = busy_timeout_from(environ)
    opening = partial(open_database, url, clock=time, busy_timeout_s=patience_s)
    async with opening() as opened, Aside(opening) as aside:
        before = await opened.revision()
        await opened.migrate()
        spent, arrivals = Spent(), Arrivals()

        def tell(event: Event) -> None:
            spent(event)
            arrivals(event)
            listener(event)

        tokens = tokens_folder(url, environ, config)
        # Any clock but the machine's own belongs to the loop of whoever made it.
        apart = aside if isinstance(time, SystemClock) else None
        leases = LeaseKeeper.from_environment(opened, time, environ, aside=apart)
        plugs = _Plugs(settings=settings, database=opened, clock=time, listener=tell, tokens=tokens)
        yield App(
            settings=settings,
            database=opened,
            store=plugs.store,
            leases=leases,
            clock=time,
            listener=tell,
            open_source=plugs.open_source,
            assemble=plugs.assemble,
            spent=spent,
            arrivals=arrivals,
            revision_before=before,
        )


def open_scout(
    config: Path,
    environ: Mapping[str, str],
    listener: Listener,
    *,
    database: str | None = None,
    clock: Clock | None = None,
) -> Scout:
    """What commands need that look at sources and keep nothing; no database is opened. Raises ConfigError.

    `database` is the URL of the command line: a refresh token that a look at the source replaces is kept beside it.
    """
    time = clock or SystemClock()
    settings = load(config, environ=environ)
    redactor = settings.redactor
    try:
        url = database_url(database, environ, settings.project, config, redactor)
    except OperatorError:
        url = None  # told by whoever needs the database
    tokens = tokens_folder(url, environ, config)

    def opened(source: Source, *, concurrency: int | None = None) -> AbstractAsyncContextManager[SourceClient]:
        return open_source(
            source,
            clock=time,
            listener=listener,
            redactor=redactor,
            concurrency=concurrency,
            tokens=tokens,
            hook=signing_hook(settings, source),
        )

    return Scout(
        settings=settings,
        clock=time,
        open_source=opened,
        sample=partial(_Sampler, settings),
    )


def prober_opener(listener: Listener, *, clock: Clock | None = None) -> OpenProber:
    """What `etl init` asks with: a source that no configuration knows yet."""
    time = clock or SystemClock()

    def opened(source: Source, redactor: Redactor) -> AbstractAsyncContextManager[SourceClient]:
        return open_source(source, clock=time, listener=listener, redactor=redactor, concurrency=1)

    return opened


@dataclass(slots=True, kw_only=True)
class _UpperBound:
    """U as a cursor, once the first answer told the server's time; the local clock's where it tells none."""

    decoder: StreamDecoder
    counts_instants: bool
    value: Cursor | None = None
    behind: int = 0
    """Microseconds by which the server's clock may be behind ours; 0 where it is ahead, or tells no time."""

    def heard(self, first: Response) -> None:
        at = server_time(first)
        if at is not None:
            self.behind = max(to_micros(first.started_at) - to_micros(at), 0)
        if self.counts_instants:
            self.value = self.decoder.upper_bound = to_micros(at or first.started_at)


class _Sampler:
    """The client, the decoder and the strategy of one stream, without the rooms that keep anything."""

    def __init__(
        self, settings: Settings, opened: OpenedSource, stream: Stream, schema: TableSchema | None = None
    ) -> None:
        assert isinstance(opened, SourceClient)
        limits = settings.sources[stream.source].limits
        # PostgreSQL's form of a value is Python's own.
        self._decoder = StreamDecoder(
            stream, schema, "postgresql", max_record_bytes=limits.record, mender=mender(settings, stream)
        )
        self._client = opened.stream(stream, self._decoder, partial(next, itertools.count(1)))
        self.pages = strategy(stream)
        self.fetch = self._client.fetch
        self.spelled = self._client.spelled
        self.again = self._decoder.again

    @property
    def schema(self) -> TableSchema:
        return self._decoder.schema

    @property
    def changes(self) -> tuple[SchemaChange, ...]:
        return self._decoder.changes_since(0)


class _Plugs:
    """Plugs the rooms together for each source and each reading."""

    def __init__(
        self, *, settings: Settings, database: Database, clock: Clock, listener: Listener, tokens: Path
    ) -> None:
        self._tokens = tokens
        self._settings = settings
        self._database = database
        self._clock = clock
        self._listener = listener
        self.store = RunStore(database, clock)

    def open_source(
        self, source: Source, *, concurrency: int | None = None
    ) -> AbstractAsyncContextManager[SourceClient]:
        """The real HTTP client of a source."""
        return open_source(
            source,
            clock=self._clock,
            listener=self._listener,
            redactor=self._settings.redactor,
            concurrency=concurrency,
            tokens=self._tokens,
            hook=signing_hook(self._settings, source),
        )

    async def assemble(self, opened: OpenedSource, stream: Stream, run: StreamRun) -> Rooms:
        """The rooms of one reading: the decoder stands inside the client's loop of tries, the ledger inside the
        writer's transaction.
        """
        assert isinstance(opened, SourceClient)
        async with self._database.read() as connection:
            table = await load_schema(connection, stream.table)
        limits = self._settings.sources[stream.source].limits
        decoder = StreamDecoder(
            stream,
            table,
            self._database.dialect,
            max_record_bytes=limits.record,
            mender=mender(self._settings, stream),
        )
        bound = _UpperBound(decoder=decoder, counts_instants=_counts_instants(stream))
        ledger = await self.store.ledger(run)
        writer = TableWriter(
            database=self._database,
            stream=stream,
            decoder=decoder,
            journal=ledger,
            clock=self._clock,
            listener=self._listener,
            ordinal=run.ordinal,
            run_id=run.run_id,
            table=table,
            upper_bound=lambda: bound.value,
            replaces=run.kind is RunKind.FULL or (run.kind is RunKind.SYNC and not run.watermarks),
        )
        numbers = itertools.count(1)
        closing = Closing(stream=stream, began=to_micros(run.began_at))
        return Rooms(
            stream=stream.id,
            source=opened.stream(stream, decoder, partial(next, numbers)),
            pages=strategy(stream, closing),
            limiter=opened.limiter,
            writer=writer,
            ledger=ledger,
            prove=partial(prove, stream, closing=closing, behind=lambda: bound.behind),
            halve=stream.halves,
            listener=self._listener,
            first_answer=bound.heard,
            by_member=stream.incremental is not None or stream.feed is not None,
        )


def _counts_instants(stream: Stream) -> bool:
    return stream.incremental is not None and stream.incremental.format.kind is CursorKind.INSTANT
