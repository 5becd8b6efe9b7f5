"""`etl check`: what keeps a sync from working, offline first, then against the APIs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from etl.entrypoints.cli.options import Excluded, Failed, Selectors, Stale
from etl.entrypoints.cli.session import Session
from etl.listeners.figures import marks_for, several

if TYPE_CHECKING:
    from etl.service.choice import Selection
    from etl.service.facts import Fact
    from etl.settings import Settings

_WIDTH = 8
"""At least `database`."""
_COLOURS: Final = {"warning": "yellow", "problem": "red"}


def check(
    session: Session,
    selectors: Selectors = None,
    *,
    exclude: Excluded = None,
    failed: Failed = False,
    stale: Stale = False,
    offline: Annotated[bool, typer.Option("--offline", help="Send nothing; look at what is here")] = False,
) -> int:
    """Look at everything a sync needs. Configuration, secrets, database, then the APIs themselves; keeps nothing."""
    from etl.service.choice import Selection
    from etl.service.facts import Grade, exit_code

    selection = Selection(named=tuple(selectors or ()), exclude=tuple(exclude or ()), failed=failed, stale=stale)
    facts = asyncio.run(_facts(session, selection, offline=offline))
    problems = sum(fact.grade is Grade.PROBLEM for fact in facts)
    warnings = sum(fact.grade is Grade.WARNING for fact in facts)
    code = exit_code(facts)
    if session.shared.json:
        objects = [_object(session, fact) for fact in facts]
        session.data_object({"problems": problems, "warnings": warnings, "exit_code": code, "facts": objects})
    else:
        ended = f", exit {code}" if code else ""
        session.data(f"  {several(problems, 'problem')}, {several(warnings, 'warning')}{ended}")
    return code


async def _facts(session: Session, selection: Selection, *, offline: bool) -> list[Fact]:
    """Find the facts, and print each as soon as it is known."""
    from etl.bootstrap import open_scout
    from etl.errors import ConfigError
    from etl.service import check as service
    from etl.service.facts import config_facts

    found: list[Fact] = []
    width = _WIDTH

    def tell(fact: Fact) -> None:
        found.append(fact)
        if not session.shared.json:
            _show(session, fact, width)

    notes = service.Notes()
    try:
        scout = open_scout(
            session.config, session.environ, notes, database=session.shared.database, clock=session.clock
        )
    except ConfigError as error:
        for fact in config_facts(error):
            tell(fact)
        return found
    settings = scout.settings
    session.redactor = settings.redactor
    url = _url(session, settings) if selection.asks_history else None
    streams = await service.chosen(scout, selection, url)
    width = max([_WIDTH, *(len(stream.id) for stream in streams if not offline)])
    for fact in service.settings_facts(settings, streams):
        tell(fact)
    async for fact in _database_facts(session, settings):
        tell(fact)
    if selection.asks_history and not streams:
        session.say("no stream is selected")
    if not offline:
        async for fact in service.source_facts(scout, streams, notes):
            tell(fact)
    return found


async def _database_facts(session: Session, settings: Settings) -> AsyncIterator[Fact]:
    from etl.errors import EtlError
    from etl.service import check as service
    from etl.service.facts import Fact, Grade
    from etl.service.leases import lease_facts

    try:
        url = _url(session, settings)
    except EtlError as error:
        yield Fact(grade=Grade.PROBLEM, about="database", text=str(error), hint=error.hint)
        return
    yield await service.database_fact(url, session.clock, session.environ)
    async for fact in lease_facts(url, session.clock, session.environ):
        yield fact


def _url(session: Session, settings: Settings) -> str:
    from etl.settings import database_url

    return database_url(session.shared.database, session.environ, settings.project, session.config, settings.redactor)


def _show(session: Session, fact: Fact, width: int) -> None:
    marks = marks_for(session.out)
    mark = {"ok": marks.good, "warning": "!", "problem": marks.bad}[fact.grade]
    lead = f"  {mark:<{len(marks.good)}} {fact.about:<{width}}  "
    session.data(lead + session.printable(fact.text, 400), _COLOURS.get(fact.grade), under=len(lead))
    if fact.hint:
        session.data(f"{'':<{len(lead)}}hint: {session.printable(fact.hint, 400)}", under=len(lead))
    session.out.flush()


def _object(session: Session, fact: Fact) -> dict[str, Any]:
    return {
        "grade": str(fact.grade),
        "about": fact.about,
        "text": session.printable(fact.text, 4000),
        "hint": session.printable(fact.hint, 4000),
        "code": fact.code,
        "online": fact.online,
    }
