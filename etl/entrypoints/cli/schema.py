"""`etl schema`: the JSON Schema of the configuration, for editors."""

from __future__ import annotations

from etl.entrypoints.cli.session import Session


def schema(session: Session) -> int:
    """Print the JSON Schema of the configuration files."""
    from etl.settings import json_schema

    session.data_object(json_schema())
    return 0
