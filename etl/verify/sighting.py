"""An order that nobody declared and that every page kept: the line in the YAML that would let it be proved.

That it held once is no promise that it always will; only the API's owner can give that. So it is a hint and no proof.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from etl.model.page import PageFacts, PageRequest, Purpose, SortedBy
from etl.model.proof import promise, promise_by_cursor
from etl.model.stream import Stream
from etl.model.verdict import Judgement, Verdict
from etl.ports import Proof

_DOWN: Final = frozenset({SortedBy.KEY_DOWN, SortedBy.CURSOR_DOWN})


class OrderSeen:
    """Follows the orders that all pages of one pass have kept so far, from page to page as well as inside each.

    Pages come in any order; what is remembered of one goes when both its neighbours have come.
    """

    def __init__(self) -> None:
        self._held = set(SortedBy)
        self._ends: dict[int, PageFacts] = {}
        self._met: dict[int, int] = {}
        self._pages = 0
        self._is_text = False

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages of the first reading; those of probes and repairs come at another time."""
        if request.purpose is not Purpose.READ or request.attempt or not facts.count or not self._held:
            return
        self._held &= facts.sorted_by
        self._pages += 1
        self._is_text |= facts.first_key is not None and facts.first_key.startswith('"')
        self._ends[request.ordinal] = facts
        for left in (request.ordinal - 1, request.ordinal):
            if left in self._ends and left + 1 in self._ends:
                self._held = {way for way in self._held if _follows(way, self._ends[left], self._ends[left + 1])}
                for place in (left, left + 1):
                    self._met[place] = self._met.get(place, 0) + 1
        for place in (request.ordinal - 1, request.ordinal, request.ordinal + 1):
            if self._met.get(place, 0) == 2:
                del self._met[place], self._ends[place]

    def line(self, stream: Stream) -> str:
        """The `order:` line for what was seen in two pages at least; empty where none was, or none would help."""
        if self._pages < 2:
            return ""
        for way in SortedBy:
            if way in self._held:
                by_key = way in (SortedBy.KEY, SortedBy.KEY_DOWN)
                down = way in _DOWN
                line = (
                    promise(stream, descending=down, binary=self._is_text)
                    if by_key
                    else promise_by_cursor(stream, descending=down)
                )
                if line:
                    return line
        return ""


class Advised:
    """Over the checks of a stream without a declared order: says which declaration would let it be proved."""

    def __init__(self, proof: Proof, stream: Stream) -> None:
        self._proof = proof
        self._stream = stream
        self._seen = OrderSeen()
        self.probes = proof.probes
        self.repairs = proof.repairs

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """As the checks do, and the order besides."""
        self._seen.saw(request, facts)
        self._proof.saw(request, facts)

    @property
    def counts_keys(self) -> bool:
        """As the checks have it."""
        return self._proof.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """As the checks have it; the hint replaces theirs, as the proof needs nothing that they ask for."""
        found = self._proof.judge(distinct_keys)
        if found.verdict not in (Verdict.CONSISTENT, Verdict.ASSUMED):
            return found
        line = self._seen.line(self._stream)
        if not line:
            return found
        return replace(found, hint=f"this order was seen; if the API promises it, runs can be verified: {line}")


def _follows(way: SortedBy, before: PageFacts, after: PageFacts) -> bool:
    """Whether the first row of a page comes after the last one of the page before it."""
    last, first = _last(way, before), _first(way, after)
    try:
        return bool(last > first if way in _DOWN else last < first)
    except TypeError:
        return False


def _first(way: SortedBy, page: PageFacts) -> Any:
    low = page.max_cursor if way in _DOWN else page.min_cursor
    key = json.loads(page.first_key or "null")
    return key if way in (SortedBy.KEY, SortedBy.KEY_DOWN) else (low, key)


def _last(way: SortedBy, page: PageFacts) -> Any:
    high = page.min_cursor if way in _DOWN else page.max_cursor
    key = json.loads(page.last_key or "null")
    return key if way in (SortedBy.KEY, SortedBy.KEY_DOWN) else (high, key)
