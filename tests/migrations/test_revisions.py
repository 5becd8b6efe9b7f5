"""The state tables as the revisions make them are the state tables as the code knows them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.db.database import open_database
from etl.db.health import examine, open_existing
from etl.db.migrate import HEAD, alembic_config
from etl.db.state import metadata
from etl.errors import DatabaseRefused

VIEWS = [
    "etl_runs",
    "etl_run_streams",
    "etl_pages",
    "etl_requests",
    "etl_rejects",
    "etl_schema_changes",
    "etl_coverage",
    "etl_streams",
]


def test_the_head_of_the_code_is_the_head_of_the_scripts():
    """Else a start would migrate for ever, or never."""
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


async def test_the_revisions_make_what_the_code_knows(database_url, clock):
    """Autogenerate finds nothing to add, change or drop."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def difference(connection):
        options = {
            "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
            "compare_type": True,
            "compare_server_default": False,
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with open_database(database_url, clock=clock) as database:
        assert await database.revision() is None
        assert await database.migrate() is True
        assert await database.revision() == HEAD
        assert await database.migrate() is False
        async with database.read() as connection:
            assert await connection.run_sync(difference) == []


@pytest.mark.parametrize("view", VIEWS)
async def test_the_views_can_be_read(database_url, clock, view):
    """They are the documented way in."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        async with database.read() as connection:
            assert (await connection.execute(text(f"SELECT * FROM {view}"))).all() == []


@pytest.mark.parametrize("raw", ['{"a": "☃"}'.encode(), b'{"cut": "\xe2\x98'])
async def test_a_reject_is_shown_as_text_even_when_it_was_cut(database_url, clock, raw):
    """A broken character in one reject must not break the view."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(
                metadata.tables["_etl_rejects"].insert(),
                {
                    "ordinal": 1,
                    "stream": "s.t",
                    "position": "1",
                    "item": 0,
                    "seq": 1,
                    "path": "a",
                    "reason": "r",
                    "raw": raw,
                    "rejected_at": clock.now(),
                },
            )
        async with database.read() as connection:
            shown = (await connection.execute(text("SELECT length(raw) > 5 FROM etl_rejects"))).scalar()
        assert shown


async def test_three_starters_at_once_all_succeed(database_url, clock):
    """One migrates; the others wait and find it done."""

    async def start():
        async with open_database(database_url, clock=clock) as database:
            return await database.migrate()

    async with asyncio.timeout(60):
        assert sorted(await asyncio.gather(start(), start(), start())) == [False, False, True]


async def test_a_database_of_a_newer_version_is_refused(database_url, clock):
    """It is not touched: its tables may mean something else."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(text("UPDATE etl_alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseRefused, match="made by a newer version"):
            await database.migrate()
        assert await database.revision() == "9999"
    with pytest.raises(DatabaseRefused, match="made by a newer version"):
        await examine(database_url, clock=clock)
    with pytest.raises(DatabaseRefused, match="made by a newer version"):
        async with open_existing(database_url, clock=clock):
            pass


async def test_a_database_of_an_older_version_is_whole_and_cannot_be_looked_at(database_url, clock):
    """`etl check` says that the next sync mends it; `etl plan`, which changes nothing, names the command that does."""
    async with open_database(database_url, clock=clock) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(text("UPDATE etl_alembic_version SET version_num = '0001'"))

    assert (await examine(database_url, clock=clock)).is_current is False
    with pytest.raises(DatabaseRefused, match="of an older version") as caught:
        async with open_existing(database_url, clock=clock):
            pass
    assert caught.value.hint == "`etl migrate` brings them up to date, as the next sync does"


def test_plain_alembic_migrates_the_same_database(database_url, tmp_path):
    """`alembic upgrade head` and `alembic check` in a checkout, with the URL that `etl` takes."""
    root = Path(__file__).parents[2]
    environ = {**os.environ, "ETL_DATABASE": database_url}
    for command in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *command],
            cwd=root,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
