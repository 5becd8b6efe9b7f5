"""The options that every command takes, before or after its name; the later word wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from etl.errors import UsageError


class LogFormat(StrEnum):
    """How to talk on stderr."""

    AUTO = "auto"
    """`pretty` on a terminal, `plain` on a dumb one, else `json`."""
    PRETTY = "pretty"
    PLAIN = "plain"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What was given of the shared options; None and zeros where nothing was."""

    config: str | None = None
    database: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: int = 0
    log_format: LogFormat | None = None

    def over(self, earlier: Shared) -> Shared:
        """These options, with the earlier ones where these are silent."""
        return Shared(
            config=self.config if self.config is not None else earlier.config,
            database=self.database if self.database is not None else earlier.database,
            json=self.json or earlier.json,
            quiet=self.quiet or earlier.quiet,
            verbose=max(self.verbose, earlier.verbose),
            log_format=self.log_format or earlier.log_format,
        )

    def config_dir(self, environ: Mapping[str, str]) -> Path:
        """The option, then `ETL_CONFIG`, then `config` here."""
        return Path(self.config or environ.get("ETL_CONFIG") or "config")

    def format(self, environ: Mapping[str, str], *, terminal: bool) -> LogFormat:
        """What to talk like: never AUTO. Raises UsageError for a wrong `ETL_LOG_FORMAT`."""
        chosen = self.log_format or _from(environ)
        if chosen is not LogFormat.AUTO:
            return chosen
        if not terminal:
            return LogFormat.JSON
        return LogFormat.PLAIN if environ.get("TERM") == "dumb" else LogFormat.PRETTY


def _from(environ: Mapping[str, str]) -> LogFormat:
    value = environ.get("ETL_LOG_FORMAT") or "auto"
    try:
        return LogFormat(value)
    except ValueError:
        raise UsageError(f"ETL_LOG_FORMAT is {value!r}; one of {', '.join(LogFormat)}") from None


SHARED: Final[Mapping[str, Any]] = {
    "config": Annotated[
        str | None,
        typer.Option("--config", "-c", metavar="DIR", help="Folder of the configuration [ETL_CONFIG; config]"),
    ],
    "database": Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="sqlite:///FILE or postgresql://... [ETL_DATABASE; etl.yaml]"),
    ],
    "json": Annotated[bool, typer.Option("--json", help="Data on stdout as JSON, always with the same keys")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on stderr")],
    "verbose": Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, help="More on stderr; -vv tells every page", show_default=False),
    ],
    "log_format": Annotated[
        LogFormat | None,
        typer.Option("--log-format", help="Form of the talk on stderr [ETL_LOG_FORMAT; auto]", show_default=False),
    ],
}
"""The fields of `Shared` as typer wants to see them."""

Excluded = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="SEL", help="Leave these out; may be repeated", show_default=False),
]
Failed = Annotated[bool, typer.Option("--failed", help="Only streams whose last run did not succeed")]
Stale = Annotated[bool, typer.Option("--stale", help="Only streams that are late")]
Selectors = Annotated[
    list[str] | None,
    typer.Argument(metavar="SEL", help="Source, source.stream, glob or tag:NAME; default: all", show_default=False),
]
