"""`etl runs`: the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from etl.entrypoints.cli.listing import as_object, listing, records
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.spans import span_option
from etl.listeners.figures import several
from etl.model.run import RunStatus

if TYPE_CHECKING:
    from etl.service.inspect import RunDetail

_RUNS: Final = {
    "run": "run_id",
    "started": "started_at",
    "kind": "kind",
    "trigger": "trigger",
    "status": "status",
    "exit": "exit_code",
    "seconds": "seconds",
    "selection": "selection",
}
_MEMBERS: Final = {"stream": "stream", "member": "member", "verdict": "verdict", "pages": "pages", "rows": "rows"}
_WORST_FIRST: Final = {word: place for place, word in enumerate(("failed", "incomplete", "", "gone", "assumed"))}
_SCREENFUL: Final = 50
_STREAMS: Final = {
    "stream": "stream",
    "status": "status",
    "verdict": "verdict",
    "pages": "pages",
    "fetched": "fetched",
    "inserted": "inserted",
    "updated": "updated",
    "unchanged": "unchanged",
    "rejected": "rejected",
    "watermark": "watermark_after",
    "reason": "reason",
}


def list_runs(
    session: Session,
    since: Annotated[
        str | None, typer.Option("--since", metavar="SPAN", help="Only runs that started within it, as 7d")
    ] = None,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs that ended so")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="At most N runs")] = 20,
) -> int:
    """List runs, newest first."""
    from etl.service.inspect import runs

    age = span_option("--since", since) if since is not None else None
    found = session.read(lambda app: runs(app, since=age, status=status, limit=limit))
    nothing = "no such run is recorded; start one with: etl sync"
    listing(session, found, _RUNS, empty=nothing, spare=("trigger", "exit", "selection"))
    return 0


def show_run(
    session: Session,
    run_id: Annotated[str, typer.Argument(metavar="ID", help="A run, or the beginning of its id")],
) -> int:
    """Show one run with its streams."""
    from etl.service.inspect import run

    found = session.read(lambda app: run(app, run_id))
    if session.shared.json:
        session.data_object(as_object(found))
        return 0
    records(session, found.run, _RUNS)
    spare = ("unchanged", "updated", "inserted", "watermark", "pages", "rejected")
    listing(session, found.streams, _STREAMS, empty="the run had no streams", spare=spare)
    _show_members(session, found)
    return 0


def _show_members(session: Session, found: RunDetail) -> None:
    """The members that ended worst, as far as a screen goes; all of them are under `--json`."""
    if not found.members:
        return
    shown = sorted(found.members, key=lambda line: _WORST_FIRST.get(line.verdict or "", len(_WORST_FIRST)))[:_SCREENFUL]
    session.data("")
    listing(session, shown, _MEMBERS, empty="")
    more = len(found.members) - len(shown)
    if more:
        session.say(f"and {more:,} more members; all of them: etl runs show {found.run.run_id} --json")


def prune_runs(
    session: Session,
    keep: Annotated[str, typer.Option("--keep", metavar="SPAN", help="Keep what is younger, as 90d")] = "30d",
) -> int:
    """Delete old lines of the ledger and of failed requests; runs, rows, rejects and watermarks stay."""
    from etl.service.inspect import prune

    age = span_option("--keep", keep)
    removed = session.read(lambda app: prune(app, age))
    if session.shared.json:
        session.data_object({"removed": as_object(removed)})
    else:
        lines, tries = several(removed.pages, "line"), several(removed.failed_tries, "failed request")
        session.say(f"{session.marks.good} {lines} of the ledger and {tries} removed")
    return 0
