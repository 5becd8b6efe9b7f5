"""`etl migrate`: the state tables are brought up to date by opening the database; this tells what that did."""

from __future__ import annotations

from etl.service.app import App


async def migrate(app: App) -> tuple[str | None, str | None, str]:
    """The revision before, the revision now, and the name of the database."""
    return app.revision_before, await app.database.revision(), app.database.label
