"""`etl explain`: an error code in words, offline."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from etl.entrypoints.cli.fold import fold
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.table import table

_WIDEST: Final = 96
"""Longer lines are hard to read, whatever the terminal holds."""


def explain(
    session: Session,
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="As errors show it; default: all", show_default=False)
    ] = None,
) -> int:
    """Explain an error code. What it means, what usually causes it, what to do; needs no network."""
    from etl.entrypoints.cli.listing import as_object
    from etl.service.explain import explain as look_up
    from etl.service.explanations import EXPLANATIONS

    found = tuple(EXPLANATIONS.values()) if code is None else (look_up(code),)
    if session.shared.json:
        session.data_object([as_object(each) for each in found] if code is None else as_object(found[0]))
        return 0
    if code is None:
        rows = [(each.code, str(each.exit_code), each.means.partition(". ")[0].removesuffix(".")) for each in found]
        listed = table(("code", "exit", "meaning"), rows, right=frozenset({1}))
        for line in listed:
            session.data(line, under=listed[0].index("meaning"))
        return 0
    told = found[0]
    session.data(f"{told.code} (exit code {told.exit_code})")
    _paragraph(session, told.means, "  ")
    for title, lines in (("usual causes", told.causes), ("what to do", told.do)):
        session.data(f"\n{title}")
        for line in lines:
            _paragraph(session, line, "  - ")
    return 0


def _paragraph(session: Session, text: str, lead: str) -> None:
    width = min(_WIDEST, session.width(session.out) or _WIDEST)
    session.data("\n".join(fold(lead + text, width, under=len(lead))))
