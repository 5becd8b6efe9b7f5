"""The declared order, as far as the pages could be compared with it. A broken one takes every proof away."""

from __future__ import annotations

from dataclasses import replace

from etl.model.page import PageFacts, PageRequest
from etl.model.verdict import Judgement, Verdict

_DIGEST = 8


class OrderWatch:
    """Remembers the first page that contradicts the declaration."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken = ""

    def saw(self, request: PageRequest, facts: PageFacts) -> None:
        """One page of the list, whatever it was asked for."""
        if self.broken:
            return
        if facts.order_broken:
            self.broken = f"{facts.order_broken} on {request.position}"
            return
        keys = facts.key_digests
        if len({keys[at : at + _DIGEST] for at in range(0, len(keys), _DIGEST)}) * _DIGEST < len(keys):
            self.broken = f"two rows share a key on {request.position}"

    def downgraded(self, weak: Judgement) -> Judgement:
        """The weaker judgement, with what took the proof away."""
        assert weak.verdict is not Verdict.VERIFIED or not self.broken or weak.reason.startswith("one response")
        return replace(
            weak,
            reason=f"{weak.reason}; the declared order does not hold: {self.broken}",
            hint="look at `order`, and at the parameter that sorts the list: does the API obey it?",
        )
