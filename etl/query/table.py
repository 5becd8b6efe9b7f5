"""Aligned columns for people. Rows come in blocks, so that a long answer to a pipe needs little memory."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TextIO

from etl.query.cells import shown
from etl.query.result import Result

_BLOCK = 1_000
GAP = 2
WIDEST = 60
"""What a terminal gets of a value."""


def write_table(result: Result, out: TextIO, *, terminal: bool) -> int:
    """Numbers to the right; the first block decides the widths, and later ones widen them.

    A terminal gets values of at most 60 characters.
    """
    widths = [len(name) for name in result.columns]
    right: list[bool] | None = None
    count = 0
    while True:
        block = [[_cell(value, terminal) for value in row] for row in islice(result.rows, _BLOCK)]
        for row in block:
            widths = [max(width, len(text)) for width, (text, _) in zip(widths, row, strict=True)]
        if right is None:
            right = [bool(block) and all(row[index][1] for row in block) for index in range(len(widths))]
            out.write(_aligned([_printable(name) for name in result.columns], widths, right))
            out.write(_aligned(["-" * width for width in widths], widths, right))
        for row in block:
            out.write(_aligned([text for text, _ in row], widths, right))
        count += len(block)
        if len(block) < _BLOCK:
            return count


def _aligned(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(width) if to_the_right else cell.ljust(width)
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    ]
    return (" " * GAP).join(padded).rstrip() + "\n"


def _cell(value: object, cut: bool) -> tuple[str, bool]:
    """The text of a value, and whether it may stand to the right."""
    text = _printable(shown(value))
    if cut and len(text) > WIDEST:
        text = text[: WIDEST - 1] + "…"
    return text, value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool))


def _printable(text: str) -> str:
    """Without line ends, and without anything that could move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
