"""An INSERT that can do something about conflicts, in the words of the dialect.

Only the dialect in use is imported: the other one costs a hundredth of a second at every start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert_into(table: Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """`on_conflict_do_update` and `on_conflict_do_nothing` are the same on both."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
