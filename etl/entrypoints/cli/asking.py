"""Questions that `etl init` asks on a terminal; elsewhere they are errors with a hint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import typer

from etl.entrypoints.cli.fold import fold
from etl.entrypoints.cli.session import Session
from etl.errors import AuthRefused

if TYPE_CHECKING:
    from etl.service.init import Proposal
    from etl.service.wishes import Options

_WAYS: Final = (
    "Authorization: Bearer",
    "a header of its own, such as X-Api-Key",
    "a query parameter",
    "user and password",
)


def confirmed_replacement(session: Session, source: str) -> bool:
    """Whether a file that is there may be replaced; True without a question where there is none."""
    from etl.service.init import path_of

    path = path_of(session.config, source)
    return not path.exists() or typer.confirm(f"{path} is there already. Replace it?", err=True)


def confirmed_lines(session: Session, proposal: Proposal) -> Proposal:
    """The proposal without the doubts that a person could dispel; what is not confirmed stays marked in the file."""
    from etl.service.questions import open_questions, settled

    asked = open_questions(proposal)
    confirmed = [key for key, text in asked.items() if typer.confirm(_prompt(session, text), err=True)]
    if not confirmed:
        return proposal
    return settled(proposal, confirmed, now=session.clock.now(), redactor=session.redactor)


def asked_for_credentials(session: Session, refused: AuthRefused, options: Options) -> Options:
    """The same options with the credentials that a person types; a secret is not shown while it is typed."""
    session.say(session.printable(refused.what), "yellow", under=2)
    session.say(session.printable(refused.why), under=2)
    for number, way in enumerate(_WAYS, 1):
        session.say(f"  {number}  {way}")
    chosen = typer.prompt("How does it want the key?", type=int, default=1, err=True)
    match chosen:
        case 2:
            name = typer.prompt("Name of the header", default="X-Api-Key", err=True)
            return replace(options, headers=(*options.headers, f"{name}: {_secret()}"))
        case 3:
            name = typer.prompt("Name of the parameter", default="api_key", err=True)
            return replace(options, query=(*options.query, f"{name}={_secret()}"))
        case 4:
            user = typer.prompt("User", err=True)
            return replace(options, basic=f"{user}:{_secret()}")
        case _:
            return replace(options, bearer=_secret())


def _prompt(session: Session, text: str) -> str:
    """The question with room for ` [y/N]: ` behind it."""
    width = session.width(session.err)
    return "\n".join(fold(session.printable(text), None if width is None else width - len(" [y/N]: "), under=2))


def _secret() -> str:
    return str(typer.prompt("The key, or the name of a variable that holds it", hide_input=True, err=True))
