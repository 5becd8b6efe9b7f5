"""`etl serve`: the scheduler."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.spans import span_option


def serve(
    session: Session,
    run_due: Annotated[
        bool, typer.Option("--run-due", help="Run what is due now, then exit: for cron and systemd timers")
    ] = False,
    grace: Annotated[
        str, typer.Option("--grace", metavar="SPAN", help="How long a stop may take to save what is on its way")
    ] = "25s",
) -> int:
    """Run every stream by its schedule until told to stop."""
    from etl.service.serve import ServeOptions
    from etl.service.serve import serve as serve_streams

    session.logs = True
    options = ServeOptions(run_due=run_due, grace=span_option("--grace", grace))
    return session.work(lambda app, stop: serve_streams(app, options, stop))
