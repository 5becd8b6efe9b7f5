"""Runs revisions on the connection of the program, or, for a plain `alembic upgrade head`, on one of its own.

A plain `alembic` takes the database the program would take: `ETL_DATABASE`, else the one in `config/etl.yaml`, else
`sqlite:///data/etl.db`; relative paths start at the parent of the config folder (`ETL_CONFIG`, default `config`).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from etl.db.database import open_database
from etl.db.migrate import LOCK, VERSION_TABLE
from etl.db.state import metadata
from etl.model.clock import SystemClock
from etl.settings.database_url import database_url
from etl.settings.project import Project

_OURS = frozenset(metadata.tables)


def _include(name: str | None, kind: str, _parents: Any) -> bool:
    """Autogenerate looks at the state tables only: data tables and those of others are none of its business."""
    return kind != "table" or name in _OURS


def _run(connection: Connection | None, *, url: str | None = None) -> None:
    context.configure(
        connection=connection,
        url=url,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_name=_include,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
        literal_binds=connection is None,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run_alone(url: str) -> None:
    async with open_database(url, clock=SystemClock()) as database, database.write() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        await connection.run_sync(_run)


def _url() -> str:
    config = Path(os.environ.get("ETL_CONFIG", "config"))
    return database_url(None, os.environ, _project(config), config)


def _project(config: Path) -> Project:
    """What `etl.yaml` says; a folder that is not there, or a URL from the environment, needs none of it."""
    if os.environ.get("ETL_DATABASE") or not (config / "etl.yaml").exists():
        return Project()
    from etl.settings.loading import load

    return load(config, environ=os.environ).project


if (given := context.config.attributes.get("connection")) is not None:
    _run(given)
elif context.is_offline_mode():
    _run(None, url=_url())
else:
    asyncio.run(_run_alone(_url()))
