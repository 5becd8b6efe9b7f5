"""What stands in `config/etl.yaml`, apart from the defaults of streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from etl.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The project's own settings; the defaults where there is no `etl.yaml`.

    `database` is the URL as written, variables filled, None when the file names none. `missing` are variables that it
    needs and nobody set: raised only when the URL is used.
    """

    database: str | None = field(default=None, repr=False)
    missing: tuple[Problem, ...] = ()
    timezone: tzinfo = UTC
    serve_host: str = "127.0.0.1"
    serve_port: int = 8321
    file: str = ""
    line: int = 0
    """Where `database` stands, 0 when it does not."""
