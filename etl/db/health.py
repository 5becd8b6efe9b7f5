"""Whether the database could take data now: it opens, it lets us write, and its state tables are ours.

Makes nothing: a SQLite file that is not there stays away, and no state table is touched.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.address import Address, parse_address
from etl.db.database import Database, open_database
from etl.db.engines import BUSY_TIMEOUT_S
from etl.db.migrate import HEAD, refuse_newer
from etl.errors import DatabaseRefused
from etl.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`version` is empty for a SQLite file that the first sync would make. `size` and `free` are bytes.

    `revision` is that of the state tables, None where there are none yet; `is_current` says that they are this
    program's own.
    """

    label: str
    version: str = ""
    size: int | None = None
    free: int | None = None
    revision: str | None = None
    is_current: bool = False


async def examine(url: str, *, clock: Clock, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Health:
    """Open the database and see whether it can be written. Raises DatabaseRefused, UsageError and OperatorError."""
    address = parse_address(url)
    if address.path is not None and not address.path.exists():
        return _to_be_made(address, address.path)
    async with open_database(url, clock=clock, create=False, busy_timeout_s=busy_timeout_s) as database:
        revision = await database.revision()
        refuse_newer(address.label, revision)
        async with database.write() as connection:
            if database.dialect == "postgresql":
                await _let_us_write(connection, database.label)
                version, size = await _postgresql(connection)
            else:
                version = str((await connection.execute(text("SELECT sqlite_version()"))).scalar_one())
                size = None
    free = None
    if address.path is not None:
        size = (await asyncio.to_thread(os.stat, address.path)).st_size
        free = shutil.disk_usage(address.path.parent).free
    return Health(
        label=address.label, version=version, size=size, free=free, revision=revision, is_current=revision == HEAD
    )


@asynccontextmanager
async def open_existing(
    url: str, *, clock: Clock, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> AsyncIterator[Database | None]:
    """The database as it is, to be looked at; None where there is none yet, or none with our state tables.

    Raises DatabaseRefused for state tables of another version: what they hold cannot be read.
    """
    address = parse_address(url)
    if address.path is not None and not address.path.exists():
        yield None
        return
    async with open_database(url, clock=clock, create=False, busy_timeout_s=busy_timeout_s) as database:
        revision = await database.revision()
        refuse_newer(database.label, revision)
        if revision not in (None, HEAD):
            raise DatabaseRefused(
                f"{database.label} has state tables of an older version",
                why=f"their revision is {revision}, this program's is {HEAD}",
                hint="`etl migrate` brings them up to date, as the next sync does",
                data="nothing was changed",
            )
        yield None if revision is None else database


def _to_be_made(address: Address, path: Path) -> Health:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DatabaseRefused(
            f"{address.label} cannot be made",
            why=f"{folder} is not writable",
            hint="check the path and its permissions",
        )
    return Health(label=address.label, free=shutil.disk_usage(folder).free)


async def _let_us_write(connection: AsyncConnection, label: str) -> None:
    allowed = text("SELECT NOT pg_is_in_recovery(), has_schema_privilege(current_schema(), 'CREATE')")
    leads, may_create = (await connection.execute(allowed)).one()
    if not leads:
        raise DatabaseRefused(f"{label} is a standby, which only reads", hint="name the primary server")
    if not may_create:
        raise DatabaseRefused(
            f"{label} does not let this user make tables",
            why="CREATE on the schema is not granted",
            hint="GRANT CREATE, USAGE ON SCHEMA public TO the user",
        )


async def _postgresql(connection: AsyncConnection) -> tuple[str, int]:
    query = text("SELECT current_setting('server_version'), pg_database_size(current_database())")
    version, size = (await connection.execute(query)).one()
    return str(version).partition(" ")[0], int(size)
