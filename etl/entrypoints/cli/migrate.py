"""`etl migrate`: bring the state tables of the database to this version."""

from __future__ import annotations

from etl.entrypoints.cli.session import Session


def migrate(session: Session) -> int:
    """Bring the state tables to this version. Every other command that writes does so by itself."""
    from etl.service.migrate import migrate as migrate_database

    before, after, label = session.read(migrate_database)
    if session.shared.json:
        session.data_object({"database": label, "before": before, "after": after})
    elif before == after:
        session.say(f"{session.marks.good} {label} is at revision {after}")
    else:
        session.say(f"{session.marks.good} {label}: revision {before or 'none'} {session.marks.arrow} {after}")
    return 0
