"""Texts of an API reach a terminal through `Printable` only."""

from __future__ import annotations

import pytest

from etl.listeners.printable import Printable
from etl.model.secret import Redactor


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        pytest.param("plain ✔ text", "plain ✔ text", id="plain"),
        pytest.param("a\x1b[31mred", "a\\u001b[31mred", id="ansi"),
        pytest.param("one\ntwo\r", "one\\ntwo\\r", id="line breaks"),
        pytest.param("c1 \x9b31m", "c1 \\u009b31m", id="c1 escape"),
        pytest.param("abc\u202egpj", "abc\\u202egpj", id="turned around"),
        pytest.param("a\u2028b", "a\\u2028b", id="line separator"),
    ],
)
def test_what_cannot_be_printed_is_escaped(raw: str, shown: str) -> None:
    """No control character, line break or direction mark leaves `Printable`."""
    assert Printable()(raw) == shown


def test_secrets_are_masked_before_the_text_is_cut() -> None:
    """A secret across the cut leaves no half of itself."""
    printable = Printable(Redactor(["hunter2hunter2"]))

    assert printable("token=hunter2hunter2 and more", longest=12) == "token=***..."


def test_long_texts_end_in_dots() -> None:
    """`longest` counts the dots too."""
    assert Printable()("abcdefghij", longest=6) == "abc..."
