"""Lists whose pages can be asked for by number or by offset, in any order.

With a total the first page names all the others. Without one, a few are asked for ahead, and an empty page ends it: a
short one may be so by a filter. Never reckon with the page size that was asked for: many servers cap it silently, so
the number of items on the first page is the size. Pages are named by exactly one other page each, or some would never
be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from etl.errors import PagingLoop
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import PagesKind, Paging
from etl.model.window import Window

AHEAD: Final = 4
"""Pages asked for beyond the newest one while the end is unknown; at most so many requests are wasted."""


class NumberedPages:
    """`ordinal` counts from 0 whatever the number of the first page; an offset is `first + ordinal * size`."""

    def __init__(self, stream: str, paging: Paging) -> None:
        self._stream = stream
        self._paging = paging
        self._offsets = paging.kind is PagesKind.OFFSET
        self._first = int(paging.first) if isinstance(paging.first, (int, str)) else 0

    def first(self, window: Window) -> PageRequest:
        """The first page, in the size that was asked for."""
        return self.page(window, 0, stride=0)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """See the module's docstring. `while` and `until` decide where they are declared, whatever the page holds."""
        if facts.more is False or (facts.count == 0 and not facts.more):
            return ()
        if request.ordinal == 0:
            return self._after_first(request, facts)
        if request.planned:
            return self._after_planned(request, facts)
        return self._after_block(request)

    def _after_first(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        stride = facts.count or self._paging.size or 0
        if self._offsets and not stride:
            raise PagingLoop(
                f"{self._stream}: an empty first page says that there is more", why="nothing tells the size of a page"
            )
        planned = self.planned(facts, stride)
        if planned is None:
            # A short first page is the end, or a server that caps the size: one more page tells.
            return self._range(request.window, 1, 2 if self._is_short(stride) else 1 + AHEAD, stride)
        if facts.more and planned < 2:
            planned = 2
        named = self._range(request.window, 1, planned, stride, planned)
        if self._offsets or not self._is_short(stride):
            return named
        # Fewer rows than asked for: the server caps the size, or filters after its limit and has fewer pages.
        sure = self.planned(facts, self._paging.size or 0) or 0
        return (replace(page, may_be_past_end=page.ordinal >= sure or page.may_be_past_end) for page in named)

    def _after_planned(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """The last planned page may tell that the list became longer; a total is a hint, so a full one asks on."""
        planned, stride = request.planned, request.stride
        if request.ordinal + 1 != planned:
            return ()
        told = self.planned(facts, stride) or 0
        if told <= planned:
            is_full = facts.more or (stride > 0 and facts.count >= stride)
            if not is_full or (self._paging.cap is not None and planned * stride >= self._paging.cap):
                return ()
            told = planned + 1
        return self._range(request.window, planned, told, stride, told)

    def _after_block(self, request: PageRequest) -> Iterable[PageRequest]:
        """The last page of a block names the next block."""
        lead = 1 if self._is_short(request.stride) else 0
        if (request.ordinal - lead) % AHEAD:
            return ()
        return self._range(request.window, request.ordinal + 1, request.ordinal + 1 + AHEAD, request.stride)

    def _is_short(self, stride: int) -> bool:
        return self._paging.size is not None and stride < self._paging.size

    def planned(self, facts: PageFacts, stride: int = 0) -> int | None:
        """How many pages the list has by what this page tells, never more than the API lists; None: it does not tell.

        `stride` is the number of items on a full page, without it that of this page.
        """
        stride = stride or facts.count
        if facts.total_pages is not None:
            pages = facts.total_pages
        elif facts.total_rows is not None and stride:
            pages = -(-facts.total_rows // stride)
        else:
            return None
        cap = self._paging.cap
        return pages if cap is None or not stride else min(pages, -(-cap // stride))

    def _range(self, window: Window, start: int, stop: int, stride: int, planned: int = 0) -> Iterator[PageRequest]:
        return (self.page(window, ordinal, stride, planned) for ordinal in range(start, stop))

    def page(self, window: Window, ordinal: int, stride: int, planned: int = 0) -> PageRequest:
        """The page with this ordinal in a list whose full pages hold `stride` items."""
        place = self._first + ordinal * (stride if self._offsets else 1)
        return PageRequest(
            window=window,
            position=f"offset:{place}" if self._offsets else f"page:{place}",
            ordinal=ordinal,
            page=None if self._offsets else place,
            offset=place if self._offsets else None,
            stride=stride,
            planned=planned,
            # The last planned page too: the list may have become shorter since its length was told.
            may_be_past_end=ordinal > 0 and (not planned or ordinal + 1 == planned),
        )
