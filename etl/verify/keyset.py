"""Keyset chains: each page begins after the last row of the one before, so nothing can slip between them.

Only what is visibly a keyset counts: the next cursor is a field of the last row, and that field is the declared unique
and immutable order. An opaque token may hide an offset.
"""

from __future__ import annotations

from collections.abc import Sequence

from etl.model.page import PageFacts, PageRequest
from etl.model.verdict import Judgement, Verdict
from etl.verify.checks import CheapChecks
from etl.verify.order import OrderWatch


class Keyset:
    """The proof port for visible keysets, over the cheap checks."""

    def __init__(self, checks: CheapChecks) -> None:
        self._checks = checks
        self._order = OrderWatch()

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """One page of the chain."""
        self._checks.saw(request, facts)
        self._order.saw(request, facts)

    def probes(self) -> Sequence[PageRequest]:
        """A chain touches by construction; nothing has to be asked."""
        return ()

    @property
    def counts_keys(self) -> bool:
        """A total that was told must not be missed."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """Verified at the chain's natural end, unless rows are missing or the order does not hold."""
        weak = self._checks.judge(distinct_keys)
        if weak.verdict is Verdict.INCOMPLETE:
            return weak
        if self._order.broken:
            return self._order.downgraded(weak)
        return Judgement(verdict=Verdict.VERIFIED, reason="keyset: every page begins where the one before ended")

    def repairs(self) -> Sequence[PageRequest]:
        """A chain is not read again."""
        return ()
