"""The ledger of one stream of one run: its lines are committed with their rows, and recalled by a resumed run.

Implements `db.journal.Journal` for the writer and `ports.Ledger` for the backbone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.database import Database
from etl.db.journal import Line
from etl.errors import StreamStopped
from etl.model.instants import CursorKind
from etl.model.page import FailedTry, PageFacts, PageRequest
from etl.model.window import Window
from etl.ports import Clock
from etl.runs.digests import DigestCount
from etl.runs.lease import check_token
from etl.runs.lines import (
    FACT_COLUMNS,
    PAGE_COLUMNS,
    REJECT_COLUMNS,
    TRY_COLUMNS,
    Identity,
    LineForm,
    identity,
    insert_text,
    row_facts,
    row_identity,
    window_key,
)

_CHUNK = 500


class StreamLedger:
    """Made for a stream run by `RunStore.ledger`; `load` has to be awaited before a resumed run recalls anything."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        stream: str,
        generation: str,
        ordinal: int,
        token: int,
        kind: CursorKind = CursorKind.TEXT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stream = stream
        self._generation = generation
        self._token = token
        self._kind = kind
        dialect = database.dialect
        self._form = LineForm(stream=stream, generation=generation, ordinal=ordinal, dialect=dialect)
        self._insert_pages = insert_text("_etl_pages", PAGE_COLUMNS, dialect, ignore_conflicts=True)
        self._insert_tries = insert_text("_etl_failed_tries", TRY_COLUMNS, dialect)
        self._insert_rejects = insert_text("_etl_rejects", REJECT_COLUMNS, dialect)
        self._recalled: dict[Identity, PageFacts] = {}

    async def load(self) -> int:
        """Remember the pages that earlier runs of the generation committed; how many there are."""
        table = state.pages
        query = select(*(table.c[name] for name in FACT_COLUMNS)).where(*self._mine())
        async with self._database.read() as connection:
            result = await connection.stream(query.execution_options(yield_per=_CHUNK))
            async for row in result.mappings():
                self._recalled[row_identity(row)] = row_facts(row, self._kind)
        return len(self._recalled)

    def recall(self, request: PageRequest) -> PageFacts | None:
        """The facts of a page that an earlier run of the generation committed, None for one to be fetched."""
        return self._recalled.get(identity(request))

    async def distinct_keys(self, window: Window) -> int:
        """How many different keys the committed pages of a window hold.

        Memory stays bounded; beyond 100,000 keys a temporary file is used.
        """
        table = state.pages
        member, start, end = window_key(window)
        query = select(table.c.key_digests).where(
            *self._mine(), table.c.member == member, table.c.win_start == start, table.c.win_end == end
        )
        with DigestCount() as count:
            async with self._database.read() as connection:
                result = await connection.stream_scalars(query.execution_options(yield_per=_CHUNK))
                async for some in result.partitions():
                    packed = b"".join(bytes(digests) for digests in some if digests)
                    await asyncio.to_thread(count.add, packed)
            return await asyncio.to_thread(count.count)

    async def gave_up(self, request: PageRequest, failure: StreamStopped) -> None:
        """Keep the tries of a request that never brought a page, in a transaction of their own."""
        failed = [each for each in failure.failed_tries if isinstance(each, FailedTry)]
        tries = list(self._form.tries_of(request, failure.failed_url, failed))
        if not tries:
            return

        async def work(connection: AsyncConnection) -> None:
            await self.check(connection)
            await connection.exec_driver_sql(self._insert_tries, tries)

        async def settled(connection: AsyncConnection) -> bool:
            """A COMMIT that nobody answered: `requested_at` is a moment of this request alone."""
            table = state.failed_tries
            query = select(table.c.id).where(
                table.c.ordinal == self._form.ordinal,
                table.c.position == request.position,
                table.c.requested_at == failed[-1].at,
            )
            return (await connection.execute(query)).first() is not None

        await self._database.transact(work, lane=self._stream, settled=settled)

    async def check(self, connection: AsyncConnection) -> None:
        """Raises LeaseLost when a newer holder has the stream; the first statement of a transaction that writes it."""
        await check_token(connection, self._stream, self._token)

    async def record(self, connection: AsyncConnection, lines: Sequence[Line]) -> None:
        """Write the ledger lines of pages, their failed tries and their rejects.

        A page that has its line already keeps the old one, with its tries and rejects doubled by nobody: ask
        `committed` first when a COMMIT's outcome was unknown. A page that was read again for a proof leaves those of
        its rejects that its generation has not kept yet.
        """
        now = self._clock.now()
        form = self._form
        if any(line.page.rejects and line.page.request.attempt for line in lines):
            lines = await self._without_known_rejects(connection, lines)
        await connection.exec_driver_sql(self._insert_pages, [form.page(line, now) for line in lines])
        tries = [values for line in lines for values in form.tries(line)]
        if tries:
            await connection.exec_driver_sql(self._insert_tries, tries)
        rejects = [values for line in lines for values in form.rejects(line, now)]
        if rejects:
            await connection.exec_driver_sql(self._insert_rejects, rejects)

    async def _without_known_rejects(self, connection: AsyncConnection, lines: Sequence[Line]) -> Sequence[Line]:
        """Pages read for the first time keep all their rejects, the others what is new."""
        again = [line for line in lines if line.page.request.attempt]
        known = {reject.raw for line in lines if not line.page.request.attempt for reject in line.page.rejects}
        known |= await self._kept_rejects(connection, [reject.raw for line in again for reject in line.page.rejects])
        cleaned = []
        for line in lines:
            rejects = line.page.rejects
            if line.page.request.attempt:
                rejects = tuple(reject for reject in rejects if reject.raw not in known)
                known.update(reject.raw for reject in rejects)
            cleaned.append(replace(line, page=replace(line.page, rejects=rejects)))
        return cleaned

    async def _kept_rejects(self, connection: AsyncConnection, raws: Sequence[bytes]) -> set[bytes]:
        """Which of these the runs of the generation have kept."""
        rejects, streams = state.rejects, state.run_streams
        ours = select(streams.c.ordinal).where(
            streams.c.generation == self._generation, streams.c.stream == self._stream
        )
        found: set[bytes] = set()
        for low in range(0, len(raws), _CHUNK):
            query = select(rejects.c.raw).where(
                rejects.c.ordinal.in_(ours), rejects.c.raw.in_(raws[low : low + _CHUNK])
            )
            found.update(bytes(raw) for raw in (await connection.execute(query)).scalars())
        return found

    async def committed(self, connection: AsyncConnection, lines: Sequence[Line]) -> set[int]:
        """The indices of those `lines` whose page already has its line in the ledger."""
        table = state.pages
        wanted = {identity(line.page.request): index for index, line in enumerate(lines)}
        positions = sorted({line.page.request.position for line in lines})
        columns = (table.c.member, table.c.win_start, table.c.win_end, table.c.position, table.c.attempt)
        found: set[int] = set()
        for low in range(0, len(positions), _CHUNK):
            some = positions[low : low + _CHUNK]
            query = select(*columns).where(*self._mine(), table.c.position.in_(some))
            for row in (await connection.execute(query)).mappings():
                index = wanted.get(row_identity(row))
                if index is not None:
                    found.add(index)
        return found

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        table = state.pages
        return table.c.generation == self._generation, table.c.stream == self._stream
