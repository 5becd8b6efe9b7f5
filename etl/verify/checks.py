"""The cheap checks: what can be said of a list without a proof, at the price of at most two requests.

They agree when the total did not change, the distinct keys equal it, and the first and the last page hold the same
keys in the same order as before. That is `consistent` and not `verified`: inserts and deletes that cancel each
other pass every one of these checks and still lose rows (up to 20 % of losing runs, simulated).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl.model.page import PageFacts, PageRequest, Purpose
from etl.model.stream import PagesKind, Paging
from etl.model.verdict import Judgement, Verdict

MAX_PASSES = 3
"""Readings of one window, the first one included; then the verdict is what it is."""


_HINT_CAP = "with {start} and {end} in the request, a window is cut in halves until it fits under the cap"


@dataclass(slots=True)
class Seen:
    """What one pass over the window showed."""

    first: tuple[PageRequest, PageFacts] | None = None
    last: tuple[PageRequest, PageFacts] | None = None
    end: PageFacts | None = None
    """The page that was the end: the highest one asked for."""
    end_ordinal: int = -1
    items: int = 0
    keyless: int = 0
    """Rejected items whose key could not be read: they count as delivered, and have no digest."""
    pages: int = 0
    absent: int = 0
    """Pages that a total promised and that were not found: the list became shorter by more than its last page."""
    unchanged: bool = False
    lowest_total: int | None = None
    highest_total: int | None = None

    def add(self, request: PageRequest, facts: PageFacts, overlap: int) -> None:
        """One page of this pass; its first `overlap` rows are the last ones of the page before.

        Past their end some servers answer the first or the last page again: that is an end, and no rows.
        """
        if request.may_be_past_end and facts.digest and facts.digest in self._ends():
            facts = replace(facts, count=0, key_digests=b"")
        self.pages += 1
        self.absent += is_absent(request, facts)
        self.unchanged |= facts.unchanged
        self.items += max(facts.count - overlap, 0) if request.ordinal else facts.count
        self.keyless += facts.count - len(facts.key_digests) // 8
        self.add_total(facts)
        if request.ordinal >= self.end_ordinal:
            self.end_ordinal, self.end = request.ordinal, facts
        if request.ordinal == 0:
            self.first = (request, facts)
        if facts.count and (self.last is None or request.ordinal >= self.last[0].ordinal):
            self.last = (request, facts)

    def _ends(self) -> set[bytes]:
        return {end[1].digest for end in (self.first, self.last) if end is not None}

    def add_total(self, facts: PageFacts) -> None:
        """A total counts wherever it is told, on probes too."""
        total = facts.total_rows
        if total is None:
            return
        self.lowest_total = total if self.lowest_total is None else min(self.lowest_total, total)
        self.highest_total = total if self.highest_total is None else max(self.highest_total, total)


class CheapChecks:
    """The proof port for lists without a proof: numbered and offset lists, chains, and single pages."""

    def __init__(self, paging: Paging, *, has_key: bool, overlap: int = 0) -> None:
        self._overlap = overlap
        self._paging = paging
        self._has_key = has_key
        self._seen = Seen()
        self._pass = 0
        self._probed = False
        self._moved: list[str] = []
        self._agrees = False
        self._capped = False

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """Pages of the current pass are gathered; probes are compared with them."""
        if request.purpose is Purpose.PROBE:
            self._compare(request, facts)
            return
        if request.attempt // 2 != self._pass:
            self._pass, self._seen, self._probed, self._moved = request.attempt // 2, Seen(), False, []
        self._seen.add(request, facts, self._overlap)
        if request.ordinal + 1 >= self._paging.max_pages:
            self._capped = True

    def saw_total(self, facts: PageFacts) -> None:
        """A page that belongs to a proof and to no pass: only what it says of the whole list counts."""
        self._seen.add_total(facts)

    @property
    def may_gain(self) -> bool:
        """Whether another reading may bring more; not where a bound of the API or the configuration ended this one."""
        return not (self._capped or self._at_the_cap)

    @property
    def is_steady(self) -> bool:
        """Every page of this pass told the same total."""
        return self._seen.lowest_total == self._seen.highest_total

    @property
    def has_next_pass(self) -> bool:
        """Whether the budget allows another reading of the whole list."""
        return self._pass + 1 < MAX_PASSES

    def next_pass(self) -> Sequence[PageRequest]:
        """The request that begins another reading of the whole list; empty when the budget is spent."""
        first = self._seen.first
        if first is None or not self.has_next_pass:
            return ()
        return [replace(first[0], purpose=Purpose.REPAIR, attempt=(self._pass + 1) * 2)]

    def probes(self) -> Sequence[PageRequest]:
        """The first and the last page once more, where pages can be asked for by number."""
        numbered = self._paging.kind in (PagesKind.NUMBER, PagesKind.OFFSET)
        if self._probed or not numbered or self._seen.pages < 2:
            return ()
        self._probed = True
        ends = [end for end in (self._seen.first, self._seen.last) if end is not None]
        unique = {request.position: request for request, _ in ends}
        return [replace(request, purpose=Purpose.PROBE, attempt=self._pass * 2 + 1) for request in unique.values()]

    @property
    def counts_keys(self) -> bool:
        """Distinct keys are compared with a total; without either there is nothing to count."""
        return self._has_key and self._seen.lowest_total is not None

    def judge(self, distinct_keys: int | None) -> Judgement:
        """See the module's docstring for what agrees and what does not prove."""
        if self._seen.unchanged:
            self._agrees = True
            return Judgement(verdict=Verdict.CONSISTENT, reason="not changed since the last reading (304)")
        rows = self._seen.items if distinct_keys is None else distinct_keys + self._seen.keyless
        missing = self._known_missing(rows)
        if missing:
            self._agrees = self._capped or self._at_the_cap
            hint = _HINT_CAP if self._at_the_cap else ""
            return Judgement(verdict=Verdict.INCOMPLETE, reason=missing, hint=hint, capped=self._at_the_cap)
        disagreements = self._disagreements()
        if disagreements:
            self._agrees = False
            return Judgement(verdict=Verdict.ASSUMED, reason="the list moved while it was read: " + disagreements[0])
        self._agrees = True
        return self._quiet(rows)

    def repairs(self) -> Sequence[PageRequest]:
        """The whole list once more while the checks disagree: what moved is unknown without a declared order."""
        numbered = self._paging.kind in (PagesKind.NUMBER, PagesKind.OFFSET)
        return () if self._agrees or not numbered or self._seen.pages < 2 else self.next_pass()

    def _compare(self, request: PageRequest, facts: PageFacts) -> None:
        self._seen.add_total(facts)
        for name, end in (("first", self._seen.first), ("last", self._seen.last)):
            if end is not None and end[0].position == request.position and end[1].digest != facts.digest:
                self._moved.append(f"the {name} page changed")

    @property
    def _at_the_cap(self) -> bool:
        cap, seen = self._paging.cap, self._seen
        return cap is not None and max(seen.items, seen.highest_total or 0) >= cap

    def _known_missing(self, rows: int) -> str:
        paging, seen = self._paging, self._seen
        if self._capped:
            return f"stopped by max_pages = {paging.max_pages:,}"
        if self._at_the_cap:
            return f"the API lists at most {paging.cap or 0:,} rows of one query"
        if seen.lowest_total is not None and rows < seen.lowest_total:
            return f"{rows:,} of {seen.lowest_total:,} rows"
        if seen.absent:
            return f"{seen.absent:,} of the pages that the API told of were not found"
        return ""

    def _disagreements(self) -> list[str]:
        seen, found = self._seen, list(self._moved)
        if seen.lowest_total != seen.highest_total:
            found.append(f"the total went from {seen.lowest_total:,} to {seen.highest_total:,}")
        elif seen.lowest_total is not None and seen.items > seen.lowest_total:
            found.append(f"{seen.items:,} rows came where the API tells {seen.lowest_total:,}")
        return found

    def _quiet(self, rows: int) -> Judgement:
        """Nothing disagrees; how strong that is depends on how the end was known."""
        seen = self._seen
        told = seen.lowest_total is not None
        if told and seen.pages == 1 and seen.items == seen.lowest_total:
            what = "the only row" if rows == 1 else f"all {rows:,} rows"
            return Judgement(verdict=Verdict.VERIFIED, reason=f"one response held {what} and said so")
        # After a repair more keys are known than the list holds now; what the last pass saw is what agrees.
        facts = [f"{min(rows, seen.items):,} of {seen.lowest_total:,}"] if told else []
        if self._probed:
            facts.append("first and last page unchanged")
        end = self._end_told()
        if not told and not end:
            return Judgement(
                verdict=Verdict.ASSUMED,
                reason="; ".join([_sign_of_the_end(seen.end), *facts]),
                hint="tell where the API says how much there is: pages.total_rows, total_pages, while or until",
            )
        if end:
            facts.append(end)
        if not told:
            facts.append("the API tells no total")
        return Judgement(verdict=Verdict.CONSISTENT, reason="; ".join(facts))

    def _end_told(self) -> str:
        """How the API itself said that this was all, empty when it did not."""
        paging, end = self._paging, self._seen.end
        if paging.kind in (PagesKind.NONE, PagesKind.UNDECLARED):
            return "one response"
        if end is None:
            return ""
        # Pages asked for ahead lie beyond the one that said so, and tell nothing.
        if end.more is False or (self._seen.last is not None and self._seen.last[1].more is False):
            return "the API said it was the last page"
        if end.total_pages is not None:
            return f"{end.total_pages:,} pages as told"
        if paging.until_repeat:
            return "the cursor repeated itself"
        if paging.kind is PagesKind.LINK and end.next_link is None:
            return "no next link"
        if paging.kind is PagesKind.CURSOR and end.next_cursor is None and paging.more is None and end.count == 0:
            return ""
        return "no next cursor" if paging.kind is PagesKind.CURSOR and end.next_cursor is None else ""


def is_absent(request: PageRequest, facts: PageFacts) -> bool:
    """A page that was promised and not found; one that nobody promised is the end and nothing more."""
    promised = request.ordinal < request.planned and not request.may_be_past_end
    return promised and facts.refused is not None


def _sign_of_the_end(end: PageFacts | None) -> str:
    """What ended a list that tells nothing; some refusals are a limit of the API as well as an end."""
    if end is not None and end.refused in (400, 422):
        return f"the API refused the next page ({end.refused}), which may be its end or its depth limit"
    return "the only sign of the end was a short or an empty page"
