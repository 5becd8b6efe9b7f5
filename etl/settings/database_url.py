"""Which database: the option, then `ETL_DATABASE`, then `etl.yaml`, then a file of its own.

A relative SQLite path starts at the parent of the config folder, wherever the command was started, so that `etl`,
`alembic` and a scheduler unit all open the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from etl.errors import ConfigError, EtlError, Problem, UsageError
from etl.model.secret import Redactor
from etl.settings.project import Project

DEFAULT: Final = "sqlite:///data/etl.db"
_SQLITE: Final = "sqlite:///"


def database_url(
    option: str | None,
    environ: Mapping[str, str],
    project: Project,
    config: Path,
    redactor: Redactor | None = None,
) -> str:
    """The URL to open: `sqlite:////absolute/path` or `postgresql://...`; its password is told to `redactor`.

    Raises UsageError (option, environment) or ConfigError (`etl.yaml`) for any other scheme or a missing variable.
    """
    if option:
        return _checked(option, config, redactor, lambda what: UsageError(f"--database: {what}", hint=_HINT))
    if from_environment := environ.get("ETL_DATABASE"):
        return _checked(
            from_environment, config, redactor, lambda what: UsageError(f"ETL_DATABASE: {what}", hint=_HINT)
        )
    if project.missing:
        raise ConfigError(project.missing)
    return _checked(project.database or DEFAULT, config, redactor, lambda what: _in_file(project, what))


def tokens_folder(url: str | None, environ: Mapping[str, str], config: Path) -> Path:
    """Where rotated refresh tokens are kept: `ETL_TOKENS`, else `tokens` beside the SQLite file, else in `data`.

    `url` is what `database_url` made, None when it is not known.
    """
    base = config.resolve().parent
    if named := environ.get("ETL_TOKENS"):
        return base / named
    if url is not None and url.startswith(_SQLITE):
        return Path(url.removeprefix(_SQLITE).partition("?")[0]).parent / "tokens"
    return base / "data" / "tokens"


_HINT: Final = "write sqlite:///path/to/file.db or postgresql://user:password@host/name"


def _in_file(project: Project, what: str) -> ConfigError:
    problem = Problem(file=project.file, line=project.line, column=1, path="database", message=what, hint=_HINT)
    return ConfigError((problem,))


def _checked(url: str, config: Path, redactor: Redactor | None, error: Callable[[str], EtlError]) -> str:
    if url.startswith(_SQLITE):
        return _sqlite(url.removeprefix(_SQLITE), config, error)
    if url.startswith(("postgresql://", "postgres://")):
        return _postgresql(url, redactor, error)
    scheme = url.partition(":")[0] if ":" in url else ""
    raise error(f"{scheme!r} is no kind of database this program knows" if scheme else "this is no database URL")


def _sqlite(path: str, config: Path, error: Callable[[str], EtlError]) -> str:
    name, question, options = path.partition("?")
    if not name or name == ":memory:":
        raise error("the state of the streams has to outlive the process, so SQLite needs a file")
    return f"{_SQLITE}{config.resolve().parent / name}{question}{options}"


def _postgresql(url: str, redactor: Redactor | None, error: Callable[[str], EtlError]) -> str:
    try:
        parts = urlsplit(url)
        password, _ = parts.password, parts.port
    except ValueError:
        raise error("this is no valid URL; characters such as / @ : in a password are written %2F %40 %3A") from None
    if password and redactor is not None:
        redactor.add(password, unquote(password))
    return "postgresql://" + url.partition("://")[2]
