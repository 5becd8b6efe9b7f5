"""What an empty database gets: the very statements that Alembic's revisions send to one, recorded.

Importing Alembic takes longer than reading a small list. The records stand beside the revisions, name the one they end
with, and are written by `make migrations`; without a record of the newest revision Alembic does the work itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection

_NEXT: Final = "\n-- next\n"
_CHANGES: Final = ("CREATE", "ALTER", "INSERT", "UPDATE")


def record_of(scripts: Path, dialect: str) -> Path:
    """The file that holds the record for a dialect."""
    return scripts / "fresh" / f"{dialect}.sql"


def recorded(scripts: Path, dialect: str, head: str) -> list[str]:
    """The statements that bring an empty database to `head`; none where the record ends with another revision."""
    path = record_of(scripts, dialect)
    if not path.exists():
        return []
    revision, *statements = path.read_text(encoding="utf-8").removesuffix("\n").split(_NEXT)
    return statements if revision == f"-- {head}" else []


def written(head: str, statements: list[str]) -> str:
    """The text of a record."""
    changes = [statement.strip() for statement in statements if statement.lstrip().startswith(_CHANGES)]
    return _NEXT.join((f"-- {head}", *changes)) + "\n"


def replay(connection: Connection, statements: list[str]) -> None:
    """Send a record."""
    for statement in statements:
        # Without parameters neither driver reads anything into a `%` or a `:`.
        connection.exec_driver_sql(statement)
