"""Coverage: pages that touch one another from the first row to the last leave no room for a lost row.

It needs an immutable unique order, and no assumption about the order of requests, concurrency, inserts or deletes.
Pages by offset overlap by one row; between pages by number stand small ones that cross their boundary. Where
neighbours do not touch, the list moved between them, and the run reads into the gap until they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.verdict import Judgement, Verdict
from etl.verify.checks import CheapChecks
from etl.verify.order import OrderWatch
from etl.verify.reach import Reach
from etl.verify.spans import DIGEST, Span, reached, span_of

_TRIES_A_GAP: Final = 8
_PASSES: Final = 2
"""Readings of the list: a second one when gaps stay open, and no third."""
_AT_ONCE: Final = 256


class Coverage:
    """The proof port for offset lists, and for numbered lists with a variable size, in an immutable unique order."""

    def __init__(self, checks: CheapChecks, reach: Reach) -> None:
        self._checks = checks
        self._reach = reach
        self._order = OrderWatch()
        self._tried = 0
        self._pass = -1
        self._settled = False
        self._begin(0)

    def _begin(self, number: int) -> None:
        self._pass = number
        self._pages: dict[int, Span] = {}
        self._joined: set[int] = set()
        self._extra: list[Span] = []
        self._empty: int | None = None
        self._tries: dict[int, int] = {}
        self._newest: dict[int, Span | None] = {}
        self._shifts: dict[int, int] = {}
        self._stood: dict[bytes, int] = {}
        self._length: int | None = None
        self._tail_tries = self._probes = 0

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages of the reading, and those that were asked for to join them."""
        self._order.saw(request, facts)
        self._reach.saw(request, facts)
        if request.attempt // 2 != self._pass and request.purpose is not Purpose.PROBE:
            self._begin(request.attempt // 2)
        is_page = request.purpose is not Purpose.PROBE and not request.size
        if is_page and (facts.count or not request.ordinal):
            self._checks.saw(request, facts)
        else:
            self._checks.saw_total(facts)
        self._length = facts.total_rows
        rank = self._reach.rank(request)
        if not facts.count or self._comes_again(request, facts):
            self._empty = rank if self._empty is None else max(self._empty, rank)
            self._newest[request.ordinal] = None
            return
        span = span_of(request, facts, rank=rank, asked=request.size or self._reach.stride)
        if span is not None:
            self._add(span, is_page=is_page)

    def _add(self, span: Span, *, is_page: bool) -> None:
        place = span.request.ordinal
        if is_page:
            self._pages[place] = span
            self._join(place)
            self._join(place + 1)
            return
        self._newest[place] = span
        self._note_shift(place, span)
        self._extra.append(span)
        self._join(place)

    def _comes_again(self, request: PageRequest, facts: PageFacts) -> bool:
        """Past their end some servers answer the first or the last page again: that is an end, and no rows."""
        if not self._pages or not request.may_be_past_end or request.size or request.ordinal in self._pages:
            return False
        keys = facts.key_digests
        ends = (self._pages[min(self._pages)], self._pages[max(self._pages)])
        return any((p.count, p.first, p.last) == (facts.count, keys[:DIGEST], keys[-DIGEST:]) for p in ends)

    def _join(self, place: int) -> None:
        """See whether a page and the one before it touch by now; their inner keys are needed no more when all do."""
        before, here = self._pages.get(place - 1), self._pages.get(place)
        if before is None or here is None or place in self._joined:
            return
        if before.last == here.first or before.touches(here):
            self._joined.add(place)
        else:
            between = [span for span in self._extra if span.request.ordinal == place]
            if not any(span.touches(here) for span in reached(before, between)):
                return
            self._joined.add(place)
        named = 2 * self._pass + 1
        self._extra = [s for s in self._extra if s.request.ordinal != place or s.request.attempt > named]
        for at, span in ((place - 1, before), (place, here)):
            if at in self._joined and at + 1 in self._joined:
                span.keys = None

    def probes(self) -> Sequence[PageRequest]:
        """Pages in the gaps, one each, until they close or the budget is spent."""
        if self._lost_ground:
            return self._checks.probes()
        budget = 2 * len(self._pages) + _TRIES_A_GAP - self._probes
        gaps = list(self._gaps())
        self._stood = self._where_ends_stood() if gaps else {}
        asked = [self._into(gap) for gap in gaps if self._tries.get(gap, 0) < _TRIES_A_GAP][: max(budget, 0)][:_AT_ONCE]
        if not asked and not gaps and not self._reaches_the_end() and self._tail_tries < _TRIES_A_GAP:
            asked = self._beyond_last()
        return asked

    @property
    def counts_keys(self) -> bool:
        """Distinct keys are compared with a total that was told, proof or not."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """Verified when the pages form one chain from the first row to the last."""
        weak = self._checks.judge(distinct_keys)
        gaps = len(list(self._gaps()))
        covered = not gaps and (self._reaches_the_end() or self._is_empty)
        # Where nothing slipped through and the total stood still, it counts rows that nobody is shown.
        self._settled = weak.verdict is Verdict.VERIFIED or (covered and self._checks.is_steady)
        if weak.verdict in (Verdict.INCOMPLETE, Verdict.VERIFIED):
            return weak
        if self._order.broken:
            return self._order.downgraded(weak)
        if self._reach.is_deaf:
            return self._reach.downgraded(weak)
        if covered:
            self._settled = True
            return Judgement(verdict=Verdict.VERIFIED, reason=self._reach.proved)
        what = f"{gaps} gaps between pages stayed open" if gaps else "the end of the list was not reached"
        return Judgement(verdict=Verdict.ASSUMED, reason=f"the list moved while it was read: {what}")

    def repairs(self) -> Sequence[PageRequest]:
        """The whole list once more where the gaps did not close; where the order does not hold, as the checks do."""
        if self._lost_ground:
            return self._checks.repairs()
        if self._settled or self._pass + 1 >= _PASSES or len(self._pages) < 2 or not self._checks.may_gain:
            return ()
        return self._checks.next_pass()

    @property
    def _lost_ground(self) -> bool:
        return bool(self._order.broken) or self._reach.is_deaf

    def _gaps(self) -> Iterator[int]:
        """The places of pages that nothing connects with the page before them."""
        places = sorted(self._pages)
        for before, here in pairwise(places):
            if here in self._joined and here == before + 1:
                continue
            left, right = self._pages[before], self._pages[here]
            if not left.touches(right) and not any(span.touches(right) for span in reached(left, self._extra)):
                yield here

    def _into(self, gap: int) -> PageRequest:
        """The next page to read into a gap: onwards from what was found of it, or where its rows stand by now."""
        tries = self._tries[gap] = self._tries.get(gap, 0) + 1
        self._probes += 1
        behind, before = self._pages[gap], self._pages[max(place for place in self._pages if place < gap)]
        newest, step = self._newest.get(gap), max(self._reach.stride // 2, 1)
        if tries > 1 and newest is None:
            self._shifts[gap] = self._shifts.get(gap, 0) - step * 2**tries  # the list ended before it
        if newest is not None and newest in reached(before, self._extra):
            rank = newest.end
        elif newest is not None and newest in reached(behind, self._extra):
            rank = newest.rank
        elif gap in self._shifts:
            rank = before.end + self._shifts[gap]
        else:
            rank = before.end + step * (0, -1, 1, -2, 2, -3, 3, -4)[tries - 1]
        return self._reach.around(behind.request, self._inside(rank), attempt=self._next_attempt())

    def _inside(self, rank: int) -> int:
        """The rank, or the end of the list where that was told to lie before it."""
        return max(rank if self._length is None else min(rank, self._length), 0)

    def _note_shift(self, gap: int, span: Span) -> None:
        """How far rows have moved since the pages of the reading were answered, by one whose place is known."""
        if gap not in self._tries:
            return
        stood = self._stood
        found = [span.rank + at - stood[key] for at, key in enumerate(span.each_key()) if key in stood]
        if found:
            self._shifts[gap] = found[len(found) // 2]

    def _where_ends_stood(self) -> dict[bytes, int]:
        stood = {page.first: page.rank for page in self._pages.values()}
        return stood | {page.last: page.end - 1 for page in self._pages.values()}

    def _beyond_last(self) -> list[PageRequest]:
        """What follows the last page, asked for once more: rows came or went there while it was read."""
        if not self._pages:
            return []
        self._tail_tries += 1
        last = max(self._tail(), key=lambda span: span.end)
        if last.is_short and not any(span.rank >= last.end for span in self._extra):
            return [self._reach.after(last.request, last.end, attempt=self._next_attempt())]
        newest = self._newest.get(last.request.ordinal)
        back = 0 if newest is not None else max(self._reach.stride // 2, 1) * (self._tail_tries - 1)
        rank = self._inside(last.end - back)
        return [self._reach.around(last.request, rank, attempt=self._next_attempt(), may_be_past_end=True)]

    def _next_attempt(self) -> int:
        """No two probes share one, so that none of their lines in the ledger stands for another."""
        self._tried += 1
        return 2 * (self._pass + _PASSES * self._tried) + 1

    def _tail(self) -> list[Span]:
        last = self._pages[max(self._pages)]
        return [last, *reached(last, self._extra)]

    @property
    def _is_empty(self) -> bool:
        """The list held nothing at the instant of its first answer."""
        return not self._pages and self._empty == 0

    def _reaches_the_end(self) -> bool:
        """A short page closes the list, and what was asked for beyond it came back empty."""
        if 0 not in self._pages or self._empty is None:
            return False
        return any(span.is_short and self._empty >= span.end for span in self._tail())
