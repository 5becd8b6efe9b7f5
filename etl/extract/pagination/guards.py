"""What every strategy gets for free: chains that lead in a circle, pages that repeat, and a bound on their number.

At `max_pages` nothing more is named; `request.ordinal + 1 >= max_pages` is how the proof knows, and calls the window
incomplete.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from etl.errors import PagingLoop, TooLarge
from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.stream import PagesKind, Stream
from etl.model.window import Window


class Strategy(Protocol):
    """What the strategies of this room are: pure, so that nothing of a window is left behind."""

    def first(self, window: Window) -> PageRequest:
        """As `ports.Pages`."""

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """As `ports.Pages`."""


_GROWN_PAGES: Final = 100
"""Pages that a list may grow by, beyond twice its size, while it is read."""


@dataclass(slots=True)
class _Walk:
    """What was seen of one chain in one pass."""

    named: set[int] = field(default_factory=set)
    digests: dict[bytes, int] = field(default_factory=dict)
    """The ordinal of the first page with these keys."""
    last_digest: bytes = b""
    rows: int | None = None
    """What the list was told to hold when its reading began."""


class Guarded:
    """Wraps a strategy. Stateful per window and pass, so it belongs to one reading."""

    def __init__(self, pages: Strategy, stream: Stream) -> None:
        self._pages = pages
        self._stream = stream
        self._chained = stream.pages.kind in (PagesKind.CURSOR, PagesKind.LINK)
        self._walks: dict[tuple[Window, int], _Walk] = {}

    def first(self, window: Window) -> PageRequest:
        """As the strategy has it."""
        return self._pages.first(window)

    def following(self, request: PageRequest, facts: PageFacts) -> Iterable[PageRequest]:
        """Raises PagingLoop in a chain; in a numbered list a repeated page that nobody promised is as good as empty."""
        if request.purpose is Purpose.PROBE:
            return ()
        self._watch_growth(request, facts)
        if self._chained:
            return self._step(request, facts, tuple(self._pages.following(request, facts)))
        is_promised = request.ordinal + 1 < request.planned and not request.may_be_past_end
        # A page of another size may look like any other one, where the API gives one size to all.
        if not is_promised and not request.size and self._repeats(request, facts):
            facts = replace(facts, count=0, more=False)
        named = self._pages.following(request, facts)
        return (page for page in named if page.ordinal < self._stream.pages.max_pages)

    def ended(self, window: Window) -> None:
        """Forget the walks over the window."""
        for key in [key for key in self._walks if key[0] == window]:
            del self._walks[key]

    def _watch_growth(self, request: PageRequest, facts: PageFacts) -> None:
        """A list that grows faster than it is read would be followed for ever."""
        if facts.total_rows is None or not request.stride:
            if not request.ordinal and facts.total_rows is not None:
                self._walks.setdefault((request.window, request.attempt), _Walk()).rows = facts.total_rows
            return
        walk = self._walks.get((request.window, request.attempt))
        if walk is None or walk.rows is None:
            return
        bound = 2 * walk.rows + _GROWN_PAGES * request.stride
        if facts.total_rows > bound and request.ordinal * request.stride >= walk.rows:
            raise TooLarge(
                f"{self._stream.id}: the list grew faster than it was read: it held {walk.rows:,} rows at first, "
                f"and {facts.total_rows:,} by now",
                hint="what was read is stored; ask for less at a time: incremental with {start} and {end}, or a step",
            )

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

    def _repeats(self, request: PageRequest, facts: PageFacts) -> bool:
        """Beyond their end some servers answer the last page, or the first, for ever."""
        if not facts.count or not facts.digest:
            return False
        walk = self._walks.setdefault((request.window, request.attempt), _Walk())
        seen = walk.digests.setdefault(facts.digest, request.ordinal)
        told = facts.total_rows is not None or facts.total_pages is not None
        if seen == 0 and request.ordinal == 1 and not request.planned and not told:
            raise PagingLoop(
                f"{self._stream.id}: {request.position} holds the same items as the first page",
                why="it seems that the API does not look at the number of the page",
                hint="compare the parameter that holds {page} or {offset} with the API's documentation; if the list "
                "really ends there, declare pages.total_rows, while or until",
            )
        walk.digests[facts.digest] = min(seen, request.ordinal)
        return seen < request.ordinal  # the real one may come after its repetition

    def _loop(self, request: PageRequest, why: str) -> PagingLoop:
        return PagingLoop(
            f"{self._stream.id}: {request.position[:80]} leads in a circle",
            why=why,
            hint="is the cursor sent where the API expects it? some APIs begin anew for a cursor they do not know",
        )
