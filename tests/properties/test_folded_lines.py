"""Folding changes nothing but where lines end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etl.entrypoints.cli.fold import fold, side_by_side

WORDS = st.lists(st.text("abc{}:-/", min_size=1, max_size=30), min_size=1, max_size=20)
WIDTHS = st.integers(1, 150)


@given(words=WORDS, width=WIDTHS, under=st.integers(0, 60))
def test_every_word_survives_and_no_line_is_too_long(words: list[str], width: int, under: int) -> None:
    """A line is longer than the terminal only where it holds one word that is."""
    lines = fold(" ".join(words), width, under=under)

    assert " ".join(lines).split() == words
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


@given(left=WORDS, right=WORDS, width=WIDTHS)
def test_two_texts_beside_each_other_keep_their_words(left: list[str], right: list[str], width: int) -> None:
    """In whatever order the lines bring them."""
    lines = side_by_side(" ".join(left), " ".join(right), width, column=62, under=4)

    assert sorted(" ".join(lines).split()) == sorted([*left, *right])
