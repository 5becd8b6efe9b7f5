"""A numbered list read between two looks at its last page.

The first page tells how many there are, the last one opens the bracket, and only then all others are asked for at
once, the first page again among them: it was read outside. The proof closes the bracket with another look at the last
page. A third pass is read backwards, one page at a time: slower, and lossless whatever is deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from etl.extract.pagination.numbered import NumberedPages
from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.proof import BACKWARD_ATTEMPT
from etl.model.stream import Paging
from etl.model.window import Window


class BracketedPages:
    """Over `NumberedPages`, whose arithmetic of pages and offsets it uses."""

    def __init__(self, stream: str, paging: Paging) -> None:
        self._pages = NumberedPages(stream, paging)

    def first(self, window: Window) -> PageRequest:
        """The page that tells how many there are."""
        return self._pages.first(window)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """First page, last page, then everything; or page by page towards the first in a backward pass."""
        backward = request.attempt >= BACKWARD_ATTEMPT
        if request.ordinal == 0:
            told = self._pages.planned(facts, facts.count)
            if told is None or max(told, request.planned) < 2:
                return self._pages.following(request, facts)
            planned = max(told, request.planned)
            last = planned if backward else planned - 1
            return (self._page(request, last, facts.count, planned),)
        if backward:
            return self._downwards(request)
        if request.ordinal + 1 == request.planned:
            return self._inside(request, facts)
        if request.ordinal >= request.planned and facts.count >= request.stride:
            # A total that tells too little: no proof in this pass, and no reason to leave rows behind.
            return (self._page(request, request.ordinal + 1, request.stride, request.planned),)
        return ()

    def _inside(self, opener: PageRequest, facts: PageFacts) -> Iterator[PageRequest]:
        """Everything the bracket holds. Behind a full last page an empty one has to follow."""
        yield self._first_again(opener)
        for ordinal in range(1, opener.planned - 1):
            yield self._page(opener, ordinal, opener.stride, opener.planned)
        if facts.count >= opener.stride:
            yield self._page(opener, opener.planned, opener.stride, opener.planned)

    def _downwards(self, request: PageRequest) -> Iterable[PageRequest]:
        if request.ordinal == 1:
            return (self._first_again(request),)
        return (self._page(request, request.ordinal - 1, request.stride, request.planned),)

    def _first_again(self, request: PageRequest) -> PageRequest:
        first = self._pages.first(request.window)
        return replace(first, purpose=Purpose.PROBE, attempt=request.attempt + 1, planned=request.planned)

    def _page(self, request: PageRequest, ordinal: int, size: int, planned: int) -> PageRequest:
        page = self._pages.page(request.window, ordinal, size, planned)
        return replace(page, may_be_past_end=ordinal >= planned - 1)
