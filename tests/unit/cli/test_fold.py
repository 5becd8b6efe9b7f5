"""Long lines on terminals of any width."""

from __future__ import annotations

import io

from etl.entrypoints.cli.failure import anatomy
from etl.entrypoints.cli.fold import fold, side_by_side
from etl.entrypoints.cli.options import Shared
from etl.entrypoints.cli.session import Session
from etl.errors import UsageError
from etl.listeners.printable import Printable

URL = "http://api.example.org/v1/things?page=2&page_size=100"


def test_a_long_line_goes_on_under_its_text() -> None:
    """Between words, and at the column where the text began."""
    assert fold("  ok shop   the list moved, or its order is not stable", 38, under=11) == [
        "  ok shop   the list moved, or its",
        "           order is not stable",
    ]


def test_an_address_is_never_cut() -> None:
    """It is there to be copied."""
    assert fold(f"  GET {URL} answered 404", 40, under=6) == ["  GET", f"      {URL}", "      answered 404"]


def test_a_pipe_has_no_edge() -> None:
    """What reads it may count on a line a fact."""
    assert fold("word " * 100, None, under=4) == ["word " * 100]


def test_a_name_that_fills_the_terminal_leaves_the_text_the_left_edge() -> None:
    """Ten columns for a text are none."""
    assert fold("a-stream-with-a-very-long-name  page 2 is empty", 40, under=32)[1] == "    is empty"


def test_evidence_and_note_stand_side_by_side_each_in_its_own_room() -> None:
    """Where both fit on one line they do, whatever the column; a very narrow terminal has them one below the other."""
    pages, proof = "  pages  page 2: 20 new rows, 0 repeated", "paging proven by the rows that came"

    assert side_by_side(pages, proof, 64, column=62, under=9) == [
        "  pages  page 2: 20 new rows, 0      paging proven by the rows",
        "         repeated                    that came",
    ]
    assert side_by_side("  rows   data[]", "the only list in the answer", 64, column=62, under=9) == [
        "  rows   data[]                      the only list in the answer"
    ]
    assert side_by_side(pages, proof, 44, column=62, under=9) == [
        "  pages  page 2: 20 new rows, 0 repeated",
        "         paging proven by the rows that came",
    ]


class Screen(io.StringIO):
    """A terminal that is `COLUMNS` wide."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them() -> None:
    """stdout and stderr are asked each for itself."""
    for environ, out, coloured in (
        ({}, Screen(), True),
        ({}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Screen(), False),
        ({"TERM": "dumb"}, Screen(), False),
    ):
        session = Session(Shared(), environ)
        session.out = out
        session.data("! look", "yellow")

        assert out.getvalue() == ("\x1b[33m! look\x1b[0m\n" if coloured else "! look\n")


def test_an_error_is_folded_part_by_part() -> None:
    """Each part begins at the same column."""
    error = UsageError("no stream is called orders", why="config has items and customers", hint="did you mean items?")

    assert anatomy(error, Printable(), "x", 34).splitlines() == [
        "x no stream is called orders",
        "  why   config has items and",
        "        customers",
        "  hint  did you mean items?",
        "  code  E-USAGE  (etl explain",
        "        E-USAGE)",
    ]
