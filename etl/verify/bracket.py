"""Bracket: the last page's first row is the same before and after all others were read.

In an order where rows are only added at the end, every delete before the last page shifts its first row, and nothing
can shift it back. So when that row is the same, no rank before it changed, and pages that were read in between in any
order, by any number of requests, lost nothing.

Past their end some servers answer the last page again, or the first. Rows never move up in such an order, so what
repeats a lower page is no page of its own, and as good as empty. The closing look may meet such an answer as well: when
exactly a page of rows was deleted, the page before has the same first row. So it has to tell a total that reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.proof import BACKWARD_ATTEMPT
from etl.model.verdict import Judgement, Verdict
from etl.verify.checks import CheapChecks
from etl.verify.order import OrderWatch


class Bracket:
    """The proof port for append-only numbered lists. One repetition, then a pass backwards, then no proof."""

    def __init__(self, checks: CheapChecks) -> None:
        self._checks = checks
        self._order = OrderWatch()
        self._pass = -1
        self._begin(0)
        self._proved = False
        self._known = 0

    def _begin(self, number: int) -> None:
        self._pass = number
        self._pages = 0
        self._opener: tuple[PageRequest, PageFacts] | None = None
        self._closer: PageFacts | None = None
        self._tail_is_empty: bool | None = None
        self._came_down = False
        self._passed_the_end = False
        self._ends: set[bytes] = set()
        self._beyond = b""

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages of a pass, the first page read again inside the bracket, and the closing look at the last one."""
        self._order.saw(request, facts)
        if request.attempt // 2 != self._pass:
            self._begin(request.attempt // 2)
        if request.purpose is Purpose.PROBE:
            self._checks.saw_total(facts)
            self._came_down |= request.ordinal == 0
            if self._opener is not None and request.ordinal == self._opener[0].ordinal:
                self._closer = facts
            return
        self._pages += 1
        if request.ordinal and request.ordinal >= request.planned and facts.digest in self._ends:
            facts = replace(facts, count=0, key_digests=b"")
        if request.ordinal in (0, request.planned - 1) and facts.digest:
            self._ends.add(facts.digest)
        if facts.count:
            self._known = max(self._known, request.ordinal + 1)
        if request.ordinal and request.ordinal + 1 == request.planned:
            self._opener = (request, facts)
            self._passed_the_end |= facts.digest != b"" and facts.digest == self._beyond
        if request.ordinal and request.ordinal >= request.planned:
            self._beyond = facts.digest
            self._tail_is_empty = facts.count == 0 and self._tail_is_empty is not False
            self._passed_the_end = self._accounts_for(request, facts)
            self._checks.saw_total(facts)
            if facts.count == 0:
                return
        self._checks.saw(request, facts)

    def probes(self) -> Sequence[PageRequest]:
        """The closing look at the last page, once everything inside the bracket has arrived."""
        if self._opener is None or self._closer is not None or self._is_backward:
            return ()
        return [replace(self._opener[0], purpose=Purpose.PROBE, attempt=self._pass * 2 + 1)]

    @property
    def counts_keys(self) -> bool:
        """Distinct keys are compared with the total, proof or not."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """Verified when the bracket held or the pass backwards came down to the first page."""
        weak = self._checks.judge(distinct_keys)
        self._proved = False
        if weak.verdict in (Verdict.INCOMPLETE, Verdict.VERIFIED):
            self._proved = weak.verdict is Verdict.VERIFIED
            return weak
        if self._order.broken:
            return self._order.downgraded(weak)
        if self._held():
            self._proved = True
            return Judgement(verdict=Verdict.VERIFIED, reason=self._reason())
        return Judgement(verdict=Verdict.ASSUMED, reason="the list moved while it was read: its last page shifted")

    def repairs(self) -> Sequence[PageRequest]:
        """Another pass while there is no proof and the order still stands."""
        if self._proved or self._pages < 2:
            return ()
        if self._order.broken:
            return self._checks.repairs()
        return [replace(request, planned=self._known) for request in self._checks.next_pass()]

    @staticmethod
    def _accounts_for(request: PageRequest, facts: PageFacts) -> bool:
        """Whether a pass may go backwards from this page: it is empty, or its rows came since the list was counted."""
        rows_before = request.ordinal * request.stride
        return facts.count == 0 or (facts.total_rows is not None and facts.total_rows > rows_before)

    @property
    def _is_backward(self) -> bool:
        return self._pass * 2 >= BACKWARD_ATTEMPT

    def _held(self) -> bool:
        if self._is_backward:
            return self._came_down and self._passed_the_end
        if self._opener is None or self._closer is None:
            return False
        request, before = self._opener
        if before.first_key is None or before.first_key != self._closer.first_key:
            return False
        if not _is_within_the_list(request, self._closer):
            return False
        return before.count < request.stride or self._tail_is_empty is True

    def _reason(self) -> str:
        if self._is_backward:
            return "read backwards, one page after the other"
        return "bracket: the last page began with the same row before and after all others"


def _is_within_the_list(request: PageRequest, facts: PageFacts) -> bool:
    """Whether the totals that came with an answer reach its page; one without totals may be of any page."""
    if facts.total_rows is not None:
        return facts.total_rows > request.ordinal * request.stride
    return facts.total_pages is not None and facts.total_pages > request.ordinal
