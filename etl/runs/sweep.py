"""The rows that a complete reading of the whole list did not bring: found by their keys, removed with its verdict.

Keys are compared by the 8-byte digests that the ledger keeps until a reading is closed. Two keys with one digest only
keep a row that could go. Easy to get wrong: only rows that were written and born before the reading began may be
missing from it, and a key whose column changed its type meanwhile has digests of both spellings.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, column, delete, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state, tables
from etl.db.database import Database
from etl.db.layout import CHANGED_AT, DELETED_AT, FIRST_SEEN_AT, RUN_ID, SEQ, driver_sql, quote
from etl.db.types import Instant, fixed_width
from etl.model.page import Row
from etl.model.run import RunKind, RunStatus
from etl.model.schema import TableSchema
from etl.model.stream import Stream
from etl.runs.digests import DigestCount
from etl.runs.stream_run import Removal, StreamRun

FREE_ROWS: Final = 10
FREE_SHARE: Final = 0.05
"""More rows than the greater of the two go only when a person names their number."""
_ROWS: Final = 1_000
_PART: Final = 65_536
_KEYS: Final = 500
_MARK: Final = "\x00"
"""Where a parameter goes; no name can look like it."""
_written: Final = column(SEQ, BigInteger)
Digest = Callable[[Row], bytes]


def allowed(live: int, confirmed: int | None) -> int:
    """How many of `live` rows a reading may take away."""
    return max(FREE_ROWS, int(live * FREE_SHARE), confirmed or 0)


@dataclass(slots=True, kw_only=True)
class Missing:
    """What a reading did not bring.

    `live` rows were there before, `count` of them may go, and `unproved` are missing for the first time. `lost` is how
    many rows fewer there would be. `keyless` items were delivered whose key nobody could read.
    """

    live: int = 0
    count: int = 0
    lost: int = 0
    unproved: int = 0
    delivered: int = 0
    keyless: int = 0
    key_changed: bool = False
    keys: list[Row] = field(default_factory=list)
    """Kept up to what is allowed; empty above it."""
    digests: array[int] = field(default_factory=lambda: array("Q"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Began:
    """Where a reading began: the ordinal and the instant of its first run."""

    ordinal: int
    at: datetime

    @property
    def seq(self) -> int:
        """Every row that the reading wrote has this `_etl_seq` at least."""
        return self.ordinal << 32


class Sweep:
    """Compares a stream's table with the reading that `run` completes. `digest` is the decoder's, of a stored key."""

    def __init__(self, database: Database, stream: Stream, run: StreamRun, digest: Digest) -> None:
        self._database = database
        self._stream = stream
        self._run = run
        self._digest = digest
        self._table = table(stream.table)
        self._began: _Began | None = None

    async def look(self, *, twice: bool, confirmed: int | None) -> Missing:
        """What is missing. `twice`: only rows that the complete reading before missed as well may go.

        Memory grows with the rows that may go, which are few, and not with the table.
        """
        async with self._database.read() as connection:
            schema = await tables.recorded_schema(connection, self._stream.table)
            if schema is None:
                return Missing()
            began = self._began = await self._beginning(connection)
            found = Missing(live=await self._count(connection, *self._living()))
            found.key_changed = await self._key_changed(connection, schema, began)
            if not schema.key:
                await self._look_at_versions(connection, began, found)
            else:
                await self._look_at_keys(connection, schema, began, found)
                await self._choose(connection, schema, began, found, twice=twice, most=allowed(found.live, confirmed))
        return found

    async def marked_by_items(self) -> int:
        """How many rows this run marked because their items said so."""
        async with self._database.read() as connection:
            if await tables.recorded_schema(connection, self._stream.table) is None:
                return 0
            return await self._count(
                connection,
                column(RUN_ID) == self._run.run_id,
                column(DELETED_AT, Instant) >= self._run.started_at,
            )

    def removal(self, found: Missing, *, keep: bool, refused: bool = False) -> Removal:
        """What the finalising transaction does: take the rows away, unless that was refused.

        `keep` remembers what was missing for the next complete reading; else that is forgotten.
        """

        async def work(connection: AsyncConnection, now: datetime) -> None:
            if found.count and not refused:
                await self._remove(connection, found, now)
            elif refused and not self._stream.key:  # the rows of the reading before stay, so its own have to go
                assert self._began is not None  # `look` was there
                await connection.execute(delete(self._table).where(_written >= self._began.seq))
            await self._remember(connection, found.digests if keep else array("Q"))

        return work

    async def _remove(self, connection: AsyncConnection, found: Missing, now: datetime) -> None:
        """Mark the rows as deleted, or delete them under `write: replace`."""
        dialect = tables.dialect_of(connection)
        name = quote(self._stream.table)
        if not self._stream.deletes.marked and not self._stream.key:
            assert self._began is not None  # `look` was there
            await connection.execute(delete(self._table).where(_written < self._began.seq))
            return
        schema = await tables.recorded_schema(connection, self._stream.table)
        assert schema is not None  # it was there a moment ago, and the lease is ours
        mark = "%s" if dialect == "postgresql" else "?"
        if self._stream.deletes.marked:
            names = (DELETED_AT, CHANGED_AT, RUN_ID)
            what = f"UPDATE {name} SET " + ", ".join(f"{quote(one)} = {_MARK}" for one in names)  # noqa: S608 - quoted
            at = now if dialect == "postgresql" else fixed_width(now)
            values: tuple[Any, ...] = (at, at, self._run.run_id)
        else:
            what, values = f"DELETE FROM {name}", ()  # noqa: S608 - quoted
        one = f"({', '.join([_MARK] * len(schema.key))})"
        keys = ", ".join(map(quote, schema.key))
        for low in range(0, len(found.keys), _KEYS):
            some = found.keys[low : low + _KEYS]
            # SQLite takes a list of rows only as VALUES.
            rows = f"VALUES {', '.join([one] * len(some))}"
            statement = driver_sql(dialect, f"{what} WHERE ({keys}) IN ({rows})").replace(_MARK, mark)
            parameters = (*values, *(value for key in some for value in key))
            await connection.exec_driver_sql(statement, parameters)

    async def _remember(self, connection: AsyncConnection, digests: array[int]) -> None:
        if self._began is None:  # there is no table yet
            return
        kept = state.missing
        await connection.execute(delete(kept).where(kept.c.stream == self._run.stream))
        parts = [
            {
                "stream": self._run.stream,
                "part": part,
                "ordinal": self._began.ordinal,
                "fingerprint": self._stream.fingerprint,
                "digests": digests[low : low + _PART].tobytes(),
            }
            for part, low in enumerate(range(0, len(digests), _PART))
        ]
        if parts:
            await connection.execute(insert(kept), parts)

    async def _beginning(self, connection: AsyncConnection) -> _Began:
        runs = state.run_streams
        query = select(func.min(runs.c.ordinal), func.min(runs.c.started_at)).where(
            runs.c.generation == self._run.generation, runs.c.stream == self._run.stream
        )
        ordinal, at = (await connection.execute(query)).one()
        return _Began(ordinal=ordinal, at=at)

    async def _key_changed(self, connection: AsyncConnection, schema: TableSchema, began: _Began) -> bool:
        changes = state.schema_changes
        query = select(changes.c.id).where(
            changes.c.table_name == self._stream.table,
            changes.c.column_name.in_(schema.key),
            changes.c.ordinal >= began.ordinal,
        )
        return (await connection.execute(query.limit(1))).first() is not None

    async def _look_at_versions(self, connection: AsyncConnection, began: _Began, found: Missing) -> None:
        """Without a key a reading replaces all rows before it; it is weighed against the last one that succeeded."""
        runs = state.run_streams
        last = (
            select(runs.c.generation)
            .where(runs.c.stream == self._run.stream, runs.c.status == RunStatus.SUCCEEDED.value)
            .where(runs.c.ordinal < began.ordinal, runs.c.kind != RunKind.REPLAY.value)
            .order_by(runs.c.ordinal.desc())
            .limit(1)
            .scalar_subquery()
        )
        its = select(runs.c.run_id).where(runs.c.stream == self._run.stream, runs.c.generation == last)
        found.count = await self._count(connection, _written < began.seq)
        found.delivered = found.live - found.count
        found.live = await self._count(connection, column(RUN_ID).in_(its), _written < began.seq)
        found.lost = max(found.live - found.delivered, 0)

    async def _look_at_keys(
        self, connection: AsyncConnection, schema: TableSchema, began: _Began, found: Missing
    ) -> None:
        with DigestCount() as brought, DigestCount() as stored:
            async for items, packed in self._lines(connection):
                found.delivered += items
                found.keyless += items - len(packed) // 8
                await asyncio.to_thread(brought.add, packed)
            async for rows in self._rows(connection, schema, began.seq, began.at):
                await asyncio.to_thread(stored.add, b"".join([self._of(row) for row in rows]))
            found.digests = await asyncio.to_thread(stored.without, brought)

    async def _choose(
        self, connection: AsyncConnection, schema: TableSchema, began: _Began, found: Missing, *, twice: bool, most: int
    ) -> None:
        """Count the rows that may go, and keep their keys as long as they are few enough."""
        before, candidates = began.seq, found.digests
        if twice:
            before, known = await self._missed_before(connection)
            candidates = array("Q", [digest for digest in candidates if _holds(known, digest)])
        if candidates:
            async for rows in self._rows(connection, schema, min(before, began.seq), began.at):
                chosen = [tuple(row) for row in rows if _holds(candidates, _number(self._of(row)))]
                found.count += len(chosen)
                found.keys = found.keys + chosen if found.count <= most else []
        found.lost = found.count
        found.unproved = len(found.digests) - len(candidates)

    async def _missed_before(self, connection: AsyncConnection) -> tuple[int, array[int]]:
        """Where the complete reading before began, and what it missed; nothing under another configuration."""
        kept, known, seq = state.missing, array("Q"), 0
        query = select(kept.c.ordinal, kept.c.digests).where(
            kept.c.stream == self._run.stream, kept.c.fingerprint == self._stream.fingerprint
        )
        for row in await connection.execute(query.order_by(kept.c.part)):
            known.frombytes(bytes(row.digests))
            seq = row.ordinal << 32
        return seq, known

    async def _lines(self, connection: AsyncConnection) -> AsyncIterator[tuple[int, bytes]]:
        """Items and packed digests of every page of the reading."""
        pages = state.pages
        query = select(pages.c["items"], pages.c.key_digests).where(
            pages.c.generation == self._run.generation, pages.c.stream == self._run.stream
        )
        async for items, packed in await connection.stream(query.execution_options(yield_per=_KEYS)):
            yield items, bytes(packed or b"")

    async def _rows(
        self, connection: AsyncConnection, schema: TableSchema, seq: int, born: datetime
    ) -> AsyncIterator[Sequence[Any]]:
        """The keys of the rows that live, were written before `seq`, and were born before `born`."""
        names: list[ColumnElement[Any]] = [column(name) for name in schema.key]
        query: Select[*tuple[Any, ...]] = (
            select(*names)
            .select_from(self._table)
            .where(*self._living(), _written < seq, column(FIRST_SEEN_AT, Instant) < born)
        )
        result = await connection.stream(query.execution_options(yield_per=_ROWS))
        async for rows in result.partitions():
            yield rows

    async def _count(self, connection: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(self._table).where(*conditions)
        return (await connection.execute(query)).scalar_one()

    def _living(self) -> tuple[ColumnElement[bool], ...]:
        return (column(DELETED_AT).is_(None),) if self._stream.deletes.marked else ()

    def _of(self, key: Sequence[Any]) -> bytes:
        return self._digest(tuple(one.astimezone(UTC) if isinstance(one, datetime) else one for one in key))


def _number(digest: bytes) -> int:
    return array("Q", digest)[0]


def _holds(digests: array[int], digest: int) -> bool:
    place = bisect_left(digests, digest)
    return place < len(digests) and digests[place] == digest
