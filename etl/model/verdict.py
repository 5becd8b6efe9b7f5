"""What a run can claim about its own completeness."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Strongest first; `weakest` of several is what a stream made of several windows can claim."""

    VERIFIED = "verified"
    """Proved: every row that existed during the whole run was delivered."""
    CONSISTENT = "consistent"
    """No proof; the cheap checks agree."""
    ASSUMED = "assumed"
    """The only sign of the end was a short or an empty page, or the checks still disagree after repairs."""
    INCOMPLETE = "incomplete"
    """Something is known to be missing."""

    @property
    def strength(self) -> int:
        """3 for verified down to 0 for incomplete."""
        return 3 - list(Verdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its reason in one line, as a person reads it: `1,000 of 1,000, first and last page unchanged`."""

    verdict: Verdict
    reason: str
    hint: str = ""
    """The line in the YAML that would make it stronger, where one is known."""
    capped: bool = False
    """The API lists no more rows of one query: a narrower window may be read whole."""


def weakest(judgements: tuple[Judgement, ...]) -> Judgement:
    """The judgement that limits the whole; the first one among equals. An empty reading is `consistent`."""
    if not judgements:
        return Judgement(verdict=Verdict.CONSISTENT, reason="nothing to read")
    return min(judgements, key=lambda judgement: judgement.verdict.strength)
