"""Where the database is: what users write, and what the drivers get.

Users write `sqlite:///path` or `postgresql://...`; which driver speaks is decided here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from etl.errors import UsageError

Dialect = Literal["sqlite", "postgresql"]
_HINT = "Write sqlite:///data/etl.db or postgresql://user:password@host/name."


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A checked database URL. `label` is fit for messages: it never holds the password. `path` is set for SQLite."""

    dialect: Dialect
    url: URL
    label: str
    path: Path | None = None


def parse_address(url: str) -> Address:
    """Read what the user wrote. Raises UsageError, without the URL's password, when it names no database of ours."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("the database URL cannot be read", hint=_HINT) from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed)
    raise UsageError(f"databases of the kind {backend!r} are not supported", hint=_HINT)


def _sqlite(parsed: URL) -> Address:
    name = parsed.database
    if not name or name == ":memory:":
        raise UsageError("a database in memory would be gone with the process", hint=_HINT)
    path = Path(name).expanduser()
    url = URL.create("sqlite+aiosqlite", database=str(path))
    return Address(dialect="sqlite", url=url, label=f"sqlite {path}", path=path)


def _postgresql(parsed: URL) -> Address:
    url = parsed.set(drivername="postgresql+psycopg")
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return Address(dialect="postgresql", url=url, label=shown.render_as_string())
