"""Windows that are over: they can only lose rows, so a reading backwards, or a keyset, meets each row that stays.

Two things are looked at besides: whether the API keeps to the window at all, and whether its clock agrees that the
window is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from etl.model.instants import Cursor
from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.verdict import Judgement, Verdict
from etl.ports import Proof
from etl.verify.checks import CheapChecks
from etl.verify.order import OrderWatch

_PASSES = 2


class Descent:
    """The proof port for numbered pages that are read down from an empty one."""

    def __init__(self, checks: CheapChecks) -> None:
        self._checks = checks
        self._order = OrderWatch()
        self._settled = False
        self._begin(0)

    def _begin(self, number: int) -> None:
        self._pass = number
        self._empty: set[int] = set()
        self._met: dict[bytes, int] = {}
        self._at: int | None = None
        self._unbroken = False
        self._first: PageFacts | None = None
        self._asked_on = False

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages on the way up and on the way down; only those that count once are checked."""
        self._order.saw(request, facts)
        if request.attempt // 2 != self._pass:
            self._begin(request.attempt // 2)
        if not request.attempt % 2:
            self._on_the_way_up(request, facts)
            return
        began = self._at is None and request.ordinal + 1 in self._empty
        self._unbroken = began or (self._unbroken and self._at == request.ordinal + 1)
        self._at = request.ordinal
        if request.ordinal and facts.count:
            self._checks.saw(request, facts)
        else:
            self._checks.saw_total(facts)

    def _on_the_way_up(self, request: PageRequest, facts: PageFacts) -> None:
        """Rows never move up, so a page that repeats a lower one lies past the end, where some servers do that."""
        repeats = facts.digest and self._met.setdefault(facts.digest, request.ordinal) < request.ordinal
        if request.ordinal == 0:
            self._first = facts
            self._checks.saw(request, facts)
            return
        self._asked_on = True
        self._checks.saw_total(facts)
        if repeats or not facts.count:
            self._empty.add(request.ordinal)

    def probes(self) -> Sequence[PageRequest]:
        """The way down ends with the first page; nothing more is needed."""
        return ()

    @property
    def counts_keys(self) -> bool:
        """Distinct keys are compared with the total, proof or not."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """Verified when the way led from an empty page down to the first one, page by page."""
        weak = self._checks.judge(distinct_keys)
        down = self._unbroken and self._at == 0
        empty = self._first is not None and not self._first.count and self._first.more is not True
        self._settled = weak.verdict is Verdict.VERIFIED or ((down or empty) and self._checks.is_steady)
        if weak.verdict in (Verdict.INCOMPLETE, Verdict.VERIFIED):
            return weak
        if self._order.broken:
            return self._order.downgraded(weak)
        if down or empty:
            self._settled = True
            how = "read backwards, one page after the other" if down else "empty"
            return Judgement(verdict=Verdict.VERIFIED, reason=f"closed window: {how}")
        return Judgement(verdict=Verdict.INCOMPLETE, reason="the end of the window was not found below max_pages")

    def repairs(self) -> Sequence[PageRequest]:
        """Once more where rows are missing although the total moved."""
        if self._order.broken:
            return self._checks.repairs()
        if self._settled or self._pass + 1 >= _PASSES or not self._asked_on or not self._checks.may_gain:
            return ()
        return self._checks.next_pass()


class WithinBounds:
    """Over the proof of a window with bounds: counts the rows from outside it, and tells of them.

    Rows at the upper bound itself are taken for an API that includes it.
    """

    def __init__(self, proof: Proof, bounds: tuple[Cursor | None, Cursor | None]) -> None:
        self._proof = proof
        self._low, self._high = bounds
        self.strayed = 0
        self.probes = proof.probes
        self.repairs = proof.repairs

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """One page of the window."""
        low, high = facts.min_cursor, facts.max_cursor
        below = low is not None and self._low is not None and low < self._low  # type: ignore[operator]
        above = high is not None and self._high is not None and high > self._high  # type: ignore[operator]
        if (below or above) and request.purpose is not Purpose.PROBE:
            self.strayed += facts.outside_rows
        self._proof.saw(request, facts)

    @property
    def counts_keys(self) -> bool:
        """As the proof has it."""
        return self._proof.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """As the proof has it, with how many rows the API's filter let through."""
        found = self._proof.judge(distinct_keys)
        if not self.strayed:
            return found
        count = "1 row" if self.strayed == 1 else f"{self.strayed:,} rows"
        return replace(
            found,
            reason=f"{found.reason}; {count} came from outside the window",
            hint="look at the parameters that hold {start} and {end}: does the API obey them?",
        )


class OverWindow:
    """Over the proof of one window that is over by our clock: takes its claim away where that is not so."""

    def __init__(self, proof: WithinBounds, is_over: Callable[[], bool]) -> None:
        self._proof = proof
        self._is_over = is_over
        self.saw = proof.saw
        self.probes = proof.probes
        self.repairs = proof.repairs

    @property
    def counts_keys(self) -> bool:
        """As the proof has it."""
        return self._proof.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """One response that held everything needs no window to be over."""
        found = self._proof.judge(distinct_keys)
        if found.verdict is not Verdict.VERIFIED or found.reason.startswith("one response"):
            return found
        if self._proof.strayed:
            return replace(found, verdict=Verdict.CONSISTENT, reason=f"no proof: {found.reason}")
        if not self._is_over():
            return replace(
                found,
                verdict=Verdict.CONSISTENT,
                reason=f"no proof, as the window was not over by the server's clock: {found.reason}",
                hint="a longer incremental.delay leaves room for clocks that differ",
            )
        return found


class OpenWindow:
    """Over the checks of a window that is not over yet: tells what would let it be proved."""

    def __init__(self, checks: CheapChecks, hint: str) -> None:
        self._checks = checks
        self._hint = hint
        self.saw = checks.saw
        self.probes = checks.probes
        self.repairs = checks.repairs

    @property
    def counts_keys(self) -> bool:
        """As the checks have it."""
        return self._checks.counts_keys

    def judge(self, distinct_keys: int | None) -> Judgement:
        """As the checks have it, with the hint where they have none."""
        found = self._checks.judge(distinct_keys)
        weak = found.verdict in (Verdict.CONSISTENT, Verdict.ASSUMED)
        return replace(found, hint=self._hint) if weak and not found.hint else found
