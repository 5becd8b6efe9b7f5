"""`etl` alone: the state of the streams where there is a configuration, else a first step."""

from __future__ import annotations

import sqlite3
import sys

from etl.entrypoints.cli.session import Session
from etl.entrypoints.cli.status import show_status


def welcome(session: Session) -> int:
    """What a person sees who typed nothing but the name."""
    if session.config.is_dir():
        code = show_status(session)
        session.say("Next  etl sync     all commands: etl --help")
        return code
    session.say("Keeps SQL tables in step with paginated REST and GraphQL APIs.")
    session.say()
    session.say("  etl demo      try it now: a bundled API, two syncs, a query; no network, no account")
    session.say("  etl init URL  your own API: a few requests find out how it pages, and write its configuration")
    session.say("  etl --help    all commands")
    session.say()
    session.say(f"There is no configuration in {session.printable(str(session.config))}/ (see --config).")
    return 0


def version() -> str:
    """What a report of a problem needs to say."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        own = installed("everypage")
    except PackageNotFoundError:
        own = "unknown"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"everypage {own} (Python {python}, SQLite {sqlite3.sqlite_version})"
