"""From `etl.yaml` to `Project`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from urllib.parse import quote
from zoneinfo import ZoneInfo

from etl.settings.building.desk import Desk
from etl.settings.document import Document
from etl.settings.environment import Piece, joined
from etl.settings.format.project import ProjectPart, ServePart
from etl.settings.project import Project

_OWNER = "etl"


def build_project(part: ProjectPart, document: Document, desk: Desk) -> Project:
    """The project; variables missing in `database` are kept for when the URL is used."""
    texts = desk.at(document, _OWNER)
    pieces = texts.pieces(part.database, ("database",)) if part.database else ()
    serve = part.serve or ServePart()
    return Project(
        database=_url(pieces) or None,
        missing=tuple(desk.missing.pop(_OWNER, {})),
        timezone=_zone(part.schedule_timezone, document, desk),
        serve_host=serve.host or Project().serve_host,
        serve_port=Project().serve_port if serve.port is None else serve.port,
        file=document.file,
        line=document.place(("database",))[0] if part.database else 0,
    )


def _url(pieces: Sequence[Piece]) -> str:
    """The URL; a user or password from the environment is encoded, or an `@` in it would change the host."""
    last = max(
        (index for index, piece in enumerate(pieces) if piece.kind == "written" and "@" in piece.text), default=0
    )
    return joined(
        replace(piece, text=quote(piece.text, safe="%")) if piece.kind == "filled" and index < last else piece
        for index, piece in enumerate(pieces)
    )


def _zone(name: str | None, document: Document, desk: Desk) -> tzinfo:
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        message = f"there is no time zone {name!r}"
        desk.report(document.problem(("schedule_timezone",), message, hint="write a name such as Europe/Berlin"))
        return UTC
