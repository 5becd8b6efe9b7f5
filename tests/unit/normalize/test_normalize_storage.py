"""How values are written where the database has no type for them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from etl.normalize.storage import sqlite_instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05.000000"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02 03:04:05.000006"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC), "2026-01-02 03:04:05.120000"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00.000000"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31 23:59:59.999999"),
    ],
)
def test_an_instant_is_stored_with_a_fixed_width_whatever_its_fraction(instant: datetime, text: str) -> None:
    """The order of the texts is the order in time, and a text has one spelling."""
    assert sqlite_instant(instant) == text
