"""Commits pages: each batch is one transaction of token check, rows and ledger lines.

Easy to get wrong: pages decoded under different versions of the schema meet in one batch; and a connection may die
while it commits, after which only the ledger knows what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.database import Database
from etl.db.evolution import apply_schema
from etl.db.journal import Journal, Line
from etl.db.types import fixed_width
from etl.errors import DatabaseRefused
from etl.load import postgresql, sqlite
from etl.load.batch import BYTES, Buffer
from etl.load.merge import Mark, Merge, append, batch_keys, first_seq, merge
from etl.load.novelty import NotAllNew, Novelty
from etl.load.statements import Shape, shape_of
from etl.model.events import BatchCommitted, SchemaChanged
from etl.model.instants import Cursor
from etl.model.page import Page
from etl.model.run import Counts
from etl.model.schema import SchemaChange, TableSchema
from etl.model.stream import DeletesKind, Stream
from etl.ports import Clock, Decoder, Listener


class EvolvingDecoder(Decoder, Protocol):
    """A decoder whose schema grows while it reads."""

    @property
    def schema(self) -> TableSchema:
        """The newest version."""

    def changes_since(self, version: int) -> tuple[SchemaChange, ...]:
        """What happened to the schema after `version`."""


class TableWriter:
    """Writes one stream's table; implements `ports.Writer`.

    `table` is the schema as stored, None when the table does not exist yet. `ordinal` and `run_id` name the run;
    `upper_bound` tells U, the instant of the run's first response, once it is known. `bound` is the buffer's size in
    bytes. `replaces` says that whatever an earlier run stored is older than what this one reads: a whole reading brings
    rows as they are, even when their cursors went back at the source.
    """

    def __init__(
        self,
        *,
        database: Database,
        stream: Stream,
        decoder: EvolvingDecoder,
        journal: Journal,
        clock: Clock,
        listener: Listener,
        ordinal: int,
        run_id: str,
        table: TableSchema | None,
        upper_bound: Callable[[], Cursor | None],
        bound: int = BYTES,
        replaces: bool = False,
    ) -> None:
        self._database = database
        self._stream = stream
        self._decoder = decoder
        self._journal = journal
        self._clock = clock
        self._listener = listener
        self._ordinal = ordinal
        self._floor = first_seq(ordinal) if replaces else 0
        self._run_id = run_id
        self._table = table
        self._upper_bound = upper_bound
        self._lacks_marks = stream.deletes.marked and table is not None
        self._buffer = Buffer(clock, bound=bound)
        self._novelty = Novelty(worth=database.dialect == "postgresql")
        self._dialect: ModuleType = sqlite if database.dialect == "sqlite" else postgresql

    async def put(self, page: Page) -> None:
        """Hand a page over; waits while the buffer is full. Raises what the last commit raised."""
        await self._buffer.put(page)

    def idle(self) -> None:
        """Nothing is in flight: what is buffered is committed now instead of waiting for more."""
        self._buffer.hurry()

    async def settle(self) -> None:
        """Wait until every page handed over so far is committed."""
        await self._buffer.settle()

    def finish(self) -> None:
        """No more pages will come."""
        self._buffer.finish()

    async def run(self) -> None:
        """Commit batches until `finish` was called and the buffer is empty. A commit that began is not torn.

        Raises DatabaseRefused, LeaseLost or DataRefused; whoever waits in `put` or `settle` gets the same.
        """
        try:
            while pages := await self._buffer.take():
                await self._commit(pages)
                self._buffer.done()
        except BaseException as failure:
            self._buffer.fail(failure)
            raise
        finally:
            await self._database.close_lane(self._stream.id)

    async def _commit(self, pages: Sequence[Page]) -> None:
        started = self._clock.monotonic()
        pages = await self._aligned(pages)
        lines: Sequence[Line] = ()

        async def work(connection: AsyncConnection) -> None:
            nonlocal lines
            await self._journal.check(connection)
            merged = await self._store(connection, pages)
            lines = merged.lines
            await self._journal.record(connection, lines)

        async def settled(connection: AsyncConnection) -> bool:
            return len(await self._journal.committed(connection, lines)) == len(lines)

        try:
            await self._database.transact(work, lane=self._stream.id, settled=settled)
        except NotAllNew:  # rolled back; the guess is given up, so this looks first
            await self._database.transact(work, lane=self._stream.id, settled=settled)
        seconds = self._clock.monotonic() - started
        self._listener(BatchCommitted(stream=self._stream.id, counts=_counts(lines), seconds=seconds))

    async def _aligned(self, pages: Sequence[Page]) -> Sequence[Page]:
        """The pages under the version that the table has; the table follows the schema first where it is behind.

        Decoding again may itself find something new, and other pages are decoded while the table changes: hence the
        loop. Every turn but the last made the table newer.
        """
        if self._lacks_marks:  # the table may be older than the wish to mark deletions
            await self._follow(self._table)
            self._lacks_marks = False
        while any(page.block.version != self._version for page in pages):
            before = self._version
            if any(page.block.version > before for page in pages):
                await self._evolve()
            elif self._decoder.schema.version < before:
                raise DatabaseRefused(
                    f"the table {self._stream.table} is newer than the schema this run works with",
                    hint="another process changed it; run again",
                )
            pages = [page if page.block.version == self._version else self._decoder.again(page) for page in pages]
        return pages

    @property
    def _version(self) -> int:
        return self._table.version if self._table else 0

    async def _evolve(self) -> None:
        await self._follow(self._decoder.schema)

    async def _follow(self, schema: TableSchema | None) -> None:
        """Bring the table to a version, and to the private columns that the stream has today."""
        assert schema is not None  # a table without a schema is made by the first page that has rows
        before = self._version
        changes = await apply_schema(
            self._database,
            self._stream,
            schema,
            self._decoder.changes_since(before),
            ordinal=self._ordinal,
            now=self._clock.now(),
            check=self._journal.check,
        )
        self._table = schema
        if changes:
            self._listener(SchemaChanged(stream=self._stream.id, table=self._stream.table, changes=changes))

    async def _store(self, connection: AsyncConnection, pages: Sequence[Page]) -> Merge:
        if self._table is None:
            return Merge(rows=[], lines=[Line(page=page) for page in pages])
        shape = shape_of(self._stream, self._table, self._database.dialect, floor=self._floor)
        upper = self._upper_bound() if shape.cursor is not None else None
        guessed = bool(shape.schema.key) and not shape.marked and self._novelty.is_expected(pages)
        merged = await self._merged(connection, shape, pages, upper, look=not guessed)
        if not merged.rows:
            return merged
        now = self._clock.now()
        if guessed:
            new = await postgresql.add(connection, shape, merged.rows, run_id=self._run_id, now=now)
            self._novelty.prove(new == len(merged.rows))
        else:
            await self._dialect.write(connection, shape, merged.rows, run_id=self._run_id, now=now, upper=upper)
        return merged

    def _mark(self) -> Mark | None:
        deletes, now = self._stream.deletes, self._clock.now()
        if not deletes.marked:
            return None
        at = fixed_width(now) if self._database.dialect == "sqlite" else now
        return Mark(at=at, inferred=deletes.kind is DeletesKind.INFER, known_only=self._stream.comes_in_order)

    async def _merged(
        self, connection: AsyncConnection, shape: Shape, pages: Sequence[Page], upper: Cursor | None, *, look: bool
    ) -> Merge:
        with_cursor, mark = shape.cursor is not None, self._mark()
        if not shape.schema.key:
            return append(pages, self._ordinal, with_cursor=with_cursor, mark=mark)
        keys = batch_keys(pages, len(shape.schema.key))
        wanted = list(set().union(*keys)) if look else []
        stored = await self._dialect.prefetch(connection, shape, wanted) if wanted else {}
        if look:
            self._novelty.saw(len(wanted), known=len(stored))
        return merge(
            pages,
            keys,
            stored,
            ordinal=self._ordinal,
            upper=upper,
            with_cursor=with_cursor,
            mark=mark,
            floor=self._floor,
        )


def _counts(lines: Sequence[Line]) -> Counts:
    """As `ledger_sums` counts: a page read again for a proof brings only what it found new or changed."""
    failed = sum(len(line.page.failed_tries) for line in lines)
    firsts = [line for line in lines if not line.page.request.attempt]
    inserted, updated = sum(line.inserted for line in lines), sum(line.updated for line in lines)
    unchanged, rejected = sum(line.unchanged for line in firsts), sum(len(line.page.rejects) for line in firsts)
    return Counts(
        pages=len(firsts),
        requests=len(lines) + failed,
        retries=failed,
        fetched=inserted + updated + unchanged + rejected,
        inserted=inserted,
        updated=updated,
        unchanged=unchanged,
        rejected=rejected,
        bytes=sum(line.page.response.wire_bytes for line in lines),
    )
