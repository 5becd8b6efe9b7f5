"""Lists whose pages can be asked for by number or by offset, in any order.

With a total the first page names all the others. Without one, a few are asked for ahead, and the first page that is
short or empty ends it. Never reckon with the page size that was asked for: many servers cap it silently, so the
number of items on the first page is the size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from etl.model.page import PageFacts, PageRequest
from etl.model.stream import PagesKind, Paging
from etl.model.window import Window

AHEAD: Final = 4
"""Pages asked for beyond the newest one while the end is unknown; at most so many requests are wasted."""


class NumberedPages:
    """`ordinal` counts from 0 whatever the number of the first page; an offset is `first + ordinal * size`."""

    def __init__(self, paging: Paging) -> None:
        self._paging = paging
        self._offsets = paging.kind is PagesKind.OFFSET
        self._first = int(paging.first) if isinstance(paging.first, (int, str)) else 0

    def first(self, window: Window) -> PageRequest:
        """The first page, in the size that was asked for."""
        return self._request(window, 0, size=0)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """See the module's docstring. An empty page, or one that says so, names nothing."""
        if facts.count == 0 or facts.more is False:
            return ()
        if request.ordinal == 0:
            return self._after_first(request, facts)
        if request.planned:
            return self._grown(request, facts)
        if facts.count < request.stride:
            return ()
        return (self._request(request.window, request.ordinal + AHEAD, request.stride),)

    def _after_first(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        planned = self._pages(facts, facts.count)
        if planned is not None:
            return self._range(request.window, 1, planned, facts.count)
        short = self._paging.size is not None and facts.count < self._paging.size
        # A short first page is the end, or a server that caps the size: one more page tells.
        ahead = 1 if short else AHEAD
        return [self._request(request.window, ordinal, facts.count) for ordinal in range(1, ahead + 1)]

    def _grown(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """The last planned page may tell that the list became longer meanwhile."""
        if request.ordinal + 1 != request.planned:
            return ()
        planned = self._pages(facts, request.stride)
        return self._range(request.window, request.planned, planned or 0, request.stride)

    def _pages(self, facts: PageFacts, size: int) -> int | None:
        if facts.total_pages is not None:
            return facts.total_pages
        return None if facts.total_rows is None else -(-facts.total_rows // size)

    def _range(self, window: Window, start: int, planned: int, size: int) -> Iterator[PageRequest]:
        for ordinal in range(start, planned):
            yield self._request(window, ordinal, size, planned)

    def _request(self, window: Window, ordinal: int, size: int, planned: int = 0) -> PageRequest:
        place = self._first + ordinal * (size if self._offsets else 1)
        return PageRequest(
            window=window,
            position=f"offset:{place}" if self._offsets else f"page:{place}",
            ordinal=ordinal,
            page=None if self._offsets else place,
            offset=place if self._offsets else None,
            stride=size,
            planned=planned,
            may_be_past_end=ordinal > 0 and not planned,
        )
