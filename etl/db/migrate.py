"""Brings the state tables to the revision this program was made for.

Alembic takes half a second to import, so it is imported only when a database that has state tables is not at `HEAD`;
a test holds `HEAD` equal to the newest script.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from etl.db.fresh import recorded, replay
from etl.errors import DatabaseRefused

if TYPE_CHECKING:
    from alembic.config import Config

    from etl.db.database import Database

HEAD: Final = "0004"
VERSION_TABLE: Final = "etl_alembic_version"
LOCK: Final = 7_310_579_622_845_601
"""Any number; the key of PostgreSQL's advisory lock that lets one starter migrate at a time."""


async def stored_revision(connection: AsyncConnection) -> str | None:
    """The revision in the database, None when it has none."""
    exists = await connection.run_sync(lambda sync: inspect(sync).has_table(VERSION_TABLE))
    if not exists:
        return None
    return (await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))).scalar()  # noqa: S608 - constant


async def migrate(database: Database) -> bool:
    """Upgrade when needed; True when something was done. One transaction: a crash leaves the old revision whole."""
    async with database.read() as connection:
        if await stored_revision(connection) == HEAD:
            return False
    async with database.write() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        stored = await stored_revision(connection)
        if stored == HEAD:
            return False
        refuse_newer(database.label, stored)
        statements = recorded(scripts(), database.dialect, HEAD) if stored is None else []
        await connection.run_sync(lambda sync: replay(sync, statements) if statements else upgrade(sync))
        return True


def alembic_config() -> Config:
    """Alembic's configuration for the scripts of this installation."""
    from alembic.config import Config

    config = Config()
    # `%` starts an interpolation in Alembic's options.
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return config


def scripts() -> Path:
    """The folder of the revisions: beside the package in a wheel, at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_migrations"
    return shipped if shipped.is_dir() else package.parent / "migrations"


def refuse_newer(label: str, stored: str | None) -> None:
    """Raises DatabaseRefused for state tables that only a newer program knows."""
    if stored in (None, HEAD):
        return
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if stored not in known:
        raise DatabaseRefused(
            f"{label} was made by a newer version of this program",
            why=f"its revision is {stored}, this program knows {HEAD}",
            hint="upgrade everypage: pip install --upgrade everypage",
            data="nothing was changed",
        )


def upgrade(connection: Connection) -> None:
    """Run the revisions that are missing, by Alembic."""
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
