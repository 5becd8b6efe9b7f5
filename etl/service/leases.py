"""Who writes a stream now: a run that goes on, or one that died and left its lease behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from etl.db.health import open_existing
from etl.errors import DatabaseRefused
from etl.listeners.figures import seconds
from etl.ports import Clock
from etl.runs import Holding, LeaseKeeper
from etl.service.facts import Fact, Grade


async def lease_facts(url: str, clock: Clock, environ: Mapping[str, str]) -> AsyncIterator[Fact]:
    """A fact for every lease that is held; none where there is no database yet, or none that can be read."""
    try:
        async with open_existing(url, clock=clock) as database:
            if database is not None:
                for one in await LeaseKeeper.from_environment(database, clock, environ).holdings():
                    yield _told(one)
    except DatabaseRefused:
        return  # `database_fact` tells it


def _told(one: Holding) -> Fact:
    holder = f"host {one.host}, pid {one.pid}"
    if one.is_left:
        text = f"{one.stream}: left by a run that ended without a word ({holder})"
        return Fact(grade=Grade.OK, about="leases", text=text, hint="the next run takes it over and goes on")
    alive = f"for {seconds(one.held_s)}, last sign of life {seconds(one.silent_s)} ago"
    return Fact(grade=Grade.OK, about="leases", text=f"{one.stream} is being written ({holder}, {alive})")
