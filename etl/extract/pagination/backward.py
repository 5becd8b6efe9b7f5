"""Numbered pages of a window that is over: up to an empty page, then down to the first one, one page at a time.

Such a window can only lose rows, so rows only move towards its beginning, and whoever reads towards the beginning
meets each of them. A page that was empty once stays empty. Pages on the way up have an even `attempt`, those on the
way down the odd one after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from etl.extract.pagination.numbered import NumberedPages
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import Paging
from etl.model.window import Window


class ClosedPages:
    """Backward where `closes` says that a window is over, else as any numbered list.

    Where nobody tells how many pages there are, or the page after the last one is not empty, an empty one is looked for
    by doubling, and then by halving the way back to the last one that was not.
    """

    def __init__(self, stream: str, paging: Paging, closes: Callable[[Window], bool]) -> None:
        self._pages = NumberedPages(stream, paging)
        self._closes = closes
        self._cap = paging.cap
        self._told = paging.total_rows is not None or paging.total_pages is not None

    def first(self, window: Window) -> PageRequest:
        """The page that tells how many there are."""
        return self._pages.first(window)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """Up to a page that is empty, or down from it."""
        if not self._closes(request.window):
            return self._pages.following(request, facts)
        if request.attempt % 2:
            return (self._down(request, request.ordinal - 1),) if request.ordinal else ()
        if request.ordinal == 0:
            if facts.count in (0, facts.total_rows) or self._is_capped(facts):
                return ()  # all of it, at one instant; or more than the API lists, and the window has to be narrower
            return (self._up(request, self._pages.planned(facts, facts.count) or 1, facts.count),)
        if facts.count:
            return (self._down(request, request.planned - 1) if request.planned else self._further(request),)
        half = 1 << (request.ordinal - 1).bit_length() - 1 if request.ordinal > 1 else 0
        told = self._pages.planned(facts, request.stride)
        is_next = self._told and (told is None or request.ordinal <= told)
        if is_next or request.ordinal - half <= 1:
            return (self._down(request, request.ordinal - 1),)
        return (self._up(request, (half + request.ordinal) // 2, request.stride, empty=request.ordinal),)

    def _is_capped(self, facts: PageFacts) -> bool:
        return self._cap is not None and facts.total_rows is not None and facts.total_rows >= self._cap

    def _further(self, request: PageRequest) -> PageRequest:
        """Nobody told, or too little was told."""
        return self._up(request, 2 * request.ordinal, request.stride)

    def _up(self, request: PageRequest, ordinal: int, stride: int, *, empty: int = 0) -> PageRequest:
        """`planned` is the lowest page that is known to be empty, 0 where none is."""
        page = self._pages.page(request.window, ordinal, stride)
        return replace(page, planned=empty, may_be_past_end=True)

    def _down(self, request: PageRequest, ordinal: int) -> PageRequest:
        page = self._pages.page(request.window, ordinal, request.stride)
        return replace(page, attempt=request.attempt | 1, may_be_past_end=ordinal > 0)
