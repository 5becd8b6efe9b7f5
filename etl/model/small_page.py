"""Page numbers of another size: the arithmetic of looking across the boundary between two pages of a numbered list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SHARE: Final = 10
"""A boundary probe has about a tenth of a page: small, and yet it survives a few rows of drift."""


def sizes_of_probes(stride: int) -> range:
    """The sizes a boundary probe may have for pages of `stride` rows; never below two."""
    least = max(2, stride // _SHARE)
    return range(least, 2 * least + 2)


def page_across(rank: int, sizes: Iterable[int]) -> tuple[int, int]:
    """Size and place (from 0) of a page that holds both the rows of `rank - 1` and of `rank`.

    Of the sizes the one with most room on the nearer side; where each of them has its own boundary just there, the
    smallest one above them that has none.
    """
    best, room, last = (0, 0), 0, 1
    for size in sizes:
        here = min(rank % size, size - rank % size)
        if here > room:
            best, room = (size, rank // size), here
        last = size
    while not room:
        last += 1
        room = rank % last
        best = (last, rank // last)
    return best
