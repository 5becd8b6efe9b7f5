"""The lease: who may write a stream, as a row with a fencing token and a heartbeat beside it.

Safety comes only from the token, which every transaction that writes the stream checks; the heartbeat merely tells
others when a takeover is worth it. A late heartbeat can cost a run, never a row.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db import state
from etl.db.aside import Aside, Opened
from etl.db.database import Database, same_again
from etl.db.inserts import insert_into
from etl.db.types import Instant
from etl.errors import DatabaseRefused, LeaseHeld, LeaseLost, UsageError
from etl.ports import Clock
from etl.runs.process import Process, is_dead, this_process

DEFAULT_TTL_S = 60.0


def ttl_from(environ: Mapping[str, str]) -> float:
    """`ETL_LEASE_TTL` in seconds, 60 by default. Raises UsageError when it is no number above zero."""
    text = environ.get("ETL_LEASE_TTL", "").strip()
    if not text:
        return DEFAULT_TTL_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"ETL_LEASE_TTL is {text!r}", why="it has to be a number of seconds above zero")
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The lease as it was read. `silent_s` is the age of the last heartbeat, `held_s` that of the lease."""

    token: int
    holder: str | None
    process: Process
    held_s: float
    silent_s: float

    def is_free(self, ttl_s: float) -> bool:
        return self.holder is None or self.silent_s > ttl_s or is_dead(self.process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A lease that somebody holds, as a person asks for it. `is_left`: the next run takes it over at once."""

    stream: str
    host: str
    pid: int
    held_s: float
    silent_s: float
    is_left: bool


class StreamLease:
    """A lease that was won; implements `ports.Lease`."""

    def __init__(
        self, *, database: Database, clock: Clock, ttl_s: float, stream: str, token: int, aside: Aside | None
    ) -> None:
        self.stream = stream
        self._database = database
        self._aside = aside
        self._clock = clock
        self._ttl_s = ttl_s
        self._token = token

    @property
    def token(self) -> int:
        """The fencing number, larger than that of every earlier holder."""
        return self._token

    async def keep(self) -> None:
        """Renew every quarter of the TTL until cancelled, apart from the loop that decodes large pages.

        Raises LeaseLost once a newer holder is seen, and DatabaseRefused when the database was out of reach for a
        whole TTL; a shorter absence is left to the transactions that write.
        """
        if self._aside is not None:
            await self._aside.run(self._keep)
            return

        async def here() -> Database:
            return self._database

        await self._keep(here)

    async def _keep(self, opened: Opened) -> None:
        kept_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._ttl_s / 4)
            try:
                await self._beat(await opened())
                kept_at = self._clock.monotonic()
            except DatabaseRefused:
                if self._clock.monotonic() - kept_at > self._ttl_s:
                    raise

    async def beat(self) -> None:
        """One heartbeat. Raises LeaseLost when another holder has replaced this one."""
        await self._beat(self._database)

    async def _beat(self, database: Database) -> None:
        beats = state.beats

        async def work(connection: AsyncConnection) -> int:
            done = await connection.execute(
                update(beats)
                .where(beats.c.stream == self.stream, beats.c.token == self._token)
                .values(beat_at=database_now(database, self._clock))
            )
            return done.rowcount

        if not await database.transact(work, settled=same_again):
            raise lost(self.stream)

    async def release(self) -> None:
        """Let the stream go; does nothing when it was released or lost before."""

        async def work(connection: AsyncConnection) -> None:
            await release(connection, self.stream, self._token)

        await self._database.transact(work, settled=same_again)


class LeaseKeeper:
    """Gives out leases. `ttl_s` is how long a silent holder on another host keeps its lease.

    They are renewed on `aside`; on the loop of whoever holds them without.
    """

    def __init__(
        self, database: Database, clock: Clock, *, ttl_s: float = DEFAULT_TTL_S, aside: Aside | None = None
    ) -> None:
        self._database = database
        self._aside = aside
        self._clock = clock
        self._ttl_s = ttl_s

    @classmethod
    def from_environment(
        cls, database: Database, clock: Clock, environ: Mapping[str, str] = os.environ, *, aside: Aside | None = None
    ) -> LeaseKeeper:
        """With the TTL of `ETL_LEASE_TTL`."""
        return cls(database, clock, ttl_s=ttl_from(environ), aside=aside)

    async def acquire(self, stream: str) -> StreamLease:
        """Take the lease, from a dead or silent holder if need be.

        Raises LeaseHeld at once, without waiting, when a live process holds it.
        """
        async with self._database.read() as connection:  # a refusal needs no write lock
            seen = await self._look(connection, stream)
        if seen is not None and not seen.is_free(self._ttl_s):
            raise held(stream, seen)
        holder = uuid.uuid4().hex

        async def is_ours(connection: AsyncConnection) -> bool:
            found = await self._look(connection, stream)
            return found is not None and found.holder == holder

        token = await self._database.transact(
            lambda connection: self._take(connection, stream, holder), settled=is_ours
        )
        return StreamLease(
            database=self._database,
            clock=self._clock,
            ttl_s=self._ttl_s,
            stream=stream,
            token=token,
            aside=self._aside,
        )

    async def holdings(self) -> tuple[Holding, ...]:
        """Every lease that is held, or that a holder left behind when it died."""
        leases = state.leases
        async with self._database.read() as connection:
            query = select(leases.c.stream).where(leases.c.holder.is_not(None)).order_by(leases.c.stream)
            seen = [
                (name, await self._look(connection, name)) for name in (await connection.execute(query)).scalars().all()
            ]
        return tuple(
            Holding(
                stream=name, host=one.process.host, pid=one.process.pid, held_s=one.held_s, silent_s=one.silent_s,
                is_left=one.is_free(self._ttl_s),
            )
            for name, one in seen if one is not None
        )  # fmt: skip

    @asynccontextmanager
    async def hold(self, stream: str) -> AsyncIterator[StreamLease]:
        """Acquire for the length of a block; the release at its end is best effort (the finalising one comes first)."""
        lease = await self.acquire(stream)
        try:
            yield lease
        finally:
            with suppress(DatabaseRefused):  # the process ends anyway, and a dead holder is replaced at once
                await lease.release()

    async def _take(self, connection: AsyncConnection, stream: str, holder: str) -> int:
        dialect = self._database.dialect
        now = database_now(self._database, self._clock)
        leases, beats = state.leases, state.beats
        await connection.execute(insert_into(leases, dialect).values(stream=stream, token=0).on_conflict_do_nothing())
        await connection.execute(
            insert_into(beats, dialect).values(stream=stream, token=0, beat_at=now).on_conflict_do_nothing()
        )
        seen = await self._look(connection, stream)
        assert seen is not None  # the row was made above
        if not seen.is_free(self._ttl_s):
            raise held(stream, seen)
        here = this_process()
        won = await connection.execute(
            update(leases)
            .where(leases.c.stream == stream, leases.c.token == seen.token)
            .values(
                token=seen.token + 1,
                holder=holder,
                host=here.host,
                pid=here.pid,
                process_started=here.started,
                acquired_at=now,
            )
        )
        if not won.rowcount:
            winner = await self._look(connection, stream)
            raise held(stream, winner or seen)
        await connection.execute(
            update(beats).where(beats.c.stream == stream).values(token=seen.token + 1, beat_at=now)
        )
        return seen.token + 1

    async def _look(self, connection: AsyncConnection, stream: str) -> _Seen | None:
        leases, beats = state.leases, state.beats
        query = (
            select(leases, beats.c.beat_at, database_now(self._database, self._clock).label("now"))
            .outerjoin(beats, beats.c.stream == leases.c.stream)
            .where(leases.c.stream == stream)
        )
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return _Seen(
            token=row.token,
            holder=row.holder,
            process=Process(host=row.host or "", pid=row.pid or 0, started=row.process_started or ""),
            held_s=_age(row.acquired_at, row.now),
            silent_s=_age(row.beat_at, row.now),
        )


def database_now(database: Database, clock: Clock) -> ColumnElement[datetime]:
    """The clock that all holders share: PostgreSQL's own, or this machine's for a SQLite file."""
    if database.dialect == "postgresql":
        return func.clock_timestamp(type_=Instant())
    return literal(clock.now(), Instant())


async def check_token(connection: AsyncConnection, stream: str, token: int) -> None:
    """Raises LeaseLost unless the token is the newest. On PostgreSQL a takeover waits for this transaction."""
    leases = state.leases
    query = select(literal(1)).select_from(leases).where(leases.c.stream == stream, leases.c.token == token)
    if (await connection.execute(query.with_for_update(read=True))).first() is None:
        raise lost(stream)


async def release(connection: AsyncConnection, stream: str, token: int) -> None:
    """Free the lease inside a transaction, if the token is still the newest."""
    leases = state.leases
    await connection.execute(
        update(leases).where(leases.c.stream == stream, leases.c.token == token).values(holder=None)
    )


def held(stream: str, seen: _Seen) -> LeaseHeld:
    """The refusal, naming the holder."""
    return LeaseHeld(
        f"{stream} is being written by another run",
        why=f"host {seen.process.host}, pid {seen.process.pid}, since {seen.held_s:.0f} s, "
        f"last sign of life {seen.silent_s:.0f} s ago",
        hint="wait for it to end, or stop it",
        data="nothing was changed",
    )


def lost(stream: str) -> LeaseLost:
    """The end of a holder that was replaced."""
    return LeaseLost(
        f"{stream} was taken over by another run",
        why="this one gave no sign of life for longer than the lease lasts",
        data="what was committed before is stored; nothing was written since",
    )


def _age(then: datetime | None, now: datetime) -> float:
    """Seconds, 0 for a moment that is yet to come; forever when there was none."""
    return float("inf") if then is None else max((now - then).total_seconds(), 0.0)
