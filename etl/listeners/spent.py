"""Where the time of a run went: what its events tell, and what its sources add at their end."""

from __future__ import annotations

from etl.model.events import BatchCommitted, Event, RunStarted
from etl.model.run import TimeSplit


class Spent:
    """A listener that adds up; a new run begins at zero."""

    def __init__(self) -> None:
        self.database_s = 0.0
        """Seconds in transactions that stored pages; those of several streams may overlap."""
        self.rate_limit_s = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.database_s = self.rate_limit_s = 0.0
        elif isinstance(event, BatchCommitted):
            self.database_s += event.seconds

    def split(self, wall_s: float) -> TimeSplit:
        """The shares of a run that took so many seconds."""
        return TimeSplit.of(wall_s, rate_limit_s=self.rate_limit_s, database_s=self.database_s)
