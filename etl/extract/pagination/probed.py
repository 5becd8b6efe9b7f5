"""Numbered pages with a small page across each boundary between two of them.

Pages of one size never overlap, so they never prove that no row slipped between them. A page of another size has its
boundaries elsewhere: it holds the last row of one page and the first row of the next. Each is asked for right beside
the pages it joins, so that little can move between them. Whether the API gives other sizes at all is asked once,
before all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from etl.extract.pagination.numbered import NumberedPages
from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.small_page import page_across, sizes_of_probes
from etl.model.stream import Paging
from etl.model.window import Window


class ProbedPages:
    """Over `NumberedPages`, which names the pages; a small page has the `ordinal` of the page behind its boundary."""

    def __init__(self, stream: str, paging: Paging) -> None:
        self._pages = NumberedPages(stream, paging)
        self._first = int(paging.first) if isinstance(paging.first, (int, str)) else 0
        self._size = paging.size

    def first(self, window: Window) -> PageRequest:
        """The page that tells how many there are."""
        return self._pages.first(window)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """First page, the first boundary, then pages and boundaries in turn, and what lies beyond the last page."""
        if request.size:
            return self._rest(request, facts)
        if request.ordinal == 0:
            return self._after_first(request, facts)
        named = self._with_probes(request, self._pages.following(request, facts))
        return named if not self._is_last(request, facts) else (self._beyond(request),)

    def _after_first(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        planned = self._pages.planned(facts, facts.count)
        named = self._pages.following(request, facts)
        if facts.count < 2 or facts.more is False or planned == 1 or (planned is None and self._is_short(facts)):
            return named
        behind = self._pages.page(request.window, 1, facts.count, planned or 0)
        return (replace(self._across(behind), purpose=Purpose.READ, attempt=0),)

    def _rest(self, opener: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """What the first page would have named; without small pages where the API does not give them."""
        first = replace(self.first(opener.window), attempt=opener.attempt)
        told = PageFacts(
            count=opener.stride,
            total_rows=facts.total_rows,
            # Told with a small page it would count small pages.
            total_pages=opener.planned or None if facts.total_rows is None else None,
            more=None if facts.more is None else True,
        )
        named = self._pages.following(first, told)
        if facts.count > opener.size or facts.refused is not None:
            return named
        return (page for page in self._with_probes(opener, named) if (page.position, page.size) != _place(opener))

    def _with_probes(self, request: PageRequest, named: Iterable[PageRequest]) -> Iterator[PageRequest]:
        for page in named:
            yield page
            if page.stride:
                yield replace(self._across(page), attempt=request.attempt + 1)

    def _across(self, behind: PageRequest) -> PageRequest:
        """The small page that holds the first row of a page, and the last one before it."""
        size, place = page_across(behind.ordinal * behind.stride, sizes_of_probes(behind.stride))
        page = self._first + place
        return replace(
            behind,
            position=f"page:{page}:{size}",
            page=page,
            size=size,
            purpose=Purpose.PROBE,
            may_be_past_end=True,
        )

    def _is_short(self, facts: PageFacts) -> bool:
        return self._size is not None and facts.count < self._size

    @staticmethod
    def _is_last(request: PageRequest, facts: PageFacts) -> bool:
        """A short last page closes the list only when nothing comes after it."""
        return request.ordinal + 1 == request.planned and 0 < facts.count < request.stride and facts.more is not True

    def _beyond(self, request: PageRequest) -> PageRequest:
        beyond = request.ordinal + 1
        return self._pages.page(request.window, beyond, request.stride, beyond + 1)


def _place(request: PageRequest) -> tuple[str, int]:
    return request.position, request.size
