"""`etl init`: a URL in, a commented file out, with the evidence for each of its lines."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.entrypoints.cli.asking import asked_for_credentials, confirmed_lines, confirmed_replacement
from etl.entrypoints.cli.fold import side_by_side
from etl.entrypoints.cli.session import Session
from etl.errors import AuthRefused, UsageError
from etl.listeners.figures import marks_for

if TYPE_CHECKING:
    from etl.service.init import Proposal, Wish, Written

_ABOUT, _LEFT = 12, 62
OPEN = 2
"""The file is written, and a question in it is left to a person."""


def init(
    session: Session,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="A list of the API, as in a browser")] = None,
    *,
    curl: Annotated[
        str | None, typer.Option("--curl", metavar="TEXT", help="A curl line instead of the URL; - reads it from stdin")
    ] = None,
    openapi: Annotated[
        Path | None, typer.Option("--openapi", metavar="FILE", help="An OpenAPI description; URL may be a path of it")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the source; default: from the host")] = None,
    stream: Annotated[str | None, typer.Option("--stream", help="Name of the stream; default: from the path")] = None,
    bearer: Annotated[
        str | None, typer.Option("--bearer", metavar="ENV", help="Variable that holds a token, or the token itself")
    ] = None,
    basic: Annotated[str | None, typer.Option("--basic", metavar="USER:PASSWORD", help="User and password")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header; secrets go to variables"),
    ] = None,
    query: Annotated[
        list[str] | None, typer.Option("--query", metavar="NAME=VALUE", help="A parameter; secrets go to variables")
    ] = None,
    requests: Annotated[int, typer.Option("--requests", min=2, metavar="N", help="Send at most N requests")] = 8,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print the file instead of writing it")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; leave open questions in the file")] = False,
) -> int:
    """Probe an API and write its configuration. A few requests find rows, paging, key, order and filter."""
    from etl.service import init as service
    from etl.service.wishes import Options, read_wish

    if url is None and curl is None and openapi is None:
        raise UsageError("which URL?", hint="etl init https://api.example.org/v1/things")
    if url is not None and curl is not None:
        raise UsageError("a URL and a curl line: one is enough")
    options = Options(
        url=url or "", curl=sys.stdin.read() if curl == "-" else curl, openapi=openapi, name=name, stream=stream,
        bearer=bearer, basic=basic, headers=tuple(header or ()), query=tuple(query or ()), requests=requests,
    )  # fmt: skip
    asks = not yes and not session.shared.json and sys.stdin.isatty() and session.err.isatty()
    wish = read_wish(options, session.config, session.environ)
    if not (stdout or force or (asks and confirmed_replacement(session, wish.source))):
        service.refuse_to_overwrite(session.config, wish.source)
    try:
        proposal = _propose(session, wish)
    except AuthRefused as refused:
        if not asks:
            raise
        wish = read_wish(asked_for_credentials(session, refused, options), session.config, session.environ)
        proposal = _propose(session, wish)
    return _finish(session, proposal, stdout=stdout, asks=asks)


def _propose(session: Session, wish: Wish) -> Proposal:
    from etl.bootstrap import prober_opener
    from etl.entrypoints.cli.talk import ignore
    from etl.service import init as service

    session.redactor.add(*wish.credentials.secrets.values())
    return asyncio.run(service.propose(wish, prober_opener(ignore, clock=session.clock), session.clock))


def _finish(session: Session, proposal: Proposal, *, stdout: bool, asks: bool) -> int:
    """The evidence, the questions that are left, the file."""
    from etl.service import init as service

    if not session.shared.json:
        _evidence(session, proposal, to_stderr=stdout)
    if asks:
        proposal = confirmed_lines(session, proposal)
    code = OPEN if proposal.checks else 0
    written = None if stdout else service.write(session.config, proposal)
    if session.shared.json:
        path = "" if written is None else str(written.path)
        session.data_object(service.as_object(proposal, path, code))
        return code
    if written is None:
        session.data(proposal.text.rstrip("\n"))
    else:
        _told(session, proposal, written)
    return code


def _evidence(session: Session, proposal: Proposal, *, to_stderr: bool) -> None:
    """What was looked at, what was seen, and what follows, in three columns."""
    out = session.err if to_stderr else session.out
    say, width, arrow = session.say if to_stderr else session.data, session.width(out), marks_for(out).arrow
    for one in proposal.evidence:
        text = session.printable(one.text, 120).replace("→", arrow)
        left = f"  {one.about:<{_ABOUT}}{'' if one.sure else '! '}{text}"
        note = session.printable(one.note, 120)
        for line in side_by_side(left, note, width, column=_LEFT, under=_ABOUT + 2):
            say(line)


def _told(session: Session, proposal: Proposal, written: Written) -> None:
    lines = len(proposal.text.splitlines())
    session.data(f"Wrote {written.path} ({lines} lines, commented)", under=6)
    for other in written.others:
        session.data(f"      {other.relative_to(Path.cwd()) if other.is_relative_to(Path.cwd()) else other}")
    if proposal.variables:
        names = ", ".join(proposal.variables)
        told = f"      set {names} in the environment or in .env before a sync; no secret is in the files"
        session.data(told, under=6)
    for check in proposal.checks:
        session.data(f"  ! {session.printable(check)}", "yellow", under=6)
    if proposal.checks:
        session.data("      look at the lines that begin with # CHECK")
    session.data(f"Next  etl preview {proposal.source}    then    etl sync {proposal.source}")
