"""How any part of a list can be asked for: by offset, or by the number of a page of another size."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.small_page import page_across
from etl.model.verdict import Judgement


class Reach(Protocol):
    """What coverage needs to know of a kind of list. Ranks count rows from 0."""

    stride: int
    """Rows on a full page, as its first page showed."""
    proved: str
    """What proves a list of this kind."""

    @property
    def is_deaf(self) -> bool:
        """The API does not do what the proof needs of it."""

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """A page came."""

    def rank(self, request: PageRequest) -> int:
        """Where its first row stands."""

    def around(self, like: PageRequest, rank: int, *, attempt: int, may_be_past_end: bool = False) -> PageRequest:
        """A page with the rows on both sides of a rank."""

    def after(self, like: PageRequest, rank: int, *, attempt: int) -> PageRequest:
        """A page with nothing before a rank; where it ends the list, it is empty."""

    def downgraded(self, weak: Judgement) -> Judgement:
        """The weaker judgement where the API is deaf."""


class ByOffset:
    """Offsets go anywhere."""

    proved = "coverage: neighbouring pages share a row, from the first to the last"
    is_deaf = False

    def __init__(self, first: int) -> None:
        self._first = first
        self.stride = 0

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """The first page shows how many rows a page has."""
        if not request.ordinal and request.purpose is not Purpose.PROBE:
            self.stride = max(facts.count, 1)

    def rank(self, request: PageRequest) -> int:
        """The offset, less the first one."""
        assert request.offset is not None
        return request.offset - self._first

    def around(self, like: PageRequest, rank: int, *, attempt: int, may_be_past_end: bool = False) -> PageRequest:
        """Half a page on either side."""
        return self._at(like, max(rank - max(self.stride // 2, 1), 0), attempt, may_be_past_end=may_be_past_end)

    def after(self, like: PageRequest, rank: int, *, attempt: int) -> PageRequest:
        """From the rank on."""
        return self._at(like, rank, attempt, may_be_past_end=True)

    def downgraded(self, weak: Judgement) -> Judgement:
        """Never needed."""
        return weak

    def _at(self, like: PageRequest, rank: int, attempt: int, *, may_be_past_end: bool) -> PageRequest:
        offset = self._first + rank
        return replace(
            like,
            position=f"offset:{offset}",
            offset=offset,
            purpose=Purpose.PROBE,
            attempt=attempt,
            may_be_past_end=may_be_past_end,
        )


class ByNumber:
    """Page numbers reach any rank with a size whose boundaries lie elsewhere."""

    proved = "boundary probes: small pages join neighbouring ones, from the first to the last"

    def __init__(self, first: int) -> None:
        self._first = first
        self.stride = 0
        self.is_deaf = False

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """The first page shows how many rows a page has; a small page with more than it may have shows a deaf API."""
        if request.size:
            refused = facts.refused is not None and request.purpose is not Purpose.PROBE
            self.is_deaf |= facts.count > request.size or refused
        elif not request.ordinal and request.purpose is not Purpose.PROBE:
            self.stride = max(facts.count, 1)

    def rank(self, request: PageRequest) -> int:
        """By the size of the page."""
        assert request.page is not None
        return (request.page - self._first) * (request.size or self.stride)

    def around(self, like: PageRequest, rank: int, *, attempt: int, may_be_past_end: bool = False) -> PageRequest:
        """The largest page, up to a full one, that holds most rows on either side."""
        wide = range(max(self.stride // 2, 2), max(self.stride, 2) + 1)
        size, place = page_across(max(rank, 1), wide)
        return small(like, self._first + place, size, attempt=attempt, may_be_past_end=may_be_past_end)

    def after(self, like: PageRequest, rank: int, *, attempt: int) -> PageRequest:
        """The next page of the declared size, or, where rows are still to come on this one, the one after it."""
        page = self._first + -(-rank // self.stride)
        return replace(
            like,
            position=f"page:{page}",
            page=page,
            size=0,
            purpose=Purpose.PROBE,
            attempt=attempt,
            may_be_past_end=True,
        )

    def downgraded(self, weak: Judgement) -> Judgement:
        """Told with what the API does instead."""
        return replace(
            weak,
            reason=f"{weak.reason}; the API gives no pages of another size, so nothing crosses their boundaries",
            hint="look at the parameter that holds {size}: does the API obey it?",
        )


def small(like: PageRequest, page: int, size: int, *, attempt: int, may_be_past_end: bool = False) -> PageRequest:
    """A numbered page of another size, as a probe beside the page it is like."""
    return replace(
        like,
        position=f"page:{page}:{size}",
        page=page,
        size=size,
        purpose=Purpose.PROBE,
        attempt=attempt,
        may_be_past_end=may_be_past_end,
    )
