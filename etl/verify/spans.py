"""Spans: which part of the order a page showed, and which of them touch.

In a total order that never changes for a row, a page holds every row between its first and its last key at the instant
it was read. Two pages that share a row leave no room between them, whenever each of them was read. Keys are compared
by equality alone, which is sound for any order of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etl.model.page import PageFacts, PageRequest

DIGEST = 8


@dataclass(slots=True)
class Span:
    """What one answer showed. `rank` is where its first row stood, counted from 0, as far as the request tells.

    `keys` is dropped once its neighbours are known to touch it; its ends stay.
    """

    request: PageRequest
    rank: int
    asked: int
    """How many rows were asked for: fewer mean that the list ended inside it."""
    count: int
    first: bytes
    last: bytes
    keys: bytes | None

    @property
    def end(self) -> int:
        """The rank after its last row."""
        return self.rank + self.count

    @property
    def is_short(self) -> bool:
        """It holds fewer rows than were asked for."""
        return self.count < self.asked

    def each_key(self) -> Iterator[bytes]:
        """Its keys in their order; only the ends when the others were dropped."""
        if self.keys is None:
            yield from (self.first, self.last)
            return
        for at in range(0, len(self.keys), DIGEST):
            yield self.keys[at : at + DIGEST]

    def holds(self, key: bytes) -> bool:
        """Whether the row is known to be in it."""
        return key in (self.first, self.last) or (self.keys is not None and key in self.each_key())

    def touches(self, other: Span) -> bool:
        """One of the two holds an end of the other: their intervals share that row."""
        return self.holds(other.first) or self.holds(other.last) or other.holds(self.first) or other.holds(self.last)


def span_of(request: PageRequest, facts: PageFacts, *, rank: int, asked: int) -> Span | None:
    """The span of a page; None for a page without a readable key."""
    keys = facts.key_digests
    if len(keys) < DIGEST:
        return None
    return Span(
        request=request, rank=rank, asked=asked, count=facts.count, first=keys[:DIGEST], last=keys[-DIGEST:], keys=keys
    )


def reached(start: Span, others: Iterable[Span]) -> list[Span]:
    """Those of the others that touch a span, directly or over one another."""
    found: list[Span] = []
    rest, frontier = list(others), [start]
    while frontier:
        here = frontier.pop()
        near = [other for other in rest if here.touches(other)]
        rest = [other for other in rest if other not in near]
        found += near
        frontier += near
    return found
