"""`etl backfill`: read a past range again, slice by slice; the watermark is not touched."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.summary import error_object, present
from etl.errors import UsageError


class Only(StrEnum):
    """Which slices are read."""

    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


def backfill(
    session: Session,
    selector: Annotated[
        str | None, typer.Argument(metavar="SEL", help="One stream, as source.stream", show_default=False)
    ] = None,
    *,
    start: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Beginning: 2024-01-01, an instant, or a number")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="WHEN", help="End, exclusive; default: now")] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="SPAN", help="Width of a slice, as 30d; default: the stream's")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Continue a backfill that was interrupted")
    ] = None,
    only: Annotated[Only, typer.Option("--only", help="Which slices to read")] = Only.MISSING,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the slices; send and write nothing")] = False,
) -> int:
    """Read a past range again. It is cut into slices that can be resumed; the watermark stays where it is."""
    from etl.service.backfill import BackfillOptions
    from etl.service.backfill import backfill as backfill_stream

    session.logs, session.on_error = True, error_object
    _check(selector, start, resume)
    options = BackfillOptions(
        selector=selector, start=start, end=end, step=step, resume=resume, only=only.value, dry_run=dry_run
    )
    return present(session, session.work(lambda app, stop: backfill_stream(app, options, stop)))


def _check(selector: str | None, start: str | None, resume: str | None) -> None:
    if resume is not None and (selector is not None or start is not None):
        raise UsageError(
            "--resume cannot be combined with a stream or --from", hint="a resumed backfill knows both from its start"
        )
    if resume is None and (selector is None or start is None):
        raise UsageError(
            "a backfill needs a stream and --from",
            hint="etl backfill github.issues --from 2024-01-01, or etl backfill --resume ID",
        )
