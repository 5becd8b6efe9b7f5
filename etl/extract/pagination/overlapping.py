"""Offsets that overlap by one row, so that neighbouring pages show that they touch.

Disjoint pages never prove that no row slipped between them; one shared row does. The cost is one request in L - 1,
with L rows a page, and the request beyond the last row that has to come back empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from etl.extract.pagination.numbered import AHEAD
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import Paging
from etl.model.window import Window


class OverlappingPages:
    """Page `n` begins at row `n * (L - 1)`; L is the number of items on the first page."""

    def __init__(self, paging: Paging) -> None:
        self._paging = paging
        self._first = int(paging.first) if isinstance(paging.first, (int, str)) else 0

    def first(self, window: Window) -> PageRequest:
        """The first page, in the size that was asked for."""
        return _request(window, 0, self._first, 0)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """All the rest after the first page; after the last one, what lies beyond it."""
        if facts.count == 0 or facts.more is False:
            return ()
        if request.ordinal == 0:
            return self._after_first(request.window, facts)
        if request.planned and request.ordinal + 1 < request.planned:
            return ()
        if not request.planned and not self._ends_block(request):
            return ()  # the page after it is named already, and lies beyond it where this one is short
        if facts.count < request.stride:
            return (self._beyond(request, facts),)
        if request.planned:
            return (self._page(request.window, request.ordinal + 1, request.stride, request.planned),)
        return self._next_block(request)

    def _ends_block(self, request: PageRequest) -> bool:
        """The last page of a block names what follows, so that nothing is left out and nothing named twice."""
        lead = 1 if self._paging.size is not None and request.stride < self._paging.size else 0
        return (request.ordinal - lead) % AHEAD == 0

    def _next_block(self, request: PageRequest) -> Iterable[PageRequest]:
        block = range(request.ordinal + 1, request.ordinal + 1 + AHEAD)
        return [self._page(request.window, ordinal, request.stride, 0) for ordinal in block]

    def _after_first(self, window: Window, facts: PageFacts) -> Iterable[PageRequest]:
        size, total = facts.count, facts.total_rows
        if total is None and facts.total_pages is not None:
            total = facts.total_pages * size
        if total is not None and total <= size:
            return ()
        if size == 1:
            return (_request(window, 1, self._first + 1, 1),)  # no room for an overlap, and so for a proof
        if total is None:
            short = self._paging.size is not None and size < self._paging.size
            return [self._page(window, ordinal, size, 0) for ordinal in range(1, 2 if short else AHEAD + 1)]
        return self._range(window, size, -(-(total - 1) // (size - 1)))

    def _range(self, window: Window, size: int, planned: int) -> Iterator[PageRequest]:
        for ordinal in range(1, planned):
            yield self._page(window, ordinal, size, planned)

    def _page(self, window: Window, ordinal: int, size: int, planned: int) -> PageRequest:
        return _request(window, ordinal, self._first + ordinal * max(size - 1, 1), size, planned)

    @staticmethod
    def _beyond(request: PageRequest, facts: PageFacts) -> PageRequest:
        """The short page closes the list only when nothing comes after it."""
        assert request.offset is not None
        return _request(
            request.window, request.ordinal + 1, request.offset + facts.count, request.stride, request.planned
        )


def _request(window: Window, ordinal: int, offset: int, stride: int, planned: int = 0) -> PageRequest:
    return PageRequest(
        window=window,
        position=f"offset:{offset}",
        ordinal=ordinal,
        offset=offset,
        stride=stride,
        planned=planned,
        may_be_past_end=ordinal > 0 and ordinal + 1 >= planned,
    )
