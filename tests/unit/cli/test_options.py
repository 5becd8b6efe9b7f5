"""The options that every command takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.entrypoints.cli.options import LogFormat, Shared
from etl.errors import UsageError


def test_what_stands_after_the_command_wins() -> None:
    """`etl --config a --json sync --config b` reads b, as JSON."""
    after = Shared(config="b", verbose=1)

    assert after.over(Shared(config="a", json=True, verbose=2)) == Shared(config="b", json=True, verbose=2)


@pytest.mark.parametrize(
    ("option", "environ", "folder"),
    [
        pytest.param("mine", {"ETL_CONFIG": "theirs"}, "mine", id="option"),
        pytest.param(None, {"ETL_CONFIG": "theirs"}, "theirs", id="environment"),
        pytest.param(None, {"ETL_CONFIG": ""}, "config", id="default"),
    ],
)
def test_the_folder_of_the_configuration(option: str | None, environ: dict[str, str], folder: str) -> None:
    """The option, then the environment, then `config`."""
    assert Shared(config=option).config_dir(environ) == Path(folder)


@pytest.mark.parametrize(
    ("chosen", "environ", "terminal", "form"),
    [
        pytest.param(None, {}, True, LogFormat.PRETTY, id="terminal"),
        pytest.param(None, {"TERM": "dumb"}, True, LogFormat.PLAIN, id="dumb terminal"),
        pytest.param(None, {}, False, LogFormat.JSON, id="pipe"),
        pytest.param(None, {"ETL_LOG_FORMAT": "plain"}, False, LogFormat.PLAIN, id="environment"),
        pytest.param(LogFormat.JSON, {"ETL_LOG_FORMAT": "plain"}, True, LogFormat.JSON, id="option"),
        pytest.param(LogFormat.AUTO, {"ETL_LOG_FORMAT": "plain"}, False, LogFormat.JSON, id="auto asked for"),
    ],
)
def test_the_form_of_the_talk(
    chosen: LogFormat | None, environ: dict[str, str], terminal: bool, form: LogFormat
) -> None:
    """A screen on a terminal, objects in a pipe, unless somebody asked for something else."""
    assert Shared(log_format=chosen).format(environ, terminal=terminal) is form


def test_a_wrong_form_in_the_environment_is_a_usage_error() -> None:
    """It names the variable and what may stand there."""
    with pytest.raises(UsageError, match="ETL_LOG_FORMAT is 'fancy'; one of auto, pretty, plain, json"):
        Shared().format({"ETL_LOG_FORMAT": "fancy"}, terminal=False)
