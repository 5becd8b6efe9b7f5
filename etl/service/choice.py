"""Which streams a command works on: those that are named, less what is left out, and of these what needs attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.db.database import Database
from etl.model.run import RunStatus
from etl.model.stream import Stream
from etl.ports import Clock
from etl.runs import Catalog, History
from etl.service.lateness import is_stale
from etl.settings import Settings, select


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was typed. `failed` and `stale` keep of the selected streams those whose last run did not succeed, or that
    are late; both together keep those of which both holds.
    """

    named: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    failed: bool = False
    stale: bool = False

    @property
    def asks_history(self) -> bool:
        """Whether the configuration alone cannot tell which streams are meant."""
        return self.failed or self.stale


async def choose(
    settings: Settings, selection: Selection, database: Database | None, clock: Clock
) -> tuple[Stream, ...]:
    """The streams, in the order of the configuration. `database` is None where there is none yet: nothing has failed.

    Raises UsageError for a name that nothing has.
    """
    streams: Sequence[Stream] = select(settings.streams, selection.named, selection.exclude)
    if not selection.asks_history:
        return tuple(streams)
    known = {} if database is None else await History(database, clock).status()
    ticks = {} if database is None else await Catalog(database, clock).ticks()
    if selection.failed:
        bad = {name for name, found in known.items() if found.last.status != RunStatus.SUCCEEDED}
        streams = [stream for stream in streams if stream.id in bad]
    if selection.stale:
        zone, now = settings.project.timezone, clock.now()
        streams = [s for s in streams if is_stale(s, known.get(s.id), ticks.get(s.id), zone, now)]
    return tuple(streams)
