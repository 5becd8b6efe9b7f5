"""Coverage: pages that overlap by a row touch when they share it, and touching pages leave no room for a lost row.

In a total order that never changes for a row, a page holds every row between its first and its last key at the instant
it was read. When the pages, each read whenever it was, form one chain from the first row to the last, every row that
existed all the time lies inside one of them. That needs no assumption about order of requests, concurrency, inserts or
deletes. Keys are compared by equality alone: sound for any order of the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.verdict import Judgement, Verdict
from etl.verify.checks import CheapChecks
from etl.verify.order import OrderWatch

_DIGEST = 8
_TRIES_A_GAP = 8
"""Each try goes half a page onwards; rows that moved further than that are a list that never rests."""


@dataclass(slots=True)
class _Span:
    """A page: where it was read, and the keys it holds. `keys` is dropped once both neighbours are known to touch."""

    request: PageRequest
    first: bytes
    last: bytes
    count: int
    keys: bytes | None
    touches_before: bool = False
    touches_after: bool = False

    def holds(self, key: bytes) -> bool:
        if key in (self.first, self.last):
            return True
        return self.keys is not None and any(
            self.keys[at : at + _DIGEST] == key for at in range(0, len(self.keys), _DIGEST)
        )

    def touches(self, other: _Span) -> bool:
        """One of the two holds an end of the other: their intervals share that row."""
        return self.holds(other.first) or self.holds(other.last) or other.holds(self.first) or other.holds(self.last)


class Coverage:
    """The proof port for offset lists in an immutable unique order."""

    def __init__(self, checks: CheapChecks, *, first_offset: int) -> None:
        self._checks = checks
        self._order = OrderWatch()
        self._first_offset = first_offset
        self._spans: dict[int, _Span] = {}
        self._repairs: list[_Span] = []
        self._empty_at: set[int] = set()
        self._stride = 0
        self._tries: dict[int, int] = {}
        self._probes = 0
        self._tail_tries = 0

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages of the reading, and those that were asked for to close a gap."""
        self._order.saw(request, facts)
        assert request.offset is not None
        if request.purpose is Purpose.PROBE:
            self._checks.saw_total(facts)
        elif facts.count or not request.ordinal:
            self._checks.saw(request, facts)
        else:
            self._checks.saw_total(facts)
        if not request.ordinal and request.purpose is not Purpose.PROBE:
            self._stride = max(facts.count, 1)
        if not facts.count:
            self._empty_at.add(request.offset)
        elif len(facts.key_digests) >= _DIGEST:
            self._add(request, facts)

    def probes(self) -> Sequence[PageRequest]:
        """Pages in the gaps, one each, until they close or the budget is spent."""
        if self._order.broken:
            return self._checks.probes()
        budget = 2 * len(self._spans) + _TRIES_A_GAP - self._probes
        open_gaps = [gap for gap in self._gaps() if self._tries.get(gap, 0) < _TRIES_A_GAP]
        asked = [self._into(gap) for gap in open_gaps[: max(budget, 0)]]
        if not asked and not self._gaps() and not self._reaches_the_end() and self._tail_tries < _TRIES_A_GAP:
            asked = self._beyond_last()
        return asked

    @property
    def counts_keys(self) -> bool:
        """Distinct keys are compared with a total that was told, proof or not."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """Verified when the pages form one chain from the first row to the last."""
        weak = self._checks.judge(distinct_keys)
        if weak.verdict in (Verdict.INCOMPLETE, Verdict.VERIFIED):
            return weak
        if self._order.broken:
            return self._order.downgraded(weak)
        gaps = len(self._gaps())
        if not gaps and self._reaches_the_end():
            return Judgement(
                verdict=Verdict.VERIFIED, reason="coverage: neighbouring pages share a row, from the first to the last"
            )
        what = f"{gaps} gaps between pages stayed open" if gaps else "the end of the list was not reached"
        return Judgement(verdict=Verdict.ASSUMED, reason=f"the list moved while it was read: {what}")

    def repairs(self) -> Sequence[PageRequest]:
        """The gaps were the repair; where the order does not hold, the cheap checks have theirs."""
        return self._checks.repairs() if self._order.broken else ()

    def _add(self, request: PageRequest, facts: PageFacts) -> None:
        digests = facts.key_digests
        span = _Span(request=request, first=digests[:_DIGEST], last=digests[-_DIGEST:], count=facts.count, keys=digests)
        assert request.offset is not None
        is_tail = bool(self._spans) and request.offset > max(self._spans)
        if request.offset in self._spans or (request.purpose is Purpose.PROBE and not is_tail):
            self._repairs.append(span)
            return
        self._spans[request.offset] = span
        step = max(self._stride - 1, 1)
        self._link(self._spans.get(request.offset - step), span)
        self._link(span, self._spans.get(request.offset + step))

    @staticmethod
    def _link(left: _Span | None, right: _Span | None) -> None:
        """In a quiet list the last row of a page is the first one of the next; then their keys are needed no more."""
        if left is None or right is None or left.last != right.first:
            return
        left.touches_after = right.touches_before = True
        for span in (left, right):
            if span.touches_before and span.touches_after:
                span.keys = None

    def _gaps(self) -> list[int]:
        """The offsets of pages that nothing connects with the pages before them."""
        ordered = [self._spans[offset] for offset in sorted(self._spans)]
        found = []
        for left, right in pairwise(ordered):
            if not left.touches_after and not self._connected(left, right):
                assert right.request.offset is not None
                found.append(right.request.offset)
        return found

    def _connected(self, left: _Span, right: _Span) -> bool:
        """Whether a chain of touching pages leads from one to the other, over the pages that were read in between."""
        return left.touches(right) or any(span.touches(right) for span in self._reached_from(left))

    def _reached_from(self, span: _Span) -> list[_Span]:
        """The pages of repairs that touch a page, directly or over one another."""
        reached: list[_Span] = []
        rest, frontier = list(self._repairs), [span]
        while frontier:
            here = frontier.pop()
            near = [other for other in rest if here.touches(other)]
            rest = [other for other in rest if other not in near]
            reached += near
            frontier += near
        return reached

    def _into(self, gap: int) -> PageRequest:
        """The next page to read into a gap: half a page onwards from where the chain ends on either side of it."""
        tries = self._tries[gap] = self._tries.get(gap, 0) + 1
        self._probes += 1
        half = max(self._stride // 2, 1)
        behind = self._spans[gap]
        before = self._spans[max(offset for offset in self._spans if offset < gap)]
        from_left = [_offset(span) for span in self._reached_from(before)]
        from_right = [_offset(span) for span in self._reached_from(behind)]
        if from_left:
            offset = max(from_left) + half
        elif from_right:
            offset = min(from_right) - half
        else:
            offset = gap - half * tries
        offset = max(offset, self._first_offset)
        return replace(
            behind.request,
            position=f"offset:{offset}",
            offset=offset,
            purpose=Purpose.PROBE,
            attempt=2 * self._probes - 1,
        )

    def _beyond_last(self) -> list[PageRequest]:
        """What follows the last page, asked for once more: rows came or went there while it was read."""
        if not self._spans:
            return []
        last = self._spans[max(self._spans)]
        self._tail_tries += 1
        self._probes += 1
        # A full page is followed with an overlap, so that a row more shows that it touches.
        offset = _offset(last) + (last.count if last.count < self._stride else max(last.count - 1, 1))
        return [
            replace(
                last.request,
                position=f"offset:{offset}",
                offset=offset,
                purpose=Purpose.PROBE,
                attempt=2 * self._probes - 1,
                may_be_past_end=True,
            )
        ]

    def _reaches_the_end(self) -> bool:
        """The last page is short, and what was asked for beyond it came back empty."""
        if not self._spans or self._first_offset not in self._spans:
            return False
        last = max(self._spans)
        span = self._spans[last]
        return span.count < self._stride and any(offset >= last + span.count for offset in self._empty_at)


def _offset(span: _Span) -> int:
    assert span.request.offset is not None
    return span.request.offset
