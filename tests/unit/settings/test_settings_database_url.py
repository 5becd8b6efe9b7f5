"""Which database is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ConfigError, Problem, UsageError
from etl.model.secret import Redactor
from etl.settings import Project, database_url, tokens_folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def test_the_option_wins_over_the_environment_over_the_file(config: Path) -> None:
    """The nearest to the command."""
    project = Project(database="sqlite:////file.db")
    environ = {"ETL_DATABASE": "sqlite:////environment.db"}

    assert database_url("sqlite:////option.db", environ, project, config) == "sqlite:////option.db"
    assert database_url(None, environ, project, config) == "sqlite:////environment.db"
    assert database_url(None, {}, project, config) == "sqlite:////file.db"


def test_without_any_there_is_a_default_beside_the_config_folder(config: Path, tmp_path: Path) -> None:
    """Wherever the command was started."""
    assert database_url(None, {}, Project(), config) == f"sqlite:///{tmp_path}/data/etl.db"


def test_a_relative_path_starts_at_the_parent_of_the_config_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative config folder is resolved first."""
    monkeypatch.chdir(tmp_path)

    assert database_url("sqlite:///x/y.db", {}, Project(), Path("config")) == f"sqlite:///{tmp_path}/x/y.db"


def test_postgresql_stays_and_its_password_is_hidden(config: Path) -> None:
    """Both as written in the URL and as the server knows it."""
    redactor = Redactor()

    url = database_url("postgres://etl:p%40ssw0rd@db:5432/x?sslmode=require", {}, Project(), config, redactor)

    assert url == "postgresql://etl:p%40ssw0rd@db:5432/x?sslmode=require"
    assert redactor(url) == "postgresql://etl:***@db:5432/x?sslmode=require"
    assert redactor("password p@ssw0rd is wrong") == "password *** is wrong"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:hunter2@h/x", "--database: 'mysql' is no kind of database this program knows"),
        ("data.db", "--database: this is no database URL"),
        ("sqlite://", "--database: 'sqlite' is no kind"),
        ("sqlite:///", "--database: the state of the streams has to outlive the process, so SQLite needs a file"),
        ("sqlite:///:memory:", "--database: the state of the streams has to outlive the process"),
        ("postgresql://u:hun/ter@h:x/d", "--database: this is no valid URL"),
    ],
)
def test_any_other_url_is_refused_with_what_is_possible(config: Path, url: str, message: str) -> None:
    """The password is not repeated."""
    with pytest.raises(UsageError) as caught:
        database_url(url, {}, Project(), config)

    assert caught.value.what.startswith(message)
    assert caught.value.hint == "write sqlite:///path/to/file.db or postgresql://user:password@host/name"
    assert "hun" not in str(caught.value)


def test_a_wrong_url_in_the_file_is_told_at_its_line(config: Path) -> None:
    """It is a mistake of the configuration."""
    with pytest.raises(ConfigError, match=r"config/etl.yaml:3:1: database: 'oracle' is no kind of database"):
        database_url(None, {}, Project(database="oracle://x", file="config/etl.yaml", line=3), config)


def test_a_missing_variable_is_told_when_the_file_s_url_is_used(config: Path) -> None:
    """Only then."""
    missing = Problem(file="etl.yaml", line=1, column=1, path="database", message="PGPASSWORD is not set")
    project = Project(database="postgresql://u:${PGPASSWORD}@h/x", missing=(missing,))

    assert database_url("sqlite:////a.db", {}, project, config) == "sqlite:////a.db"
    with pytest.raises(ConfigError, match="PGPASSWORD is not set"):
        database_url(None, {}, project, config)


@pytest.mark.parametrize(
    ("url", "environ", "folder"),
    [
        ("sqlite:////var/lib/etl/etl.db?mode=rw", {}, "/var/lib/etl/tokens"),
        ("postgresql://db/warehouse", {}, "{base}/data/tokens"),
        (None, {}, "{base}/data/tokens"),
        ("sqlite:////var/lib/etl/etl.db", {"ETL_TOKENS": "kept"}, "{base}/kept"),
        ("sqlite:////var/lib/etl/etl.db", {"ETL_TOKENS": "/run/kept"}, "/run/kept"),
    ],
)
def test_rotated_tokens_are_kept_beside_the_database(
    config: Path, url: str | None, environ: dict[str, str], folder: str
) -> None:
    """On the volume that outlives the process, unless another one is named."""
    assert str(tokens_folder(url, environ, config)) == folder.format(base=config.parent)
