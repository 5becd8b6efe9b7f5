"""The views show cursors as people read them, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, text

from etl.db import state
from etl.db.database import open_database
from etl.model.clock import SystemClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        pytest.param("1767225600000001", "2026-01-01T00:00:00.000001Z", id="now"),
        pytest.param("-1", "1969-12-31T23:59:59.999999Z", id="before-1970"),
        pytest.param("0", "1970-01-01T00:00:00.000000Z", id="epoch"),
    ],
)
async def test_an_instant_is_shown_as_iso_8601(database_url: str, stored: str, shown: str) -> None:
    """Stored are microseconds, which nobody reads."""
    async with open_database(database_url, clock=SystemClock()) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(
                insert(state.coverage).values(
                    stream="s.a",
                    kind="instant",
                    start=None,
                    end=stored,
                    verdict="consistent",
                    ordinal=1,
                    recorded_at=NOW,
                )
            )
        async with database.read() as connection:
            row = (await connection.execute(text("SELECT covered_from, covered_to FROM etl_coverage"))).one()

    assert tuple(row) == (None, shown)


async def test_a_number_is_shown_as_it_is(database_url: str) -> None:
    """Only instants have another spelling."""
    async with open_database(database_url, clock=SystemClock()) as database:
        await database.migrate()
        async with database.write() as connection:
            await connection.execute(insert(state.streams).values(stream="s.a", table_name="s_a", seen_at=NOW))
            await connection.execute(
                insert(state.watermarks).values(stream="s.a", member="", kind="number", value="42", updated_at=NOW)
            )
        async with database.read() as connection:
            row = (await connection.execute(text("SELECT watermark, watermark_kind FROM etl_streams"))).one()

    assert tuple(row) == ("42", "number")
