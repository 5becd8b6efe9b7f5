"""What every strategy gets for free: chains that lead in a circle, pages that repeat, and a bound on their number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.errors import PagingLoop
from etl.model.page import PageFacts, PageRequest
from etl.model.stream import PagesKind, Stream
from etl.model.window import Window
from etl.ports import Pages


@dataclass(slots=True)
class _Walk:
    """What was seen of one chain in one pass."""

    named: set[int] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)
    last_digest: bytes = b""


class Guarded:
    """Wraps a strategy. Stateful per window and pass, so it belongs to one reading."""

    def __init__(self, pages: Pages, stream: Stream) -> None:
        self._pages = pages
        self._stream = stream
        self._chained = stream.pages.kind in (PagesKind.CURSOR, PagesKind.LINK)
        self._walks: dict[tuple[Window, int], _Walk] = {}

    def first(self, window: Window) -> PageRequest:
        """As the strategy has it."""
        return self._pages.first(window)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """Raises PagingLoop in a chain; a numbered list without a total ends at a repeated page."""
        named = self._pages.following(request, facts)
        if self._chained:
            return self._step(request, facts, tuple(named))
        if request.planned or (
            request.ordinal == 0 and (facts.total_rows is not None or facts.total_pages is not None)
        ):
            return (page for page in named if page.ordinal < self._stream.pages.max_pages)
        return self._untold(request, facts, named)

    def _step(self, request: PageRequest, facts: PageFacts, named: tuple[PageRequest, ...]) -> Iterable[PageRequest]:
        key = (request.window, request.attempt)
        walk = self._walks.setdefault(key, _Walk())
        walk.named.add(hash(request.position))
        if not named or named[0].ordinal >= self._stream.pages.max_pages:
            del self._walks[key]
            return ()
        if facts.count and facts.digest and facts.digest == walk.last_digest:
            raise self._loop(request, "the page is the same as the one before")
        walk.last_digest = facts.digest
        if hash(named[0].position) in walk.named:
            raise self._loop(request, f"it leads to {named[0].position[:80]}, where the chain has been")
        return named

    def _untold(self, request: PageRequest, facts: PageFacts, named: Iterable[PageRequest]) -> Iterable[PageRequest]:
        """Beyond their end some servers answer the last page, or the first, for ever."""
        walk = self._walks.setdefault((request.window, request.attempt), _Walk())
        if facts.count and facts.digest and facts.digest in walk.digests:
            return ()
        walk.digests.add(facts.digest)
        return [page for page in named if page.ordinal < self._stream.pages.max_pages]

    def _loop(self, request: PageRequest, why: str) -> PagingLoop:
        return PagingLoop(
            f"{self._stream.id}: {request.position[:80]} leads in a circle",
            why=why,
            hint="is the cursor sent where the API expects it? some APIs restart at the first row for an unknown one",
        )
