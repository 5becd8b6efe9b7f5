"""How long a statement may still work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etl.errors import UsageError
from etl.ports import Clock


class TimeBudget:
    """Seconds of the database's own work; what happens between two steps costs nothing."""

    def __init__(self, timeout_s: float, clock: Clock) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self.left_s = timeout_s

    @contextmanager
    def step(self) -> Iterator[float]:
        """One step of the database, with the seconds it may take. Raises UsageError when none are left."""
        if self.left_s <= 0:
            raise self.spent()
        begin = self._clock.monotonic()
        try:
            yield self.left_s
        finally:
            self.left_s -= self._clock.monotonic() - begin

    def spent(self) -> UsageError:
        """What to raise when the time is over."""
        return UsageError(
            f"the statement took longer than {self._timeout_s:g} s", hint="narrow it down, or raise --timeout"
        )
