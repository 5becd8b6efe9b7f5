"""What may be told of a variable that holds a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.settings.environment import Environment


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param("ghp_0123456789abcdef0123456789abcdef0123", "40 characters, ghp_…", id="long"),
        pytest.param("0123456789abcdef", "16 characters", id="four of sixteen would be too many"),
        pytest.param("x", "1 character", id="one"),
        pytest.param("\x1b[31m" + "x" * 40, "45 characters", id="would paint the screen"),
    ],
)
def test_a_variable_is_described_by_its_length_and_at_most_four_characters(value: str, told: str) -> None:
    """Enough to see that it is the right token, or a file with a line too much."""
    environment = Environment({"TOKEN": value}, Path())

    environment.lookup("TOKEN")

    assert environment.described == {"TOKEN": told}


def test_variables_that_nobody_asked_for_are_not_told() -> None:
    """The rest of the environment is none of our business."""
    assert Environment({"HOME": "/root"}, Path()).described == {}
