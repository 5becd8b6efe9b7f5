"""Texts that are longer than the terminal is wide, folded between their words under where they began."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import Final

_ROOM: Final = 24
"""Fewer characters a line are no text: then the further lines begin near the left edge instead."""
_NEAR: Final = 4


def fold(text: str, width: int | None, *, under: int) -> list[str]:
    """`text` in lines of at most `width` characters; all but the first begin at column `under`.

    One line where there is no edge. A word is never cut, so that an address can still be copied.
    """
    if width is None or len(text) <= width:
        return [text]
    indent = " " * (under if width - under >= _ROOM else _NEAR)
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def side_by_side(left: str, right: str, width: int | None, *, column: int, under: int) -> list[str]:
    """Two texts, the second one from `column` on, or nearer where it would not fit; each folded in its own room.

    One below the other where the terminal has no room for two.
    """
    if width is None or not right:
        return fold(f"{left:<{column}}  {right}".rstrip(), width, under=under)
    column = min(column, max(under + _ROOM, width * 11 // 20))
    line = f"{left:<{column}}  {right}"
    if len(line) <= width:
        return [line]
    room = width - column - 2
    if room < _ROOM:
        return [*fold(left, width, under=under), *fold(" " * under + right, width, under=under)]
    pairs = zip_longest(fold(left, column, under=under), fold(right, room, under=0), fillvalue="")
    return [f"{one:<{column}}  {other}".rstrip() for one, other in pairs]
