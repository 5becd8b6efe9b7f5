"""Who meets which fault: scripts for a path first, then a plan over everything.

A plan looks at the request alone (seed, target, how often it was asked), so that concurrent requests meet the same
faults in whatever order they arrive.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from etl.testing.faults import Fault
from etl.testing.rows import Dice

Level = Literal["none", "some", "many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Random faults: a `share` of requests (0 to 1) meets one of `kinds`, a target at most `in_a_row` times together.

    With `in_a_row` below the client's tries every request gets through in the end.
    """

    share: float
    kinds: tuple[Fault, ...]
    seed: int = 1
    in_a_row: int = 2

    def draw(self, target: str, asked: int) -> Fault | None:
        """The fault for the `asked`th request (from 0) of a target, None for an honest answer."""
        if asked % (self.in_a_row + 1) == self.in_a_row:
            return None
        dice = Dice(self.seed, zlib.crc32(target.encode()), asked)
        if dice.below(1_000_000) >= self.share * 1_000_000:
            return None
        return self.kinds[dice.below(len(self.kinds))]


_SOME: Final = (
    Fault.status(429, retry_after=0),
    Fault.status(500),
    Fault.status(503),
)
_MANY: Final = (
    *_SOME,
    Fault.status(429),
    Fault.status(502),
    Fault.truncate(),
    Fault.cut(),
    Fault.reset(),
    Fault.hang_up(),
    Fault.close_after(),
    Fault.not_json(),
    Fault.two_members(),
    Fault.cut_gzip(),
)


def plan(level: Level, seed: int = 1) -> FaultPlan | None:
    """`some`: 5 % are 429, 500 or 503. `many`: 20 %, and answers are cut, reset and malformed too."""
    if level == "none":
        return None
    share, kinds = (0.05, _SOME) if level == "some" else (0.2, _MANY)
    return FaultPlan(share=share, kinds=kinds, seed=seed)


class FaultDesk:
    """Decides which fault a request meets: the path's script first, then the plan."""

    def __init__(self, plan: FaultPlan | None) -> None:
        self.plan = plan
        self._scripts: dict[str, list[Fault | None]] = {}
        self._asked: Counter[str] = Counter()

    @property
    def is_calm(self) -> bool:
        """True while no request can meet a fault."""
        return self.plan is None and not self._scripts

    def script(self, path: str, faults: list[Fault | None]) -> None:
        """The next requests of a path meet these in turn; None stands for an honest answer."""
        self._scripts.setdefault(path, []).extend(faults)

    def pending(self, path: str) -> int:
        """How many scripted answers of a path are still to come."""
        return len(self._scripts.get(path, ()))

    def next(self, path: str, target: str) -> Fault | None:
        """The fault for the request that just arrived."""
        script = self._scripts.get(path)
        if script:
            fault = script.pop(0)
            if not script:
                del self._scripts[path]
            return fault
        if self.plan is None:
            return None
        asked = self._asked[target]
        self._asked[target] += 1
        return self.plan.draw(target, asked)
