"""What `etl query` makes of its options, before it asks anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.entrypoints.cli.options import Shared
from etl.entrypoints.cli.query import Output, _form, _parameter
from etl.entrypoints.cli.session import Session
from etl.errors import UsageError


@pytest.mark.parametrize(
    ("output", "json", "out", "form"),
    [
        pytest.param(Output.CSV, True, Path("x.parquet"), Output.CSV, id="asked for"),
        pytest.param(None, True, None, Output.JSON, id="--json"),
        pytest.param(None, False, Path("x.parquet"), Output.PARQUET, id="ending"),
        pytest.param(None, False, Path("x.txt"), Output.CSV, id="unknown ending"),
        pytest.param(None, False, None, Output.TABLE, id="default"),
    ],
)
def test_the_form_of_the_rows(output: Output | None, json: bool, out: Path | None, form: Output) -> None:
    """`-o`, then `--json`, then the ending of the file, then a table."""
    assert _form(Session(Shared(json=json), {}), output, out) is form


def test_a_parameter_is_split_at_its_first_equals_sign() -> None:
    """A value may hold more of them."""
    assert _parameter("q=a=b") == ("q", "a=b")


@pytest.mark.parametrize("text", ["state", "=open", "two words=1"])
def test_what_is_no_parameter_is_a_usage_error(text: str) -> None:
    """It shows how one is written."""
    with pytest.raises(UsageError, match="is no parameter"):
        _parameter(text)
