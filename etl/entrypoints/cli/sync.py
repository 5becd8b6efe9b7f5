"""`etl sync`: bring streams up to date, now."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.entrypoints.cli.options import Excluded, Failed, Selectors, Stale
from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.summary import error_object, present


def sync(
    session: Session,
    selectors: Selectors = None,
    *,
    exclude: Excluded = None,
    full: Annotated[bool, typer.Option("--full", help="Read whole lists, not only what is new")] = False,
    failed: Failed = False,
    stale: Stale = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 for every verdict below verified")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Stop a stream after N items, on purpose")
    ] = None,
    max_pages: Annotated[
        int | None, typer.Option("--max-pages", min=1, metavar="N", help="Stop a stream after N pages, on purpose")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, metavar="N", help="Requests in flight, instead of adapting")
    ] = None,
    confirm_deletes: Annotated[
        int | None,
        typer.Option("--confirm-deletes", min=0, metavar="N", help="Let it delete the N rows it refused to"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be read; send and write nothing")] = False,
) -> int:
    """Bring streams up to date. Reads what is new, stores it, and proves that nothing is missing."""
    from etl.service.sync import SyncOptions
    from etl.service.sync import sync as sync_streams

    session.logs, session.on_error = True, error_object
    options = SyncOptions(
        selectors=tuple(selectors or ()),
        exclude=tuple(exclude or ()),
        full=full,
        failed=failed,
        stale=stale,
        strict=strict,
        limit=limit,
        max_pages=max_pages,
        concurrency=concurrency,
        confirm_deletes=confirm_deletes,
        dry_run=dry_run,
    )
    return present(session, session.work(lambda app, stop: sync_streams(app, options, stop)))
