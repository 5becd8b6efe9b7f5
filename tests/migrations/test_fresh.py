"""An empty database gets at once what Alembic would make of it, statement by statement."""

from __future__ import annotations

import os
import subprocess
import sys

from sqlalchemy import event

from etl.db.database import open_database
from etl.db.fresh import record_of, recorded, written
from etl.db.migrate import HEAD, scripts, upgrade


async def test_the_record_is_what_alembic_sends_to_an_empty_database(database_url, clock):
    """After a new revision: `make migrations` writes it anew."""
    statements = []

    def by_alembic(connection):
        @event.listens_for(connection, "before_cursor_execute")
        def _note(_connection, _cursor, statement, parameters, _context, _many):
            assert not parameters or not statement.lstrip().startswith(("CREATE", "ALTER", "INSERT", "UPDATE"))
            statements.append(statement)

        upgrade(connection)

    async with open_database(database_url, clock=clock) as database:
        async with database.write() as connection:
            await connection.run_sync(by_alembic)
        path = record_of(scripts(), database.dialect)
    text = written(HEAD, statements)
    if os.environ.get("WRITE_FRESH"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    assert path.read_text(encoding="utf-8") == text, "run `make migrations`"


def test_a_record_of_another_revision_is_not_used(tmp_path):
    """Then Alembic does the work: slower, never wrong."""
    record_of(tmp_path, "sqlite").parent.mkdir()
    record_of(tmp_path, "sqlite").write_text(written("0001", ["CREATE TABLE a (b)", "SELECT 1"]))

    assert recorded(tmp_path, "sqlite", "0001") == ["CREATE TABLE a (b)"]
    assert recorded(tmp_path, "sqlite", "0002") == []
    assert recorded(tmp_path, "postgresql", "0001") == []


async def test_a_first_start_leaves_alembic_alone(tmp_path):
    """Importing it takes longer than a small sync."""
    script = (
        "import asyncio, sys\n"
        "from etl.db.database import open_database\n"
        "from etl.model.clock import SystemClock\n"
        "async def main():\n"
        f"    async with open_database('sqlite:///{tmp_path}/etl.db', clock=SystemClock()) as database:\n"
        "        assert await database.migrate()\n"
        "asyncio.run(main())\n"
        "assert 'alembic' not in sys.modules\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
