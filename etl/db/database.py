"""The one door to the database: transactions, their order, and the translation of driver errors.

Easy to get wrong: a raw driver call inside an untouched transaction commits by itself, so the first statement of a
transaction must be a SQLAlchemy one; and a COMMIT that was sent cannot be taken back, so cancellation waits for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from etl.db.address import Address, Dialect, parse_address
from etl.db.engines import postgresql_engines, prepare_file, sqlite_engines
from etl.db.lane import Lane
from etl.db.refusals import CommitUnknown, ConnectionLost, is_conflict, is_driver_error, refused
from etl.ports import Clock

__all__ = ["Database", "Dialect", "open_database", "same_again"]

T = TypeVar("T")
_CONFLICTS = 5
_LOSSES = 7


class Database:
    """An open database; made by `open_database`.

    `label` is for messages: the URL without its password, or `sqlite data/etl.db`.
    """

    def __init__(self, address: Address, engines: tuple[AsyncEngine, AsyncEngine], clock: Clock) -> None:
        self.dialect: Dialect = address.dialect
        self.label = address.label
        self.clock = clock
        self._writes, self._reads = engines
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def write(self, lane: str = "") -> AsyncIterator[AsyncConnection]:
        """One transaction that writes; commits at the end, rolls back on any exception.

        SQLite: BEGIN IMMEDIATE on the process's single write connection, in the order of asking (`lane` is ignored).
        PostgreSQL: a connection of the lane (one per stream, kept open between transactions; `""` is the pool's).
        Driver errors leave as DatabaseRefused, whether SQLAlchemy wrapped them or not. Cancellation rolls back; one
        that comes after COMMIT was sent waits for its outcome.
        """
        try:
            async with self._connection(lane) as connection:
                transaction = await _begin(connection)
                try:
                    yield connection
                except BaseException:
                    await _finish(_rollback(connection, transaction))
                    raise
                await _finish(self._commit(connection, transaction))
        except Exception as error:
            if is_driver_error(error):
                raise refused(error, self.label) from error
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading, apart from the writers; its transaction is rolled back at the end."""
        try:
            async with self._reads.connect() as connection:
                yield connection
        except Exception as error:
            if is_driver_error(error):
                raise refused(error, self.label) from error
            raise

    async def transact(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        lane: str = "",
        settled: Callable[[AsyncConnection], Awaitable[bool]] | None = None,
    ) -> T:
        """Run `work` in one transaction, repeating it whole where that can help; returns what it returned.

        Deadlocks and failed serializations are repeated up to 5 times, lost connections up to 7 times (about a
        minute: a server restarts in that time), with growing, jittered pauses. When a COMMIT's outcome is unknown,
        `settled` is asked in a transaction of its own: True means that it is stored, False that `work` is to be done
        again (`same_again` says so at once). Without `settled`, CommitUnknown is raised.
        """
        for attempt in range(_LOSSES + 1):
            done: list[T] = []
            try:
                async with self.write(lane) as connection:
                    done.append(await work(connection))
                return done[0]
            except CommitUnknown:
                if settled is None:
                    raise
                if await self._is_stored(settled, lane):
                    return done[0]
            except Exception as error:
                if attempt >= _repetitions(error):
                    raise
                await self.clock.sleep(random.uniform(0.5, 1.0) * 0.2 * 2.5**attempt)  # noqa: S311 - jitter, no secret
        raise AssertionError("the last attempt returns or raises")

    async def _is_stored(self, settled: Callable[[AsyncConnection], Awaitable[bool]], lane: str) -> bool:
        """Ask after a COMMIT without an answer. The asking ends with a COMMIT too, whose loss changes nothing."""
        answers: list[bool] = []

        async def ask(connection: AsyncConnection) -> None:
            answers.append(await settled(connection))

        with suppress(CommitUnknown):
            await self.transact(ask, lane=lane)
        return answers[-1]

    async def close_lane(self, lane: str) -> None:
        """Give a stream's write connection back; waits for its transaction. Unknown lanes are fine."""
        if self.dialect == "postgresql" and (found := self._lanes.pop(lane, None)) is not None:
            await found.close()

    async def revision(self) -> str | None:
        """The revision of the state tables, None for a database that has none yet."""
        from etl.db.migrate import stored_revision

        async with self.read() as connection:
            return await stored_revision(connection)

    async def migrate(self) -> bool:
        """Bring the state tables up to date; True when there was something to do. Safe with concurrent starters.

        Raises DatabaseRefused for a database made by a newer version.
        """
        from etl.db.migrate import migrate

        return await migrate(self)

    async def close(self) -> None:
        """Close every connection."""
        for lane in list(self._lanes.values()):
            await lane.close()
        self._lanes.clear()
        await self._writes.dispose()
        await self._reads.dispose()

    @asynccontextmanager
    async def _connection(self, lane: str) -> AsyncIterator[AsyncConnection]:
        if self.dialect == "postgresql" and not lane:
            async with self._reads.connect() as connection:
                yield connection
            return
        name = lane if self.dialect == "postgresql" else ""
        held = self._lanes.setdefault(name, Lane(self._writes))
        async with held.connection() as connection:
            yield connection

    async def _commit(self, connection: AsyncConnection, transaction: AsyncTransaction) -> None:
        try:
            await transaction.commit()
        except Exception as error:
            # SQLAlchemy calls the transaction ended, yet SQLite keeps one open whose COMMIT met a full disk.
            await connection.invalidate()
            if is_driver_error(error):
                raise refused(error, self.label, committing=True) from error
            raise


async def same_again(_connection: AsyncConnection) -> bool:
    """The `settled` of work that leaves the same behind when it is done twice."""
    return False


@asynccontextmanager
async def open_database(
    url: str, *, clock: Clock, create: bool = True, busy_timeout_s: float = 30.0
) -> AsyncIterator[Database]:
    """Open a database for the length of a block; nothing is migrated yet.

    `create` makes a missing SQLite file (mode 0600, with its folders). `busy_timeout_s` is how long a lock of somebody
    else is waited for. Raises UsageError for a URL of another kind, OperatorError when the driver is not installed,
    DatabaseRefused when the database cannot be opened.
    """
    address = parse_address(url)
    async with AsyncExitStack() as stack:
        if address.path is not None:
            await asyncio.to_thread(
                prepare_file, address.path, address.label, create=create, busy_timeout_s=busy_timeout_s
            )
            engines = sqlite_engines(address, busy_timeout_s)
        else:
            engines = postgresql_engines(address, lock_timeout_s=busy_timeout_s)
        database = Database(address, engines, clock)
        stack.push_async_callback(database.close)
        async with database.read() as connection:  # a server that is not there is told now, not at the first page
            await connection.exec_driver_sql("SELECT 1")
        yield database


def _repetitions(error: BaseException) -> int:
    if isinstance(error, ConnectionLost):
        return _LOSSES
    cause = error.__cause__
    return _CONFLICTS if cause is not None and is_conflict(cause) else 0


async def _begin(connection: AsyncConnection) -> AsyncTransaction:
    try:
        return await connection.begin()
    except BaseException:
        await connection.invalidate()  # half begun, to SQLAlchemy: it is not used again
        raise


async def _rollback(connection: AsyncConnection, transaction: AsyncTransaction) -> None:
    try:
        if transaction.is_active:
            await transaction.rollback()
    except Exception as error:
        if not is_driver_error(error):
            raise
        await connection.invalidate()  # what was to be said is already on its way; the connection is not used again


async def _finish(work: Awaitable[None]) -> None:
    """Await to the end even when cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001, S110 - `task.result()` below raises it
            pass
    task.result()
    if cancelled is not None:
        raise cancelled
